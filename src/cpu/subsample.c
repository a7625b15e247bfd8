/* subsample.c - average, maximum and sum of windows on the CPU: twin of cuda/subsample.cu.
 *
 * f never falls, so the maximum of f is f of the maximum. */
#include "cpu/activation.h"
#include "cpu/ops_cpu.h"

/* The largest of the window's pixels; row is in vectors. */
ALWAYS_INLINE vec window_max(const vec *x, int S, ptrdiff_t row, ptrdiff_t pixel) {
    vec largest = *x;
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) {
            const vec candidate = x[i * row + j * pixel];
            largest = select_vec(candidate > largest, candidate, largest);
        }
    return largest;
}

ALWAYS_INLINE vec window_sum(const vec *x, int S, ptrdiff_t row, ptrdiff_t pixel, enum lenet_activation f) {
    vec sum = {0};
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) sum += activated(x[i * row + j * pixel], f);
    return sum;
}

/* An average is its share of the sum. */
ALWAYS_INLINE vec share_of(vec sum, int S, enum lenet_pooling pooling) {
    return pooling == LENET_POOL_SUM ? sum : sum * (vec_of(1) / vec_of((LENET_REAL)(S * S)));
}

ALWAYS_INLINE void max_gradient(const vec *x, vec dy, vec *dx, int S, ptrdiff_t row, ptrdiff_t pixel,
                                enum lenet_activation f) {
    const vec largest = window_max(x, S, row, pixel), gradient = activation_gradient(activated(largest, f), dy, f);
    mask found = {0};
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) {
            const ptrdiff_t at = i * row + j * pixel;
            const mask first = (x[at] == largest) & ~found;
            dx[at] = select_vec(first, gradient, (vec){0});
            found |= first;
        }
}

ALWAYS_INLINE void sum_gradient(const vec *x, vec share, vec *dx, int S, ptrdiff_t row, ptrdiff_t pixel,
                                enum lenet_activation f) {
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) {
            const ptrdiff_t at = i * row + j * pixel;
            dx[at] = activation_gradient(activated(x[at], f), share, f);
        }
}

/* Both passes, of a block of images. S, max and f are arguments, so that the compiler knows them. */
ALWAYS_INLINE void forward_windows(const struct subsample_forward *a, const struct block *block, int S, int max,
                                   enum lenet_activation f) {
    const ptrdiff_t pixel = block->count / LANES, row = a->W * pixel, rows = (ptrdiff_t)a->C * (a->H / S);
    const vec *x = (const vec *)(a->x + block->before * a->C * a->H * a->W);
    vec *y = (vec *)(a->y + block->before * rows * (a->W / S));
    for (ptrdiff_t h = 0; h < rows; h++, x += S * row)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++, y++) {
                const vec *window = x + w * S * pixel + v;
                *y = max ? activated(window_max(window, S, row, pixel), f)
                         : share_of(window_sum(window, S, row, pixel, f), S, a->pooling);
            }
}

ALWAYS_INLINE void backward_windows(const struct subsample_backward_input *a, const struct block *block, int S, int max,
                                    enum lenet_activation f) {
    const ptrdiff_t pixel = block->count / LANES, row = a->W * pixel, rows = (ptrdiff_t)a->C * (a->H / S);
    const vec *x = (const vec *)(a->x + block->before * a->C * a->H * a->W);
    const vec *dy = (const vec *)(a->dy + block->before * rows * (a->W / S));
    vec *dx = (vec *)(a->dx + block->before * a->C * a->H * a->W);
    for (ptrdiff_t h = 0; h < rows; h++, x += S * row, dx += S * row)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++, dy++) {
                const ptrdiff_t at = w * S * pixel + v;
                if (max)
                    max_gradient(x + at, *dy, dx + at, S, row, pixel, f);
                else
                    sum_gradient(x + at, share_of(*dy, S, a->pooling), dx + at, S, row, pixel, f);
            }
}

#define BY_POOLING(function, S, f)                                                                                     \
    do {                                                                                                               \
        if (a->pooling == LENET_POOL_MAX)                                                                              \
            function(a, block, S, 1, f);                                                                               \
        else                                                                                                           \
            function(a, block, S, 0, f);                                                                               \
    } while (0)
#define SPECIALISED(function)                                                                                          \
    do {                                                                                                               \
        if (a->S != 2)                                                                                                 \
            BY_POOLING(function, a->S, a->activation);                                                                 \
        else if (a->activation == LENET_TANH)                                                                          \
            BY_POOLING(function, 2, LENET_TANH);                                                                       \
        else if (a->activation == LENET_RELU)                                                                          \
            BY_POOLING(function, 2, LENET_RELU);                                                                       \
        else if (a->activation == LENET_SQUASH)                                                                        \
            BY_POOLING(function, 2, LENET_SQUASH);                                                                     \
        else                                                                                                           \
            BY_POOLING(function, 2, LENET_LINEAR);                                                                     \
    } while (0)

static void forward_block(const void *args, const struct block *block) {
    const struct subsample_forward *a = args;
    SPECIALISED(forward_windows);
}

static void backward_block(const void *args, const struct block *block) {
    const struct subsample_backward_input *a = args;
    SPECIALISED(backward_windows);
}

enum lenet_status CPU_NAME(subsample_forward)(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

enum lenet_status CPU_NAME(subsample_backward_input)(struct lenet_ctx *ctx, const struct subsample_backward_input *a) {
    return BY_BLOCKS(ctx, a, backward_block);
}
