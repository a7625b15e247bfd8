/* clock.h - the one clock of the project. */
#ifndef LENET_BASE_CLOCK_H
#define LENET_BASE_CLOCK_H

/* Seconds of a clock that never goes back, from an arbitrary beginning. */
double lenet_now(void);

#endif
