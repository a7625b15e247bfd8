/* level.c - levels of processors: CMakeLists.txt has the operations compiled for each of them, and here one is chosen
 * when the program runs. It is the highest that the processor is of, or that which LENET_CPU names. */
#include "cpu/level.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/backend.h"

/* From the highest. Each has a name, what it needs, and whether that is there: just what the compiler was allowed. */
#if defined(__x86_64__) && !defined(LENET_ONE_LEVEL)
#define HAS(feature) (__builtin_cpu_supports(feature) != 0)
#define HAS_AVX512   (HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl"))
#define LEVELS(X)                                                                                                      \
    X(v4, "AVX-512F, BW, CD, DQ and VL", HAS("avx2") && HAS("fma") && HAS_AVX512)                                      \
    X(v3, "AVX2 and FMA", HAS("avx2") && HAS("fma"))                                                                   \
    X(v2, "SSE4.2", HAS("sse4.2"))
#else
#define LEVELS(X) X(base, "as it was compiled", 1)
#endif

#define X(name, needs, is_there)                                                                                       \
    const struct lenet_backend *lenet_backend_cpu_##name(void), *lenet_backend_cpu64_##name(void),                     \
        *lenet_backend_cpu_batch1_##name(void);                                                                        \
    static int has_##name(void) { return is_there; }
LEVELS(X)
#undef X

struct level {
    const char *name, *needs;
    int (*is_there)(void);
    const struct lenet_backend *(*cpu)(void), *(*cpu64)(void), *(*cpu_batch1)(void);
};
#define X(name, needs, is_there)                                                                                       \
    {#name, needs, has_##name, lenet_backend_cpu_##name, lenet_backend_cpu64_##name, lenet_backend_cpu_batch1_##name},
static const struct level levels[] = {LEVELS(X)};
#undef X
enum { LEVEL_COUNT = sizeof levels / sizeof *levels };

/* The level that is asked for, or NULL. */
static const char *wanted(void) {
    const char *name = getenv("LENET_CPU");
    return name && name[0] ? name : NULL;
}

/* Where there is none, the lowest, whose `open` reports that. */
static const struct level *chosen(void) {
    const char *name = wanted();
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (levels[i].is_there() && (!name || strcmp(levels[i].name, name) == 0)) return &levels[i];
    return &levels[LEVEL_COUNT - 1];
}

const struct lenet_backend *lenet_backend_cpu(void) { return chosen()->cpu(); }
const struct lenet_backend *lenet_backend_cpu64(void) { return chosen()->cpu64(); }
const struct lenet_backend *lenet_backend_cpu_batch1(void) { return chosen()->cpu_batch1(); }

/* The names of all levels, or of those that the processor is of: "v3, v2". */
static void list(int is_there, char text[64]) {
    size_t length = 0;
    text[0] = 0;
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (!is_there || levels[i].is_there())
            length += (size_t)snprintf(text + length, 64 - length, "%s%s", length ? ", " : "", levels[i].name);
}

enum lenet_status lenet_cpu_level_check(struct lenet_error *err) {
    const char *name = wanted();
    const struct level *level = chosen();
    char names[64];
    if (level->is_there() && (!name || strcmp(level->name, name) == 0)) return LENET_OK;
    if (!name) return lenet_fail(err, LENET_ERR_DEVICE, "cpu: this processor lacks %s", level->needs);
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (strcmp(levels[i].name, name) == 0) {
            list(1, names);
            return lenet_fail(err, LENET_ERR_DEVICE, "LENET_CPU=%s: this processor lacks %s; it has %s", name,
                              levels[i].needs, names);
        }
    list(0, names);
    return lenet_fail(err, LENET_ERR_ARG, "LENET_CPU: '%s' is not one of %s", name, names);
}

void lenet_cpu_level(char text[LENET_MACHINE]) {
    char names[64];
    list(0, names);
    snprintf(text, LENET_MACHINE, "level %s (%s), %s of %s", chosen()->name, chosen()->needs,
             wanted() ? "which LENET_CPU names," : "the highest that this processor has", names);
}
