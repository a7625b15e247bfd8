/* rbf.c - distances to fixed targets on the CPU: twin of cuda/rbf.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

static LENET_REAL target(const struct rbf_targets *targets, int o, int i) {
    return targets->plus[o][i / 32] >> i % 32 & 1 ? 1 : -1;
}

/* Of a block the lines of all units, in images or vectors of them. */
#define LINES(tensor, units) ((image_vec *)(tensor) + block->before / IMAGE_LANES * (units))

static void forward_block(const void *args, const struct block *block) {
    const struct rbf_forward *a = args;
    const ptrdiff_t width = block->count / IMAGE_LANES;
    const image_vec *x = LINES(a->x, a->I);
    image_vec *y = LINES(a->y, a->O);
    for (int o = 0; o < a->O; o++)
        for (ptrdiff_t v = 0; v < width; v++) {
            image_vec sum = {0};
            for (int i = 0; i < a->I; i++) {
                const image_vec distance = x[i * width + v] - target(&a->targets, o, i);
                sum -= distance * distance;
            }
            y[o * width + v] = sum;
        }
}

static void input_block(const void *args, const struct block *block) {
    const struct rbf_backward_input *a = args;
    const ptrdiff_t width = block->count / IMAGE_LANES;
    const image_vec *x = LINES(a->x, a->I), *dy = LINES(a->dy, a->O);
    image_vec *dx = LINES(a->dx, a->I);
    for (int i = 0; i < a->I; i++)
        for (ptrdiff_t v = 0; v < width; v++) {
            image_vec sum = {0};
            for (int o = 0; o < a->O; o++) sum -= dy[o * width + v] * (x[i * width + v] - target(&a->targets, o, i));
            dx[i * width + v] = 2 * sum;
        }
}

static void second_block(const void *args, const struct block *block) {
    const struct rbf_backward_second *a = args;
    const ptrdiff_t width = block->count / IMAGE_LANES;
    const image_vec *dy = LINES(a->dy, a->O);
    image_vec *d2x = LINES(a->d2x, a->I);
    for (ptrdiff_t v = 0; v < width; v++) {
        image_vec sum = {0};
        for (int o = 0; o < a->O; o++) sum -= dy[o * width + v];
        for (int i = 0; i < a->I; i++) d2x[i * width + v] = 2 * sum;
    }
}

enum lenet_status CPU_NAME(rbf_forward)(struct lenet_ctx *ctx, const struct rbf_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

enum lenet_status CPU_NAME(rbf_backward_input)(struct lenet_ctx *ctx, const struct rbf_backward_input *a) {
    return BY_BLOCKS(ctx, a, input_block);
}

enum lenet_status CPU_NAME(rbf_backward_second)(struct lenet_ctx *ctx, const struct rbf_backward_second *a) {
    return BY_BLOCKS(ctx, a, second_block);
}
