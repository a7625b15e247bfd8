/* driver.c - runs a target without libFuzzer, where a compiler has none: on a corpus, and on what becomes of it when
 * bytes are changed at random. The same count gives the same inputs.
 *
 *     fuzz_idx COUNT CORPUS */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST_SEEDS = 1024, MOST_BYTES = 1 << 17, MOST_CHANGES = 8 };

struct input {
    size_t size;
    uint8_t *bytes; /* of just this size, so that AddressSanitizer sees its end */
};

static struct input seeds[MOST_SEEDS];
static int n;
static uint64_t state = 1;

/* splitmix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static size_t below(size_t end) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return end ? (size_t)((z ^ z >> 31) % end) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void read_seeds(const char *directory) {
    static uint8_t bytes[MOST_BYTES];
    struct dirent **names;
    char path[4096];
    const int found = scandir(directory, &names, NULL, by_name);
    for (int i = 0; i < found && n < MOST_SEEDS; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
        FILE *file = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file) {
            struct input *seed = &seeds[n++];
            seed->size = fread(bytes, 1, sizeof bytes, file);
            seed->bytes = malloc(seed->size);
            memcpy(seed->bytes, bytes, seed->size);
            fclose(file);
        }
        free(names[i]);
    }
    if (found >= 0) free(names);
}

/* A byte, a bit, or a number that is at a limit; or some bytes less, twice, or from another seed. */
static size_t change(uint8_t *bytes, size_t size) {
    static const uint8_t limits[] = {0, 1, 0x7f, 0x80, 0xff, '0', '9', '"', '}', '-'};
    const size_t at = below(size), length = below(size - at < 64 ? size - at + 1 : 64);
    const struct input *other = &seeds[below((size_t)n)];
    switch (size ? below(6) : 5) {
    case 0: bytes[at] = (uint8_t)below(256); return size;
    case 1: bytes[at] ^= (uint8_t)(1 << below(8)); return size;
    case 2: bytes[at] = limits[below(sizeof limits)]; return size;
    case 3: memmove(bytes + at, bytes + at + length, size - at - length); return size - length;
    case 4:
        if (size + length > MOST_BYTES) return size;
        memmove(bytes + at + length, bytes + at, size - at);
        return size + length;
    default: {
        const size_t from = below(other->size), most = other->size - from, left = MOST_BYTES - at;
        const size_t copied = below((most < left ? most : left) + 1);
        memcpy(bytes + at, other->bytes + from, copied);
        return at + copied > size ? at + copied : size;
    }
    }
}

static void run(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv) {
    static uint8_t bytes[MOST_BYTES];
    if (argc != 3) return fprintf(stderr, "usage: %s COUNT CORPUS\n", argv[0]), 2;
    read_seeds(argv[2]);
    if (!n) return fprintf(stderr, "%s: no corpus\n", argv[2]), 2;
    for (int i = 0; i < n; i++) run(seeds[i].bytes, seeds[i].size);
    const long count = strtol(argv[1], NULL, 10);
    for (long i = 0; i < count; i++) {
        const struct input *seed = &seeds[below((size_t)n)];
        size_t size = seed->size;
        memcpy(bytes, seed->bytes, size);
        for (size_t changes = 1 + below(MOST_CHANGES); changes; changes--) size = change(bytes, size);
        run(bytes, size);
    }
    printf("%ld executions\n", n + count);
    return 0;
}
