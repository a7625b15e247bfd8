/* batch1.h - what the twins for batches of a single image share: memory of their own.
 *
 * Vectors of pixels do not end where a tensor ends, so the items of convolution and subsampling work on copies with
 * room at the ends. A tensor's values of one image lie N apart, which is 1 where it matters; more images are done one
 * by one. */
#ifndef LENET_CPU_BATCH1_H
#define LENET_CPU_BATCH1_H
#include <stdlib.h>
#include <string.h>

#include "cpu/ops_cpu.h"

/* So many values fill all sums, and so whole vectors. */
static inline ptrdiff_t whole_vectors(ptrdiff_t count) { return (count + SUM_LANES - 1) / SUM_LANES * SUM_LANES; }

/* Copy count values of one image, which lie step apart in memory, to and from a line. */
static inline void copy_in(LENET_REAL *line, const LENET_REAL *x, ptrdiff_t count, int step) {
    if (step == 1)
        memcpy(line, x, (size_t)count * sizeof *line);
    else
        for (ptrdiff_t i = 0; i < count; i++) line[i] = x[i * step];
}
static inline void copy_out(LENET_REAL *y, const LENET_REAL *line, ptrdiff_t count, int step) {
    if (step == 1)
        memcpy(y, line, (size_t)count * sizeof *line);
    else
        for (ptrdiff_t i = 0; i < count; i++) y[i * step] = line[i];
}

static inline void clear(LENET_REAL *line, ptrdiff_t count) { memset(line, 0, (size_t)count * sizeof *line); }

/* What an item gets: the arguments of the operation, and memory of its own. */
struct with_memory {
    const void *args;
    LENET_REAL *memory;
    ptrdiff_t of_item;
};
static inline LENET_REAL *memory_of(const struct with_memory *m, ptrdiff_t item) {
    return m->memory + item * m->of_item;
}

/* Returns memory of the context, which is valid until the next operation, or NULL where the system has not so much.
 * With AddressSanitizer it is allocated anew every time, so that its ends are known. */
static inline void *take_memory(struct lenet_ctx *ctx, size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    ctx->bytes = 0;
#endif
    if (bytes > ctx->bytes) {
        free(ctx->memory);
        ctx->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
        ctx->bytes = ctx->memory ? bytes : 0;
    }
    return ctx->memory;
}

/* Runs the items of an operation, each with room for so many values. */
static inline enum lenet_status for_items(struct lenet_ctx *ctx, const void *args, ptrdiff_t items, ptrdiff_t values,
                                          parallel_body *body) {
    struct with_memory m = {.args = args, .of_item = whole_vectors(values)};
    m.memory = take_memory(ctx, (size_t)(items * m.of_item) * sizeof *m.memory);
    if (!m.memory) return LENET_ERR_MEMORY;
    at_once(ctx, items, body, &m);
    return LENET_OK;
}

#endif
