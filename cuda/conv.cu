/* conv.cu - convolution on the GPU: twin of src/cpu/conv.c.
 *
 * A warp is 32 images, so every load of a pixel is one line of 128 bytes, all control flow is the same for the
 * whole warp, and a weight is the same word for all lanes: it comes from shared memory as a broadcast. A thread
 * keeps T maps x P pixels of its image in registers. Which T and P were chosen never changes an output's bits:
 * each is summed over (map, row, column) in that order by one thread. */
#include <string.h>

#include "gpu.cuh"
#include "ops/preconditions.h"

/* ---- forward and input gradient: the same sum ------------------------------------------------------------------
 *
 * y[t][h][w] = start[t] + sum over s, i, j of weight(t, s, i, j) * x[s][h+i-border][w+j-border], where pixels
 * outside x count as zero. Forward: border 0. Input gradient: x is dy, border K-1, the kernel turned by 180
 * degrees. */
struct correlate {
    int N, S, XH, XW; /* of x     */
    int O, YH, YW;    /* of y     */
    int K, border;
    int tiles, s_step; /* tiles of T maps; maps s whose weights are in shared memory at a time */
    int rows, groups;  /* of a block: rows of y, groups of P pixels of each */
    size_t stride;
    const float *x; /* [R][S][XH][XW][N] */
    const float *w; /* [R][...]: w + t*w_t + s*w_s + (turned ? K*K-1-ij : ij) */
    int w_t, w_s, turned;
    const float *start; /* [R][O], or NULL: zero */
    float *y;           /* = [R][O][YH][YW][N]   */
};

enum {
    WEIGHT_GROUP = 8,     /* maps whose weights lie together in shared memory, for 16-byte loads */
    WEIGHT_BYTES = 32768, /* of shared memory: more maps s than fit are taken in turns          */
};

/* Warps of a block: fewer where a thread has many pixels, and so needs many registers. */
static constexpr int most_warps(int P) { return P <= 2 ? 16 : 8; }

/* Rows of y of a block: neighbours share the weights and, in the L1 cache, most of the rows of x that they read. Small
 * tiles are for little work, which is better spread over more blocks. A divisor of YH, so that no warp is idle. */
static int rows_of_block(int P, int groups, int YH) {
    int rows = P <= 2 ? 1 : most_warps(P) / groups;
    while (YH % rows != 0) rows--;
    return rows;
}

/* Loads the weights of T maps from `first` on against s_count maps s, as [s][i][j][WEIGHT_GROUP]: 0 past the last map.
 */
template <int KERNEL, class Shared>
static __device__ void load_weights(const correlate &a, const float *w, int first, int s_first, int s_count,
                                    Shared &weights) {
    const int K = KERNEL ? KERNEL : a.K, taps = K * K, count = s_count * taps * WEIGHT_GROUP;
    const int threads = blockDim.x * blockDim.y; /* a multiple of WEIGHT_GROUP: t is the same at each turn */
    const int thread = threadIdx.y * WARP + threadIdx.x, t = first + thread % WEIGHT_GROUP;
    const float *map = w + t * a.w_t + s_first * a.w_s;
    __syncthreads(); /* the last turn's readers are done */
    for (int i = thread; i < count; i += threads) {
        const int tap = i / WEIGHT_GROUP % taps, s = i / WEIGHT_GROUP / taps;
        weights[i] = t < a.O ? map[s * a.w_s + (a.turned ? taps - 1 - tap : tap)] : 0;
    }
    __syncthreads();
}

/* Adds the maps s_first ... of x, whose weights are loaded, to the sums of pixels w0 ... w0+P-1 of row h. EDGE: some
 * of the columns that these see may lie outside x. */
