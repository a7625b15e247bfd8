/* conv.c - convolution on the CPU: twin of cuda/conv.cu and cuda/conv_params.cu.
 *
 * Work is split by rows of outputs and groups of images, or by maps; every
 * output is summed by one thread in an order that depends on the sizes alone,
 * so the number of threads cannot change a bit. */
#include "cpu/ops_cpu.h"
#include "cpu/tile.h"
#include "ops/preconditions.h"

/* Images per work item of the forward pass and the input gradient. */
enum { CHUNK = TILE_V * LANES };

static int pieces(int size, int chunk) { return (size + chunk - 1) / chunk; }

/* An item is a part of one row of every output map. The pixels of a row lie together, in y as in x, so a tile may span
 * several of them. */
static void forward_item(const void *args, ptrdiff_t item) {
    const struct conv_forward *a = args;
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const int chunks = pieces(N, CHUNK), size = pieces(OW * N, chunks * CHUNK) * CHUNK;
    const int n = (int)(item % chunks) * size, h = (int)(item / chunks % OH);
    const ptrdiff_t r = item / chunks / OH;
    const ptrdiff_t row = (ptrdiff_t)W * N, map = H * row, out_map = (ptrdiff_t)OH * OW * N;
    const struct taps taps = {
        .count = {C, K, K}, .x_step = {map, row, N}, .w_step = {K * K, K, 1, (ptrdiff_t)C * K * K}, .y_step = out_map};
    tile_sum(&taps, O, least(OW * N - n, size), a->x + r * C * map + h * row + n, a->w + (size_t)r * a->stride,
             a->b + (size_t)r * a->stride, a->y + r * O * out_map + (ptrdiff_t)h * OW * N + n);
}

enum lenet_status CPU_NAME(conv_forward)(struct lenet_ctx *ctx, const struct conv_forward *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->H - a->K + 1) * pieces(a->N, CHUNK), forward_item, a);
    return LENET_OK;
}

/* Computes a part of row h of every input map,
 * dx[c][h][w] = sum over o, i, j of w[o][c][i][j] * dy[o][h-i][w-j], over those i and j whose pixel of dy exists.
 * The part is n_count values from image n of column w on: images of this column, or all images of several columns
 * whose sums have the same j. */
static void input_columns(const struct conv_backward_input *a, ptrdiff_t r, int h, int w, int n, int n_count) {
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const ptrdiff_t out_row = (ptrdiff_t)OW * N, out_map = OH * out_row, map = (ptrdiff_t)H * W * N;
    const int i_first = h < OH ? 0 : h - OH + 1, i_last = h < K ? h : K - 1;
    const int j_first = w < OW ? 0 : w - OW + 1, j_last = w < K ? w : K - 1;
    const struct taps taps = {.count = {O, i_last - i_first + 1, j_last - j_first + 1},
                              .x_step = {out_map, -out_row, -N},
                              .w_step = {(ptrdiff_t)C * K * K, K, 1, K * K},
                              .y_step = map};
    tile_sum(&taps, C, n_count, a->dy + r * O * out_map + (h - i_first) * out_row + (ptrdiff_t)(w - j_first) * N + n,
             a->w + (size_t)r * a->stride + i_first * K + j_first, NULL,
             a->dx + r * C * map + ((ptrdiff_t)h * W + w) * N + n);
}

static void input_item(const void *args, ptrdiff_t item) {
    const struct conv_backward_input *a = args;
    const int N = a->N, W = a->W, middle = W - 2 * (a->K - 1); /* columns that have every j */
    const int chunks = pieces(N, CHUNK), n = (int)(item % chunks) * CHUNK, h = (int)(item / chunks % a->H);
    const ptrdiff_t r = item / chunks / a->H;
    for (int w = 0; w < W; w++)
        if (chunks == 1 && middle > 0 && w == a->K - 1) {
            input_columns(a, r, h, w, 0, middle * N);
            w += middle - 1;
        } else {
            input_columns(a, r, h, w, n, least(N - n, CHUNK));
        }
}

