/* stop.h - the flag by which a signal handler, or any thread, asks for the end of what others are doing. */
#ifndef LENET_BASE_STOP_H
#define LENET_BASE_STOP_H
#include <signal.h>

/* `volatile` is enough for a handler in the thread that it interrupts; several threads need atomic accesses as well. */
static inline void lenet_stop_set(volatile sig_atomic_t *stop, int reason) {
    __atomic_store_n(stop, reason, __ATOMIC_RELAXED);
}
static inline int lenet_stop_get(const volatile sig_atomic_t *stop) { return __atomic_load_n(stop, __ATOMIC_RELAXED); }

#endif
