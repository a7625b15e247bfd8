/* ops_cpu.h - prototypes of the CPU twins in the precision being compiled, and what they share. */
#ifndef LENET_OPS_CPU_H
#define LENET_OPS_CPU_H
#include "names.h"

#include <limits.h>

#include "lenet/ops.h"
#include "parallel.h"
#include "vector.h"

struct lenet_ctx {
    struct parallel *pool;
};

/* Whole groups of networks, and whole vectors of images. */
static inline int population_ok(int R, int N) {
    return R > 0 && R % NETWORKS == 0 && N > 0 && N % IMAGES == 0 && N <= INT_MAX / NETWORKS;
}

/* An operation's arguments as a population of R/NETWORKS networks with batches of N*NETWORKS images. */
#define IN_GROUPS(args)                                                                                                \
    do {                                                                                                               \
        (args)->R /= NETWORKS;                                                                                         \
        (args)->N *= NETWORKS;                                                                                         \
    } while (0)

#define X(op) enum lenet_status CPU_NAME(op)(struct lenet_ctx * ctx, const struct op *a);
LENET_OPS(X)
#undef X

#endif
