/* conv.c - convolution on the CPU: twin of cuda/conv.cu and cuda/conv_params.cu. */
#include <string.h>

#include "cpu/ops_cpu.h"
#include "cpu/tile.h"
#include "ops/preconditions.h"

/* The pixels of a row lie together, in y as in x, so that a tile may span several of them. */
static void forward_block(const void *args, const struct block *block) {
    const struct conv_forward *a = args;
    const int N = block->count, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t row = (ptrdiff_t)W * N, map = H * row, out_row = (ptrdiff_t)OW * N, out_map = OH * out_row;
    const ptrdiff_t network = block->r * (ptrdiff_t)a->stride;
    const struct taps taps = {
        .count = {C, K, K}, .x_step = {map, row, N}, .w_step = {K * K, K, 1, (ptrdiff_t)C * K * K}, .y_step = out_map};
    for (int h = 0; h < OH; h++)
        tile_sum(&taps, O, OW * N, a->x + block->before * C * H * W + h * row, a->w + network, a->b + network,
                 a->y + block->before * O * OH * OW + h * out_row);
}

enum lenet_status CPU_NAME(conv_forward)(struct lenet_ctx *ctx, const struct conv_forward *a) {
    return BY_BLOCKS(ctx, a, forward_block);
}

/* Computes `columns` neighbouring pixels from column w on of row h of every input map,
 * dx[c][h][w] = sum over o, i, j of w[o][c][i][j] * dy[o][h-i][w-j], over those i and j whose pixel of dy exists. The
 * sums of all these columns have the same j. */
static void input_columns(const struct conv_backward_input *a, const struct block *block, int h, int w, int columns) {
    const int N = block->count, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t out_row = (ptrdiff_t)OW * N, out_map = OH * out_row, map = (ptrdiff_t)H * W * N;
    const int i_first = h < OH ? 0 : h - OH + 1, i_last = h < K ? h : K - 1;
    const int j_first = w < OW ? 0 : w - OW + 1, j_last = w < K ? w : K - 1;
    const struct taps taps = {.count = {O, i_last - i_first + 1, j_last - j_first + 1},
                              .x_step = {out_map, -out_row, -N},
                              .w_step = {(ptrdiff_t)C * K * K, K, 1, K * K},
                              .y_step = map};
    const LENET_REAL *dy = a->dy + block->before * O * OH * OW;
    tile_sum(&taps, C, columns * N, dy + (h - i_first) * out_row + (ptrdiff_t)(w - j_first) * N,
             a->w + block->r * (ptrdiff_t)a->stride + i_first * K + j_first, NULL,
             a->dx + block->before * C * H * W + ((ptrdiff_t)h * W + w) * N);
}

static void input_block(const void *args, const struct block *block) {
    const struct conv_backward_input *a = args;
    const int middle = a->W - 2 * (a->K - 1); /* columns that have every j */
    for (int h = 0; h < a->H; h++)
        for (int w = 0, columns; w < a->W; w += columns) {
            columns = w == a->K - 1 && middle > 0 ? middle : 1;
            input_columns(a, block, h, w, columns);
        }
}