template <int KERNEL, int T, int P, bool EDGE, class Shared>
static __device__ __forceinline__ void add_maps(const correlate &a, const float *x, int h, int w0, int s_first,
                                                int s_count, Shared &weights, float (&sum)[T][P]) {
    const int K = KERNEL ? KERNEL : a.K, left = w0 - a.border;
    const int i_first = max(0, a.border - h), i_end = min(K, a.XH + a.border - h); /* the kernel's rows inside x */
    const unsigned N = a.N; /* unsigned times constant: a single instruction makes an address of it */
    for (int s = 0; s < s_count; s++) {
        const ptrdiff_t row = (ptrdiff_t)(s_first + s) * a.XH + h + i_first - a.border;
        const float *line = x + (row * a.XW + left) * N; /* of column `left`, which need not be there */
        for (int i = i_first; i < i_end; i++, line += (size_t)a.XW * N) {
            const int group = (s * K + i) * K * WEIGHT_GROUP;
            float window[P + (KERNEL ? KERNEL : 1) - 1]; /* pixels of x that this row of the kernel sees */
            const auto pixel = [&](int k) {
                return !EDGE || (left + k >= 0 && left + k < a.XW) ? line[(size_t)N * k] : 0.0f;
            };
            if (KERNEL) {
#pragma unroll
                for (int k = 0; k < P + KERNEL - 1; k++) window[k] = pixel(k);
            }
#pragma unroll
            for (int j = 0; j < K; j++) {
                if (!KERNEL) {
#pragma unroll
                    for (int p = 0; p < P; p++) window[p] = pixel(p + j);
                }
                const float4 low = load4(weights, group + j * WEIGHT_GROUP);
                const float4 high = load4(weights, group + j * WEIGHT_GROUP + 4);
                const float weight[WEIGHT_GROUP] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
                for (int t = 0; t < T; t++)
#pragma unroll
                    for (int p = 0; p < P; p++) sum[t][p] = fmaf(weight[t], window[KERNEL ? p + j : p], sum[t][p]);
            }
        }
    }
}

/* A block has `rows` rows of T maps for 32 images; thread (lane, row and g) owns pixels g*P ... g*P+P-1 of a row of
 * image `lane`. KERNEL is K where the compiler should know it, else 0. The bound of one block for each SM leaves the
 * compiler as many registers as it wants; without it some of these spill. */
template <int KERNEL, int T, int P>
static __global__ void __launch_bounds__(WARP *most_warps(P), 1) correlate_kernel(correlate a) {
    DYNAMIC_SHARED(float, weights);
    const int r = blockIdx.z, first = (int)(blockIdx.y % a.tiles) * T;
    const int n = (int)(blockIdx.y / a.tiles) * WARP + (int)threadIdx.x;
    const int h = (int)blockIdx.x * a.rows + (int)threadIdx.y / a.groups, g = (int)threadIdx.y % a.groups;
    const unsigned N = a.N;
    const float *x = a.x + (size_t)r * a.S * a.XH * a.XW * a.N + n;
    for (int turn = 0; turn < a.YW; turn += a.groups * P) { /* one turn, but for very wide maps */
        const int w0 = turn + g * P;
        const bool inside = w0 >= a.border && w0 - a.border + P + a.K - 1 <= a.XW;
        float sum[T][P];
#pragma unroll
        for (int t = 0; t < T; t++) {
            const float start = a.start && first + t < a.O ? a.start[r * a.stride + first + t] : 0;
#pragma unroll
            for (int p = 0; p < P; p++) sum[t][p] = start;
        }
        for (int s = 0; s < a.S; s += a.s_step) {
            const int s_count = min(a.S - s, a.s_step);
            load_weights<KERNEL>(a, a.w + r * a.stride, first, s, s_count, weights);
            if (inside)
                add_maps<KERNEL, T, P, false>(a, x, h, w0, s, s_count, weights, sum);
            else
                add_maps<KERNEL, T, P, true>(a, x, h, w0, s, s_count, weights, sum);
        }
        float *y = a.y + ((((size_t)r * a.O + first) * a.YH + h) * a.YW + w0) * a.N + n;
#pragma unroll
        for (int t = 0; t < T; t++, y += (size_t)a.YH * a.YW * N) {
            if (first + t >= a.O) break;
#pragma unroll
            for (int p = 0; p < P; p++)
                if (w0 + p < a.YW) y[(size_t)N * p] = sum[t][p];
        }
    }
}

