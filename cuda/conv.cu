/* conv.cu - convolution on the GPU, and the gradient of its input: with conv_params.cu, which has the gradient of its
 * parameters, the twin of src/cpu/conv.c.
 *
 * The lanes of a warp are 32 images, so every load of a pixel is one line of 128 bytes, all control flow is the same
 * for the whole warp, and a weight is the same word for all lanes: it comes from shared memory as a broadcast. A thread
 * keeps sums of its image in registers, as many as the work allows; how many never changes an output's bits. */
#include "gpu.cuh"

/* ---- forward and gradient of the input: the same sum -------------------------------------------------------------
 *
 * y[t][h][w] = start[t] + sum over s, i, j of weight(t, s, i, j) * x[s][h+i-border][w+j-border], where pixels
 * outside x count as zero. Forward: border 0. Input gradient: x is dy, border K-1, the kernel turned by 180
 * degrees. A thread has T maps x P pixels, each of which it sums over (map, row, column) in that order. */
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

/* ---- gradient of the input by whole rows --------------------------------------------------------------------------
 *
 * dx[c][h+i][w+j] sums dy[o][h][w] * w[o][c][i][j]. A thread has a whole row of dx, of MAPS maps c, for one image and
 * every SHARES-th map o: so a pixel of dy that it reads is used for K * MAPS sums, and what lies beside dy is never
 * multiplied. At last the shares are added, in their order, which is the same for one network and for many. */
enum {
    ROWS_K = 5,
    SHARES = 4,
    STAGED = 16,         /* maps o whose weights are in shared memory at a time                        */
    MANY_ROWS = 4 * 132, /* of tiles of maps: more than an H200 has at a time */
    EXCHANGED = 2,       /* maps c of which the sums of all shares are there at a time, one a half warp */
};

/* DY_W: columns of dy. ROWS: of dx, of a block; neighbours find most of dy's rows in the L1 cache. READ: rows of dy
 * that are on their way at a time. */
template <int DY_W_, int MAPS_, int ROWS_, int READ_> struct rows_shape {
    enum {
        DY_W = DY_W_,
        W = DY_W + ROWS_K - 1,
        MAPS = MAPS_,
        ROWS = ROWS_,
        READ = READ_,
        WARPS = ROWS * SHARES,
        LINE = MAPS <= 3 ? 16 : 32, /* words for a row of the kernels of all maps c */
        WEIGHTS = STAGED * ROWS_K * LINE,
        SUMS = WARPS * EXCHANGED * W * WARP,
        BLOCKS = 16 / WARPS /* of an SM at a time, which leaves 128 registers */
    };
    static_assert(MAPS * ROWS_K <= LINE && STAGED % WARPS == 0, "there is room, and work for every warp");
};

/* Loads the weights of `count` maps o and `maps` maps c, or MAPS, as [o][i][c][j]. w: the first of them. */
template <class Shape, class Shared>
static __device__ __forceinline__ void stage_weights(const conv_backward_input &a, const float *w, int count, int maps,
                                                     Shared &weights) {
    enum { LINE = Shape::LINE, LINES = WARP / LINE }; /* that a warp loads at a time */
    const int lane = threadIdx.x, c = lane % LINE / ROWS_K, j = lane % LINE % ROWS_K;
    const int rows =
        c < min(maps, (int)Shape::MAPS) ? ROWS_K - lane / LINE : 0; /* of the kernel, from this lane's on */
    w += (c * ROWS_K + lane / LINE) * ROWS_K + j;
#pragma unroll
    for (int k = 0; k < STAGED; k += Shape::WARPS) {
        const int o = k + threadIdx.y;
        const float *kernel = w + (size_t)(unsigned)(o * a.C * (ROWS_K * ROWS_K));
#pragma unroll
        for (int i = 0; i < ROWS_K; i += LINES) {
            const float loaded = o < count && i < rows ? kernel[i * ROWS_K] : 0;
            if (i + lane / LINE < ROWS_K) weights[(o * ROWS_K + i) * LINE + lane] = loaded;
        }
    }
}

/* Adds a row of dy, times a row of the kernels, the weights of which begin at `at`, to a row of dx. */
template <class Shape, class Shared>
static __device__ __forceinline__ void add_row(const float (&dy)[Shape::DY_W], const Shared &weights, int at,
                                               float (&sum)[Shape::MAPS][Shape::W]) {
#pragma unroll
    for (int k = 0; k < Shape::MAPS * ROWS_K; k += 4) {
        const float4 four = load4(weights, at + k);
        const float w[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int t = k; t < k + 4 && t < Shape::MAPS * ROWS_K; t++)
#pragma unroll
            for (int x = 0; x < Shape::DY_W; x++) {
                float &s = sum[t / ROWS_K][t % ROWS_K + x];
                s = fmaf(w[t - k], dy[x], s);
            }
    }
}

/* Adds the shares of the warps that have a row of dx, row h of `maps` maps c or MAPS, the first pixel of which is dx,
 * and writes it. A lane has two images of every SHARES-th column. */
