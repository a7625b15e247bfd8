/* dense_own.cu - the fully connected layer on the GPU without cuBLAS: kernels for small layers of one network, each of
 * which does with the product what cuBLAS needs a second kernel for. dense.cu says when they are taken.
 *
 * A single network waits for memory, not for arithmetic: so an output's terms are shared out among many warps, which
 * load several of them in one go. The order of each sum depends on the layer's sizes alone. */
#include "activation.cuh"
#include "dense_own.cuh"

/* ---- outputs, and gradients of inputs ---------------------------------------------------------------------- */

/* A block has 16 images of 8 units. Each half of a warp has all of these, and some of the terms: a slice. */
enum {
    IMAGES = 16,               /* four for each of four lanes */
    UNITS = 8,                 /* two for each of four lanes */
    AHEAD = 8,                 /* terms that a lane loads at a time */
    SUMS = UNITS * IMAGES,     /* of a block: unit by unit, image by image */
    LEAST_WARPS = SUMS / WARP, /* so that a thread ends with one sum */
    MOST_WARPS = 16,
};
static_assert(IMAGES / 4 * (UNITS / 2) == HALF_WARP, "a lane has four images of two units");

/* For M units y[m] = sum over k of w[m * step + k * next] * x[k], of K terms; and what becomes of it: f(y[m] + b[m]),
 * or, where b is NULL, y[m] * f' where f's output is f_y[m]. */
struct units {
    int N, M, K;
    size_t stride;
    ptrdiff_t step, next;
    enum lenet_activation activation;
    const float *x;   /* [R][K][N] */
    const float *w;   /* of network r from r * stride on */
    const float *b;   /* likewise, or NULL */
    const float *f_y; /* [R][M][N], or NULL: f is linear */
    float *y;         /* [R][M][N] */
};

static __device__ __forceinline__ void add_product(float4 &sum, float w, const float4 &x) {
    sum.x = fmaf(w, x.x, sum.x);
    sum.y = fmaf(w, x.y, sum.y);
    sum.z = fmaf(w, x.z, sum.z);
    sum.w = fmaf(w, x.w, sum.w);
}

/* Of four images of the units m and m + 1 every `slices`-th term, from k on. x and w are those of term k. Terms that do
 * not exist are 0; what a unit m + 1 gets that does not exist is nobody's. */
static __device__ __forceinline__ void add_terms(const units &a, int m, int k, int slices, const float *x,
                                                 const float *w, float4 (&sum)[2]) {
    const ptrdiff_t x_next = (ptrdiff_t)slices * a.N, w_next = slices * a.next, second = m + 1 < a.M ? a.step : 0;
    for (const int K = m < a.M ? a.K : 0; k < K; k += AHEAD * slices) {
        float4 xs[AHEAD];
        float w_first[AHEAD], w_second[AHEAD];
#pragma unroll
        for (int j = 0; j < AHEAD; j++, x += x_next, w += w_next) {
            const bool exists = k + j * slices < K;
            xs[j] = exists ? load4(x, 0) : make_float4(0, 0, 0, 0);
            w_first[j] = exists ? w[0] : 0;
            w_second[j] = exists ? w[second] : 0;
        }
#pragma unroll
        for (int j = 0; j < AHEAD; j++) {
            add_product(sum[0], w_first[j], xs[j]);
            add_product(sum[1], w_second[j], xs[j]);
        }
    }
}

/* The sum of both halves of a warp, for each of them. */
static __device__ __forceinline__ float4 add_halves(const float4 &v) {
    return make_float4(
        v.x + __shfl_xor_sync(0xffffffffu, v.x, HALF_WARP), v.y + __shfl_xor_sync(0xffffffffu, v.y, HALF_WARP),
        v.z + __shfl_xor_sync(0xffffffffu, v.z, HALF_WARP), v.w + __shfl_xor_sync(0xffffffffu, v.w, HALF_WARP));
}

/* A lane adds the terms of its slice, of four images of two units. Then a thread of the first warps has one image of
 * one unit: it adds the warps' sums, in their order. What it needs of memory it asks for before it waits for them. */
static __global__ void __launch_bounds__(WARP *MOST_WARPS) dense_units_kernel(units a) {
    SHARED(float, of_warp, MOST_WARPS *SUMS);
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y, r = blockIdx.z;
    const int half = lane / HALF_WARP, pair = lane / (IMAGES / 4) % (UNITS / 2) * 2, image = lane % (IMAGES / 4) * 4;
    const int m_first = (int)blockIdx.x * UNITS, n_first = (int)blockIdx.y * IMAGES;
    const int slice = 2 * warp + half, m = m_first + pair;
    float4 sum[2] = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
    add_terms(a, m, slice, 2 * warps, a.x + ((size_t)r * a.K + slice) * a.N + n_first + image,
              a.w + r * a.stride + m * a.step + slice * a.next, sum);
    const float4 first = add_halves(sum[0]), second = add_halves(sum[1]);
    store4(of_warp, warp * SUMS + (pair + half) * IMAGES + image, half ? second : first);

    const int e = warp * WARP + lane, unit = m_first + e / IMAGES;
    const bool ends = warp < LEAST_WARPS && unit < a.M;
    const size_t out = ((size_t)r * a.M + unit) * a.N + n_first + e % IMAGES;
    const float b = ends && a.b ? a.b[r * a.stride + unit] : 0, f_y = ends && a.f_y ? a.f_y[out] : 0;
    __syncthreads();
    if (!ends) return;
    float total = 0;
#pragma unroll 4
    for (int i = 0; i < warps; i++) total += of_warp[i * SUMS + e];
    a.y[out] = a.b ? activated(total + b, a.activation) : activation_gradient(f_y, total, a.activation);
}

