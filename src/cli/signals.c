/* signals.c - the signals that ask a run to stop: it ends by the first one, and by a second one at once. */
#include "cli/signals.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/stop.h"

volatile sig_atomic_t stop_requested;

/* Milliseconds. `timeout` and a terminal that is closed send a signal twice, to the process and to its group. */
enum { SAME_REQUEST = 100 };
static atomic_llong first_came; /* milliseconds of the clock, or 0 */

static void end_by(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

/* After the first SIGPIPE every line of output brings another, and none is anybody's wish. */
static void on_signal(int number) {
    const long long now = (long long)(1000 * lenet_now()) + 1;
    long long first = 0;
    if (atomic_compare_exchange_strong(&first_came, &first, now))
        lenet_stop_set(&stop_requested, number);
    else if (number != SIGPIPE && now - first > SAME_REQUEST)
        end_by(number);
}

/* A shell starts what is to run in the background with SIGINT ignored: who sends it all the same means it. */
void signals_open(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error that is reported */
}

/* SIGHUP: the terminal is gone; nohup ignores it, and so does this then. SIGPIPE: whoever read the output is gone. The
 * last three are how some schedulers say that the time is nearly up. */
void stop_on_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGUSR1, SIGUSR2};
    const struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction was;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const int ignored = sigaction(signals[i], NULL, &was) == 0 && was.sa_handler == SIG_IGN;
        if (!(signals[i] == SIGHUP && ignored)) sigaction(signals[i], &stop, NULL);
    }
}

void end_by_signal(void) {
    if (stop_requested) end_by(stop_requested);
}
