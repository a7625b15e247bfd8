/* scale.c - a coefficient and a bias of each map on the CPU: twin of cuda/scale.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

/* An item is a map c of a network: `count` values from `first` on, and parameter `at`. */
struct map {
    ptrdiff_t first, count;
    size_t at;
};

static struct map map_of(ptrdiff_t item, int N, int C, int P, size_t stride) {
    const ptrdiff_t count = (ptrdiff_t)P * N;
    return (struct map){item * count, count, (size_t)(item / C) * stride + (size_t)(item % C)};
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct scale_forward *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const LENET_REAL w = a->w[map.at], b = a->b[map.at], *x = a->x + map.first;
    LENET_REAL *y = a->y + map.first;
    for (ptrdiff_t i = 0; i < map.count; i++) y[i] = w * x[i] + b;
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_input *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const LENET_REAL w = a->w[map.at], *dy = a->dy + map.first;
    LENET_REAL *dx = a->dx + map.first;
    for (ptrdiff_t i = 0; i < map.count; i++) dx[i] = w * dy[i];
}

/* A map of a single image may end in values that do not fill all sums. */
static void params_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_params *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const LENET_REAL *x = a->x + map.first, *dy = a->dy + map.first;
    struct sums of_weight = {0}, of_bias = {0};
    const ptrdiff_t whole = map.count / SUM_LANES * SUM_LANES;
    for (ptrdiff_t i = 0; i < whole; i += SUM_LANES)
        UNROLL for (int p = 0; p < PARTS; p++) of_weight.part[p] +=
            *(const vec *)(x + i + p * LANES) * *(const vec *)(dy + i + p * LANES);
    add_values(&of_bias, dy, whole);
    a->dw[map.at] = add_lanes(&of_weight);
    a->db[map.at] = add_lanes(&of_bias);
    for (ptrdiff_t i = whole; i < map.count; i++) {
        a->dw[map.at] += x[i] * dy[i];
        a->db[map.at] += dy[i];
    }
}

enum lenet_status CPU_NAME(scale_forward)(struct lenet_ctx *ctx, const struct scale_forward *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_input)(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, input_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_params)(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, params_item, a);
    return LENET_OK;
}
