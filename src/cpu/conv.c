/* conv.c - convolution on the CPU: twin of cuda/conv.cu.
 *
 * Work is split by rows of outputs and groups of images, or by maps; every
 * output is summed by one thread in an order that depends on the sizes alone,
 * so the number of threads cannot change a bit. */
#include "ops_cpu.h"
#include "tile.h"

/* Images per work item of the forward pass and the input gradient. */
enum { CHUNK = TILE_V * LANES };

static int sizes_ok(int R, int N, int C, int H, int W, int O, int K) {
    return R > 0 && N > 0 && N % LANES == 0 && C > 0 && O > 0 && K > 0 && K <= LENET_MAX_KERNEL && K <= H && K <= W;
}

enum lenet_status CPU_NAME(conv_forward)(struct lenet_ctx *ctx, const struct conv_forward *a) {
    const int R = a->R, N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K;
    if (!sizes_ok(R, N, C, H, W, O, K)) return LENET_ERR_ARG;
    const int OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t row = (ptrdiff_t)W * N, map = H * row, out_map = (ptrdiff_t)OH * OW * N;
    const struct taps taps = {
        .count = {C, K, K}, .x_step = {map, row, N}, .w_step = {K * K, K, 1, (ptrdiff_t)C * K * K}, .y_step = out_map};

#pragma omp parallel for collapse(3) num_threads(ctx->threads) schedule(static)
    for (int r = 0; r < R; r++)
        for (int h = 0; h < OH; h++)
            for (int n = 0; n < N; n += CHUNK)
                for (int w = 0; w < OW; w++)
                    tile_sum(&taps, O, N - n < CHUNK ? N - n : CHUNK, a->x + r * C * map + h * row + w * N + n,
                             a->w + r * a->stride, a->b + r * a->stride,
                             a->y + r * O * out_map + ((ptrdiff_t)h * OW + w) * N + n);
    return LENET_OK;
}

/* dx[c][h][w] = sum over o, i, j of w[o][c][i][j] * dy[o][h-i][w-j], over those i and j
 * whose pixel of dy exists. */
enum lenet_status CPU_NAME(conv_backward_input)(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    const int R = a->R, N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K;
    if (!sizes_ok(R, N, C, H, W, O, K)) return LENET_ERR_ARG;
    const int OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t out_row = (ptrdiff_t)OW * N, out_map = OH * out_row, map = (ptrdiff_t)H * W * N;

#pragma omp parallel for collapse(3) num_threads(ctx->threads) schedule(static)
    for (int r = 0; r < R; r++)
        for (int h = 0; h < H; h++)
            for (int n = 0; n < N; n += CHUNK) {
                const int i_first = h < OH ? 0 : h - OH + 1, i_last = h < K ? h : K - 1;
                for (int w = 0; w < W; w++) {
                    const int j_first = w < OW ? 0 : w - OW + 1, j_last = w < K ? w : K - 1;
                    const struct taps taps = {.count = {O, i_last - i_first + 1, j_last - j_first + 1},
                                              .x_step = {out_map, -out_row, -N},
                                              .w_step = {(ptrdiff_t)C * K * K, K, 1, K * K},
                                              .y_step = map};
                    tile_sum(&taps, C, N - n < CHUNK ? N - n : CHUNK,
                             a->dy + r * O * out_map + (h - i_first) * out_row + (ptrdiff_t)(w - j_first) * N + n,
                             a->w + r * a->stride + i_first * K + j_first, NULL,
                             a->dx + r * C * map + ((ptrdiff_t)h * W + w) * N + n);
                }
            }
    return LENET_OK;
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A tile
 * is T maps o by J columns j: one vector of dy serves J sums and one of x serves
 * T. Lanes are added up at the very end. */

#if VECTOR_REGISTERS == 32
enum { PARAMS_T = 3 };
#else
enum { PARAMS_T = 2 };
#endif
enum { PARAMS_J = 5 };

/* Adds one row of dy (count vectors, one after the other) against one row of x. x_pixel
 * is from one column j to the next, dy_map and sum_map from one map o to the next. */
typedef void row_function(int count, const LENET_REAL *dy, ptrdiff_t dy_map, const LENET_REAL *x, ptrdiff_t x_pixel,
                          vec *sum, ptrdiff_t sum_map);

#define ROW(T, J)                                                                                                      \
    static void row_##T##_##J(int count, const LENET_REAL *dy, ptrdiff_t dy_map, const LENET_REAL *x,                  \
                              ptrdiff_t x_pixel, vec *sum, ptrdiff_t sum_map) {                                        \
        vec acc[T][J];                                                                                                 \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) acc[t][j] = sum[t * sum_map + j];        \
        for (int n = 0; n < count; n++, dy += LANES, x += LANES) UNROLL for (int j = 0; j < J; j++) {                  \
                const vec x_j = *(const vec *)(x + j * x_pixel);                                                       \
                UNROLL for (int t = 0; t < T; t++) acc[t][j] += *(const vec *)(dy + t * dy_map) * x_j;                 \
            }                                                                                                          \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) sum[t * sum_map + j] = acc[t][j];        \
    }
