/* conv_maxpool.cu - convolution, nonlinearity and maximum of 2 x 2 windows as one operation on the GPU, and the
 * gradient of the convolution's outputs, which that leaves out: twin of src/cpu/conv_maxpool.c. */
#include "activation.cuh"
#include "gpu.cuh"

/* ---- forward ----------------------------------------------------------------------------------------------------
 *
 * A thread has a window of T maps of IMAGES neighbouring images, one such after the other for some turns. It keeps the
 * four outputs of the convolution for each of them in registers until it has their maximum: so a pixel that it loads is
 * used for up to 4*T sums, and a weight for 4*IMAGES. The lanes of a warp are images, so that loads and stores are
 * whole lines, and a weight is the same word for all of them, which comes from shared memory as a broadcast. Each
 * output is summed over (map, row, column) in that order, as in conv.cu, whatever T and IMAGES are. */
struct conv_maxpool {
    conv_maxpool_forward of;
    unsigned tiles; /* of T maps of y                                              */
    int turns;      /* windows of a thread: 1 unless all weights are there at once */
    int s_step;     /* maps of x whose weights are in shared memory at a time      */
};

enum {
    WARPS = 6,                /* of a block: two blocks on an SM leave a thread 168 registers                   */
    MANY = 4096,              /* warps with large tiles, from which on they are taken: 31 on each SM of an H200 */
    WEIGHT_BYTES = 32 * 1024, /* of shared memory: more maps of x than fit are taken in turns                   */
    AHEAD = 8,                /* weights that a thread loads before it stores the first                         */
};

/* Neighbouring images are loaded and stored at once. */
static __device__ __forceinline__ void load(const float *p, float (&v)[1]) { v[0] = *p; }
static __device__ __forceinline__ void load(const float *p, float (&v)[2]) {
    const float2 two = load2(p, 0);
    v[0] = two.x;
    v[1] = two.y;
}
static __device__ __forceinline__ void store(float *p, const float (&v)[1]) { *p = v[0]; }
static __device__ __forceinline__ void store(float *p, const float (&v)[2]) { store2(p, 0, make_float2(v[0], v[1])); }
static __device__ __forceinline__ void store(uint8_t *p, const int (&v)[1]) { *p = (uint8_t)v[0]; }
static __device__ __forceinline__ void store(uint8_t *p, const int (&v)[2]) {
    *reinterpret_cast<uint16_t *>(p) = (uint16_t)(v[0] | v[1] << 8);
}

/* The weights of a tap lie together in shared memory, for 16-byte loads. */
static __host__ __device__ constexpr int weight_group(int T) { return (T + 3) / 4 * 4; }

/* Loads the weights of T maps of y, from `first` on, as [s][i][j][weight_group(T)]: 0 past the last map. `taps` are
 * those of the maps s that are taken at a time, and w is the first of them for map 0 of y. */
template <int T, class Shared>
static __device__ __forceinline__ void load_weights(const conv_maxpool_forward &a, const float *w, unsigned first,
                                                    unsigned taps, Shared &weights) {
    constexpr int GROUP = weight_group(T);
    constexpr unsigned threads = WARP * WARPS;
    const unsigned thread = threadIdx.y * WARP + threadIdx.x, t = thread % GROUP;
    const unsigned end = t < T && first + t < (unsigned)a.O ? taps * GROUP : 0;
    const float *map = w + (first + t) * a.C * a.K * a.K;
    for (unsigned i = thread; i < taps * GROUP; i += AHEAD * threads) {
        float loaded[AHEAD];
#pragma unroll
        for (int k = 0; k < AHEAD; k++) loaded[k] = i + k * threads < end ? map[(i + k * threads) / GROUP] : 0;
#pragma unroll
        for (int k = 0; k < AHEAD; k++) weights[i + k * threads] = loaded[k];
    }
}

/* Adds a map of x to the sums of a window, [row][column][t][n]. The weights begin at `weight`; `line` is the first that
 * these sums see of x. */
