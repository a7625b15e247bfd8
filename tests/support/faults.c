/* faults.c - a library for LD_PRELOAD that lets calls of the C library fail, for tests of what the program does then.
 *
 * LENET_FAULT=KIND:N fails the N-th call of a kind, from 1 on, and LENET_FAULT=KIND:N+ all later ones, too; with @END
 * behind it, of the calls for a path that ends so. At its end the process writes how many calls there were of each
 * kind, a line "KIND N", into the file that LENET_FAULT_COUNTS names. A kind is a row of `kinds`, and a call of it asks
 * fails() first.
 *
 * Allocations of libcrypto are a kind of their own: they are thousands, and the same ones in every command. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { MALLOC, CRYPTO, STAT, OPEN, KINDS };
static const struct {
    const char *name;
    int code; /* the errno of a call that fails */
} kinds[KINDS] = {
    [MALLOC] = {"malloc", ENOMEM}, [CRYPTO] = {"crypto", ENOMEM}, [STAT] = {"stat", EIO}, [OPEN] = {"open", EIO}};

static int chosen = -1; /* the kind that fails, or none */
static long first;      /* the call that fails */
static int for_ever;
static const char *ending; /* of the paths whose calls count, or NULL */
static atomic_long calls[KINDS];
static const char *crypto_begin, *crypto_end; /* where libcrypto lies */

static int find_crypto(struct dl_phdr_info *library, size_t size, void *self) {
    (void)size, (void)self;
    if (!strstr(library->dlpi_name, "libcrypto")) return 0;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        crypto_begin = (const char *)(library->dlpi_addr + part->p_vaddr);
        crypto_end = crypto_begin + part->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void) {
    const char *fault = getenv("LENET_FAULT");
    dl_iterate_phdr(find_crypto, NULL);
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
    if (ending && (length < last || strcmp(path + length - last, ending) != 0)) return 0;
    const long call = atomic_fetch_add(&calls[kind], 1) + 1;
    if ((int)kind != chosen || (call != first && !(for_ever && call > first))) return 0;
    errno = kinds[kind].code;
    return 1;
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int is_crypto(const char *caller) { return caller >= crypto_begin && caller < crypto_end; }

/* For whoever has called one of the next functions. */
#define FAILS_FOR_CALLER() fails(is_crypto(__builtin_return_address(0)) ? CRYPTO : MALLOC, NULL)

void *malloc(size_t size) { return FAILS_FOR_CALLER() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return FAILS_FOR_CALLER() ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { return FAILS_FOR_CALLER() ? NULL : __libc_realloc(memory, size); }
void *aligned_alloc(size_t alignment, size_t size) {
    return FAILS_FOR_CALLER() ? NULL : __libc_memalign(alignment, size);
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
    return fails(OPEN, path) ? -1 : (int)syscall(SYS_openat, directory, path, flags, mode);
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

FILE *fopen(const char *path, const char *mode) {
    FILE *(*const next)(const char *, const char *) =
        (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
    return fails(OPEN, path) ? NULL : next(path, mode);
}

DIR *opendir(const char *path) {
    DIR *(*const next)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
    return fails(OPEN, path) ? NULL : next(path);
}
