/* backend_cpu.c - the CPU backend: its memory, its peak, and its table of operations, compiled for each kind of twins
 * that names.h has. */
#include "lenet/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/processors.h"
#include "cpu/denormals.h"
#include "cpu/level.h"
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"
#include "ops/preconditions.h"

enum { ALIGNMENT = 256 };

static enum lenet_status cpu_open(struct lenet_ctx **ctx, const struct lenet_open_options *options,
                                  struct lenet_error *err) {
    LENET_TRY(lenet_cpu_level_check(err));
    const int threads = options->threads > 0 ? options->threads : lenet_processors();
    const int in_double = sizeof(LENET_REAL) == sizeof(double); /* of gradient checks, which want all there is */
    struct parallel *pool = parallel_create(threads, in_double ? 0 : DENORMALS_TO_ZERO);
    *ctx = calloc(1, sizeof **ctx);
    if (pool && *ctx) {
        (*ctx)->queue.pool = pool;
        return LENET_OK;
    }
    parallel_free(pool);
    free(*ctx);
    *ctx = NULL;
    return lenet_fail(err, LENET_ERR_MEMORY, "cpu: the system refused %d threads or their memory", threads);
}

static void cpu_close(struct lenet_ctx *ctx) {
    parallel_free(ctx->queue.pool);
    free(ctx->memory);
    free(ctx);
}

static const char *cpu_message(const struct lenet_ctx *ctx) {
    (void)ctx;
    return "";
}

#ifndef LENET_CPU_BUILD
#define LENET_CPU_BUILD "unknown" /* CMakeLists.txt knows it */
#endif

/* Neither the level nor the compiler nor the C library makes a difference, but for fused multiply-adds. */
static void cpu_describe(const struct lenet_ctx *ctx, char text[LENET_MACHINE]) {
    (void)ctx;
    snprintf(text, LENET_MACHINE, "build %s%s", LENET_CPU_BUILD, FUSES ? "" : " without fused multiply-adds");
}

static enum lenet_status cpu_alloc(struct lenet_ctx *ctx, void **p, size_t bytes) {
    (void)ctx;
    const size_t rounded = lenet_padded(bytes);
    *p = aligned_alloc(ALIGNMENT, rounded);
    if (!*p) return LENET_ERR_MEMORY;
    memset(*p, 0, rounded);
    return LENET_OK;
}

static void cpu_release(struct lenet_ctx *ctx, void *p) {
    queue_flush(&ctx->queue);
    free(p);
}

static enum lenet_status cpu_copy(struct lenet_ctx *ctx, void *dst, const void *src, size_t bytes) {
    queue_flush(&ctx->queue);
    memcpy(dst, src, bytes);
    return LENET_OK;
}

static enum lenet_status cpu_branch(struct lenet_ctx *ctx) {
    ctx->on_branch = 1;
    return LENET_OK;
}

static void cpu_back(struct lenet_ctx *ctx) { ctx->on_branch = 0; }

static enum lenet_status cpu_join(struct lenet_ctx *ctx) {
    queue_flush(&ctx->queue);
    return LENET_OK;
}

/* Twelve independent chains of multiply-adds: enough to hide their latency. */
enum { CHAINS = 12, ROUNDS = 1 << 17 };

static void peak_item(const void *args, ptrdiff_t item) {
    LENET_REAL *const *sinks = args;
    vec chain[CHAINS], factor = vec_of((LENET_REAL)0.999);
    UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = vec_of((LENET_REAL)i);
    for (int round = 0; round < ROUNDS; round++)
        UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = FMA(chain[i], factor, factor);
    UNROLL for (int i = 1; i < CHAINS; i++) chain[0] += chain[i];
    (*sinks)[item] = chain[0][0]; /* the result is used, so the loop stays */
}

static enum lenet_status cpu_measure_peak(struct lenet_ctx *ctx, double *flops_per_s) {
    const int items = 4 * parallel_threads(ctx->queue.pool);
    LENET_REAL *sinks = malloc((size_t)items * sizeof *sinks);
    if (!sinks) return LENET_ERR_MEMORY;
    *flops_per_s = 0;
    for (int repeat = 0; repeat < 4; repeat++) {
        const double began = lenet_now();
        at_once(ctx, items, peak_item, &sinks);
        const double rate = 2.0 * CHAINS * LANES * ROUNDS * items / (lenet_now() - began);
        if (rate > *flops_per_s) *flops_per_s = rate;
    }
    free(sinks);
    return LENET_OK;
}

#define X(op) LENET_CHECKED(op, CPU_NAME(op), BATCH_MULTIPLE)
LENET_OPS(X)
#undef X

#define X(op) .op = checked_##op,
static const struct lenet_backend cpu = {
#ifdef LENET_CPU64
    .name = "cpu64",
#elif defined(LENET_BATCH1)
    .name = "cpu_batch1",
#else
    .name = "cpu",
#endif
    .lanes = BATCH_MULTIPLE,
    .group = GROUP,
    .element_size = sizeof(LENET_REAL),
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .message = cpu_message,
    .describe = cpu_describe,
    .branch = cpu_branch,
    .back = cpu_back,
    .join = cpu_join,
    .measure_peak = cpu_measure_peak,
    LENET_OPS(X)};
#undef X

const struct lenet_backend *CPU_NAME(lenet_backend)(void) { return &cpu; }
