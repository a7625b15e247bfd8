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
    return population_ok(R, N) && C > 0 && O > 0 && K > 0 && K <= LENET_MAX_KERNEL && K <= H && K <= W;
}

static int pieces(int size, int chunk) { return (size + chunk - 1) / chunk; }

static int least(int a, int b) { return a < b ? a : b; }

/* A part of one row of every output map. Pixels of a row lie together, in y as in x: a tile may span some. */
static void forward_item(const void *args, ptrdiff_t item) {
    const struct conv_forward *a = args;
    const int N = a->N, C = a->C, H = a->H, W = a->W, O = a->O, K = a->K, OH = H - K + 1, OW = W - K + 1;
    const int chunks = pieces(N, CHUNK), size = pieces(OW * N, chunks * CHUNK) * CHUNK;
    const int n = (int)(item % chunks) * size, h = (int)(item / chunks % OH);
    const ptrdiff_t r = item / chunks / OH;
    const ptrdiff_t row = (ptrdiff_t)W * N, map = H * row, out_map = (ptrdiff_t)OH * OW * N;
    const struct taps taps = {
        .count = {C, K, K}, .x_step = {map, row, N}, .w_step = {K * K, K, 1, (ptrdiff_t)C * K * K}, .y_step = out_map};
    tile_sum(&taps, O, least(OW * N - n, size), a->x + r * C * map + h * row + n,
             (const weight *)a->w + (size_t)r * a->stride, (const weight *)a->b + (size_t)r * a->stride,
             a->y + r * O * out_map + (ptrdiff_t)h * OW * N + n);
}

enum lenet_status CPU_NAME(conv_forward)(struct lenet_ctx *ctx, const struct conv_forward *a) {
    if (!sizes_ok(a->R, a->N, a->C, a->H, a->W, a->O, a->K)) return LENET_ERR_ARG;
    struct conv_forward groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * (a->H - a->K + 1) * pieces(groups.N, CHUNK), forward_item, &groups);
    return LENET_OK;
}

/* One row of every input map, for one group of images:
 * dx[c][h][w] = sum over o, i, j of w[o][c][i][j] * dy[o][h-i][w-j], over those i and j
 * whose pixel of dy exists. Here for the n_count images from n of column w, or for so many
 * columns of all images as n_count says, where these have the same j. */
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
             (const weight *)a->w + (size_t)r * a->stride + i_first * K + j_first, NULL,
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
    if (!sizes_ok(a->R, a->N, a->C, a->H, a->W, a->O, a->K)) return LENET_ERR_ARG;
    struct conv_backward_input groups = *a;
    IN_GROUPS(&groups);
    parallel_for(ctx->pool, (ptrdiff_t)groups.R * a->H * pieces(groups.N, CHUNK), input_item, &groups);
    return LENET_OK;
}

/* ---- gradient of the parameters ---------------------------------------------
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A tile
 * is T maps o by J columns j: one vector of dy serves J sums and one of x serves
 * T. Each row is summed for itself, then the rows, at the very end the lanes: such
 * sums cancel, and in one long sum the rounding of its large parts would be left. */

#if VECTOR_REGISTERS == 32
enum { PARAMS_T = 4 };
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
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) acc[t][j] = (vec){0};                    \
        for (int n = 0; n < count; n++, dy += LANES, x += LANES) UNROLL for (int j = 0; j < J; j++) {                  \
                const vec x_j = *(const vec *)(x + j * x_pixel);                                                       \
                UNROLL for (int t = 0; t < T; t++) acc[t][j] += *(const vec *)(dy + t * dy_map) * x_j;                 \
            }                                                                                                          \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) sum[t * sum_map + j] += acc[t][j];       \
    }