template <int KERNEL, int T, int IMAGES, class Shared>
static __device__ __forceinline__ void add_map(const conv_maxpool_forward &a, const float *line, Shared &weights,
                                               int weight, float (&sum)[2][2][T][IMAGES]) {
    constexpr int MOST = KERNEL ? KERNEL : LENET_MAX_KERNEL, SEEN = MOST + 1, GROUP = weight_group(T);
    const int K = KERNEL ? KERNEL : a.K;
    float seen[2][SEEN][IMAGES]; /* what the window's two rows see of x at this row of the kernel */
    /* Unsigned times constant: one instruction makes an address of it, where one is wanted. The compiler would keep the
     * products instead, in two registers each, if it knew that N is always the same. */
    unsigned N = a.N;
    asm volatile("" : "+r"(N));
    const auto load_line = [&](float(&pixels)[SEEN][IMAGES]) {
#pragma unroll
        for (int k = 0; k < SEEN; k++)
            if (k <= K) load(line + (size_t)N * k, pixels[k]);
        line += (size_t)a.W * N;
    };
    load_line(seen[1]);
#pragma unroll(KERNEL ? KERNEL : 1)
    for (int i = 0; i < K; i++) {
#pragma unroll
        for (int k = 0; k < SEEN; k++)
#pragma unroll
            for (int n = 0; n < IMAGES; n++) seen[0][k][n] = seen[1][k][n];
        load_line(seen[1]);
#pragma unroll
        for (int j = 0; j < MOST; j++) {
            if (j >= K) break;
            float w[GROUP];
#pragma unroll
            for (int t = 0; t < GROUP; t += 4) {
                const float4 four = load4(weights, weight + (i * K + j) * GROUP + t);
                w[t] = four.x, w[t + 1] = four.y, w[t + 2] = four.z, w[t + 3] = four.w;
            }
#pragma unroll
            for (int t = 0; t < T; t++)
#pragma unroll
                for (int n = 0; n < IMAGES; n++)
#pragma unroll
                    for (int k = 0; k < 4; k++) {
                        float &s = sum[k / 2][k % 2][t][n];
                        s = fmaf(w[t], seen[k / 2][j + k % 2][n], s);
                    }
        }
    }
}

/* Stores f of the window's maximum and its place, of T maps that lie `map` apart. */
template <enum lenet_activation F, int T, int IMAGES>
static __device__ __forceinline__ void store_maxima(const conv_maxpool_forward &a, unsigned first, size_t at,
                                                    size_t map, const float (&sum)[2][2][T][IMAGES]) {
#pragma unroll
    for (int t = 0; t < T; t++) {
        if (first + t >= (unsigned)a.O) break;
        float y[IMAGES];
        int place[IMAGES];
#pragma unroll
        for (int n = 0; n < IMAGES; n++) {
            float largest = sum[0][0][t][n];
            place[n] = 0;
#pragma unroll
            for (int k = 1; k < 4; k++) {
                const float v = sum[k / 2][k % 2][t][n];
                place[n] = v > largest ? k : place[n];
                largest = v > largest ? v : largest;
            }
            y[n] = activated(largest, F); /* f never falls, so its maximum is f of the maximum */
        }
        store(a.y + at + map * t, y);
        store(a.place + at + map * t, place);
    }
}

/* A block has some windows of T maps of y for 32*IMAGES images; a warp, threadIdx.y, has one of these each turn, and
 * none past the last. KERNEL is K where the compiler should know it, else 0. */
template <int KERNEL, int T, int IMAGES>
static __global__ void __launch_bounds__(WARP *WARPS, 2) conv_maxpool_forward_kernel(conv_maxpool c) {
    DYNAMIC_SHARED(float, weights);
    const conv_maxpool_forward &a = c.of;
    const int r = blockIdx.z, K = KERNEL ? KERNEL : a.K;
    const unsigned PH = (unsigned)(a.H - K + 1) / 2, PW = (unsigned)(a.W - K + 1) / 2;
    const unsigned images = blockIdx.x / c.tiles, first = (blockIdx.x - images * c.tiles) * T;
    const unsigned n = (images * WARP + threadIdx.x) * IMAGES;
    const unsigned window = blockIdx.y * c.turns * WARPS + threadIdx.y;
    const size_t map = (size_t)PH * PW * a.N;
    unsigned h = window / PW, w = window - h * PW;
    for (int turn = 0; turn < c.turns; turn++) {
        const float *x = a.x + (((size_t)r * a.C * a.H + 2 * h) * a.W + 2 * w) * a.N + n;
        float sum[2][2][T][IMAGES];
#pragma unroll
        for (int t = 0; t < T; t++) {
            const float start = first + t < (unsigned)a.O ? a.b[r * a.stride + first + t] : 0;
#pragma unroll
            for (int image = 0; image < IMAGES; image++)
#pragma unroll
                for (int k = 0; k < 4; k++) sum[k / 2][k % 2][t][image] = start;
        }
        int s = 0;
        do { /* at least once, so that the compiler need not keep sums apart to which nothing is added */
            const int s_count = min(a.C - s, c.s_step);
            if (turn == 0) {                /* later ones find them all, or there are none */
                if (s > 0) __syncthreads(); /* the readers of the maps before are done */
                load_weights<T>(a, a.w + r * a.stride + s * K * K, first, s_count * K * K, weights);
                __syncthreads();
            }
            for (int k = 0; k < s_count && h < PH; k++, x += (size_t)a.H * a.W * a.N)
                add_map<KERNEL, T, IMAGES>(a, x, weights, k * K * K * weight_group(T), sum);
            s += s_count;
        } while (s < a.C);
        const size_t at = ((size_t)r * a.O + first) * map + ((size_t)h * PW + w) * a.N + n;
        if (h < PH) with_activation(a.activation, [&](auto f) { store_maxima<f.value>(a, first, at, map, sum); });
        for (w += WARPS; w >= PW; w -= PW) h++;
    }
}

