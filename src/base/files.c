/* files.c - reads, replaces and appends to whole files, makes and lists directories, and hashes. What is written is on
 * the disk (fsync) before a call says so. */
#define _GNU_SOURCE                 /* O_TMPFILE, TEMP_FAILURE_RETRY */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/grow.h"

enum {
    MAX_NAME = 256,      /* a file name and its zero byte, on every Linux file system                   */
    MAX_TEMPORARIES = 64 /* names to try: a killed process of the same id may have left some (pid 1 in  */
                         /* a container), and two threads must not share one                            */
};

static const char *likely_cause(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT: return "disk full or quota used up?";
    case EFBIG: return "larger than the shell's limit, ulimit -f?";
    case EROFS: return "a read-only directory or disk?";
    case EACCES:
    case EPERM: return "a read-only directory, or another user's?";
    case ENOENT: return "a misspelt path, or a directory not made yet?";
    case ENOTDIR:
    case EEXIST: return "a file where a directory is wanted, or left-over .tmp files?";
    case EISDIR: return "a directory where a file is wanted?";
    case ENAMETOOLONG: return "a shorter name is wanted";
    case EMFILE:
    case ENFILE: return "too many open files, ulimit -n?";
    case EIO: return "a failing disk?";
    case ENOMEM: return "out of memory";
    default: return "is it an ordinary file on a working disk?";
    }
}

static enum lenet_status fail_errno(struct lenet_error *err, const char *verb, const char *path, int code) {
    return lenet_fail(err, LENET_ERR_IO, "%s: cannot %s: %s (%s)", path, verb, strerror(code), likely_cause(code));
}

/* The functions below return 0, or the errno of what failed. */

