/* scale.cu - a coefficient and a bias of each map on the GPU: twin of src/cpu/scale.c. */
#include "gpu.cuh"

enum { THREADS = 256, WARPS = THREADS / WARP };

/* A thread has four values. They are of one map, since N is a multiple of four. */
static __host__ __device__ size_t quads_of_map(int N, int P) { return (size_t)P * N / 4; }

/* The place of a map's parameters; maps are counted through all networks. */
static __device__ size_t parameter_of(size_t map, int C, size_t stride) { return map / C * stride + map % C; }

static __global__ void __launch_bounds__(THREADS) scale_forward_kernel(scale_forward a) {
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x, map = i / quads_of_map(a.N, a.P);
    if (map >= (size_t)a.R * a.C) return;
    const size_t at = parameter_of(map, a.C, a.stride);
    const float w = a.w[at], b = a.b[at];
    const float4 x = reinterpret_cast<const float4 *>(a.x)[i];
    reinterpret_cast<float4 *>(a.y)[i] = make_float4(w * x.x + b, w * x.y + b, w * x.z + b, w * x.w + b);
}

/* A thread alone reads its four values of dy, so in place is fine. */
static __global__ void __launch_bounds__(THREADS) scale_backward_input_kernel(scale_backward_input a) {
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x, map = i / quads_of_map(a.N, a.P);
    if (map >= (size_t)a.R * a.C) return;
    const float w = a.w[parameter_of(map, a.C, a.stride)];
    const float4 dy = reinterpret_cast<const float4 *>(a.dy)[i];
    reinterpret_cast<float4 *>(a.dx)[i] = make_float4(w * dy.x, w * dy.y, w * dy.z, w * dy.w);
}

/* A block has one map of a network, whose two sums are added in one order: each thread adds every 256th value, then the
 * lanes of a warp are added, then the warps. */
static __global__ void __launch_bounds__(THREADS) scale_backward_params_kernel(scale_backward_params a) {
    SHARED(float, weights, WARPS);
    SHARED(float, biases, WARPS);
    const size_t count = (size_t)a.P * a.N, first = blockIdx.x * count;
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    float weight = 0, bias = 0;
    for (size_t i = threadIdx.x; i < count; i += THREADS) {
        const float dy = a.dy[first + i];
        weight = fmaf(a.x[first + i], dy, weight);
        bias += dy;
    }
    weight = warp_sum(weight);
    bias = warp_sum(bias);
    if (lane == 0) {
        weights[warp] = weight;
        biases[warp] = bias;
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    float dw = 0, db = 0;
    for (int k = 0; k < WARPS; k++) {
        dw += weights[k];
        db += biases[k];
    }
    const size_t at = parameter_of(blockIdx.x, a.C, a.stride);
    a.dw[at] = dw;
    a.db[at] = db;
}

static dim3 blocks(int R, int N, int C, int P) { return dim3(blocks_for((size_t)R * C * quads_of_map(N, P), THREADS)); }

extern "C" enum lenet_status scale_forward_cuda(struct lenet_ctx *ctx, const struct scale_forward *a) {
    return gpu_launch(ctx, "scale_forward", scale_forward_kernel, blocks(a->R, a->N, a->C, a->P), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status scale_backward_input_cuda(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    return gpu_launch(ctx, "scale_backward_input", scale_backward_input_kernel, blocks(a->R, a->N, a->C, a->P),
                      dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status scale_backward_params_cuda(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    return gpu_launch(ctx, "scale_backward_params", scale_backward_params_kernel, dim3((unsigned)a->R * a->C),
                      dim3(THREADS), 0, *a);
}