template <int KERNEL, int T, int P>
static enum lenet_status correlate_tiles(struct lenet_ctx *ctx, const char *name, correlate a, int R) {
    const int map_bytes = a.K * a.K * WEIGHT_GROUP * (int)sizeof(float);
    a.tiles = pieces(a.O, T);
    a.s_step = a.S * map_bytes <= WEIGHT_BYTES ? a.S : WEIGHT_BYTES / map_bytes;
    a.groups = pieces(a.YW, P) < most_warps(P) ? pieces(a.YW, P) : most_warps(P);
    a.rows = rows_of_block(P, a.groups, a.YH);
    const dim3 grid(a.YH / a.rows, a.tiles * (a.N / WARP), R), block(WARP, a.rows * a.groups);
    const size_t shared_bytes = (size_t)a.s_step * map_bytes;
    return gpu_launch(ctx, name, correlate_kernel<KERNEL, T, P>, grid, block, shared_bytes, a);
}

/* Few images and networks get small tiles, so that more warps share the work. Many get large ones. */
template <int KERNEL, int T>
static enum lenet_status correlate_pixels(struct lenet_ctx *ctx, const char *name, const correlate &a, int R) {
    const size_t pixels = (size_t)R * (a.N / WARP) * pieces(a.O, T) * a.YH * a.YW;
    if (pixels < 8192) return correlate_tiles<KERNEL, T, 2>(ctx, name, a, R);
    if (a.YW % 7 == 0) return correlate_tiles<KERNEL, T, 7>(ctx, name, a, R);
    return correlate_tiles<KERNEL, T, 5>(ctx, name, a, R);
}

static enum lenet_status correlate_cuda(struct lenet_ctx *ctx, const char *name, const correlate &a, int R) {
    if (a.K == 5) return a.O <= 6 ? correlate_pixels<5, 6>(ctx, name, a, R) : correlate_pixels<5, 8>(ctx, name, a, R);
    return correlate_pixels<0, 8>(ctx, name, a, R);
}

extern "C" enum lenet_status conv_forward_cuda(struct lenet_ctx *ctx, const struct conv_forward *a) {
    correlate c = {};
    c.N = a->N;
    c.S = a->C;
    c.XH = a->H;
    c.XW = a->W;
    c.O = a->O;
    c.YH = a->H - a->K + 1;
    c.YW = a->W - a->K + 1;
    c.K = a->K;
    c.stride = a->stride;
    c.x = a->x;
    c.w = a->w;
    c.w_t = a->C * a->K * a->K;
    c.w_s = a->K * a->K;
    c.start = a->b;
    c.y = a->y;
    return correlate_cuda(ctx, "conv_forward", c, a->R);
}

extern "C" enum lenet_status conv_backward_input_cuda(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    correlate c = {};
    c.N = a->N;
    c.S = a->O;
    c.XH = a->H - a->K + 1;
    c.XW = a->W - a->K + 1;
    c.O = a->C;
    c.YH = a->H;
    c.YW = a->W;
    c.K = a->K;
    c.border = a->K - 1;
    c.stride = a->stride;
    c.x = a->dy;
    c.w = a->w;
    c.w_t = a->K * a->K;
    c.w_s = a->C * a->K * a->K;
    c.turned = 1;
    c.y = a->dx;
    return correlate_cuda(ctx, "conv_backward_input", c, a->R);
}

/* ---- gradient of the parameters ---------------------------------------------------------------------------------
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A thread keeps all K*K sums of T maps o and
 * one map c for its image; warps take rows of dy in turn; then lanes, warps and parts are added, in that order. How
 * the rows are divided depends on one network's sizes only, so that a member of a population gets the bits that it
 * would get alone. */
struct conv_params {
    int N, C, H, W, O, K, OH, OW;
    int parts;
    size_t stride;
    const float *x, *dy;
    float *sums; /* [R][parts][O*C*K*K + O]: first dw, then db */
    float *dw, *db;
    int has_table;
    uint32_t table[LENET_TABLE_MAPS];
};

/* Three maps need 8 loads for 75 multiply-adds, and few enough registers for three blocks on each SM. */
enum { PARAMS_T = 3, PARAMS_WARPS = 4, PARAMS_BLOCKS = 3, PARAMS_K = 5, TAPS = PARAMS_K * PARAMS_K };

static __host__ __device__ size_t sums_of(const conv_params &a) { return (size_t)a.O * a.C * a.K * a.K + a.O; }

/* Whether there is a connection for weight e of dw. */
static __device__ bool connected(const conv_params &a, size_t e) {
    const size_t pair = e / (a.K * a.K);
    return !a.has_table || (a.table[pair / a.C] >> pair % a.C & 1);
}