enum lenet_status CPU_NAME(conv_backward_input)(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    return BY_BLOCKS(ctx, a, input_block);
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A tile
 * is T maps o by J columns j: one vector of dy serves J sums and one of x serves
 * T. Each row is summed by itself, then the rows are added, then the lanes, and
 * at the very end blocks of images: these sums cancel, and one long sum would keep
 * the rounding errors of its large parts. */

static int parts_of(int N) { return pieces(pieces(N, GROUP), blocks_of_part(N)); }

/* Of a block the weights between map c and T maps from o_first on, and these maps' biases where c is 0: into dw and db,
 * or added to what is there. */
static void params_tile(const struct conv_backward_params *a, const struct block *block, int o_first, int T, int c,
                        int add, LENET_REAL *dw, LENET_REAL *db) {
    const int N = block->count, C = a->C, W = a->W, K = a->K, OH = a->H - K + 1, OW = W - K + 1;
    const ptrdiff_t out_row = (ptrdiff_t)OW * N, out_map = OH * out_row, row = (ptrdiff_t)W * N;
    const LENET_REAL *x = a->x + (block->before * C * a->H * W) + c * a->H * row;
    const LENET_REAL *dy = a->dy + block->before * a->O * OH * OW + o_first * out_map, *rows[PARAMS_T];
    struct sums sum[PARAMS_T][LENET_MAX_KERNEL][LENET_MAX_KERNEL] = {0}, bias[PARAMS_T] = {0};
    for (int h = 0; h < OH; h++) {
        for (int t = 0; t < T; t++) rows[t] = dy + t * out_map + h * out_row;
        for (int i = 0; i < K; i++)
            for (int j = 0; j < K; j += PARAMS_J)
                row_products(T, least(K - j, PARAMS_J), OW * N / SUM_LANES, rows, x + (h + i) * row + (ptrdiff_t)j * N,
                             N, &sum[0][i][j], sizeof sum[0] / sizeof(struct sums));
        for (int t = 0; c == 0 && t < T; t++) {
            struct sums of_row = {0};
            add_values(&of_row, rows[t], out_row);
            for (int p = 0; p < PARTS; p++) bias[t].part[p] += of_row.part[p];
        }
    }
    for (int t = 0; t < T; t++) {
        LENET_REAL *kernel = dw + ((ptrdiff_t)(o_first + t) * C + c) * K * K;
        for (int i = 0; i < K; i++)
            for (int j = 0; j < K; j++) kernel[i * K + j] = (add ? kernel[i * K + j] : 0) + add_lanes(&sum[t][i][j]);
        if (c == 0) db[o_first + t] = (add ? db[o_first + t] : 0) + add_lanes(&bias[t]);
    }
}

static void params_block(const void *args, const struct block *block) {
    const struct conv_backward_params *a = args;
    const int tiles = pieces(a->O, PARAMS_T), tile = pieces(a->O, tiles); /* even ones: 3 + 3 rather than 4 + 2 */
    const ptrdiff_t weights = (ptrdiff_t)a->O * a->C * a->K * a->K;
    const int part = block->n / GROUP / blocks_of_part(a->N), add = block->n / GROUP % blocks_of_part(a->N) != 0;
    LENET_REAL *dw = a->scratch + (block->r * LENET_PARTS + part) * (weights + a->O);
    for (int o = 0; o < a->O; o += tile)
        for (int c = 0; c < a->C; c++) params_tile(a, block, o, least(a->O - o, tile), c, add, dw, dw + weights);
}

static void add_parts(const LENET_REAL *scratch, ptrdiff_t count, int parts, ptrdiff_t step, LENET_REAL *sums) {
    memcpy(sums, scratch, (size_t)count * sizeof *sums);
    for (int part = 1; part < parts; part++)
        for (ptrdiff_t i = 0; i < count; i++) sums[i] += scratch[part * step + i];
}

static void params_item(const void *args, ptrdiff_t r) {
    const struct conv_backward_params *a = args;
    const ptrdiff_t kernel = (ptrdiff_t)a->K * a->K, weights = a->O * a->C * kernel, step = weights + a->O;
    const int with_table = has_table(a->table);
    const LENET_REAL *scratch = a->scratch + r * LENET_PARTS * step;
    LENET_REAL *dw = a->dw + (size_t)r * a->stride;
    add_parts(scratch, weights, parts_of(a->N), step, dw);
    add_parts(scratch + weights, a->O, parts_of(a->N), step, a->db + (size_t)r * a->stride);
    for (int o = 0; with_table && o < a->O; o++)
        for (int c = 0; c < a->C; c++)
            if (!is_connected(a, with_table, o, c))
                memset(dw + (o * a->C + c) * kernel, 0, (size_t)kernel * sizeof *dw);
}

enum lenet_status CPU_NAME(conv_backward_params)(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    LENET_TRY(BY_BLOCKS(ctx, a, params_block));
    return BY_ITEMS(ctx, a, a->R, params_item);
}
