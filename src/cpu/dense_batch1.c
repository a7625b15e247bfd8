/* dense_batch1.c - the fully connected layer on the CPU for batches of a single image: twin of cuda/dense.cu, as
 * dense.c is. A lane is an input: the weights of an output lie together. An item is a network. */
#include "cpu/batch1.h"
#include "cpu/tile.h"

/* y[o] = b[o] + sum over i of w[o][i] * x[i]. The last inputs do not fill all sums. */
static void forward_image(const struct dense_forward *a, const LENET_REAL *w, const LENET_REAL *b, const LENET_REAL *x,
                          LENET_REAL *y) {
    const int I = a->I, whole = I / SUM_LANES * SUM_LANES;
    for (int o = 0; o < a->O; o += PARAMS_T) {
        const int T = least(a->O - o, PARAMS_T);
        struct sums sum[PARAMS_T] = {0};
        const LENET_REAL *rows[PARAMS_T];
        for (int t = 0; t < T; t++) rows[t] = w + (ptrdiff_t)(o + t) * I;
        row_products(T, 1, whole / SUM_LANES, rows, x, 0, sum, 1);
        for (int t = 0; t < T; t++) {
            LENET_REAL rest = b[o + t];
            for (int i = whole; i < I; i++) rest = FMA_REAL(rows[t][i], x[i], rest);
            y[(ptrdiff_t)(o + t) * a->N] = add_lanes(&sum[t]) + rest;
        }
    }
}

static void forward_item(const void *args, ptrdiff_t r) {
    const struct with_memory *m = args;
    const struct dense_forward *a = m->args;
    LENET_REAL *x = memory_of(m, r);
    for (int n = 0; n < a->N; n++) {
        copy_in(x, a->x + r * a->I * a->N + n, a->I, a->N);
        forward_image(a, a->w + (size_t)r * a->stride, a->b + (size_t)r * a->stride, x, a->y + r * a->O * a->N + n);
    }
}

enum lenet_status CPU_NAME(dense_forward)(struct lenet_ctx *ctx, const struct dense_forward *a) {
    LENET_TRY(for_items(ctx, a, a->R, a->I, forward_item));
    return activate_outputs(ctx, a);
}

/* dx[i] = sum over o of w[o][i] * dy[o]: a weighted sum of the rows of w. */
static void input_item(const void *args, ptrdiff_t r) {
    const struct with_memory *m = args;
    const struct dense_backward_input *a = m->args;
    const int I = a->I, O = a->O, N = a->N, whole = I / LANES * LANES;
    const LENET_REAL *w = a->w + (size_t)r * a->stride;
    LENET_REAL *dx = memory_of(m, r);
    const struct taps taps = {.count = {1, 1, O}, .x_step = {0, 0, I}, .w_step = {0, 0, N, 0}, .y_step = 0};
    for (int n = 0; n < N; n++) {
        const LENET_REAL *dy = a->dy + r * O * N + n;
        tile_sum(&taps, 1, whole, w, dy, NULL, dx);
        for (int i = whole; i < I; i++) {
            LENET_REAL sum = 0;
            for (int o = 0; o < O; o++) sum = FMA_REAL(w[(ptrdiff_t)o * I + i], dy[(ptrdiff_t)o * N], sum);
            dx[i] = sum;
        }
        copy_out(a->dx + r * I * N + n, dx, I, N);
    }
}

enum lenet_status CPU_NAME(dense_backward_input)(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    LENET_TRY(for_items(ctx, a, a->R, a->I, input_item));
    return activate_gradients(ctx, a);
}

/* dw[o][i] = sum over the images of dy[o] * x[i]. */
static void params_item(const void *args, ptrdiff_t r) {
    const struct with_memory *m = args;
    const struct dense_backward_params *a = m->args;
    const int I = a->I, O = a->O, N = a->N;
    LENET_REAL *x = memory_of(m, r), *dw = a->dw + (size_t)r * a->stride, *db = a->db + (size_t)r * a->stride;
    for (int n = 0; n < N; n++) {
        const LENET_REAL *dy = a->dy + r * O * N + n;
        copy_in(x, a->x + r * I * N + n, I, N);
        for (int o = 0; o < O; o++) {
            const LENET_REAL gradient = dy[(ptrdiff_t)o * N];
            LENET_REAL *row = dw + (ptrdiff_t)o * I;
            if (n == 0)
                for (int i = 0; i < I; i++) row[i] = gradient * x[i];
            else
                for (int i = 0; i < I; i++) row[i] += gradient * x[i];
            db[o] = n == 0 ? gradient : db[o] + gradient;
        }
    }
}

enum lenet_status CPU_NAME(dense_backward_params)(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    return for_items(ctx, a, a->R, a->I, params_item);
}
