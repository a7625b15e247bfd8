/* scale.c - a coefficient and a bias of each map on the CPU: twin of cuda/scale.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

static void forward_block(const void *args, const struct block *block) {
    const struct scale_forward *a = args;
    const ptrdiff_t count = (ptrdiff_t)a->P * block->count;
    const LENET_REAL *x = a->x + block->before * a->C * a->P;
    LENET_REAL *y = a->y + block->before * a->C * a->P;
    for (ptrdiff_t c = 0; c < a->C; c++) {
        const LENET_REAL w = a->w[block->r * (ptrdiff_t)a->stride + c], b = a->b[block->r * (ptrdiff_t)a->stride + c];
        for (ptrdiff_t i = c * count; i < (c + 1) * count; i++) y[i] = w * x[i] + b;
    }
}

static void input_block(const void *args, const struct block *block) {
    const struct scale_backward_input *a = args;
    const ptrdiff_t count = (ptrdiff_t)a->P * block->count;
    const LENET_REAL *dy = a->dy + block->before * a->C * a->P;
    LENET_REAL *dx = a->dx + block->before * a->C * a->P;
    for (ptrdiff_t c = 0; c < a->C; c++) {
        const LENET_REAL w = a->w[block->r * (ptrdiff_t)a->stride + c];
        for (ptrdiff_t i = c * count; i < (c + 1) * count; i++) dx[i] = w * dy[i];
    }
}

/* An item is a map of a network. That of a single image may end in values that do not fill all sums. */
static void params_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_params *a = args;
    const ptrdiff_t r = item / a->C, c = item % a->C, at = r * (ptrdiff_t)a->stride + c;
    struct sums of_weight = {0}, of_bias = {0};
    LENET_REAL rest_of_weight = 0, rest_of_bias = 0;
    for (int n = 0; n < a->N; n += GROUP) {
        const ptrdiff_t images = least(a->N - n, GROUP), count = a->P * images, whole = count / SUM_LANES * SUM_LANES;
        const ptrdiff_t first = (r * a->N + n) * a->C * a->P + c * count;
        const LENET_REAL *x = a->x + first, *dy = a->dy + first;
        for (ptrdiff_t i = 0; i < whole; i += SUM_LANES)
            UNROLL for (int p = 0; p < PARTS; p++) of_weight.part[p] +=
                *(const vec *)(x + i + p * LANES) * *(const vec *)(dy + i + p * LANES);
        add_values(&of_bias, dy, whole);
        for (ptrdiff_t i = whole; i < count; i++) {
            rest_of_weight += x[i] * dy[i];
            rest_of_bias += dy[i];
        }
    }
    a->dw[at] = add_lanes(&of_weight) + rest_of_weight;
    a->db[at] = add_lanes(&of_bias) + rest_of_bias;
}

enum lenet_status CPU_NAME(scale_forward)(struct lenet_ctx *ctx, const struct scale_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

enum lenet_status CPU_NAME(scale_backward_input)(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    return BY_BLOCKS(ctx, a, input_block);
}

enum lenet_status CPU_NAME(scale_backward_params)(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    return BY_ITEMS(ctx, a, (ptrdiff_t)a->R * a->C, params_item);
}