/* So many warps that a lane loads its terms in one go, where that is possible. */
static enum lenet_status launch_units(struct lenet_ctx *ctx, const char *name, int R, const units &a) {
    const int warps = max((int)LEAST_WARPS, min((int)MOST_WARPS, pieces(a.K, 2 * AHEAD)));
    return gpu_launch(ctx, name, dense_units_kernel, dim3(blocks_for(a.M, UNITS), a.N / IMAGES, R), dim3(WARP, warps),
                      0, a);
}

enum lenet_status own_dense_forward(struct lenet_ctx *ctx, const struct dense_forward *a) {
    const units args = {a->N, a->O, a->I, a->stride, a->I, 1, a->activation, a->x, a->w, a->b, NULL, a->y};
    return launch_units(ctx, "dense_forward", a->R, args);
}

enum lenet_status own_dense_backward_input(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    const float *x = a->activation == LENET_LINEAR ? NULL : a->x;
    const units args = {a->N, a->I, a->O, a->stride, 1, a->I, a->activation, a->dy, a->w, NULL, x, a->dx};
    return launch_units(ctx, "dense_backward_input", a->R, args);
}

/* ---- gradients of parameters --------------------------------------------------------------------------------- */

enum { TILE = 4, PARAMS_WARPS = 4 };

/* Each lane gives HALF of its values to the lane 2 * HALF beside it, and gets the same sums' other parts for them. */
template <int HALF> static __device__ __forceinline__ void halve(float (&value)[TILE * TILE], int lane) {
    const bool is_upper = (lane & 2 * HALF) != 0;
#pragma unroll
    for (int v = 0; v < HALF; v++) {
        const float low = value[v], high = value[v + HALF];
        value[v] = (is_upper ? high : low) + __shfl_xor_sync(0xffffffffu, is_upper ? low : high, 2 * HALF);
    }
}

/* The sums over the lanes of TILE * TILE values: lanes 2v and 2v + 1 get that of value v. */
static __device__ __forceinline__ float sum_of_lanes(float (&value)[TILE * TILE], int lane) {
    static_assert(2 * TILE * TILE == WARP, "two lanes a value");
    halve<8>(value, lane);
    halve<4>(value, lane);
    halve<2>(value, lane);
    halve<1>(value, lane);
    return value[0] + __shfl_xor_sync(0xffffffffu, value[0], 1);
}

struct own_params : dense_backward_params {
    unsigned tiles; /* of 4 parameters beside each other: those of an output's inputs and its bias */
};

/* A warp has a tile of 4 x 4 parameters, so that it loads each value of x and dy once for four of them; a lane has four
 * images of every 128. The bias is the weight of an input I that is always 1. */
static __global__ void __launch_bounds__(WARP *PARAMS_WARPS) dense_params_kernel(own_params a) {
    const int lane = threadIdx.x, r = blockIdx.y;
    const unsigned tile = blockIdx.x * PARAMS_WARPS + threadIdx.y;
    const int o_first = (int)(tile / a.tiles) * TILE, i_first = (int)(tile % a.tiles) * TILE;
    if (o_first >= a.O) return;
    const float *x = a.x + ((size_t)r * a.I + i_first) * a.N, *dy = a.dy + ((size_t)r * a.O + o_first) * a.N;
    float sum[TILE * TILE] = {};
    for (int n = 4 * lane; n < a.N; n += 4 * WARP) {
        float4 dys[TILE], xs[TILE];
#pragma unroll
        for (int k = 0; k < TILE; k++) {
            const float rest = i_first + k == a.I ? 1 : 0;
            dys[k] = o_first + k < a.O ? load4(dy + (size_t)k * a.N, n) : make_float4(0, 0, 0, 0);
            xs[k] = i_first + k < a.I ? load4(x + (size_t)k * a.N, n) : make_float4(rest, rest, rest, rest);
        }
#pragma unroll
        for (int v = 0; v < TILE * TILE; v++) {
            const float4 d = dys[v / TILE], xv = xs[v % TILE];
            sum[v] = fmaf(d.x, xv.x, fmaf(d.y, xv.y, fmaf(d.z, xv.z, fmaf(d.w, xv.w, sum[v]))));
        }
    }
    const float total = sum_of_lanes(sum, lane);
    const int o = o_first + lane / 2 / TILE, i = i_first + lane / 2 % TILE;
    if (lane % 2 || o >= a.O || i > a.I) return;
    if (i < a.I)
        a.dw[r * a.stride + (size_t)o * a.I + i] = total;
    else
        a.db[r * a.stride + o] = total;
}

enum lenet_status own_dense_backward_params(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    own_params args;
    static_cast<dense_backward_params &>(args) = *a;
    args.tiles = blocks_for((size_t)a->I + 1, TILE);
    const size_t tiles = (size_t)args.tiles * blocks_for(a->O, TILE);
    return gpu_launch(ctx, "dense_backward_params", dense_params_kernel, dim3(blocks_for(tiles, PARAMS_WARPS), a->R),
                      dim3(WARP, PARAMS_WARPS), 0, args);
}
