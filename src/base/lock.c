/* lock.c - takes lock files by flock, which the kernel undoes when a process ends, however it ends: what a killed one
 * leaves behind is in nobody's way.
 *
 * A holder removes its file before it lets go. Whoever had opened that file by then gets the lock of one that is no
 * longer there: it looks, and tries again with the file that is. */
#define _GNU_SOURCE /* TEMP_FAILURE_RETRY */
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

#include "base/files.h"

enum { NAMELESS_AFTER = 100 /* looks at a lock without a name, a hundredth of a second apart */ };

/* *is becomes 1 where path still is the file that is open. */
static enum lenet_status look(int file, const char *path, int *is, struct lenet_error *err) {
    struct stat held = {0}, there = {0};
    const int good = fstat(file, &held) == 0 && (lstat(path, &there) == 0 || errno == ENOENT || errno == ENOTDIR);
    *is = good && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_IO, "%s: cannot be looked at: %s", path, strerror(errno));
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

/* Tries once: *stands becomes 1 where *lock says how it stands, 0 where it is to be tried again. */
static enum lenet_status try_lock(const char *path, int file, int tries, struct lenet_lock *lock, int *stands,
                                  struct lenet_error *err) {
    *stands = 0;
    if (TEMP_FAILURE_RETRY(flock(file, LOCK_EX | LOCK_NB)) == 0) {
        LENET_TRY(look(file, path, stands, err));
        if (!*stands) return LENET_OK;
        write_name(file);
        lock->file = file;
        lock->holder[0] = 0;
        return LENET_OK;
    }
    if (errno != EWOULDBLOCK) {
        lock->missing = strerror(errno);
        *stands = 1;
        return LENET_OK;
    }
    if (tries == 0) return LENET_OK; /* it may have been taken just now, and have its last holder's name yet */
    *stands = read_name(file, lock->holder);
    if (*stands) return LENET_OK;
    strcpy(lock->holder, "another process");
    *stands = tries >= NAMELESS_AFTER;
    return LENET_OK;
}

static enum lenet_status fail_open(const char *path, struct lenet_error *err) {
    if (errno == EROFS) return LENET_OK; /* nothing can be written, which is an error only for who has to */
    if (errno == ELOOP) return lenet_fail_link(path, err);
    return lenet_fail(err, LENET_ERR_IO, "%s: cannot be opened for locking: %s (another user's, or a misspelt path?)",
                      path, strerror(errno));
}

enum lenet_status lenet_lock_take(const char *path, enum lenet_lock_wait wait, struct lenet_lock *lock,
                                  struct lenet_error *err) {
    const struct timespec pause = {.tv_nsec = 10000000};
    *lock = (struct lenet_lock){.file = -1};
    for (int tries = 0;; tries++) {
        int stands;
        const int file = TEMP_FAILURE_RETRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
        if (file < 0) return fail_open(path, err);
        enum lenet_status status = try_lock(path, file, tries, lock, &stands, err);
        if (lock->file >= 0 && (lock->path = strdup(path))) return LENET_OK;
        if (lock->file >= 0) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
        if (lock->missing || lock->file >= 0) unlink(path); /* of no use */
        close(file);
        lock->file = -1;
        if (status != LENET_OK) return status;
        if (lock->missing || (stands && wait == LENET_LOCK_AT_ONCE)) return LENET_OK;
        nanosleep(&pause, NULL);
    }
}

enum lenet_status lenet_lock_is_held(const char *path, int *held, struct lenet_error *err) {
    int file = TEMP_FAILURE_RETRY(open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (file < 0 && errno == EACCES)
        file = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)); /* another user's */
    *held = 0;
    if (file < 0) return errno == ENOENT || errno == ENOTDIR ? LENET_OK : fail_open(path, err);
    *held = TEMP_FAILURE_RETRY(flock(file, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK;
    close(file);
    return LENET_OK;
}

void lenet_lock_release(struct lenet_lock *lock) {
    if (!lock->path) return;
    int is;
    if (look(lock->file, lock->path, &is, NULL) == LENET_OK && is) unlink(lock->path);
    close(lock->file);
    free(lock->path);
    *lock = (struct lenet_lock){.file = -1};
}
