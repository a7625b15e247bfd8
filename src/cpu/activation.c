/* activation.c - tanh, ReLU and the squash on the CPU: twin of cuda/activation.cu. */
#include "cpu/activation.h"

#include <string.h>

#include "cpu/ops_cpu.h"

/* Load and store the last values of a single image, which do not fill a vector. */
ALWAYS_INLINE vec load_rest(const LENET_REAL *p, ptrdiff_t count) {
    vec v = {0};
    memcpy(&v, p, (size_t)count * sizeof *p);
    return v;
}
ALWAYS_INLINE void store_rest(LENET_REAL *p, vec v, ptrdiff_t count) { memcpy(p, &v, (size_t)count * sizeof *p); }

ALWAYS_INLINE void forward_values(const LENET_REAL *x, LENET_REAL *y, ptrdiff_t count, enum lenet_activation f) {
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES) *(vec *)(y + i) = activated(*(const vec *)(x + i), f);
    if (i < count) store_rest(y + i, activated(load_rest(x + i, count - i), f), count - i);
}

ALWAYS_INLINE void backward_values(const LENET_REAL *y, const LENET_REAL *dy, LENET_REAL *dx, ptrdiff_t count,
                                   enum lenet_activation f) {
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        *(vec *)(dx + i) = activation_gradient(*(const vec *)(y + i), *(const vec *)(dy + i), f);
    if (i < count)
        store_rest(dx + i, activation_gradient(load_rest(y + i, count - i), load_rest(dy + i, count - i), f),
                   count - i);
}

static void forward_block(const void *args, const struct block *block) {
    const struct activation_forward *a = args;
    const ptrdiff_t at = block->before * a->F, count = (ptrdiff_t)a->F * block->count;
    switch (a->activation) {
    case LENET_RELU: forward_values(a->x + at, a->y + at, count, LENET_RELU); break;
    case LENET_SQUASH: forward_values(a->x + at, a->y + at, count, LENET_SQUASH); break;
    default: forward_values(a->x + at, a->y + at, count, LENET_TANH);
    }
}

static void backward_block(const void *args, const struct block *block) {
    const struct activation_backward_input *a = args;
    const ptrdiff_t at = block->before * a->F, count = (ptrdiff_t)a->F * block->count;
    switch (a->activation) {
    case LENET_RELU: backward_values(a->y + at, a->dy + at, a->dx + at, count, LENET_RELU); break;
    case LENET_SQUASH: backward_values(a->y + at, a->dy + at, a->dx + at, count, LENET_SQUASH); break;
    default: backward_values(a->y + at, a->dy + at, a->dx + at, count, LENET_TANH);
    }
}

enum lenet_status CPU_NAME(activation_forward)(struct lenet_ctx *ctx, const struct activation_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

enum lenet_status CPU_NAME(activation_backward_input)(struct lenet_ctx *ctx,
                                                      const struct activation_backward_input *a) {
    return BY_BLOCKS(ctx, a, backward_block);
}
