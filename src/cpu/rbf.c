/* rbf.c - distances to fixed targets on the CPU: twin of cuda/rbf.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

static LENET_REAL target(const struct rbf_targets *targets, int o, int i) {
    return targets->plus[o][i / 32] >> i % 32 & 1 ? 1 : -1;
}

/* An item is a vector of images of a network, or a single image. */
static void forward_item(const void *args, ptrdiff_t item) {
    const struct rbf_forward *a = args;
    const ptrdiff_t vectors = a->N / IMAGE_LANES, r = item / vectors, v = item % vectors;
    const image_vec *x = (const image_vec *)a->x + r * a->I * vectors + v;
    image_vec *y = (image_vec *)a->y + r * a->O * vectors + v;
    for (int o = 0; o < a->O; o++) {
        image_vec sum = {0};
        for (int i = 0; i < a->I; i++) {
            const image_vec distance = x[i * vectors] - target(&a->targets, o, i);
            sum -= distance * distance;
        }
        y[o * vectors] = sum;
    }
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct rbf_backward_input *a = args;
    const ptrdiff_t vectors = a->N / IMAGE_LANES, r = item / vectors, v = item % vectors;
    const image_vec *x = (const image_vec *)a->x + r * a->I * vectors + v,
                    *dy = (const image_vec *)a->dy + r * a->O * vectors + v;
    image_vec *dx = (image_vec *)a->dx + r * a->I * vectors + v;
    for (int i = 0; i < a->I; i++) {
        image_vec sum = {0};
        for (int o = 0; o < a->O; o++) sum -= dy[o * vectors] * (x[i * vectors] - target(&a->targets, o, i));
        dx[i * vectors] = 2 * sum;
    }
}

static void second_item(const void *args, ptrdiff_t item) {
    const struct rbf_backward_second *a = args;
    const ptrdiff_t vectors = a->N / IMAGE_LANES, r = item / vectors, v = item % vectors;
    const image_vec *dy = (const image_vec *)a->dy + r * a->O * vectors + v;
    image_vec *d2x = (image_vec *)a->d2x + r * a->I * vectors + v, sum = {0};
    for (int o = 0; o < a->O; o++) sum -= dy[o * vectors];
    for (int i = 0; i < a->I; i++) d2x[i * vectors] = 2 * sum;
}

enum lenet_status CPU_NAME(rbf_forward)(struct lenet_ctx *ctx, const struct rbf_forward *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->N / IMAGE_LANES), forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(rbf_backward_input)(struct lenet_ctx *ctx, const struct rbf_backward_input *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->N / IMAGE_LANES), input_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(rbf_backward_second)(struct lenet_ctx *ctx, const struct rbf_backward_second *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->N / IMAGE_LANES), second_item, a);
    return LENET_OK;
}
