/* ops_cpu.h - prototypes of the CPU twins in the precision being compiled, and what they share. */
#ifndef LENET_CPU_OPS_CPU_H
#define LENET_CPU_OPS_CPU_H
#include "cpu/names.h"

#include "cpu/parallel.h"
#include "cpu/vector.h"
#include "lenet/ops.h"

struct lenet_ctx {
    struct parallel *pool;
    void *memory; /* of the operation that is under way, where it needs some: see batch1.h */
    size_t bytes;
};

static inline int least(int a, int b) { return a < b ? a : b; }

/* Whether a connection table, if there is one, connects map c to map o. */
static inline int is_connected(const struct conv_backward_params *a, int with_table, int o, int c) {
    return !with_table || (a->table[o] >> c & 1);
}

#define X(op) enum lenet_status CPU_NAME(op)(struct lenet_ctx * ctx, const struct op *a);
LENET_OPS(X)
#undef X

/* The nonlinearity of a fully connected layer, in place. */
static inline enum lenet_status activate_outputs(struct lenet_ctx *ctx, const struct dense_forward *a) {
    const struct activation_forward f = {a->R, a->N, a->O, a->activation, a->y, a->y};
    return a->activation == LENET_LINEAR ? LENET_OK : CPU_NAME(activation_forward)(ctx, &f);
}

/* The gradient of the nonlinearity in front of one, in place. */
static inline enum lenet_status activate_gradients(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    const struct activation_backward_input f = {a->R, a->N, a->I, a->activation, a->x, a->dx, a->dx};
    return a->activation == LENET_LINEAR ? LENET_OK : CPU_NAME(activation_backward_input)(ctx, &f);
}

#endif
