/* subsample_batch1.c - average, maximum and sum of windows on the CPU for batches of a single image: twin of
 * cuda/subsample.cu, as subsample.c is.
 *
 * A lane is a pixel of a map, and an item a map of a network. f never falls, so the maximum of f is f of the maximum.
 */
#include "cpu/activation.h"
#include "cpu/batch1.h"

/* line = f(line), up to the end of its last vector. */
static void activate(LENET_REAL *line, ptrdiff_t count, enum lenet_activation f) {
    for (vec *v = (vec *)line; v < (vec *)(line + count); v++)
        *v = f == LENET_TANH     ? activated(*v, LENET_TANH)
             : f == LENET_RELU   ? activated(*v, LENET_RELU)
             : f == LENET_SQUASH ? activated(*v, LENET_SQUASH)
                                 : *v;
}

/* dx *= f', where f is y, up to the end of the last vectors. */
static void multiply_slopes(LENET_REAL *dx, const LENET_REAL *y, ptrdiff_t count, enum lenet_activation f) {
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        vec *gradient = (vec *)(dx + i);
        const vec *value = (const vec *)(y + i);
        *gradient = f == LENET_TANH     ? activation_gradient(*value, *gradient, LENET_TANH)
                    : f == LENET_RELU   ? activation_gradient(*value, *gradient, LENET_RELU)
                    : f == LENET_SQUASH ? activation_gradient(*value, *gradient, LENET_SQUASH)
                                        : *gradient;
    }
}

struct map {
    int OH, OW, W;
    LENET_REAL share; /* of a pixel in the sum of its window */
};

/* y = each window's share of its sum, or its largest pixel. S and max are arguments, so that the compiler knows them.
 */
ALWAYS_INLINE void reduce(const struct map *map, const LENET_REAL *x, LENET_REAL *y, int S, int max) {
    for (int h = 0; h < map->OH; h++)
        for (int w = 0; w < map->OW; w++) {
            const LENET_REAL *window = x + (ptrdiff_t)h * S * map->W + w * S;
            LENET_REAL result = max ? *window : 0;
            for (int i = 0; i < S; i++)
                for (int j = 0; j < S; j++) {
                    const LENET_REAL pixel = window[(ptrdiff_t)i * map->W + j];
                    result = !max ? result + pixel : pixel > result ? pixel : result;
                }
            *y++ = max ? result : result * map->share;
        }
}

/* dx = each pixel's share of dy, or all of it for the first of the largest of its window, and 0 for the others. */
ALWAYS_INLINE void spread(const struct map *map, const LENET_REAL *x, const LENET_REAL *dy, LENET_REAL *dx, int S,
                          int max) {
    for (int h = 0; h < map->OH; h++)
        for (int w = 0; w < map->OW; w++, dy++) {
            const ptrdiff_t first = (ptrdiff_t)h * S * map->W + w * S;
            ptrdiff_t largest = first;
            for (int i = 0; i < S; i++)
                for (int j = 0; j < S; j++) {
                    const ptrdiff_t pixel = first + (ptrdiff_t)i * map->W + j;
                    dx[pixel] = max ? 0 : *dy * map->share;
                    if (max) largest = x[pixel] > x[largest] ? pixel : largest;
                }
            if (max) dx[largest] = *dy;
        }
}

#define SPECIALISED(function, ...)                                                                                     \
    do {                                                                                                               \
        if (a->pooling == LENET_POOL_MAX)                                                                              \
            a->S == 2 ? function(__VA_ARGS__, 2, 1) : function(__VA_ARGS__, a->S, 1);                                  \
        else                                                                                                           \
            a->S == 2 ? function(__VA_ARGS__, 2, 0) : function(__VA_ARGS__, a->S, 0);                                  \
    } while (0)

static LENET_REAL share_of(enum lenet_pooling pooling, int S) {
    return pooling == LENET_POOL_SUM ? 1 : 1 / (LENET_REAL)(S * S);
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct with_memory *m = args;
    const struct subsample_forward *a = m->args;
    const int N = a->N, max = a->pooling == LENET_POOL_MAX;
    const struct map map = {a->H / a->S, a->W / a->S, a->W, share_of(a->pooling, a->S)};
    const ptrdiff_t pixels = (ptrdiff_t)a->H * a->W, windows = (ptrdiff_t)map.OH * map.OW;
    LENET_REAL *x = memory_of(m, item), *y = x + whole_vectors(pixels);
    for (int n = 0; n < N; n++) {
        copy_in(x, a->x + item * pixels * N + n, pixels, N);
        if (!max) activate(x, pixels, a->activation);
        SPECIALISED(reduce, &map, x, y);
        if (max) activate(y, windows, a->activation);
        copy_out(a->y + item * windows * N + n, y, windows, N);
    }
}

static void backward_item(const void *args, ptrdiff_t item) {
    const struct with_memory *m = args;
    const struct subsample_backward_input *a = m->args;
    const int N = a->N, max = a->pooling == LENET_POOL_MAX;
    const struct map map = {a->H / a->S, a->W / a->S, a->W, share_of(a->pooling, a->S)};
    const ptrdiff_t pixels = (ptrdiff_t)a->H * a->W, windows = (ptrdiff_t)map.OH * map.OW;
    const ptrdiff_t line = whole_vectors(pixels);
    LENET_REAL *x = memory_of(m, item), *dx = x + line, *dy = dx + line, *largest = dy + line;
    for (int n = 0; n < N; n++) {
        copy_in(x, a->x + item * pixels * N + n, pixels, N);
        copy_in(dy, a->dy + item * windows * N + n, windows, N);
        if (max) { /* only the slope at the largest pixels counts */
            SPECIALISED(reduce, &map, x, largest);
            activate(largest, windows, a->activation);
            multiply_slopes(dy, largest, windows, a->activation);
        }
        SPECIALISED(spread, &map, x, dy, dx);
        if (!max) {
            activate(x, pixels, a->activation);
            multiply_slopes(dx, x, pixels, a->activation);
        }
        copy_out(a->dx + item * pixels * N + n, dx, pixels, N);
    }
}

enum lenet_status CPU_NAME(subsample_forward)(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    return for_items(ctx, a, (ptrdiff_t)a->R * a->C, 2 * whole_vectors((ptrdiff_t)a->H * a->W), forward_item);
}

enum lenet_status CPU_NAME(subsample_backward_input)(struct lenet_ctx *ctx, const struct subsample_backward_input *a) {
    return for_items(ctx, a, (ptrdiff_t)a->R * a->C, 4 * whole_vectors((ptrdiff_t)a->H * a->W), backward_item);
}
