/* dense.c - the fully connected layer on the CPU: twin of cuda/dense.cu. */
#include "cpu/ops_cpu.h"
#include "cpu/tile.h"

/* y[t][n] = b[t] + sum over k of w[t*w_step + k*w_next] * x[k][n], for T outputs, K inputs and the block's images. */
struct product {
    int T, K;
    ptrdiff_t stride, w_step, w_next;
    const LENET_REAL *x, *w, *b; /* b may be NULL: zero */
    LENET_REAL *y;
};

static void multiply(const struct product *p, const struct block *block) {
    const int N = block->count;
    const struct taps taps = {
        .count = {1, 1, p->K}, .x_step = {0, 0, N}, .w_step = {0, 0, p->w_next, p->w_step}, .y_step = N};
    tile_sum(&taps, p->T, N, p->x + block->before * p->K, p->w + block->r * p->stride,
             p->b ? p->b + block->r * p->stride : NULL, p->y + block->before * p->T);
}

static void forward_block(const void *args, const struct block *block) {
    const struct dense_forward *a = args;
    multiply(&(struct product){a->O, a->I, (ptrdiff_t)a->stride, a->I, 1, a->x, a->w, a->b, a->y}, block);
}

static void input_block(const void *args, const struct block *block) {
    const struct dense_backward_input *a = args;
    multiply(&(struct product){a->I, a->O, (ptrdiff_t)a->stride, 1, a->I, a->dy, a->w, NULL, a->dx}, block);
}

enum lenet_status CPU_NAME(dense_forward)(struct lenet_ctx *ctx, const struct dense_forward *a) {
    LENET_TRY(BY_BLOCKS(ctx, a, forward_block));
    return activate_outputs(ctx, a);
}

enum lenet_status CPU_NAME(dense_backward_input)(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    LENET_TRY(BY_BLOCKS(ctx, a, input_block));
    return activate_gradients(ctx, a);
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][i] sums dy[o][n] * x[i][n] over the images. The lanes of x and dy are images, which are to be summed.
 * So a block of x is transposed first: then the lanes are inputs i, and tile_sum adds rows x^T[n] with weights dy. */

enum { COLUMNS = TILE_V * LANES, ROWS = 128 };

static int column_blocks(const struct dense_backward_params *a) { return pieces(a->I, COLUMNS); }

/* Of the images from n on: how many blocks, of how many images each, are done together. */
struct images {
    int blocks, count;
};
static struct images next_images(int N, int n) {
    const int whole = least((N - n) / GROUP, ROWS / GROUP);
    return whole ? (struct images){whole, GROUP} : (struct images){1, N - n};
}

/* transposed[n][i] = x[i][n], of i_count inputs from i on and the images from n on of network r. */
static void transpose(const struct dense_backward_params *a, ptrdiff_t r, int n, const struct images *images, int i,
                      int i_count, LENET_REAL transposed[ROWS][COLUMNS]) {
    const LENET_REAL *x = a->x + (r * a->N + n) * a->I + (ptrdiff_t)i * images->count;
    for (int block = 0; block < images->blocks; block++, x += (ptrdiff_t)(a->I - i_count) * images->count)
        for (int column = 0; column < i_count; column++)
            for (int image = 0; image < images->count; image++)
                transposed[block * images->count + image][column] = *x++;
}

static void params_block(const struct dense_backward_params *a, ptrdiff_t r, int block) {
    const int N = a->N, I = a->I, O = a->O, i_first = block * COLUMNS, i_count = least(I - i_first, COLUMNS);
    _Alignas(VECTOR_BYTES) LENET_REAL transposed[ROWS][COLUMNS] = {0}, sums[TILE_T][COLUMNS];
    struct images images;
    for (int n = 0; n < N; n += images.blocks * images.count) {
        images = next_images(N, n);
        transpose(a, r, n, &images, i_first, i_count, transposed);
        const struct taps taps = {.count = {1, images.blocks, images.count},
                                  .x_step = {0, (ptrdiff_t)images.count * COLUMNS, COLUMNS},
                                  .w_step = {0, (ptrdiff_t)images.count * O, 1, images.count},
                                  .y_step = COLUMNS};
        for (int o = 0; o < O; o += TILE_T) {
            const int T = least(O - o, TILE_T);
            tile_sum(&taps, T, (i_count + LANES - 1) / LANES * LANES, transposed[0],
                     a->dy + (r * N + n) * O + (ptrdiff_t)o * images.count, NULL, sums[0]);
            for (int t = 0; t < T; t++) {
                LENET_REAL *dw = a->dw + (size_t)r * a->stride + (size_t)(o + t) * I + i_first;
                for (int i = 0; i < i_count; i++) dw[i] = (n == 0 ? 0 : dw[i]) + sums[t][i];
            }
        }
    }
}

static void params_bias(const struct dense_backward_params *a, ptrdiff_t r) {
    for (int o = 0; o < a->O; o++) {
        LENET_REAL sum = 0;
        for (int n = 0; n < a->N; n += GROUP) {
            const int count = least(a->N - n, GROUP);
            const LENET_REAL *dy = a->dy + (r * a->N + n) * a->O + (ptrdiff_t)o * count;
            for (int i = 0; i < count; i++) sum += dy[i];
        }
        a->db[(size_t)r * a->stride + o] = sum;
    }
}

static void params_item(const void *args, ptrdiff_t item) {
    const struct dense_backward_params *a = args;
    const int block = (int)(item % column_blocks(a));
    const ptrdiff_t r = item / column_blocks(a);
    params_block(a, r, block);
    if (block == 0) params_bias(a, r);
}

enum lenet_status CPU_NAME(dense_backward_params)(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    return BY_ITEMS(ctx, a, (ptrdiff_t)a->R * column_blocks(a), params_item);
}
