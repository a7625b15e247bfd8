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
                     vec outputs[4]) {
    const ptrdiff_t pixel = a->N, row = a->W * pixel, map = a->H * row;
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

/* An item is a row of windows of map o of network r. */
static void forward_item(const void *args, ptrdiff_t item) {
    const struct conv_maxpool_forward *a = args;
    const int N = a->N, PH = (a->H - a->K + 1) / 2, PW = (a->W - a->K + 1) / 2;
    const ptrdiff_t h = item % PH, o = item / PH % a->O, r = item / PH / a->O;
    const LENET_REAL *w = a->w + (size_t)r * a->stride + (size_t)(o * a->C * a->K * a->K);
    const LENET_REAL b = a->b[(size_t)r * a->stride + (size_t)o];
    const LENET_REAL *x = a->x + (r * a->C * a->H + 2 * h) * a->W * N;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)PW * N; i += IMAGE_LANES) {
        const ptrdiff_t at = item * PW * N + i;
        vec pixels[4], largest;
        mask place = {0};
        convolve(a, b, w, x + i / N * 2 * N + i % N, pixels);
        largest = pixels[0];
        for (int k = 1; k < 4; k++) {
            const mask larger = pixels[k] > largest;
            largest = select_vec(larger, pixels[k], largest);
            place = (larger & k) | (~larger & place);
        }
        store_images(a->y + at, activated_by(largest, a->activation));
        for (int n = 0; n < IMAGE_LANES; n++) a->place[at + n] = (uint8_t)place[n];
    }
}

/* An item is a row of windows of a map of a network. */
static void backward_item(const void *args, ptrdiff_t item) {
    const struct maxpool_backward_input *a = args;
    const ptrdiff_t pixel = a->N, row = a->W * pixel, windows = row / 2;
    LENET_REAL *dx = a->dx + item * 2 * row;
    memset(dx, 0, (size_t)(2 * row) * sizeof *dx);
    for (ptrdiff_t i = 0; i < windows; i += IMAGE_LANES) {
        const ptrdiff_t at = item * windows + i;
        const vec gradient = gradient_by(load_images(a->y + at), load_images(a->dy + at), a->activation);
        for (int n = 0; n < IMAGE_LANES; n++) {
            const int place = a->place[at + n];
            dx[place / 2 * row + (i / pixel * 2 + place % 2) * pixel + i % pixel + n] = gradient[n];
        }
    }
}

enum lenet_status CPU_NAME(conv_maxpool_forward)(struct lenet_ctx *ctx, const struct conv_maxpool_forward *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->O * ((a->H - a->K + 1) / 2), forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(maxpool_backward_input)(struct lenet_ctx *ctx, const struct maxpool_backward_input *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C * (a->H / 2), backward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(conv_maxpool_backward_params)(struct lenet_ctx *ctx,
                                                         const struct conv_maxpool_backward_params *a) {
    const struct maxpool_backward_input first = gradient_between(a);
    const struct conv_backward_params second = params_of_between(a);
    LENET_TRY(CPU_NAME(maxpool_backward_input)(ctx, &first));
    return CPU_NAME(conv_backward_params)(ctx, &second);
}