#define ROWS(T) ROW(T, 1) ROW(T, 2) ROW(T, 3) ROW(T, 4) ROW(T, 5)
#define ROW_NAMES(T)                                                                                                   \
    { row_##T##_1, row_##T##_2, row_##T##_3, row_##T##_4, row_##T##_5 }

ROWS(1)
ROWS(2)
#if VECTOR_REGISTERS == 32
ROWS(3)
ROWS(4)
#endif

static row_function *const rows[PARAMS_T][PARAMS_J] = {
    ROW_NAMES(1),
    ROW_NAMES(2),
#if VECTOR_REGISTERS == 32
    ROW_NAMES(3),
    ROW_NAMES(4),
#endif
};

/* Which outputs an item owns: T maps o from o_first on, one map c, kernel rows i_first ... i_last. */
struct params_part {
    ptrdiff_t r;
    int o_first, T, c, i_first, i_last;
};

static int has_links(const struct conv_backward_params *a) {
    uint32_t any = 0;
    for (int o = 0; o < LENET_LINKED; o++) any |= a->links[o];
    return any != 0;
}

/* dw, and db where c and i_first are the first: that item has the rows of dy at hand anyway. */
static void params_sum(const struct conv_backward_params *a, const struct params_part *part) {
    const int N = a->N, H = a->H, W = a->W, K = a->K, OH = H - K + 1, OW = W - K + 1, T = part->T;
    const int with_bias = part->c == 0 && part->i_first == 0, row = OW * N / LANES, table = has_links(a);
    const ptrdiff_t out_map = (ptrdiff_t)OH * OW * N;
    const LENET_REAL *x = a->x + (part->r * a->C + part->c) * H * W * N;
    const LENET_REAL *dy = a->dy + (part->r * a->O + part->o_first) * out_map;
    vec sum[PARAMS_T][LENET_MAX_KERNEL][LENET_MAX_KERNEL] = {0}, bias[PARAMS_T] = {0};
    for (int h = 0; h < OH; h++, dy += OW * N) {
        for (int i = part->i_first; i <= part->i_last; i++)
            for (int j = 0; j < K; j += PARAMS_J)
                rows[T - 1][least(K - j, PARAMS_J) - 1](row, dy, out_map, x + ((ptrdiff_t)(h + i) * W + j) * N, N,
                                                        &sum[0][i][j], sizeof sum[0] / sizeof(vec));
        for (int t = 0; with_bias && t < T; t++) {
            vec of_row = {0};
            for (int v = 0; v < row; v++) of_row += ((const vec *)(dy + t * out_map))[v];
            bias[t] += of_row;
        }
    }
    for (int t = 0; t < T; t++) {
        const size_t o = (size_t)(part->o_first + t), network = (size_t)part->r * a->stride;
        const int linked = !table || (a->links[o] >> part->c & 1);
        for (int i = part->i_first; i <= part->i_last; i++)
            for (int j = 0; j < K; j++)
                ((weight *)a->dw)[network + ((o * a->C + part->c) * K + i) * K + j] =
                    linked ? add_images(sum[t][i][j]) : (weight){0};
        if (with_bias) ((weight *)a->db)[network + o] = add_images(bias[t]);
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
    if (!sizes_ok(a->R, a->N, a->C, a->H, a->W, a->O, a->K)) return LENET_ERR_ARG;
    if (has_links(a) && (a->O > LENET_LINKED || a->C > 32)) return LENET_ERR_ARG;
    struct conv_backward_params groups = *a;
    IN_GROUPS(&groups);
    struct params_args args = {.a = &groups, .tiles = pieces(a->O, PARAMS_T), .parts = 1};
    args.tile = pieces(a->O, args.tiles); /* even ones: 3 + 3 rather than 4 + 2 */
    const ptrdiff_t items = (ptrdiff_t)groups.R * args.tiles * a->C;
    if (items < 2 * parallel_threads(ctx->pool)) args.parts = a->K; /* whole kernels are too few to share out */
    parallel_for(ctx->pool, items * args.parts, params_item, &args);
    return LENET_OK;
}
