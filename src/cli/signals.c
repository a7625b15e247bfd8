/* signals.c - the signals that ask a run to stop set a flag. */
#include "cli/signals.h"

#include <stddef.h>

volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number) {
    (void)signal_number;
    stop_requested = 1;
}

/* SIGHUP: the terminal is gone. SIGPIPE: whoever read the output is. nohup ignores the first; so does this then. */
void stop_on_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP};
    const struct sigaction stop = {.sa_handler = request_stop};
    struct sigaction was;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const int ignored = sigaction(signals[i], NULL, &was) == 0 && was.sa_handler == SIG_IGN;
        if (!(signals[i] == SIGHUP && ignored)) sigaction(signals[i], &stop, NULL);
    }
}
