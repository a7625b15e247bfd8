/* conv_maxpool.c - convolution, nonlinearity and maximum of 2 x 2 windows as one operation on the CPU, and the gradient
 * of the convolution's outputs, which that leaves out: twin of cuda/conv_maxpool.cu.
 *
 * A window at a time, without tiles: training on a CPU takes the two operations, which are faster there, and these are
 * what the GPU's are held against. A single image, in the twins for such, is in every lane. */
#include <string.h>

#include "cpu/activation.h"
#include "cpu/ops_cpu.h"
#include "ops/conv_maxpool.h"

ALWAYS_INLINE vec in_all_lanes(image_vec v) { return v - (vec){0}; }
ALWAYS_INLINE vec load_images(const LENET_REAL *p) { return in_all_lanes(*(const image_vec *)p); }
ALWAYS_INLINE void store_images(LENET_REAL *p, vec v) { memcpy(p, &v, IMAGE_LANES * sizeof *p); }

ALWAYS_INLINE image_vec fused(LENET_REAL a, image_vec b, image_vec c) {
#ifdef LENET_BATCH1
    return FMA_REAL(a, b, c);
#else
    return FMA(vec_of(a), b, c);
#endif
}

static vec activated_by(vec x, enum lenet_activation f) {
    return f == LENET_TANH     ? activated(x, LENET_TANH)
           : f == LENET_RELU   ? activated(x, LENET_RELU)
           : f == LENET_SQUASH ? activated(x, LENET_SQUASH)
                               : x;
}
static vec gradient_by(vec y, vec dy, enum lenet_activation f) {
    return f == LENET_TANH     ? activation_gradient(y, dy, LENET_TANH)
           : f == LENET_RELU   ? activation_gradient(y, dy, LENET_RELU)
           : f == LENET_SQUASH ? activation_gradient(y, dy, LENET_SQUASH)
                               : dy;
}

/* The four outputs of the convolution in a window, in reading order; x is the first pixel that they see. */
static void convolve(const struct conv_maxpool_forward *a, LENET_REAL b, const LENET_REAL *w, const LENET_REAL *x,
                     ptrdiff_t pixel, vec outputs[4]) {
    const ptrdiff_t row = a->W * pixel, map = a->H * row;
    image_vec sum[4];
    for (int k = 0; k < 4; k++) sum[k] = b - (image_vec){0};
    for (int c = 0; c < a->C; c++)
        for (int i = 0; i < a->K; i++)
            for (int j = 0; j < a->K; j++, w++)
                for (int k = 0; k < 4; k++)
                    sum[k] =
                        fused(*w, *(const image_vec *)(x + c * map + (i + k / 2) * row + (j + k % 2) * pixel), sum[k]);
    for (int k = 0; k < 4; k++) outputs[k] = in_all_lanes(sum[k]);
}

static void forward_window(enum lenet_activation f, const vec pixels[4], LENET_REAL *y, uint8_t *places) {
    vec largest = pixels[0];
    mask place = {0};
    for (int k = 1; k < 4; k++) {
        const mask larger = pixels[k] > largest;
        largest = select_vec(larger, pixels[k], largest);
        place = (larger & k) | (~larger & place);
    }
    store_images(y, activated_by(largest, f));
    for (int n = 0; n < IMAGE_LANES; n++) places[n] = (uint8_t)place[n];
}

static void forward_block(const void *args, const struct block *block) {
    const struct conv_maxpool_forward *a = args;
    const ptrdiff_t N = block->count, PH = (a->H - a->K + 1) / 2, PW = (a->W - a->K + 1) / 2;
    const ptrdiff_t weights = (ptrdiff_t)a->C * a->K * a->K, network = block->r * (ptrdiff_t)a->stride;
    const LENET_REAL *x = a->x + block->before * a->C * a->H * a->W;
    ptrdiff_t at = block->before * a->O * PH * PW;
    for (ptrdiff_t o = 0; o < a->O; o++)
        for (ptrdiff_t h = 0; h < PH; h++)
            for (ptrdiff_t w = 0; w < PW; w++)
                for (ptrdiff_t n = 0; n < N; n += IMAGE_LANES, at += IMAGE_LANES) {
                    vec pixels[4];
                    convolve(a, a->b[network + o], a->w + network + o * weights, x + (h * 2 * a->W + w * 2) * N + n, N,
                             pixels);
                    forward_window(a->activation, pixels, a->y + at, a->place + at);
                }
}

static void backward_block(const void *args, const struct block *block) {
    const struct maxpool_backward_input *a = args;
    const ptrdiff_t N = block->count, row = a->W * N, first = block->before * a->C * a->H * a->W;
    ptrdiff_t at = first / 4;
    memset(a->dx + first, 0, (size_t)(a->C * a->H * row) * sizeof *a->dx);
    for (ptrdiff_t h = 0; h < (ptrdiff_t)a->C * a->H; h += 2)
        for (ptrdiff_t w = 0; w < a->W; w += 2)
            for (ptrdiff_t n = 0; n < N; n += IMAGE_LANES, at += IMAGE_LANES) {
                const vec gradient = gradient_by(load_images(a->y + at), load_images(a->dy + at), a->activation);
                LENET_REAL *dx = a->dx + first + h * row + w * N + n;
                for (int i = 0; i < IMAGE_LANES; i++)
                    dx[a->place[at + i] / 2 * row + a->place[at + i] % 2 * N + i] = gradient[i];
            }
}

enum lenet_status CPU_NAME(conv_maxpool_forward)(struct lenet_ctx *ctx, const struct conv_maxpool_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

enum lenet_status CPU_NAME(maxpool_backward_input)(struct lenet_ctx *ctx, const struct maxpool_backward_input *a) {
    return BY_BLOCKS(ctx, a, backward_block);
}

enum lenet_status CPU_NAME(conv_maxpool_backward_params)(struct lenet_ctx *ctx,
                                                         const struct conv_maxpool_backward_params *a) {
    const struct maxpool_backward_input first = gradient_between(a);
    const struct conv_backward_params second = params_of_between(a);
    LENET_TRY(CPU_NAME(maxpool_backward_input)(ctx, &first));
    return CPU_NAME(conv_backward_params)(ctx, &second);
}
