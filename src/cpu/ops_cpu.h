/* ops_cpu.h - prototypes of the CPU twins in the precision being compiled, and what they share. */
#ifndef LENET_CPU_OPS_CPU_H
#define LENET_CPU_OPS_CPU_H
#include "cpu/names.h"

#include "cpu/parallel.h"
#include "cpu/vector.h"
#include "lenet/ops.h"

struct lenet_ctx {
    struct parallel *pool;
    void *memory; /* of the operation that is under way, where it needs some: see single.h */
    size_t bytes;
};

static inline int least(int a, int b) { return a < b ? a : b; }

/* Whole vectors of images. */
static inline int population_ok(int R, int N) { return R > 0 && N > 0 && N % IMAGE_LANES == 0; }

static inline int conv_sizes_ok(int R, int N, int C, int H, int W, int O, int K) {
    return population_ok(R, N) && C > 0 && O > 0 && K > 0 && K <= LENET_MAX_KERNEL && K <= H && K <= W;
}
static inline int dense_sizes_ok(int R, int N, int I, int O) { return population_ok(R, N) && I > 0 && O > 0; }
static inline int subsample_sizes_ok(int R, int N, int C, int H, int W, int S, enum lenet_pooling pooling,
                                     enum lenet_activation f) {
    return population_ok(R, N) && C > 0 && H > 0 && W > 0 && S > 0 && H % S == 0 && W % S == 0 &&
           pooling >= LENET_POOL_AVERAGE && pooling <= LENET_POOL_SUM && f >= LENET_TANH && f <= LENET_LINEAR;
}

/* The connection table of a convolution, which may be none. */
static inline int has_table(const struct conv_backward_params *a) {
    uint32_t any = 0;
    for (int o = 0; o < LENET_TABLE_MAPS; o++) any |= a->table[o];
    return any != 0;
}
static inline int table_ok(const struct conv_backward_params *a) {
    return !has_table(a) || (a->O <= LENET_TABLE_MAPS && a->C <= 32);
}
static inline int is_connected(const struct conv_backward_params *a, int with_table, int o, int c) {
    return !with_table || (a->table[o] >> c & 1);
}

#define X(op) enum lenet_status CPU_NAME(op)(struct lenet_ctx * ctx, const struct op *a);
LENET_OPS(X)
#undef X

#endif
