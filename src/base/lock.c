/* lock.c - takes lock files by flock, which the kernel undoes when a process ends, however it ends: what a killed one
 * leaves behind is in nobody's way.
 *
 * A holder removes its file before it lets go. Whoever had opened that file by then gets the lock of one that is no
 * longer there: it looks, and tries again with the file that is. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAMELESS_AFTER = 100 /* looks at a lock without a name, a hundredth of a second apart */ };

static int is_at(int file, const char *path) {
    struct stat held, there;
    return fstat(file, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
           held.st_ino == there.st_ino;
}

/* For people; the lock is good without it. */
static void write_name(int file) {
    char host[80] = "", text[128];
    gethostname(host, sizeof host - 1);
    const int length = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)length, 0) != length) return;
}

/* 1 where the holder has written all of its name. */
static int read_name(int file, char name[128]) {
    const ssize_t length = pread(file, name, 127, 0);
    name[length > 0 ? length : 0] = 0;
    char *end = strchr(name, '\n');
    if (end) *end = 0;
    return end != NULL;
}

/* Tries once. 1 where *lock says how it stands; 0 where it is to be tried again. */
static int try_lock(const char *path, int file, int tries, struct lenet_lock *lock) {
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        if (!is_at(file, path)) return 0;
        write_name(file);
        lock->file = file;
        lock->holder[0] = 0;
        return 1;
    }
    if (errno == EINTR) return 0;
    if (errno != EWOULDBLOCK) {
        lock->missing = strerror(errno);
        return 1;
    }
    if (tries == 0) return 0; /* it may have been taken just now, and have its last holder's name yet */
    if (read_name(file, lock->holder)) return 1;
    strcpy(lock->holder, "another process");
    return tries >= NAMELESS_AFTER;
}

static enum lenet_status fail_open(const char *path, struct lenet_error *err) {
    if (errno == EROFS) return LENET_OK; /* nothing can be written, which is an error only for who has to */
    return lenet_fail(err, LENET_ERR_IO, "%s: cannot be opened for locking: %s (another user's, or a misspelt path?)",
                      path, strerror(errno));
}

enum lenet_status lenet_lock_take(const char *path, enum lenet_lock_wait wait, struct lenet_lock *lock,
                                  struct lenet_error *err) {
    const struct timespec pause = {.tv_nsec = 10000000};
    *lock = (struct lenet_lock){.file = -1};
    for (int tries = 0;; tries++) {
        const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0) return fail_open(path, err);
        const int stands = try_lock(path, file, tries, lock);
        if (lock->file >= 0 && (lock->path = strdup(path))) return LENET_OK;
        if (lock->missing) unlink(path); /* of no use */
        close(file);
        if (lock->file >= 0) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
        if (lock->missing || (stands && wait == LENET_LOCK_AT_ONCE)) return LENET_OK;
        nanosleep(&pause, NULL);
    }
}

int lenet_lock_is_held(const char *path) {
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return 0;
    const int held = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(file);
    return held;
}

void lenet_lock_release(struct lenet_lock *lock) {
    if (!lock->path) return;
    if (is_at(lock->file, lock->path)) unlink(lock->path);
    close(lock->file);
    free(lock->path);
    *lock = (struct lenet_lock){.file = -1};
}
