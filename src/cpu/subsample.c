/* subsample.c - average and maximum of windows on the CPU: twin of cuda/subsample.cu. */
#include "ops_cpu.h"
#include "vector.h"

static int sizes_ok(int R, int N, int C, int H, int W, int S, enum lenet_pooling pooling) {
    return R > 0 && N > 0 && N % LANES == 0 && C > 0 && H > 0 && W > 0 && S > 0 && H % S == 0 && W % S == 0 &&
           (pooling == LENET_POOL_AVERAGE || pooling == LENET_POOL_MAX);
}

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

ALWAYS_INLINE vec window_average(const vec *x, int S, ptrdiff_t row, ptrdiff_t pixel) {
    vec sum = {0};
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) sum += x[i * row + j * pixel];
    return sum * (vec_of(1) / vec_of((LENET_REAL)(S * S)));
}

ALWAYS_INLINE void max_gradient(const vec *x, vec dy, vec *dx, int S, ptrdiff_t row, ptrdiff_t pixel) {
    const vec largest = window_max(x, S, row, pixel);
    mask found = {0};
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) {
            const ptrdiff_t at = i * row + j * pixel;
            const mask first = (x[at] == largest) & ~found;
            dx[at] = select_vec(first, dy, (vec){0});
            found |= first;
        }
}

ALWAYS_INLINE void average_gradient(vec dy, vec *dx, int S, ptrdiff_t row, ptrdiff_t pixel) {
    const vec share = dy * (vec_of(1) / vec_of((LENET_REAL)(S * S)));
    for (int i = 0; i < S; i++)
        for (int j = 0; j < S; j++) dx[i * row + j * pixel] = share;
}

/* Both passes: an item is a map c of a network. */
static void forward_item(const void *args, ptrdiff_t map) {
    const struct subsample_forward *a = args;
    const int S = a->S, max = a->pooling == LENET_POOL_MAX;
    const ptrdiff_t rows = a->H / S, pixel = a->N / LANES, row = a->W * pixel;
    for (ptrdiff_t h = map * rows; h < (map + 1) * rows; h++)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++) {
                const vec *x = (const vec *)a->x + h * S * row + w * S * pixel + v;
                vec *y = (vec *)a->y + (h * (a->W / S) + w) * pixel + v;
                if (S == 2) /* a constant, so that the compiler unrolls the window */
                    *y = max ? window_max(x, 2, row, pixel) : window_average(x, 2, row, pixel);
                else
                    *y = max ? window_max(x, S, row, pixel) : window_average(x, S, row, pixel);
            }
}

static void backward_item(const void *args, ptrdiff_t map) {
    const struct subsample_backward_input *a = args;
    const int S = a->S, max = a->pooling == LENET_POOL_MAX;
    const ptrdiff_t rows = a->H / S, pixel = a->N / LANES, row = a->W * pixel;
    for (ptrdiff_t h = map * rows; h < (map + 1) * rows; h++)
        for (int w = 0; w < a->W / S; w++)
            for (int v = 0; v < pixel; v++) {
                const ptrdiff_t at = h * S * row + w * S * pixel + v;
                const vec dy = ((const vec *)a->dy)[(h * (a->W / S) + w) * pixel + v];
                vec *dx = (vec *)a->dx + at;
                if (!max)
                    average_gradient(dy, dx, S, row, pixel);
                else if (S == 2)
                    max_gradient((const vec *)a->x + at, dy, dx, 2, row, pixel);
                else
                    max_gradient((const vec *)a->x + at, dy, dx, S, row, pixel);
            }
}

enum lenet_status CPU_NAME(subsample_forward)(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->H, a->W, a->S, a->pooling)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(subsample_backward_input)(struct lenet_ctx *ctx, const struct subsample_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->H, a->W, a->S, a->pooling)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->C, backward_item, a);
    return LENET_OK;
}