static int windows_of(const struct conv_maxpool_forward *a) { return (a->H - a->K + 1) / 2 * ((a->W - a->K + 1) / 2); }

template <int KERNEL, int T, int IMAGES>
static enum lenet_status launch_forward(struct lenet_ctx *ctx, const struct conv_maxpool_forward *a, int turns) {
    const int map_bytes = a->K * a->K * weight_group(T) * (int)sizeof(float);
    const int at_a_time = AHEAD * WARP * WARPS * (int)sizeof(float); /* what a block loads of weights, or of nothing */
    const bool all_at_once = a->C * map_bytes <= WEIGHT_BYTES;
    const int tiles = pieces(a->O, T), s_step = all_at_once ? a->C : WEIGHT_BYTES / map_bytes;
    const conv_maxpool c = {*a, (unsigned)tiles, all_at_once ? turns : 1, s_step};
    const dim3 grid(a->N / (WARP * IMAGES) * tiles, pieces(windows_of(a), WARPS * c.turns), a->R), block(WARP, WARPS);
    const size_t shared_bytes = (size_t)pieces(s_step * map_bytes, at_a_time) * at_a_time;
    return gpu_launch(ctx, "conv_maxpool_forward", conv_maxpool_forward_kernel<KERNEL, T, IMAGES>, grid, block,
                      shared_bytes, c);
}

/* Threads have two images, and then several turns, where there are many; with few, the work is better spread. */
extern "C" enum lenet_status conv_maxpool_forward_cuda(struct lenet_ctx *ctx, const struct conv_maxpool_forward *a) {
    const bool narrow = a->O <= 6;
    const size_t warps = (size_t)a->R * (a->N / (2 * WARP)) * pieces(a->O, narrow ? 6 : 8) * windows_of(a);
    if (a->K != 5) return launch_forward<0, 4, 1>(ctx, a, 1);
    if (warps < MANY || a->N % (2 * WARP) != 0)
        return narrow ? launch_forward<5, 6, 1>(ctx, a, 1) : launch_forward<5, 4, 1>(ctx, a, 1);
    const size_t turns = warps / MANY, most = pieces(windows_of(a), WARPS);
    return (narrow ? launch_forward<5, 6, 2> : launch_forward<5, 8, 2>)(ctx, a, (int)(turns < most ? turns : most));
}

/* ---- gradient of the convolution's outputs ------------------------------------------------------------------------
 *
 * A block has a row of windows of a map, and a thread a window of four neighbouring images, as in subsample.cu. */
enum { QUAD = 4, QUADS = 32, COLUMNS = 16 };

template <enum lenet_activation F> static __device__ __forceinline__ void backward(const maxpool_backward_input &a) {
    const unsigned map = blockIdx.x, h = blockIdx.y, N = a.N, n = (blockIdx.z * QUADS + threadIdx.x) * QUAD;
    if (n >= N) return;
    const size_t line = (size_t)a.W * N, row = ((size_t)map * (a.H / 2) + h) * (line / 2) + n;
    float *dx = a.dx + ((size_t)map * a.H + 2 * h) * line + n;
    for (unsigned w = threadIdx.y; w < (unsigned)a.W / 2; w += blockDim.y) {
        const size_t at = row + (size_t)(w * N);
        const float4 y = load4(a.y + at, 0), dy = load4(a.dy + at, 0);
        const uint32_t places = *reinterpret_cast<const uint32_t *>(a.place + at); /* a byte for each image */
        const float gradient[QUAD] = {activation_gradient(y.x, dy.x, F), activation_gradient(y.y, dy.y, F),
                                      activation_gradient(y.z, dy.z, F), activation_gradient(y.w, dy.w, F)};
#pragma unroll
        for (int p = 0; p < 4; p++) { /* the window's pixels */
            float of[QUAD];
#pragma unroll
            for (int k = 0; k < QUAD; k++) of[k] = (places >> 8 * k & 255) == (uint32_t)p ? gradient[k] : 0;
            float *pixel = dx + p / 2 * line + (size_t)((2 * w + p % 2) * N);
            store4(pixel, 0, make_float4(of[0], of[1], of[2], of[3]));
        }
    }
}

static __global__ void __launch_bounds__(QUADS *COLUMNS) maxpool_backward_input_kernel(maxpool_backward_input a) {
    with_activation(a.activation, [&](auto f) { backward<f.value>(a); });
}

extern "C" enum lenet_status maxpool_backward_input_cuda(struct lenet_ctx *ctx,
                                                         const struct maxpool_backward_input *a) {
    const int columns = a->W / 2, quads = a->N / QUAD;
    const dim3 grid(a->R * a->C, a->H / 2, pieces(quads, QUADS));
    const dim3 block(quads < QUADS ? quads : QUADS, columns < COLUMNS ? columns : COLUMNS);
    return gpu_launch(ctx, "maxpool_backward_input", maxpool_backward_input_kernel, grid, block, 0, *a);
}
