/* conv_batch1.c - convolution on the CPU for batches of a single image: twin of cuda/conv.cu and cuda/conv_params.cu,
 * as conv.c is.
 *
 * A lane is a pixel. A map is a line of H*W pixels, row after row, and what is computed of a map lies in a line at the
 * input's width, too: in the forward pass
 *
 *     y[o][p] = b[o] + sum over c, i, j of w[o][c][i][j] * x[c][p + i*W + j]   for all p = h*W + w.
 *
 * The last K-1 values of each row are no outputs: they are computed for nothing and left out. The gradients, the other
 * way round, find zeros there, and so no border needs a case of its own; a NaN or an infinity times such a zero reaches
 * more results of its map than in conv.c. A lane sums a few dozen products of an image, so that their rounding stays
 * small. An item is an image, or for the parameters' gradient a network. */
#include "cpu/batch1.h"
#include "cpu/tile.h"
#include "ops/preconditions.h"

/* Copies the input maps, each followed by zeros in which its last vectors end: a NaN of the next map must not get into
 * its gradient. */
static ptrdiff_t input_pitch(int H, int W) { return whole_vectors((ptrdiff_t)H * W + SUM_LANES + LENET_MAX_KERNEL); }
static void copy_inputs(LENET_REAL *lines, const LENET_REAL *x, int C, int H, int W, int N) {
    const ptrdiff_t pitch = input_pitch(H, W), pixels = (ptrdiff_t)H * W;
    for (int c = 0; c < C; c++, lines += pitch) {
        copy_in(lines, x + c * pixels * N, pixels, N);
        clear(lines + pixels, pitch - pixels);
    }
}

/* Copies the output maps at the input's width into `pitch` values each: `before` zeros, the rows, and zeros to the end.
 */
static void copy_outputs(LENET_REAL *lines, ptrdiff_t pitch, ptrdiff_t before, const LENET_REAL *dy, int O, int OH,
                         int OW, int W, int N) {
    clear(lines, O * pitch);
    for (int o = 0; o < O; o++)
        for (int h = 0; h < OH; h++, dy += (ptrdiff_t)OW * N)
            copy_in(lines + o * pitch + before + (ptrdiff_t)h * W, dy, OW, N);
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct with_memory *m = args;
    const struct conv_forward *a = m->args;
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t r = item / N, n = item % N, pitch = whole_vectors((ptrdiff_t)OH * W);
    LENET_REAL *x = memory_of(m, item), *lines = x + C * input_pitch(H, W);
    copy_inputs(x, a->x + r * C * H * W * N + n, C, H, W, N);
    const struct taps taps = {.count = {C, K, K},
                              .x_step = {input_pitch(H, W), W, 1},
                              .w_step = {K * K, K, 1, (ptrdiff_t)C * K * K},
                              .y_step = pitch};
    tile_sum(&taps, O, (int)pitch, x, a->w + (size_t)r * a->stride, a->b + (size_t)r * a->stride, lines);
    LENET_REAL *y = a->y + r * O * OH * OW * N + n;
    for (int o = 0; o < O; o++)
        for (int h = 0; h < OH; h++, y += (ptrdiff_t)OW * N) copy_out(y, lines + o * pitch + (ptrdiff_t)h * W, OW, N);
}

enum lenet_status CPU_NAME(conv_forward)(struct lenet_ctx *ctx, const struct conv_forward *a) {
    const ptrdiff_t values = a->C * input_pitch(a->H, a->W) + a->O * whole_vectors((ptrdiff_t)(a->H - a->K + 1) * a->W);
    return for_items(ctx, a, (ptrdiff_t)a->R * a->N, values, forward_item);
}

/* dx[c][p] = sum over o, i, j of w[o][c][i][j] * dy[o][p - i*W - j], with zeros before and behind the rows of dy. */
static ptrdiff_t zeros_before(int W, int K) { return (ptrdiff_t)(K - 1) * (W + 1); }
static ptrdiff_t gradient_pitch(int H, int W, int K) {
    return whole_vectors(zeros_before(W, K) + whole_vectors((ptrdiff_t)H * W));
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct with_memory *m = args;
    const struct conv_backward_input *a = m->args;
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t r = item / N, n = item % N, pitch = gradient_pitch(H, W, K), map = whole_vectors((ptrdiff_t)H * W);
    LENET_REAL *dy = memory_of(m, item), *lines = dy + O * pitch;
    copy_outputs(dy, pitch, zeros_before(W, K), a->dy + r * O * OH * OW * N + n, O, OH, OW, W, N);
    const struct taps taps = {
        .count = {O, K, K}, .x_step = {pitch, -W, -1}, .w_step = {(ptrdiff_t)C * K * K, K, 1, K * K}, .y_step = map};
    tile_sum(&taps, C, (int)map, dy + zeros_before(W, K), a->w + (size_t)r * a->stride, NULL, lines);
    for (int c = 0; c < C; c++) copy_out(a->dx + (r * C + c) * H * W * N + n, lines + c * map, (ptrdiff_t)H * W, N);
}

