/* faults.c - a library for LD_PRELOAD that lets calls of the C library fail, for tests of what the program does then.
 *
 * LENET_FAULT=KIND:N fails the N-th call of a kind, from 1 on, and LENET_FAULT=KIND:N+ all later ones, too; with @END
 * behind it, of the calls for a path that ends so. At its end the process writes how many calls there were of each
 * kind, a line "KIND N", into the file that LENET_FAULT_COUNTS names. A kind is a row of `kinds`, and a call of it asks
 * fails() first; a call may be of several kinds, as a write is that fails, that finds the disk full, that is short and
 * that is interrupted. Calls before main do not count: they are those of libraries, such as the CUDA runtime, which
 * registers each kernel and does not survive that an allocation fails. What is short, and what is interrupted, is so
 * every second time from N+ on, since nothing ends otherwise.
 *
 * Streams of the C library call it from inside, where nothing can come between; so those that the program opens, and
 * its standard ones, are streams of this library's own functions. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind {
    MALLOC,
    STAT,
    OPEN,
    READ,
    WRITE,
    FULL,
    SYNC,
    RENAME,
    CLOSE,
    MAP,
    THREAD,
    MAKE,
    REMOVE,
    LIST,
    LOCK,
    PRINT,
    COMPLAIN,
    SHORT_READ,
    SHORT_WRITE,
    INTERRUPT,
    KINDS
};
static const struct {
    const char *name;
    int code;      /* the errno of a call that fails */
    int alternate; /* whether with N+ every second call does */
} kinds[KINDS] = {
    [MALLOC] = {"malloc", ENOMEM, 0},
    [STAT] = {"stat", EIO, 0},
    [OPEN] = {"open", EIO, 0},
    [READ] = {"read", EIO, 0},
    [WRITE] = {"write", EIO, 0},
    [FULL] = {"full", ENOSPC, 0}, /* whatever needs room on the disk */
    [SYNC] = {"fsync", EIO, 0},
    [RENAME] = {"rename", EIO, 0},
    [CLOSE] = {"close", EIO, 0},
    [MAP] = {"mmap", ENOMEM, 0},
    [THREAD] = {"thread", EAGAIN, 0},
    [MAKE] = {"mkdir", EIO, 0},
    [REMOVE] = {"unlink", EIO, 0},
    [LIST] = {"readdir", EIO, 0},
    [LOCK] = {"flock", ENOLCK, 0},
    [PRINT] = {"print", EIO, 0},       /* on standard output */
    [COMPLAIN] = {"complain", EIO, 0}, /* on standard error */
    [SHORT_READ] = {"short-read", 0, 1},
    [SHORT_WRITE] = {"short-write", 0, 1},
    [INTERRUPT] = {"interrupt", EINTR, 1},
};

static int chosen = -1; /* the kind that fails, or none */
static long first;      /* the call that fails */
static int for_ever;
static const char *ending; /* of the paths whose calls count, or NULL */
static atomic_long calls[KINDS];
static int in_main;

static void begin_streams(void);