enum lenet_status CPU_NAME(conv_backward_input)(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    parallel_for(ctx->pool, (ptrdiff_t)a->R * a->H * pieces(a->N, CHUNK), input_item, a);
    return LENET_OK;
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A tile
 * is T maps o by J columns j: one vector of dy serves J sums and one of x serves
 * T. Each row is summed by itself, then the rows are added, and at the very end the
 * lanes: these sums cancel, and one long sum would keep the rounding errors of its large parts. */

/* Which outputs an item owns: T maps o from o_first on, one map c, kernel rows i_first ... i_last. */
struct params_part {
    ptrdiff_t r;
    int o_first, T, c, i_first, i_last;
};

/* Computes dw; and db where c and i_first are 0, for such an item reads the rows of dy anyway. */
static void params_sum(const struct conv_backward_params *a, const struct params_part *part) {
    const int N = a->N, H = a->H, W = a->W, K = a->K, OH = H - K + 1, OW = W - K + 1, T = part->T;
    const int with_bias = part->c == 0 && part->i_first == 0, row = OW * N / SUM_LANES,
              with_table = has_table(a->table);
    const ptrdiff_t out_map = (ptrdiff_t)OH * OW * N;
    const LENET_REAL *x = a->x + (part->r * a->C + part->c) * H * W * N;
    const LENET_REAL *rows[PARAMS_T];
    struct sums sum[PARAMS_T][LENET_MAX_KERNEL][LENET_MAX_KERNEL] = {0}, bias[PARAMS_T] = {0};
    for (int h = 0; h < OH; h++) {
        for (int t = 0; t < T; t++)
            rows[t] = a->dy + (part->r * a->O + part->o_first + t) * out_map + (ptrdiff_t)h * OW * N;
        for (int i = part->i_first; i <= part->i_last; i++)
            for (int j = 0; j < K; j += PARAMS_J)
                row_products(T, least(K - j, PARAMS_J), row, rows, x + ((ptrdiff_t)(h + i) * W + j) * N, N,
                             &sum[0][i][j], sizeof sum[0] / sizeof(struct sums));
        for (int t = 0; with_bias && t < T; t++) {
            struct sums of_row = {0};
            add_values(&of_row, rows[t], (ptrdiff_t)OW * N);
            for (int p = 0; p < PARTS; p++) bias[t].part[p] += of_row.part[p];
        }
    }
    for (int t = 0; t < T; t++) {
        const size_t o = (size_t)(part->o_first + t), network = (size_t)part->r * a->stride;
        const int connected = is_connected(a, with_table, (int)o, part->c);
        for (int i = part->i_first; i <= part->i_last; i++)
            for (int j = 0; j < K; j++)
                a->dw[network + ((o * a->C + part->c) * K + i) * K + j] = connected ? add_lanes(&sum[t][i][j]) : 0;
        if (with_bias) a->db[network + o] = add_lanes(&bias[t]);
    }
}

struct params_args {
    const struct conv_backward_params *a;
    int tiles, tile; /* tiles of at most `tile` maps o */
    int parts;       /* of the kernel's rows: 1 or K   */
};

static void params_item(const void *args, ptrdiff_t item) {
    const struct params_args *p = args;
    const int K = p->a->K, i = (int)(item % p->parts), c = (int)(item / p->parts % p->a->C);
    const ptrdiff_t rest = item / p->parts / p->a->C;
    const int o = (int)(rest % p->tiles) * p->tile;
    params_sum(p->a, &(struct params_part){.r = rest / p->tiles,
                                           .o_first = o,
                                           .T = least(p->a->O - o, p->tile),
                                           .c = c,
                                           .i_first = p->parts == 1 ? 0 : i,
                                           .i_last = p->parts == 1 ? K - 1 : i});
}

enum lenet_status CPU_NAME(conv_backward_params)(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    struct params_args args = {.a = a, .tiles = pieces(a->O, PARAMS_T), .parts = 1};
    args.tile = pieces(a->O, args.tiles); /* even ones: 3 + 3 rather than 4 + 2 */
    const ptrdiff_t items = (ptrdiff_t)a->R * args.tiles * a->C;
    if (items < 2 * parallel_threads(ctx->pool)) args.parts = a->K; /* whole kernels are too few to share out */
    parallel_for(ctx->pool, items * args.parts, params_item, &args);
    return LENET_OK;
}
