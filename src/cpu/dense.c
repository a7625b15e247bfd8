/* dense.c - the fully connected layer on the CPU: twin of cuda/dense.c. */
#include "ops_cpu.h"
#include "tile.h"

/* Images and outputs per work item: each item is tiles of full size. */
enum { CHUNK_N = TILE_V * LANES, CHUNK_T = 2 * TILE_T };

static int sizes_ok(int R, int N, int I, int O) { return R > 0 && N > 0 && N % LANES == 0 && I > 0 && O > 0; }

static int least(int a, int b) { return a < b ? a : b; }

/* y[t][n] = b[t] + sum over k of w[t*w_step + k*w_next] * x[k][n], for T outputs and `taps` inputs. */
static void multiply(struct lenet_ctx *ctx, int R, int N, int T, int taps_count, size_t stride, ptrdiff_t w_step,
                     ptrdiff_t w_next, const LENET_REAL *x, const LENET_REAL *w, const LENET_REAL *b, LENET_REAL *y) {
    const struct taps taps = {
        .count = {1, 1, taps_count}, .x_step = {0, 0, N}, .w_step = {0, 0, w_next, w_step}, .y_step = N};
#pragma omp parallel for collapse(3) num_threads(ctx->threads) schedule(static)
    for (int r = 0; r < R; r++)
        for (int t = 0; t < T; t += CHUNK_T)
            for (int n = 0; n < N; n += CHUNK_N)
                tile_sum(&taps, least(T - t, CHUNK_T), least(N - n, CHUNK_N), x + (ptrdiff_t)r * taps_count * N + n,
                         w + r * stride + t * w_step, b ? b + r * stride + t : NULL,
                         y + ((ptrdiff_t)r * T + t) * N + n);
}

enum lenet_status CPU_NAME(dense_forward)(struct lenet_ctx *ctx, const struct dense_forward *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
    multiply(ctx, a->R, a->N, a->O, a->I, a->stride, a->I, 1, a->x, a->w, a->b, a->y);
    return LENET_OK;
}

enum lenet_status CPU_NAME(dense_backward_input)(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
    multiply(ctx, a->R, a->N, a->I, a->O, a->stride, 1, a->I, a->dy, a->w, NULL, a->dx);
    return LENET_OK;
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][i] sums dy[o][n] * x[i][n] over the images, which are the lanes. To keep
 * the lanes apart, a block of x is transposed first, so that the lanes are inputs
 * i and the sum over n is tile_sum's: weights dy, rows x^T[n]. */

enum { BLOCK_I = TILE_V * LANES, BLOCK_N = 128 };

static void params_block(const struct dense_backward_params *a, int r, int i_first) {
    const int N = a->N, I = a->I, O = a->O, i_count = least(I - i_first, BLOCK_I);
    const LENET_REAL *x = a->x + ((ptrdiff_t)r * I + i_first) * N, *dy = a->dy + (ptrdiff_t)r * O * N;
    _Alignas(VECTOR_BYTES) LENET_REAL transposed[BLOCK_N][BLOCK_I] = {0}, sums[TILE_T][BLOCK_I];
    for (int n_first = 0; n_first < N; n_first += BLOCK_N) {
        const int n_count = least(N - n_first, BLOCK_N);
        for (int i = 0; i < i_count; i++)
            for (int n = 0; n < n_count; n++) transposed[n][i] = x[(ptrdiff_t)i * N + n_first + n];
        const struct taps taps = {
            .count = {1, 1, n_count}, .x_step = {0, 0, BLOCK_I}, .w_step = {0, 0, 1, N}, .y_step = BLOCK_I};
        for (int o = 0; o < O; o += TILE_T) {
            const int T = least(O - o, TILE_T);
            tile_sum(&taps, T, (i_count + LANES - 1) / LANES * LANES, transposed[0], dy + (ptrdiff_t)o * N + n_first,
                     NULL, sums[0]);
            for (int t = 0; t < T; t++) {
                LENET_REAL *dw = a->dw + r * a->stride + (size_t)(o + t) * I + i_first;
                for (int i = 0; i < i_count; i++) dw[i] = n_first == 0 ? sums[t][i] : dw[i] + sums[t][i];
            }
        }
    }
}

enum lenet_status CPU_NAME(dense_backward_params)(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    if (!sizes_ok(a->R, a->N, a->I, a->O)) return LENET_ERR_ARG;
#pragma omp parallel num_threads(ctx->threads)
    {
#pragma omp for collapse(2) schedule(dynamic) nowait
        for (int r = 0; r < a->R; r++)
            for (int i = 0; i < a->I; i += BLOCK_I) params_block(a, r, i);
#pragma omp for collapse(2) schedule(static)
        for (int r = 0; r < a->R; r++)
            for (int o = 0; o < a->O; o++) {
                const LENET_REAL *dy = a->dy + ((ptrdiff_t)r * a->O + o) * a->N;
                LENET_REAL sum = 0;
                for (int n = 0; n < a->N; n++) sum += dy[n];
                a->db[r * a->stride + o] = sum;
            }
    }
    return LENET_OK;
}
