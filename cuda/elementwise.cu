/* elementwise.cu - squares and weighted sums of whole tensors on the GPU: twin of src/cpu/elementwise.c. A thread
 * has one element, for counts need not be multiples of anything. */
#include "gpu.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS) square_kernel(square a) {
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < a.count) a.y[i] = a.x[i] * a.x[i];
}

static __global__ void __launch_bounds__(THREADS) accumulate_kernel(accumulate a) {
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < a.count) a.y[i] = (a.keep != 0 ? a.keep * a.y[i] : 0) + a.factor * a.x[i];
}

extern "C" enum lenet_status square_cuda(struct lenet_ctx *ctx, const struct square *a) {
    return gpu_launch(ctx, "square", square_kernel, dim3(blocks_for(a->count, THREADS)), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status accumulate_cuda(struct lenet_ctx *ctx, const struct accumulate *a) {
    return gpu_launch(ctx, "accumulate", accumulate_kernel, dim3(blocks_for(a->count, THREADS)), dim3(THREADS), 0, *a);
}
