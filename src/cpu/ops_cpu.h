/* ops_cpu.h - prototypes of the CPU twins in the precision being compiled, and what they share. */
#ifndef LENET_OPS_CPU_H
#define LENET_OPS_CPU_H
#include "names.h"

#include "lenet/ops.h"
#include "parallel.h"

struct lenet_ctx {
    struct parallel *pool;
};

#define X(op) enum lenet_status CPU_NAME(op)(struct lenet_ctx * ctx, const struct op *a);
LENET_OPS(X)
#undef X

#endif