#define ROWS(T) ROW(T, 1) ROW(T, 2) ROW(T, 3) ROW(T, 4) ROW(T, 5)
#define ROW_NAMES(T)                                                                                                   \
    { row_##T##_1, row_##T##_2, row_##T##_3, row_##T##_4, row_##T##_5 }

ROWS(1)
ROWS(2)
#if VECTOR_REGISTERS == 32
ROWS(3)
#endif

static row_function *const rows[PARAMS_T][PARAMS_J] = {
    ROW_NAMES(1),
    ROW_NAMES(2),
#if VECTOR_REGISTERS == 32
    ROW_NAMES(3),
#endif
};

static LENET_REAL add_lanes(vec v) {
    LENET_REAL sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

/* dw of T maps o, one map c and kernel rows i_first ... i_last of network r. */
static void params_item(const struct conv_backward_params *a, int r, int o, int T, int c, int i_first, int i_last) {
    const int N = a->N, H = a->H, W = a->W, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t out_map = (ptrdiff_t)OH * OW * N;
    const LENET_REAL *x = a->x + ((ptrdiff_t)r * a->C + c) * H * W * N,
                     *dy = a->dy + ((ptrdiff_t)r * a->O + o) * out_map;
    vec sum[PARAMS_T][LENET_MAX_KERNEL][LENET_MAX_KERNEL] = {0};
    for (int h = 0; h < OH; h++)
        for (int i = i_first; i <= i_last; i++)
            for (int j = 0; j < K; j += PARAMS_J)
                rows[T - 1][(K - j < PARAMS_J ? K - j : PARAMS_J) - 1](OW * N / LANES, dy + (ptrdiff_t)h * OW * N,
                                                                       out_map, x + ((ptrdiff_t)(h + i) * W + j) * N, N,
                                                                       &sum[0][i][j], sizeof sum[0] / sizeof(vec));
    for (int t = 0; t < T; t++)
        for (int i = i_first; i <= i_last; i++)
            for (int j = 0; j < K; j++)
                a->dw[r * a->stride + (((size_t)(o + t) * a->C + c) * K + i) * K + j] = add_lanes(sum[t][i][j]);
}

static void bias_item(const struct conv_backward_params *a, int r, int o) {
    const ptrdiff_t count = (ptrdiff_t)(a->H - a->K + 1) * (a->W - a->K + 1) * a->N / LANES;
    const vec *dy = (const vec *)a->dy + ((ptrdiff_t)r * a->O + o) * count;
    vec sum[4] = {0}; /* four sums, to hide the latency of an addition */
    for (ptrdiff_t i = 0; i < count; i++) sum[i % 4] += dy[i];
    a->db[r * a->stride + o] = add_lanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

enum lenet_status CPU_NAME(conv_backward_params)(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    const int R = a->R, C = a->C, O = a->O, K = a->K;
    if (!sizes_ok(R, a->N, C, a->H, a->W, O, K)) return LENET_ERR_ARG;
    const int tiles = (O + PARAMS_T - 1) / PARAMS_T;
    /* One item per kernel row where whole kernels are too few for the threads. */
    const int i_count = R * tiles * C < ctx->threads ? 1 : K;

#pragma omp parallel num_threads(ctx->threads)
    {
#pragma omp for collapse(4) schedule(dynamic) nowait
        for (int r = 0; r < R; r++)
            for (int t = 0; t < tiles; t++)
                for (int c = 0; c < C; c++)
                    for (int i = 0; i < K; i += i_count) {
                        const int o = t * PARAMS_T, T = O - o < PARAMS_T ? O - o : PARAMS_T;
                        params_item(a, r, o, T, c, i, i + i_count - 1);
                    }
#pragma omp for collapse(2) schedule(dynamic)
        for (int r = 0; r < R; r++)
            for (int o = 0; o < O; o++) bias_item(a, r, o);
    }
    return LENET_OK;
}
