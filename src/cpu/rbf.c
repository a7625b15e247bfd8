/* rbf.c - distances to fixed targets on the CPU: twin of cuda/rbf.cu. */
#include "ops_cpu.h"
#include "vector.h"

static int sizes_ok(int R, int N, int I, int O) {
    return population_ok(R, N) && I > 0 && I <= LENET_MAX_TARGET && O > 0 && O <= LENET_TARGETS;
}

static LENET_REAL target(const struct rbf_targets *targets, int o, int i) {
    return targets->plus[o][i / 32] >> i % 32 & 1 ? 1 : -1;
}

/* An item is a vector of images of a network. */
static void forward_item(const void *args, ptrdiff_t item) {
    const struct rbf_forward *a = args;
    const ptrdiff_t vectors = a->N / LANES, r = item / vectors, v = item % vectors;
    const vec *x = (const vec *)a->x + r * a->I * vectors + v;
    vec *y = (vec *)a->y + r * a->O * vectors + v;
    for (int o = 0; o < a->O; o++) {
        vec sum = {0};
        for (int i = 0; i < a->I; i++) {
            const vec distance = x[i * vectors] - target(&a->targets, o, i);
            sum -= distance * distance;
        }
        y[o * vectors] = sum;
    }
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct rbf_backward_input *a = args;
    const ptrdiff_t vectors = a->N / LANES, r = item / vectors, v = item % vectors;
    const vec *x = (const vec *)a->x + r * a->I * vectors + v, *dy = (const vec *)a->dy + r * a->O * vectors + v;
    vec *dx = (vec *)a->dx + r * a->I * vectors + v;
    for (int i = 0; i < a->I; i++) {
        vec sum = {0};
        for (int o = 0; o < a->O; o++) sum -= dy[o * vectors] * (x[i * vectors] - target(&a->targets, o, i));
        dx[i * vectors] = 2 * sum;
    }
}

static void second_item(const void *args, ptrdiff_t item) {
    const struct rbf_backward_second *a = args;
    const ptrdiff_t vectors = a->N / LANES, r = item / vectors, v = item % vectors;
    const vec *dy = (const vec *)a->dy + r * a->O * vectors + v;
    vec *d2x = (vec *)a->d2x + r * a->I * vectors + v, sum = {0};
    for (int o = 0; o < a->O; o++) sum -= dy[o * vectors];
    for (int i = 0; i < a->I; i++) d2x[i * vectors] = 2 * sum;
}

enum lenet_status CPU_NAME(rbf_forward)(struct lenet_ctx *ctx, const struct rbf_forward *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
    struct rbf_forward groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * (groups.N / LANES), forward_item, &groups);
    return LENET_OK;
}

enum lenet_status CPU_NAME(rbf_backward_input)(struct lenet_ctx *ctx, const struct rbf_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
    struct rbf_backward_input groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * (groups.N / LANES), input_item, &groups);
    return LENET_OK;
}

enum lenet_status CPU_NAME(rbf_backward_second)(struct lenet_ctx *ctx, const struct rbf_backward_second *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
    struct rbf_backward_second groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * (groups.N / LANES), second_item, &groups);
    return LENET_OK;
}