template <class Shape, class Shared>
static __device__ __forceinline__ void write_rows(const conv_backward_input &a, float *dx, int h, int maps,
                                                  const float (&sum)[Shape::MAPS][Shape::W], Shared &sums) {
    enum { W = Shape::W, SHARE = EXCHANGED * W * WARP }; /* floats of a share */
    const int lane = threadIdx.x, share = threadIdx.y % SHARES, row = threadIdx.y / SHARES * SHARES * SHARE;
    const int map = lane / HALF_WARP, image = lane % HALF_WARP * 2;
    const unsigned N = a.N;
    const size_t map_size = (size_t)(unsigned)(a.H * W) * N;
    dx += map * map_size + (size_t)(share * N) + image;
#pragma unroll
    for (int c = 0; c < Shape::MAPS; c += EXCHANGED, dx += EXCHANGED * map_size) {
        __syncthreads(); /* who read weights, or the sums before, is done */
#pragma unroll
        for (int k = 0; k < EXCHANGED * W; k++)
            if (c + k / W < Shape::MAPS) sums[row + share * SHARE + k * WARP + lane] = sum[c + k / W][k % W];
        __syncthreads();
        if (h >= a.H || c + map >= min(maps, (int)Shape::MAPS)) continue;
#pragma unroll
        for (int k = 0; k < W; k += SHARES) {
            if (k + share >= W) break;
            const int at = row + (map * W + k + share) * WARP + image;
            float2 total = load2(sums, at);
#pragma unroll
            for (int s = 1; s < SHARES; s++) {
                const float2 more = load2(sums, at + s * SHARE);
                total = make_float2(total.x + more.x, total.y + more.y);
            }
            store2(dx + (size_t)(k * N), 0, total);
        }
    }
}

struct input_rows {
    conv_backward_input of;
    unsigned tiles; /* of MAPS maps c */
};

/* A block has ROWS rows of MAPS maps c for 32 images of one network, and SHARES warps for each. */
template <class Shape>
static __global__ void __launch_bounds__(WARP *Shape::WARPS, Shape::BLOCKS) input_rows_kernel(input_rows rows) {
    SHARED(float, area, (int)Shape::WEIGHTS > (int)Shape::SUMS ? Shape::WEIGHTS : Shape::SUMS);
    const conv_backward_input &a = rows.of;
    const unsigned r = blockIdx.z, images = blockIdx.x / rows.tiles, n = images * WARP;
    const int c_first = (int)(blockIdx.x - images * rows.tiles) * Shape::MAPS, maps = a.C - c_first;
    const int h = (int)blockIdx.y * Shape::ROWS + (int)threadIdx.y / SHARES, dy_h = a.H - ROWS_K + 1;
    const int i_first = max(0, h - dy_h + 1), i_end = min((int)ROWS_K, h + 1); /* rows of the kernel that meet dy */
    const float *w = a.w + r * a.stride + c_first * (ROWS_K * ROWS_K);
    const unsigned row_size = Shape::DY_W * (unsigned)a.N;
    float sum[Shape::MAPS][Shape::W] = {};
    for (int o_first = 0; o_first < a.O; o_first += STAGED, w += (unsigned)(STAGED * a.C * (ROWS_K * ROWS_K))) {
        const int count = min(a.O - o_first, (int)STAGED);
        if (o_first > 0) __syncthreads(); /* the readers of the maps before are done */
        stage_weights<Shape>(a, w, count, maps, area);
        __syncthreads();
        for (int o = threadIdx.y % SHARES; o < count; o += SHARES) {
            const size_t row = ((size_t)r * a.O + o_first + o) * dy_h + h - i_first;
            const float *line = a.dy + row * row_size + n + threadIdx.x;
            int at = (o * ROWS_K + i_first) * Shape::LINE;
            for (int i = i_first; i < i_end; i += Shape::READ, at += Shape::READ * Shape::LINE) {
                float dy[Shape::READ][Shape::DY_W];
#pragma unroll
                for (int k = 0; k < Shape::READ; k++, line -= row_size) {
                    if (k > 0 && i + k >= i_end) break;
                    unsigned N = a.N; /* as if it might change: else its multiples are kept in registers */
                    asm volatile("" : "+r"(N));
#pragma unroll
                    for (int x = 0; x < Shape::DY_W; x++) dy[k][x] = line[(size_t)N * x];
                }
#pragma unroll
                for (int k = 0; k < Shape::READ; k++)
                    if (k == 0 || i + k < i_end) add_row<Shape>(dy[k], area, at + k * Shape::LINE, sum);
            }
        }
    }
    float *dx = a.dx + (((size_t)r * a.C + c_first) * a.H + h) * (Shape::W * (unsigned)a.N) + n;
    write_rows<Shape>(a, dx, h, maps, sum, area);
}

template <class Shape>
static enum lenet_status launch_rows(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    const int tiles = pieces(a->C, Shape::MAPS);
    const dim3 grid(tiles * (a->N / WARP), pieces(a->H, Shape::ROWS), a->R), block(WARP, Shape::WARPS);
    return gpu_launch(ctx, "conv_backward_input", input_rows_kernel<Shape>, grid, block, 0,
                      input_rows{*a, (unsigned)tiles});
}

/* With few rows the work is better spread. */
static bool has_many_rows(const struct conv_backward_input *a, int maps) {
    return (size_t)a->R * (a->N / WARP) * pieces(a->C, maps) * a->H >= MANY_ROWS;
}

/* The widths of LeNet-5's S2 and of LeNet-1's. */
static enum lenet_status input_rows_of_14(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    if (has_many_rows(a, 6)) return launch_rows<rows_shape<10, 6, 2, 1>>(ctx, a);
    return launch_rows<rows_shape<10, 3, 1, 5>>(ctx, a);
}
static enum lenet_status input_rows_of_12(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    if (has_many_rows(a, 4)) return launch_rows<rows_shape<8, 4, 2, 1>>(ctx, a);
    return launch_rows<rows_shape<8, 2, 1, 5>>(ctx, a);
}

extern "C" enum lenet_status conv_backward_input_cuda(struct lenet_ctx *ctx, const struct conv_backward_input *a) {
    if (a->K == ROWS_K && a->W == 14) return input_rows_of_14(ctx, a);
    if (a->K == ROWS_K && a->W == 12) return input_rows_of_12(ctx, a);
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
