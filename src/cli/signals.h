/* signals.h - how the program ends when it is told to. */
#ifndef LENET_CLI_SIGNALS_H
#define LENET_CLI_SIGNALS_H
#include <signal.h>

/* The signal that asked for the end, or 0. */
extern volatile sig_atomic_t stop_requested;

/* Before anything else. */
void signals_open(void);
/* From here on a first signal sets stop_requested and no more: there is something to be kept. Before that, and in all
 * other commands, it ends the process, as a second one always does. */
void stop_on_signals(void);
/* Ends the process by the signal that has come, if one has, so that a shell or a scheduler knows that it was cut. */
void end_by_signal(void);

#endif