/* Adds one row of dy, of `maps` maps at most, for one group of images; x is the first of the rows that it meets. The
 * K x K pixels that a pixel of dy meets move to the right with it: column k of x is in window[..][k % K], and K pixels
 * are new each time. */
static __device__ __forceinline__ void add_row(const conv_params &a, const float *x, const float *dy, int maps,
                                               float (&sum)[PARAMS_T * TAPS], float (&bias)[PARAMS_T]) {
    const unsigned N = a.N;
    const float *x_line[PARAMS_K], *dy_line[PARAMS_T];
    float window[PARAMS_K][PARAMS_K], g[PARAMS_T];
#pragma unroll
    for (int i = 0; i < PARAMS_K; i++) {
        x_line[i] = x + (size_t)i * a.W * N;
#pragma unroll
        for (int k = 0; k < PARAMS_K - 1; k++) window[i][k] = x_line[i][(size_t)N * k];
    }
#pragma unroll
    for (int t = 0; t < PARAMS_T; t++) dy_line[t] = dy + (size_t)t * a.OH * a.OW * N;
    for (int w0 = 0; w0 < a.OW; w0 += PARAMS_K) {
#pragma unroll
        for (int k = 0; k < PARAMS_K; k++) { /* pixel w0+k of dy */
            if (w0 + k >= a.OW) break;
#pragma unroll
            for (int t = 0; t < PARAMS_T; t++) {
                g[t] = t < maps ? dy_line[t][(size_t)N * k] : 0;
                bias[t] += g[t];
            }
            constexpr int AHEAD = PARAMS_K - 1;
#pragma unroll
            for (int i = 0; i < PARAMS_K; i++) window[i][(k + AHEAD) % PARAMS_K] = x_line[i][(size_t)N * (k + AHEAD)];
#pragma unroll
            for (int i = 0; i < PARAMS_K; i++)
#pragma unroll
                for (int t = 0; t < PARAMS_T; t++)
#pragma unroll
                    for (int j = 0; j < PARAMS_K; j++) {
                        float &s = sum[(t * PARAMS_K + i) * PARAMS_K + j];
                        s = fmaf(g[t], window[i][(k + j) % PARAMS_K], s);
                    }
        }
#pragma unroll
        for (int i = 0; i < PARAMS_K; i++) x_line[i] += (size_t)N * PARAMS_K;
#pragma unroll
        for (int t = 0; t < PARAMS_T; t++) dy_line[t] += (size_t)N * PARAMS_K;
    }
}

/* A block has one part of the rows, PARAMS_T maps o and one map c of one network. */
static __global__ void __launch_bounds__(WARP *PARAMS_WARPS, PARAMS_BLOCKS) params_kernel(conv_params a) {
    enum { SUMS = PARAMS_T * TAPS + PARAMS_T, ROUNDS = (SUMS + WARP - 1) / WARP };
    SHARED(float, of_warp, PARAMS_WARPS *ROUNDS *WARP);
    const int r = blockIdx.z, c = (int)blockIdx.y % a.C, first = (int)blockIdx.y / a.C * PARAMS_T, part = blockIdx.x;
    const int lane = threadIdx.x, warp = threadIdx.y;
    float sum[PARAMS_T * TAPS] = {}, bias[PARAMS_T] = {};
    const int rows = a.OH * (a.N / WARP);
    for (int row = part * PARAMS_WARPS + warp; row < rows; row += a.parts * PARAMS_WARPS) {
        const int n = row / a.OH * WARP + lane, h = row % a.OH;
        const float *x = a.x + ((((size_t)r * a.C + c) * a.H + h) * a.W) * a.N + n;
        const float *dy = a.dy + ((((size_t)r * a.O + first) * a.OH + h) * a.OW) * a.N + n;
        add_row(a, x, dy, a.O - first, sum, bias);
    }
#pragma unroll
    for (int round = 0; round < ROUNDS; round++) {
        float v[WARP];
#pragma unroll
        for (int k = 0; k < WARP; k++) {
            const int e = round * WARP + k;
            v[k] = e < PARAMS_T * TAPS ? sum[e < PARAMS_T * TAPS ? e : 0]
                   : e < SUMS          ? bias[e < SUMS ? e - PARAMS_T * TAPS : 0]
                                       : 0;
        }
        of_warp[(warp * ROUNDS + round) * WARP + lane] = warp_sum_each<>(v, lane);
    }
    __syncthreads();
    float *out = a.sums + ((size_t)r * a.parts + part) * sums_of(a);
    for (int e = warp * WARP + lane; e < SUMS; e += PARAMS_WARPS * WARP) {
        float total = 0;
        for (int k = 0; k < PARAMS_WARPS; k++) total += of_warp[k * ROUNDS * WARP + e];
        const int o = first + (e < PARAMS_T * TAPS ? e / TAPS : e - PARAMS_T * TAPS);
        if (o >= a.O) continue;
        if (e < PARAMS_T * TAPS)
            out[((size_t)o * a.C + c) * TAPS + e % TAPS] = total;
        else if (c == 0)
            out[(size_t)a.O * a.C * TAPS + o] = total;
    }
}