__attribute__((constructor)) static void begin(void) {
    const char *fault = getenv("LENET_FAULT");
    begin_streams();
    ending = fault ? strchr(fault, '@') : NULL;
    if (ending) ending++;
    for (int k = 0; k < KINDS && fault; k++) {
        const size_t length = strlen(kinds[k].name);
        if (strncmp(fault, kinds[k].name, length) != 0 || fault[length] != ':') continue;
        char *rest;
        first = strtol(fault + length + 1, &rest, 10);
        for_ever = *rest == '+';
        chosen = k;
    }
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("LENET_FAULT_COUNTS");
    char text[1024];
    int used = 0;
    chosen = -1;
    for (int k = 0; k < KINDS; k++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s %ld\n", kinds[k].name, atomic_load(&calls[k]));
    const int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (file >= 0 && syscall(SYS_write, file, text, used) == used) syscall(SYS_close, file);
}

/* Whether this call, for a path or NULL, fails: then errno is set. */
static int fails(enum kind kind, const char *path) {
    const size_t length = path ? strlen(path) : 0, last = ending ? strlen(ending) : 0;
    if (!in_main) return 0;
    if (ending && (length < last || strcmp(path + length - last, ending) != 0)) return 0;
    const long call = atomic_fetch_add(&calls[kind], 1) + 1;
    const int later = for_ever && call > first && !(kinds[kind].alternate && (call - first) % 2);
    if ((int)kind != chosen || (call != first && !later)) return 0;
    errno = kinds[kind].code;
    return 1;
}

/* Half of what is wanted, and not nothing. */
static size_t shorter(enum kind kind, size_t size) { return size > 1 && fails(kind, NULL) ? size / 2 : size; }

/* The next function of a name, as a function of the type of `own`. */
#define NEXT(own) ((__typeof__(&(own)))dlsym(RTLD_NEXT, #own))

/* ---- the beginning ---- */

typedef int main_function(int, char **, char **);
static main_function *program_main;

static int counted_main(int count, char **words, char **environment) {
    in_main = 1;
    return program_main(count, words, environment);
}

/* What calls main, after the libraries' and the program's constructors. */
int __libc_start_main(main_function *main, int count, char **words, main_function *init, void (*fini)(void),
                      void (*linker_fini)(void), void *stack_end) {
    program_main = main;
    return NEXT(__libc_start_main)(counted_main, count, words, init, fini, linker_fini, stack_end);
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) { return fails(MALLOC, NULL) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(MALLOC, NULL) ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { return fails(MALLOC, NULL) ? NULL : __libc_realloc(memory, size); }
void *aligned_alloc(size_t alignment, size_t size) {
    return fails(MALLOC, NULL) ? NULL : __libc_memalign(alignment, size);
}

/* ---- looking ---- */

static int look(int directory, const char *path, struct stat *info, int flags) {
    return fails(STAT, path) ? -1 : (int)syscall(SYS_newfstatat, directory, path, info, flags);
}

int stat(const char *path, struct stat *info) { return look(AT_FDCWD, path, info, 0); }
int lstat(const char *path, struct stat *info) { return look(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW); }
int fstat(int file, struct stat *info) { return look(file, "", info, AT_EMPTY_PATH); }
int fstatat(int directory, const char *path, struct stat *info, int flags) {
    return look(directory, path, info, flags);
}

/* ---- opening ---- */

static int open_at(int directory, const char *path, int flags, va_list arguments) {
    const int has_mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    const unsigned mode = has_mode ? va_arg(arguments, unsigned) : 0;
    if (fails(OPEN, path) || (has_mode && fails(FULL, path)) || fails(INTERRUPT, path)) return -1;
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const int file = open_at(AT_FDCWD, path, flags, arguments);
    va_end(arguments);
    return file;
}

int openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const int file = open_at(directory, path, flags, arguments);
    va_end(arguments);
    return file;
}

DIR *opendir(const char *path) { return fails(OPEN, path) ? NULL : NEXT(opendir)(path); }
struct dirent *readdir(DIR *directory) {
    return fails(LIST, NULL) ? NULL : NEXT(readdir)(directory);
}

/* ---- reading and writing ---- */

static int read_fails(void) { return fails(READ, NULL) || fails(INTERRUPT, NULL); }
static int write_fails(void) { return fails(WRITE, NULL) || fails(FULL, NULL) || fails(INTERRUPT, NULL); }

ssize_t read(int file, void *bytes, size_t size) {
    return read_fails() ? -1 : syscall(SYS_read, file, bytes, shorter(SHORT_READ, size));
}
ssize_t pread(int file, void *bytes, size_t size, off_t at) {
    return read_fails() ? -1 : syscall(SYS_pread64, file, bytes, shorter(SHORT_READ, size), at);
}
ssize_t write(int file, const void *bytes, size_t size) {
    return write_fails() ? -1 : syscall(SYS_write, file, bytes, shorter(SHORT_WRITE, size));
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    return write_fails() ? -1 : syscall(SYS_pwrite64, file, bytes, shorter(SHORT_WRITE, size), at);
}

int fsync(int file) {
    return fails(SYNC, NULL) || fails(FULL, NULL) || fails(INTERRUPT, NULL) ? -1 : (int)syscall(SYS_fsync, file);
}

/* The file is closed all the same, as on Linux. */
int close(int file) {
    const int failed = fails(CLOSE, NULL) || fails(INTERRUPT, NULL), code = errno;
    const int result = (int)syscall(SYS_close, file);
    if (!failed) return result;
    errno = code;
    return -1;
}

int ftruncate(int file, off_t size) {
    return fails(WRITE, NULL) || fails(INTERRUPT, NULL) ? -1 : (int)syscall(SYS_ftruncate, file, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    return fails(MAP, NULL) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}

/* ---- names ---- */

int rename(const char *from, const char *to) {
    return fails(RENAME, to) || fails(FULL, to) ? -1 : (int)syscall(SYS_rename, from, to);
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return fails(RENAME, to) || fails(FULL, to) ? -1
                                                : (int)syscall(SYS_renameat, from_directory, from, to_directory, to);
}
int mkdir(const char *path, mode_t mode) {
    return fails(MAKE, path) || fails(FULL, path) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}
int unlink(const char *path) { return fails(REMOVE, path) ? -1 : (int)syscall(SYS_unlink, path); }
int unlinkat(int directory, const char *path, int flags) {
    return fails(REMOVE, path) ? -1 : (int)syscall(SYS_unlinkat, directory, path, flags);
}

/* ---- locks and threads ---- */

int flock(int file, int operation) {
    return fails(LOCK, NULL) || fails(INTERRUPT, NULL) ? -1 : (int)syscall(SYS_flock, file, operation);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    return fails(THREAD, NULL) ? EAGAIN : NEXT(pthread_create)(thread, attributes, run, argument);
}

/* ---- streams, whose cookie is a descriptor ---- */

static int descriptor(void *cookie) { return (int)(intptr_t)cookie; }
/* Never interrupted: the C library takes that for an error, and the program's signals let calls go on. */
static ssize_t stream_read(void *cookie, char *bytes, size_t size) {
    return fails(READ, NULL) ? -1 : syscall(SYS_read, descriptor(cookie), bytes, shorter(SHORT_READ, size));
}
static int stream_close(void *cookie) { return close(descriptor(cookie)); }
static int stream_seek(void *cookie, off64_t *at, int whence) {
    *at = lseek(descriptor(cookie), *at, whence);
    return *at < 0 ? -1 : 0;
}

/* All of it, or 0 for an error: the C library's own streams go on after a short write, too. */
static ssize_t stream_write(void *cookie, const char *bytes, size_t size) {
    const int file = descriptor(cookie);
    if (fails(file == STDERR_FILENO ? COMPLAIN : PRINT, NULL)) return 0;
    for (size_t done = 0; done < size;) {
        const ssize_t written = syscall(SYS_write, file, bytes + done, size - done);
        if (written <= 0) return 0;
        done += (size_t)written;
    }
    return (ssize_t)size;
}

static FILE *open_stream(int file, const char *mode) {
    return fopencookie((void *)(intptr_t)file, mode,
                       (cookie_io_functions_t){stream_read, stream_write, stream_seek, stream_close});
}

static void begin_streams(void) {
    FILE *input = open_stream(STDIN_FILENO, "r"), *output = open_stream(STDOUT_FILENO, "w"),
         *errors = open_stream(STDERR_FILENO, "w");
    if (!input || !output || !errors) abort();
    stdin = input, stdout = output, stderr = errors;
    setvbuf(stderr, NULL, _IONBF, 0);
}

FILE *fdopen(int file, const char *mode) { return open_stream(file, mode); }

/* Only what is read; the program writes no file by a stream. */
FILE *fopen(const char *path, const char *mode) {
    if (mode[0] != 'r') abort();
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    return file < 0 ? NULL : open_stream(file, "r");
}
