/* signals.h - a run that is told to stop. */
#ifndef LENET_CLI_SIGNALS_H
#define LENET_CLI_SIGNALS_H
#include <signal.h>

extern volatile sig_atomic_t stop_requested; /* not 0: a signal has come */
void stop_on_signals(void);

#endif