/* A thread adds the parts of one output of dw or db. */
static __global__ void add_parts_kernel(conv_params a) {
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x, count = sums_of(a);
    const int r = blockIdx.z;
    if (e >= count) return;
    float total = 0;
    for (int part = 0; part < a.parts; part++) total += a.sums[((size_t)r * a.parts + part) * count + e];
    const size_t weights = count - a.O;
    if (e < weights)
        a.dw[r * a.stride + e] = connected(a, e) ? total : 0;
    else
        a.db[r * a.stride + e - weights] = total;
}

/* For kernels of other sizes than 5. A warp has one output of dw or db. */
static __global__ void params_any_kernel(conv_params a) {
    const int r = blockIdx.z, lane = threadIdx.x, e = blockIdx.x, weights = a.O * a.C * a.K * a.K;
    const bool is_bias = e >= weights;
    const int o = is_bias ? e - weights : e / (a.K * a.K) / a.C, c = is_bias ? 0 : e / (a.K * a.K) % a.C;
    const int i = is_bias ? 0 : e / a.K % a.K, j = is_bias ? 0 : e % a.K;
    const float *x = a.x + (((size_t)r * a.C + c) * a.H * a.W) * a.N + lane;
    const float *dy = a.dy + (((size_t)r * a.O + o) * a.OH * a.OW) * a.N + lane;
    float sum = 0;
    for (int h = 0; h < a.OH; h++)
        for (int w = 0; w < a.OW; w++)
            for (int n = 0; n < a.N; n += WARP) {
                const float g = dy[((size_t)h * a.OW + w) * a.N + n];
                sum = fmaf(g, is_bias ? 1 : x[((size_t)(h + i) * a.W + w + j) * a.N + n], sum);
            }
    sum = warp_sum(sum);
    if (lane != 0) return;
    if (is_bias)
        a.db[r * a.stride + o] = sum;
    else
        a.dw[r * a.stride + e] = connected(a, e) ? sum : 0;
}

extern "C" enum lenet_status conv_backward_params_cuda(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    conv_params p = {};
    memcpy(p.table, a->table, sizeof p.table);
    p.has_table = has_table(a);
    p.N = a->N;
    p.C = a->C;
    p.H = a->H;
    p.W = a->W;
    p.O = a->O;
    p.K = a->K;
    p.OH = a->H - a->K + 1;
    p.OW = a->W - a->K + 1;
    p.stride = a->stride;
    p.x = a->x;
    p.dy = a->dy;
    p.sums = a->scratch;
    p.dw = a->dw;
    p.db = a->db;
    if (a->K != PARAMS_K)
        return gpu_launch(ctx, "conv_backward_params", params_any_kernel, dim3((unsigned)sums_of(p), 1, a->R),
                          dim3(WARP), 0, p);
    const int rows = p.OH * (p.N / WARP); /* some four for each warp */
    p.parts = rows / 16 < 1 ? 1 : rows / 16 > LENET_PARTS ? LENET_PARTS : rows / 16;
    LENET_TRY(gpu_launch(ctx, "conv_backward_params", params_kernel, dim3(p.parts, pieces(p.O, PARAMS_T) * p.C, a->R),
                         dim3(WARP, PARAMS_WARPS), 0, p));
    return gpu_launch(ctx, "conv_backward_params (parts)", add_parts_kernel, dim3(blocks_for(sums_of(p), 128), 1, a->R),
                      dim3(128), 0, p);
}
