/* support.c - see fuzz.h. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lenet/options.h"

void fuzz_found(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

int fuzz_ok(enum lenet_status status, const struct lenet_error *err) {
    FUZZ_CHECK(status == LENET_OK || err->text[0]);
    return status == LENET_OK;
}

static void write_all(int fd, const char *bytes, size_t size) {
    FUZZ_CHECK(ftruncate(fd, 0) == 0);
    for (size_t at = 0; at < size;) {
        const ssize_t n = pwrite(fd, bytes + at, size - at, (off_t)at);
        FUZZ_CHECK(n > 0);
        at += (size_t)n;
    }
}

const char *fuzz_file(const void *bytes, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        FUZZ_CHECK((fd = memfd_create("input", MFD_CLOEXEC)) >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    write_all(fd, bytes, size);
    return path;
}

static char directory[64];

void fuzz_clear(void) {
    DIR *open = opendir(directory);
    for (struct dirent *entry; open && (entry = readdir(open));)
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) unlinkat(dirfd(open), entry->d_name, 0);
    if (open) closedir(open);
}

static void remove_directory(void) {
    fuzz_clear();
    rmdir(directory);
}

const char *fuzz_directory(void) {
    if (directory[0]) return directory;
    snprintf(directory, sizeof directory, "%s/lenet-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(directory));
    atexit(remove_directory);
    return directory;
}

void fuzz_put(const char *name, const void *bytes, size_t size) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    FUZZ_CHECK(fd >= 0);
    write_all(fd, bytes, size);
    close(fd);
}

static size_t option_count(void) {
    static size_t n;
    while (lenet_options[n].name) n++;
    return n;
}

int fuzz_words(const uint8_t *data, size_t size, char *words[FUZZ_WORDS]) {
    static char text[FUZZ_WORDS][FUZZ_WORD];
    int n = 0;
    for (size_t at = 0; at < size && n < FUZZ_WORDS; n++) {
        size_t length = 0;
        if (data[at] >= 0x80)
            length = (size_t)snprintf(text[n], 64, "--%s=", lenet_options[(data[at++] - 0x80u) % option_count()].name);
        for (; at < size && data[at] && data[at] != '\n'; at++)
            if (length < FUZZ_WORD - 1) text[n][length++] = (char)data[at];
        text[n][length] = 0;
        words[n] = text[n];
        at++;
    }
    return n;
}
