/* scale.cu - a coefficient and a bias of each map on the GPU: twin of src/cpu/scale.c. */
#include "gpu.cuh"

enum { THREADS = 256, WARPS = THREADS / WARP };

/* A thread has four values of one map of a network: quad q of the map's P*N/4. N is a multiple of four. */
struct place {
    bool exists;
    size_t parameter, at; /* of the map, and of the first value */
};

static __device__ place place_of_thread(int N, int C, int P, size_t stride) {
    const size_t quads = (size_t)P * N / 4, q = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const int c = blockIdx.y, r = blockIdx.z;
    return {q < quads, r * stride + c, 4 * (((size_t)r * C + c) * quads + q)};
}

static __global__ void __launch_bounds__(THREADS) scale_forward_kernel(scale_forward a) {
    const place p = place_of_thread(a.N, a.C, a.P, a.stride);
    if (!p.exists) return;
    const float w = a.w[p.parameter], b = a.b[p.parameter];
    const float4 x = load4(a.x + p.at, 0);
    store4(a.y + p.at, 0, make_float4(w * x.x + b, w * x.y + b, w * x.z + b, w * x.w + b));
}

/* A thread alone reads its four values of dy, so in place is fine. */
static __global__ void __launch_bounds__(THREADS) scale_backward_input_kernel(scale_backward_input a) {
    const place p = place_of_thread(a.N, a.C, a.P, a.stride);
    if (!p.exists) return;
    const float w = a.w[p.parameter];
    const float4 dy = load4(a.dy + p.at, 0);
    store4(a.dx + p.at, 0, make_float4(w * dy.x, w * dy.y, w * dy.z, w * dy.w));
}

/* A block has one map of a network, whose two sums are added in one order: each thread adds every 256th value, then the
 * lanes of a warp are added, then the warps. */
static __global__ void __launch_bounds__(THREADS) scale_backward_params_kernel(scale_backward_params a) {
    SHARED(float, weights, WARPS);
    SHARED(float, biases, WARPS);
    const int c = blockIdx.x, r = blockIdx.y;
    const size_t count = (size_t)a.P * a.N, first = ((size_t)r * a.C + c) * count;
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
    a.dw[r * a.stride + c] = dw;
    a.db[r * a.stride + c] = db;
}

static dim3 blocks(int R, int N, int C, int P) { return dim3(blocks_for((size_t)P * N / 4, THREADS), C, R); }

extern "C" enum lenet_status scale_forward_cuda(struct lenet_ctx *ctx, const struct scale_forward *a) {
    return gpu_launch(ctx, "scale_forward", scale_forward_kernel, blocks(a->R, a->N, a->C, a->P), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status scale_backward_input_cuda(struct lenet_ctx *ctx, const struct scale_backward_input *a) {
    return gpu_launch(ctx, "scale_backward_input", scale_backward_input_kernel, blocks(a->R, a->N, a->C, a->P),
                      dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status scale_backward_params_cuda(struct lenet_ctx *ctx, const struct scale_backward_params *a) {
    return gpu_launch(ctx, "scale_backward_params", scale_backward_params_kernel, dim3(a->C, a->R), dim3(THREADS), 0,
                      *a);
}
