/* dense.c - the fully connected layer on the CPU: twin of cuda/dense.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/tile.h"

/* Images and outputs of an item, which is tiles of full size. */
enum { CHUNK_N = TILE_V * LANES, CHUNK_T = 2 * TILE_T };

/* y[t][n] = b[t] + sum over k of w[t*w_step + k*w_next] * x[k][n], for T outputs and K inputs. */
struct product {
    int R, N, T, K;
    size_t stride;
    ptrdiff_t w_step, w_next;
    const LENET_REAL *x, *w, *b; /* b may be NULL: zero */
    LENET_REAL *y;
};

static int pieces(int size, int chunk) { return (size + chunk - 1) / chunk; }

static void product_item(const void *args, ptrdiff_t item) {
    const struct product *p = args;
    const int n_chunks = pieces(p->N, CHUNK_N), t_chunks = pieces(p->T, CHUNK_T);
    const int n = (int)(item % n_chunks) * CHUNK_N, t = (int)(item / n_chunks % t_chunks) * CHUNK_T;
    const ptrdiff_t r = item / n_chunks / t_chunks;
    const struct taps taps = {
        .count = {1, 1, p->K}, .x_step = {0, 0, p->N}, .w_step = {0, 0, p->w_next, p->w_step}, .y_step = p->N};
    tile_sum(&taps, least(p->T - t, CHUNK_T), least(p->N - n, CHUNK_N), p->x + r * p->K * p->N + n,
             p->w + (size_t)r * p->stride + t * p->w_step, p->b ? p->b + (size_t)r * p->stride + t : NULL,
             p->y + (r * p->T + t) * p->N + n);
}

static void multiply(struct lenet_ctx *ctx, const struct product *p) {
    parallel_for(ctx->pool, (ptrdiff_t)p->R * pieces(p->T, CHUNK_T) * pieces(p->N, CHUNK_N), product_item, p);
}

enum lenet_status CPU_NAME(dense_forward)(struct lenet_ctx *ctx, const struct dense_forward *a) {
    multiply(ctx, &(struct product){a->R, a->N, a->O, a->I, a->stride, a->I, 1, a->x, a->w, a->b, a->y});
    return activate_outputs(ctx, a);
}

enum lenet_status CPU_NAME(dense_backward_input)(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    multiply(ctx, &(struct product){a->R, a->N, a->I, a->O, a->stride, 1, a->I, a->dy, a->w, NULL, a->dx});
    return activate_gradients(ctx, a);
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][i] sums dy[o][n] * x[i][n] over the images. The lanes of x and dy are images, which are to be summed.
 * So a block of x is transposed first: then the lanes are inputs i, and tile_sum adds rows x^T[n] with weights dy. */

enum { BLOCK_I = TILE_V * LANES, BLOCK_N = 128 };

static int blocks(const struct dense_backward_params *a) { return pieces(a->I, BLOCK_I); }

static void params_block(const struct dense_backward_params *a, ptrdiff_t r, int block) {
    const int N = a->N, I = a->I, O = a->O, i_first = block * BLOCK_I, i_count = least(I - i_first, BLOCK_I);
    const LENET_REAL *x = a->x + (r * I + i_first) * N, *dy = a->dy + r * O * N;
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
                LENET_REAL *dw = a->dw + (size_t)r * a->stride + (size_t)(o + t) * I + i_first;
                for (int i = 0; i < i_count; i++) dw[i] = (n_first == 0 ? 0 : dw[i]) + sums[t][i];
            }
        }
    }
}

static void params_bias(const struct dense_backward_params *a, ptrdiff_t r) {
    for (int o = 0; o < a->O; o++) {
        const LENET_REAL *dy = a->dy + (r * a->O + o) * a->N;
        LENET_REAL sum = 0;
        for (int n = 0; n < a->N; n++) sum += dy[n];
        a->db[(size_t)r * a->stride + o] = sum;
    }
}

static void params_item(const void *args, ptrdiff_t item) {
    const struct dense_backward_params *a = args;
    const int block = (int)(item % blocks(a));
    const ptrdiff_t r = item / blocks(a);
    params_block(a, r, block);
    if (block == 0) params_bias(a, r);
}

enum lenet_status CPU_NAME(dense_backward_params)(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * blocks(a), params_item, a);
    return LENET_OK;
}
