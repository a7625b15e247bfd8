/* scale.c - a coefficient and a bias of each map on the CPU: twin of cuda/scale.cu. */
#include "ops_cpu.h"
#include "vector.h"

static int sizes_ok(int R, int N, int C, int P) { return R > 0 && N > 0 && N % LANES == 0 && C > 0 && P > 0; }

/* An item is a map c of a network: vectors first ... end-1 of the tensors, and parameter `at`. */
struct map {
    ptrdiff_t first, end;
    size_t at;
};

static struct map map_of(ptrdiff_t item, int N, int C, int P, size_t stride) {
    const ptrdiff_t vectors = (ptrdiff_t)P * (N / LANES);
    return (struct map){item * vectors, (item + 1) * vectors, (size_t)(item / C) * stride + (size_t)(item % C)};
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct scale_forward *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const vec *x = (const vec *)a->x;
    vec *y = (vec *)a->y;
    for (ptrdiff_t i = map.first; i < map.end; i++) y[i] = a->w[map.at] * x[i] + a->b[map.at];
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_input *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const vec *dy = (const vec *)a->dy;
    vec *dx = (vec *)a->dx;
    for (ptrdiff_t i = map.first; i < map.end; i++) dx[i] = a->w[map.at] * dy[i];
}

static LENET_REAL add_lanes(vec v) {
    LENET_REAL sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

static void params_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_params *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const vec *x = (const vec *)a->x, *dy = (const vec *)a->dy;
    vec weight = {0}, bias = {0};
    for (ptrdiff_t i = map.first; i < map.end; i++) {
        weight += x[i] * dy[i];
        bias += dy[i];
    }
    a->dw[map.at] = add_lanes(weight);
    a->db[map.at] = add_lanes(bias);
}

enum lenet_status CPU_NAME(scale_forward)(struct lenet_ctx *ctx, const struct scale_forward *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_input)(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, input_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_params)(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, params_item, a);
    return LENET_OK;
}
