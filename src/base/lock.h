/* lock.h - one process at a time: lock files that say who holds them. */
#ifndef LENET_BASE_LOCK_H
#define LENET_BASE_LOCK_H
#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* All zero bytes: no lock. */
struct lenet_lock {
    char *path; /* NULL where it is not held */
    int file;
    char holder[128];    /* where another process holds it: "process 4711 on node7" */
    const char *missing; /* where this file system has no locks: the system's reason */
};

enum lenet_lock_wait { LENET_LOCK_AT_ONCE, LENET_LOCK_WAIT };

/* Takes the lock of a file, which is created; LENET_LOCK_WAIT waits until nobody holds it. Succeeds also where it is
 * not taken, which *lock says: another process is its holder, or the file system has no locks (some network file
 * systems). Then nothing keeps two processes apart; that is better than no training there, so callers say it and go on.
 * LENET_ERR_IO where the file cannot be opened, or is a symbolic link; LENET_ERR_MEMORY. */
enum lenet_status lenet_lock_take(const char *path, enum lenet_lock_wait wait, struct lenet_lock *lock,
                                  struct lenet_error *err);

/* *held becomes 1 where another process holds the lock of this file, which need not be there. LENET_ERR_IO. */
enum lenet_status lenet_lock_is_held(const char *path, int *held, struct lenet_error *err);

/* Removes the file and lets go of the lock; nothing where it is not held. The end of a process lets go, too. */
void lenet_lock_release(struct lenet_lock *lock);

#ifdef __cplusplus
}
#endif
#endif
