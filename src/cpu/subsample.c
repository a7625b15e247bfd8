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

/* Both passes: an item is a map c of a network. S, max and f are arguments, so that the compiler knows them. */
ALWAYS_INLINE void forward_map(const struct subsample_forward *a, ptrdiff_t map, int S, int max,
                               enum lenet_activation f) {
    const ptrdiff_t rows = a->H / S, pixel = a->N / LANES, row = a->W * pixel;
    for (ptrdiff_t h = map * rows; h < (map + 1) * rows; h++)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++) {
                const vec *x = (const vec *)a->x + h * S * row + w * S * pixel + v;
                vec *y = (vec *)a->y + (h * (a->W / S) + w) * pixel + v;
                *y = max ? activated(window_max(x, S, row, pixel), f)
                         : share_of(window_sum(x, S, row, pixel, f), S, a->pooling);
            }
}

ALWAYS_INLINE void backward_map(const struct subsample_backward_input *a, ptrdiff_t map, int S, int max,
                                enum lenet_activation f) {
    const ptrdiff_t rows = a->H / S, pixel = a->N / LANES, row = a->W * pixel;
    for (ptrdiff_t h = map * rows; h < (map + 1) * rows; h++)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++) {
                const ptrdiff_t at = h * S * row + w * S * pixel + v;
                const vec *x = (const vec *)a->x + at, dy = ((const vec *)a->dy)[(h * (a->W / S) + w) * pixel + v];
                vec *dx = (vec *)a->dx + at;
                if (max)
                    max_gradient(x, dy, dx, S, row, pixel, f);
                else
                    sum_gradient(x, share_of(dy, S, a->pooling), dx, S, row, pixel, f);
            }
}

#define BY_POOLING(function, S, f)                                                                                     \
    do {                                                                                                               \
        if (a->pooling == LENET_POOL_MAX)                                                                              \
            function(a, map, S, 1, f);                                                                                 \
        else                                                                                                           \
            function(a, map, S, 0, f);                                                                                 \
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

static void forward_item(const void *args, ptrdiff_t map) {
    const struct subsample_forward *a = args;
    SPECIALISED(forward_map);
}

static void backward_item(const void *args, ptrdiff_t map) {
    const struct subsample_backward_input *a = args;
    SPECIALISED(backward_map);
}

enum lenet_status CPU_NAME(subsample_forward)(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(subsample_backward_input)(struct lenet_ctx *ctx, const struct subsample_backward_input *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, backward_item, a);
    return LENET_OK;
}
