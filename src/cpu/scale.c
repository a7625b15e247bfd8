/* scale.c - a coefficient and a bias of each map on the CPU: twin of cuda/scale.cu. */
#include "ops_cpu.h"
#include "vector.h"

static int sizes_ok(int R, int N, int C, int P) { return population_ok(R, N) && C > 0 && P > 0; }

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
    const weight w = ((const weight *)a->w)[map.at], b = ((const weight *)a->b)[map.at];
    vec *y = (vec *)a->y;
    for (ptrdiff_t i = map.first; i < map.end; i++) y[i] = w * x[i] + b;
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_input *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const vec *dy = (const vec *)a->dy;
    const weight w = ((const weight *)a->w)[map.at];
    vec *dx = (vec *)a->dx;
    for (ptrdiff_t i = map.first; i < map.end; i++) dx[i] = w * dy[i];
}

static void params_item(const void *args, ptrdiff_t item) {
    const struct scale_backward_params *a = args;
    const struct map map = map_of(item, a->N, a->C, a->P, a->stride);
    const vec *x = (const vec *)a->x, *dy = (const vec *)a->dy;
    vec of_weight = {0}, of_bias = {0};
    for (ptrdiff_t i = map.first; i < map.end; i++) {
        of_weight += x[i] * dy[i];
        of_bias += dy[i];
    }
    ((weight *)a->dw)[map.at] = add_images(of_weight);
    ((weight *)a->db)[map.at] = add_images(of_bias);
}

enum lenet_status CPU_NAME(scale_forward)(struct lenet_ctx *ctx, const struct scale_forward *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    struct scale_forward groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * a->C, forward_item, &groups);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_input)(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    struct scale_backward_input groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * a->C, input_item, &groups);
    return LENET_OK;
}

enum lenet_status CPU_NAME(scale_backward_params)(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->P)) return LENET_ERR_ARG;
    struct scale_backward_params groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * a->C, params_item, &groups);
    return LENET_OK;
}