enum lenet_status CPU_NAME(conv_backward_input)(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    const ptrdiff_t values = a->O * gradient_pitch(a->H, a->W, a->K) + a->C * whole_vectors((ptrdiff_t)a->H * a->W);
    return for_items(ctx, a, (ptrdiff_t)a->R * a->N, values, input_item);
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][c][i][j] = sum over p of dy[o][p] * x[c][p + i*W + j], with zeros where dy has no output. */

/* One image of a network: its maps, and whether it is the first, which overwrites. */
struct one_image {
    const struct conv_backward_params *a;
    size_t network; /* where its parameters begin */
    int with_table, is_first;
    const LENET_REAL *x, *dy;
    ptrdiff_t pitch; /* of dy */
};

static void add_to(LENET_REAL *sum, LENET_REAL part, int is_first) { *sum = is_first ? part : *sum + part; }

/* Adds what map c gives to the weights of T maps o. */
static void add_weights(const struct one_image *image, const int o[PARAMS_T], int T, int c) {
    const struct conv_backward_params *a = image->a;
    const int K = a->K;
    const LENET_REAL *x = image->x + c * input_pitch(a->H, a->W), *dy[PARAMS_T];
    struct sums sum[PARAMS_T * LENET_MAX_KERNEL * LENET_MAX_KERNEL]; /* [T][K*K] */
    clear((LENET_REAL *)sum, (ptrdiff_t)T * K * K * SUM_LANES);
    for (int t = 0; t < T; t++) dy[t] = image->dy + o[t] * image->pitch;
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j += PARAMS_J)
            row_products(T, least(K - j, PARAMS_J), (int)(image->pitch / SUM_LANES), dy, x + (ptrdiff_t)i * a->W + j, 1,
                         &sum[i * K + j], K * K);
    for (int t = 0; t < T; t++) {
        LENET_REAL *dw = a->dw + image->network + ((size_t)o[t] * a->C + c) * K * K;
        for (int k = 0; k < K * K; k++) add_to(&dw[k], add_lanes(&sum[t * K * K + k]), image->is_first);
    }
}

/* Adds what map c gives to the weights of those maps that it feeds: ten of sixteen in the table of 1998. */
static void add_map(const struct one_image *image, int c) {
    const struct conv_backward_params *a = image->a;
    int fed[PARAMS_T], T = 0;
    for (int o = 0; o < a->O; o++) {
        if (is_connected(a, image->with_table, o, c))
            fed[T++] = o;
        else
            clear(a->dw + image->network + ((size_t)o * a->C + c) * a->K * a->K, (ptrdiff_t)a->K * a->K);
        if (T == PARAMS_T || (T > 0 && o == a->O - 1)) {
            add_weights(image, fed, T, c);
            T = 0;
        }
    }
}

static void add_bias(const struct one_image *image, int o) {
    const LENET_REAL *dy = image->dy + o * image->pitch;
    struct sums sum = {0};
    add_values(&sum, dy, image->pitch);
    add_to(&image->a->db[image->network + o], add_lanes(&sum), image->is_first);
}

static void params_item(const void *args, ptrdiff_t r) {
    const struct with_memory *m = args;
    const struct conv_backward_params *a = m->args;
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, OH = H - a->K + 1, OW = W - a->K + 1;
    LENET_REAL *x = memory_of(m, r), *dy = x + C * input_pitch(H, W);
    struct one_image image = {.a = a,
                              .network = (size_t)r * a->stride,
                              .with_table = has_table(a->table),
                              .x = x,
                              .dy = dy,
                              .pitch = whole_vectors((ptrdiff_t)OH * W)};
    for (int n = 0; n < N; n++) {
        image.is_first = n == 0;
        copy_inputs(x, a->x + r * C * H * W * N + n, C, H, W, N);
        copy_outputs(dy, image.pitch, 0, a->dy + r * O * OH * OW * N + n, O, OH, OW, W, N);
        for (int c = 0; c < C; c++) add_map(&image, c);
        for (int o = 0; o < O; o++) add_bias(&image, o);
    }
}

enum lenet_status CPU_NAME(conv_backward_params)(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    const ptrdiff_t values = a->C * input_pitch(a->H, a->W) + a->O * whole_vectors((ptrdiff_t)(a->H - a->K + 1) * a->W);
    return for_items(ctx, a, a->R, values, params_item);
}