static int write_all(int fd, const void *bytes, size_t size) {
    const char *next = bytes;
    while (size > 0) {
        const ssize_t written = write(fd, next, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        if (written == 0) return EIO; /* POSIX leaves this case open; never loop on it */
        next += written;
        size -= (size_t)written;
    }
    return 0;
}

static int sync_file(int fd) {
    while (fsync(fd) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

/* Some network file systems refuse to sync a directory; there is nothing more to be done there. */
static int sync_directory(int directory) {
    const int code = sync_file(directory);
    return code == EINVAL || code == ENOTSUP ? 0 : code;
}

/* Whether the errno says that a path leads to nothing; any other says that it is not known. */
static bool is_absence(int code) { return code == ENOENT || code == ENOTDIR; }

static int close_file(int fd) { return close(fd) != 0 && errno != EINTR ? errno : 0; }

/* Opens the directory that path is in; *name points to path's last part. */
static int open_parent(const char *path, int *directory, const char **name) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    char *parent = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
    if (!parent) return ENOMEM;
    *directory = TEMP_FAILURE_RETRY(open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int code = *directory < 0 ? errno : 0;
    free(parent);
    return code;
}

static int open_temporary(int directory, const char *name, char temporary[MAX_NAME], int *fd) {
    for (int i = 0; i < MAX_TEMPORARIES; i++) {
        const int length = snprintf(temporary, MAX_NAME, ".%s.tmp.%ld.%d", name, (long)getpid(), i);
        if (length < 0 || length >= MAX_NAME) return ENAMETOOLONG;
        *fd = TEMP_FAILURE_RETRY(openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (*fd >= 0) return 0;
        if (errno != EEXIST) return errno;
    }
    return EEXIST;
}

static int replace_in(int directory, const char *name, const void *bytes, size_t size) {
    char temporary[MAX_NAME];
    int fd;
    int code = open_temporary(directory, name, temporary, &fd);
    if (code != 0) return code;
    code = write_all(fd, bytes, size);
    if (code == 0) code = sync_file(fd);
    const int close_code = close_file(fd);
    if (code == 0) code = close_code;
    if (code == 0 && renameat(directory, temporary, directory, name) != 0) code = errno;
    if (code != 0) unlinkat(directory, temporary, 0);
    return code;
}

/* Whether a name is a link to what a process has open, as /dev/stdout is. */
static bool is_open_file(int directory, const char *name) {
    char target[PATH_MAX] = "";
    return readlinkat(directory, name, target, sizeof target - 1) > 0 && strncmp(target, "/proc/", 6) == 0;
}

/* Opens the directory of a file that is to be replaced, or that is to be. */
static enum lenet_status open_place(const char *path, int *directory, const char **name, struct lenet_error *err) {
    int code = open_parent(path, directory, name);
    if (code != 0) return fail_errno(err, "open its directory", path, code);
    struct stat old = {.st_mode = S_IFREG};
    if (**name && fstatat(*directory, *name, &old, 0) != 0 && !is_absence(errno)) code = errno;
    if (code == 0 && **name && S_ISREG(old.st_mode) && !is_open_file(*directory, *name)) return LENET_OK;
    close(*directory);
    if (code != 0) return fail_errno(err, "replace", path, code);
    /* Renaming would make root's /dev/null a file, and /dev/stdout. */
    return lenet_fail(err, LENET_ERR_IO, "%s: is a directory or a device; the name of an ordinary file is wanted",
                      path);
}

enum lenet_status lenet_file_check_place(const char *path, struct lenet_error *err) {
    int directory;
    const char *name;
    LENET_TRY(open_place(path, &directory, &name, err));
    const int code = faccessat(directory, ".", W_OK, 0) == 0 ? 0 : errno;
    close(directory);
    return code == 0 ? LENET_OK : fail_errno(err, "write in the directory of", path, code);
}

enum lenet_status lenet_file_replace(const char *path, const void *bytes, size_t size, struct lenet_error *err) {
    int directory;
    const char *name;
    LENET_TRY(open_place(path, &directory, &name, err));
    int code = replace_in(directory, name, bytes, size);
    const int sync_code = code == 0 ? sync_directory(directory) : 0;
    close(directory);
    if (code != 0) return fail_errno(err, "replace", path, code);
    return sync_code == 0 ? LENET_OK : fail_errno(err, "sync the directory of", path, sync_code);
}

/* 1 for a name that open_temporary gives. */
static bool is_temporary(const char *name) {
    int length = 0;
    const char *tmp = NULL;
    for (const char *next = name; (next = strstr(next, ".tmp.")); next++) tmp = next;
    if (name[0] != '.' || !tmp || tmp == name) return false;
    sscanf(tmp, ".tmp.%*[0-9].%*[0-9]%n", &length);
    return length > 0 && tmp[length] == '\0';
}

static enum lenet_status remove_temporary(void *self, const char *path, struct lenet_error *err) {
    (void)self;
    if (!is_temporary(strrchr(path, '/') + 1) || unlink(path) == 0 || is_absence(errno)) return LENET_OK;
    return fail_errno(err, "remove", path, errno);
}

enum lenet_status lenet_directory_clear_temporaries(const char *path, struct lenet_error *err) {
    return lenet_directory_each(path, ".", "", remove_temporary, NULL, err);
}

/* A new file is found again after a power failure only if its directory is on the disk, too. */
static int sync_parent(const char *path) {
    int directory;
    const char *name;
    int code = open_parent(path, &directory, &name);
    if (code != 0) return code;
    code = sync_directory(directory);
    close(directory);
    return code;
}

enum lenet_status lenet_file_remove(const char *path, struct lenet_error *err) {
    if (unlink(path) != 0) return is_absence(errno) ? LENET_OK : fail_errno(err, "remove", path, errno);
    const int code = sync_parent(path);
    return code == 0 ? LENET_OK : fail_errno(err, "sync the directory of", path, code);
}

enum lenet_status lenet_file_append(const char *path, const void *bytes, size_t size, struct lenet_error *err) {
    /* O_NONBLOCK: the reader of a pipe is not waited for. */
    const int fd =
        TEMP_FAILURE_RETRY(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
    if (fd < 0 && errno == ELOOP) return lenet_fail_link(path, err);
    if (fd < 0) return fail_errno(err, "open for appending", path, errno);
    struct stat old;
    if (fstat(fd, &old) != 0) {
        const int fstat_code = errno;
        close(fd);
        return fail_errno(err, "append to", path, fstat_code);
    }
    if (!S_ISREG(old.st_mode)) { /* of anything else nothing could be cut off again */
        close(fd);
        return lenet_fail(err, LENET_ERR_IO, "%s: is not an ordinary file; one to append to is wanted", path);
    }
    int code = write_all(fd, bytes, size);
    if (code == 0) code = sync_file(fd);
    if (code == 0 && old.st_size == 0) code = sync_parent(path);
    const bool torn = code != 0 && (ftruncate(fd, old.st_size) != 0 || sync_file(fd) != 0);
    const int close_code = close_file(fd);
    if (code == 0) code = close_code;
    if (code == 0) return LENET_OK;
    return fail_errno(err, torn ? "append (and a part of the record stays at its end)" : "append", path, code);
}

/* Of the parents, the current directory is the last. Returns -1 where the file system has no such files. */
static int open_nameless(const char *path) {
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    for (;;) {
        const int fd = TEMP_FAILURE_RETRY(open(at[0] ? at : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
        const char *slash = strrchr(at, '/');
        if (fd >= 0 || errno != ENOENT || !at[0]) return fd;
        at[slash ? slash - at : 0] = 0;
    }
}

double lenet_directory_sync_seconds(const char *path) {
    enum { TIMES = 8 };
    static const char record[2048];
    const int fd = open_nameless(path);
    double began = 0;
    int good = fd >= 0;
    for (int i = 0; i <= TIMES && good; i++) { /* the first one also makes the file */
        good = write_all(fd, record, sizeof record) == 0 && sync_file(fd) == 0;
        if (i == 0) began = lenet_now();
    }
    const double took = lenet_now() - began;
    if (fd >= 0) close(fd);
    return good ? took / TIMES : 0;
}

/* ---- reading ---- */

/* With O_NONBLOCK neither a pipe without a writer nor a device is waited for. */
enum lenet_status lenet_file_open(const char *path, int *fd, enum lenet_opened *kind, uint64_t *size,
                                  struct lenet_error *err) {
    struct stat info;
    if ((*fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))) < 0)
        return fail_errno(err, "open", path, errno);
    if (fstat(*fd, &info) != 0) {
        const int code = errno;
        close(*fd);
        return fail_errno(err, "read", path, code);
    }
    *kind = S_ISREG(info.st_mode)    ? LENET_OPENED_FILE
            : S_ISFIFO(info.st_mode) ? LENET_OPENED_PIPE
            : S_ISDIR(info.st_mode)  ? LENET_OPENED_DIRECTORY
                                     : LENET_OPENED_DEVICE;
    *size = *kind == LENET_OPENED_FILE && info.st_size > 0 ? (uint64_t)info.st_size : UINT64_MAX; /* /proc says 0 */
    return LENET_OK;
}

static size_t memory_of_machine(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX - 1;
}

/* Room for more bytes, and the zero byte: twice as many as there are, but not more than `until`, and of a file whose
 * size is known as many as it has; one more, to see its end. */
static enum lenet_status make_room(struct lenet_input *input, size_t until, struct lenet_error *err) {
    enum { FIRST = 1 << 14 };
    size_t room = input->room < FIRST ? FIRST : 2 * input->room;
    if (input->size != UINT64_MAX && input->used <= input->size) room = (size_t)input->size + 1;
    if (room > until) room = until;
    char *larger = room < memory_of_machine() ? realloc(input->bytes, room + 1) : NULL;
    if (!larger) return lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for its %zu bytes", input->path, room);
    input->bytes = larger;
    input->room = room + 1;
    return LENET_OK;
}

/* Where nobody has opened a pipe for writing it is as if it had ended; where somebody has, it is read on as a file. */
static enum lenet_status wait_for_writer(struct lenet_input *input, struct lenet_error *err) {
    enum { LOOKS = 500, PAUSE = 10 /* milliseconds */ };
    struct pollfd ended = {.fd = input->fd};
    LENET_TRY(make_room(input, 2, err));
    for (int i = 0; i < LOOKS; i++) {
        const ssize_t got = read(input->fd, input->bytes, 1);
        if (got > 0) input->used = 1;
        if (got != 0 || poll(&ended, 1, PAUSE) > 0) {
            if (fcntl(input->fd, F_SETFL, O_RDONLY) == 0) return LENET_OK;
            return fail_errno(err, "read", input->path, errno);
        }
    }
    return lenet_fail(err, LENET_ERR_IO, "%s: is a pipe that nobody writes to; the name of a file is wanted",
                      input->path);
}

enum lenet_status lenet_input_open(const char *path, struct lenet_input *input, struct lenet_error *err) {
    enum lenet_opened kind = LENET_OPENED_DEVICE;
    *input = (struct lenet_input){.path = path, .fd = -1};
    LENET_TRY(lenet_file_open(path, &input->fd, &kind, &input->size, err));
    if (kind == LENET_OPENED_DIRECTORY) return fail_errno(err, "read", path, EISDIR);
    if (kind == LENET_OPENED_DEVICE) /* of /dev/zero there is no end */
        return lenet_fail(err, LENET_ERR_IO, "%s: is a device or a socket; the name of a file is wanted", path);
    return kind == LENET_OPENED_PIPE ? wait_for_writer(input, err) : LENET_OK;
}

enum lenet_status lenet_input_read(struct lenet_input *input, size_t until, struct lenet_error *err) {
    if (!input->bytes) LENET_TRY(make_room(input, until, err));
    while (input->used < until) {
        if (input->used + 1 == input->room) LENET_TRY(make_room(input, until, err));
        size_t left = input->room - 1 - input->used;
        if (left > until - input->used) left = until - input->used;
        const ssize_t got = read(input->fd, input->bytes + input->used, left);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(err, "read", input->path, errno);
        if (got == 0) break;
        input->used += (size_t)got;
    }
    input->bytes[input->used] = 0;
    return LENET_OK;
}

void lenet_input_drop(struct lenet_input *input, size_t n) {
    if (n) memmove(input->bytes, input->bytes + n, input->used -= n);
}

void lenet_input_close(struct lenet_input *input) {
    if (input->fd >= 0) close(input->fd);
    input->fd = -1;
}

enum lenet_status lenet_file_read(const char *path, const char *what, size_t most, char **bytes, size_t *size,
                                  struct lenet_error *err) {
    struct lenet_input input;
    *bytes = NULL;
    *size = 0;
    enum lenet_status status = lenet_input_open(path, &input, err);
    const int is_large = input.size != UINT64_MAX && input.size > most;
    if (status == LENET_OK && !is_large) status = lenet_input_read(&input, most + 1, err);
    lenet_input_close(&input);
    if (status == LENET_OK && (is_large || input.used > most))
        status =
            lenet_fail(err, LENET_ERR_FORMAT, "%s: has %s%" PRIu64 " bytes; %s has at most %zu; likely another file",
                       path, is_large ? "" : "more than ", is_large ? input.size : (uint64_t)most, what, most);
    if (status == LENET_OK) {
        *bytes = input.bytes;
        *size = input.used;
    } else {
        free(input.bytes);
    }
    return status;
}

enum lenet_status lenet_file_cut(const char *path, size_t size, struct lenet_error *err) {
    char *bytes;
    size_t there;
    LENET_TRY(lenet_file_read(path, "it", SIZE_MAX - 1, &bytes, &there, err));
    const enum lenet_status status = lenet_file_replace(path, bytes, size < there ? size : there, err);
    free(bytes);
    return status;
}

static enum lenet_status make_one(const char *path, struct lenet_error *err) {
    if (mkdir(path, 0777) == 0) return LENET_OK;
    const int code = errno; /* not only EEXIST: "/" or an automounted parent may say EISDIR, EROFS, ... */
    enum lenet_path is;
    LENET_TRY(lenet_path_look(path, &is, err));
    return is == LENET_DIRECTORY ? LENET_OK : fail_errno(err, "create the directory", path, code);
}

static enum lenet_status make_parents(const char *path, struct lenet_error *err) {
    char *prefix = strdup(path);
    if (!prefix) return lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for a path", path);
    enum lenet_status status = LENET_OK;
    for (char *p = prefix; *p && status == LENET_OK; p++) {
        if (*p != '/' || p == prefix || p[1] == '\0') continue;
        *p = '\0';
        status = make_one(prefix, err);
        *p = '/';
    }
    free(prefix);
    return status;
}

enum lenet_status lenet_directory_create(const char *path, struct lenet_error *err) {
    LENET_TRY(make_parents(path, err));
    return make_one(path, err);
}

enum lenet_status lenet_directory_claim(const char *path, int *made, struct lenet_error *err) {
    LENET_TRY(make_parents(path, err));
    *made = mkdir(path, 0777) == 0;
    return *made || errno == EEXIST ? LENET_OK : fail_errno(err, "create the directory", path, errno);
}

/* Sets *there, and *info where it is 1. */
static enum lenet_status look(const char *path, struct stat *info, bool *there, struct lenet_error *err) {
    *there = stat(path, info) == 0;
    return *there || is_absence(errno) ? LENET_OK : fail_errno(err, "look at", path, errno);
}

enum lenet_status lenet_path_look(const char *path, enum lenet_path *is, struct lenet_error *err) {
    struct stat info;
    bool there;
    LENET_TRY(look(path, &info, &there, err));
    *is = !there ? LENET_NOTHING : S_ISDIR(info.st_mode) ? LENET_DIRECTORY : LENET_FILE;
    return LENET_OK;
}

enum lenet_status lenet_path_is_empty(const char *path, int *is, struct lenet_error *err) {
    struct stat info;
    bool there;
    LENET_TRY(look(path, &info, &there, err));
    *is = there && S_ISREG(info.st_mode) && info.st_size == 0;
    return LENET_OK;
}

enum lenet_status lenet_directory_has(const char *directory, const char *name, int *has, struct lenet_error *err) {
    char path[PATH_MAX];
    enum lenet_path is;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return fail_errno(err, "look at", directory, ENAMETOOLONG);
    LENET_TRY(lenet_path_look(path, &is, err));
    *has = is != LENET_NOTHING;
    return LENET_OK;
}

enum lenet_status lenet_path_is_same(const char *a, const char *b, int *same, struct lenet_error *err) {
    struct stat one, other;
    bool one_there, other_there;
    LENET_TRY(look(a, &one, &one_there, err));
    LENET_TRY(look(b, &other, &other_there, err));
    *same = one_there && other_there && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    return LENET_OK;
}

enum lenet_status lenet_path_refuse_link(const char *path, struct lenet_error *err) {
    struct stat info;
    if (lstat(path, &info) != 0) return is_absence(errno) ? LENET_OK : fail_errno(err, "look at", path, errno);
    return S_ISLNK(info.st_mode) ? lenet_fail_link(path, err) : LENET_OK;
}

enum lenet_status lenet_fail_link(const char *path, struct lenet_error *err) {
    return lenet_fail(err, LENET_ERR_IO,
                      "%s: a symbolic link stands there, which is not followed in a directory of runs; remove it, or "
                      "let a link lead to the whole directory",
                      path);
}

static bool begins_and_ends(const char *name, const char *begin, const char *end) {
    const size_t length = strlen(name), first = strlen(begin), last = strlen(end);
    return length >= first + last && strncmp(name, begin, first) == 0 && strcmp(name + length - last, end) == 0;
}

static int add_name(const char *name, char ***names, int *n) {
    if (lenet_grow(names, (size_t)*n, sizeof **names, NULL) != LENET_OK || !((*names)[*n] = strdup(name)))
        return ENOMEM;
    ++*n;
    return 0;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

enum lenet_status lenet_directory_list(const char *path, const char *begin, const char *end, char ***names, int *n,
                                       struct lenet_error *err) {
    *names = NULL;
    *n = 0;
    DIR *directory = opendir(path);
    int code = directory ? 0 : errno;
    while (directory && code == 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        code = errno;
        if (!entry) break;
        if (begins_and_ends(entry->d_name, begin, end)) code = add_name(entry->d_name, names, n);
    }
    if (directory) closedir(directory);
    if (code == 0) {
        if (*n) qsort(*names, (size_t)*n, sizeof **names, compare_names);
        return LENET_OK;
    }
    while (*n) free((*names)[--*n]);
    free(*names);
    *names = NULL;
    return code == ENOMEM ? lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for the names in it", path)
                          : fail_errno(err, "list the directory", path, code);
}

enum lenet_status lenet_directory_each(const char *directory, const char *begin, const char *end,
                                       enum lenet_status (*take)(void *self, const char *path, struct lenet_error *err),
                                       void *self, struct lenet_error *err) {
    char **names;
    int n;
    enum lenet_path is;
    LENET_TRY(lenet_path_look(directory, &is, err));
    if (is != LENET_DIRECTORY) return LENET_OK;
    LENET_TRY(lenet_directory_list(directory, begin, end, &names, &n, err));
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < n; i++) {
        const size_t size = strlen(directory) + strlen(names[i]) + 2;
        char *path = malloc(size);
        if (!path && status == LENET_OK) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
        if (path) snprintf(path, size, "%s/%s", directory, names[i]);
        if (status == LENET_OK) status = take(self, path, err);
        free(path);
        free(names[i]);
    }
    free(names);
    return status;
}

enum lenet_status lenet_sha256(const struct lenet_piece *pieces, int n, char hex[65], struct lenet_error *err) {
    /* Not EVP, which allocates thousands of times before it begins, and dies of SIGSEGV where that fails early. */
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    bool ok = SHA256_Init(&context) == 1;
    for (int i = 0; i < n && ok; i++)
        ok = pieces[i].size == 0 || SHA256_Update(&context, pieces[i].bytes, pieces[i].size) == 1;
    ok = ok && SHA256_Final(digest, &context) == 1;
    hex[0] = '\0';
    if (!ok) return lenet_fail(err, LENET_ERR_MEMORY, "SHA-256: libcrypto failed");
    for (size_t i = 0; i < 64; i++) hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    hex[64] = '\0';
    return LENET_OK;
}
