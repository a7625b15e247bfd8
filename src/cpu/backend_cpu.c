/* backend_cpu.c - the CPU backend's table; compiled once for float and once for double. */
#include "lenet/backend.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "ops_cpu.h"
#include "vector.h"

enum { ALIGNMENT = 256 };

static enum lenet_status cpu_open(struct lenet_ctx **ctx, int index, int threads, struct lenet_error *err) {
    (void)index;
    *ctx = malloc(sizeof **ctx);
    if (!*ctx) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    (*ctx)->threads = threads > 0 ? threads : omp_get_num_procs();
    return LENET_OK;
}

static void cpu_close(struct lenet_ctx *ctx) { free(ctx); }

static enum lenet_status cpu_alloc(struct lenet_ctx *ctx, void **p, size_t bytes) {
    (void)ctx;
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *p = aligned_alloc(ALIGNMENT, rounded);
    if (!*p) return LENET_ERR_MEMORY;
    memset(*p, 0, rounded);
    return LENET_OK;
}

static void cpu_release(struct lenet_ctx *ctx, void *p) {
    (void)ctx;
    free(p);
}

static enum lenet_status cpu_copy(struct lenet_ctx *ctx, void *dst, const void *src, size_t bytes) {
    (void)ctx;
    memcpy(dst, src, bytes);
    return LENET_OK;
}

/* Twelve independent chains of multiply-adds a thread: enough to hide their latency. */
static enum lenet_status cpu_measure_peak(struct lenet_ctx *ctx, double *flops_per_s) {
    enum { CHAINS = 12, ROUNDS = 1 << 20 };
    double best = 0;
    LENET_REAL sink = 0;
    for (int repeat = 0; repeat < 8; repeat++) {
        const double began = omp_get_wtime();
#pragma omp parallel num_threads(ctx->threads) reduction(+ : sink)
        {
            vec chain[CHAINS], factor = vec_of((LENET_REAL)0.999);
            UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = vec_of((LENET_REAL)i);
            for (int round = 0; round < ROUNDS; round++)
                UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factor + factor;
            UNROLL for (int i = 0; i < CHAINS; i++) sink += chain[i][0];
        }
        const double rate = 2.0 * CHAINS * LANES * ROUNDS * ctx->threads / (omp_get_wtime() - began);
        if (rate > best) best = rate;
    }
    *flops_per_s = sink == 0 ? 0 : best; /* the sum is used, so the loop stays */
    return LENET_OK;
}

#define X(op) .op = CPU_NAME(op),
static const struct lenet_backend cpu = {
#ifdef LENET_CPU64
    .name = "cpu64",
#else
    .name = "cpu",
#endif
    .lanes = LANES,
    .element_size = sizeof(LENET_REAL),
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .measure_peak = cpu_measure_peak,
    LENET_OPS(X)};
#undef X

const struct lenet_backend *CPU_NAME(lenet_backend)(void) { return &cpu; }
