/* activation.cu - tanh, ReLU and the squash on the GPU: twin of src/cpu/activation.c. A thread has four
 * values. */
#include "activation.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS) activation_forward_kernel(activation_forward a) {
    const size_t i = 4 * ((size_t)blockIdx.x * THREADS + threadIdx.x);
    if (i >= (size_t)a.R * a.F * a.N) return;
    const float4 x = load4(a.x + i, 0);
    store4(a.y + i, 0,
           make_float4(activated(x.x, a.activation), activated(x.y, a.activation), activated(x.z, a.activation),
                       activated(x.w, a.activation)));
}

static __global__ void __launch_bounds__(THREADS) activation_backward_input_kernel(activation_backward_input a) {
    const size_t i = 4 * ((size_t)blockIdx.x * THREADS + threadIdx.x);
    if (i >= (size_t)a.R * a.F * a.N) return;
    const float4 y = load4(a.y + i, 0), dy = load4(a.dy + i, 0);
    store4(a.dx + i, 0,
           make_float4(activation_gradient(y.x, dy.x, a.activation), activation_gradient(y.y, dy.y, a.activation),
                       activation_gradient(y.z, dy.z, a.activation), activation_gradient(y.w, dy.w, a.activation)));
}

extern "C" enum lenet_status activation_forward_cuda(struct lenet_ctx *ctx, const struct activation_forward *a) {
    return gpu_launch(ctx, "activation_forward", activation_forward_kernel,
                      dim3(blocks_for((size_t)a->R * a->F * a->N / 4, THREADS)), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status activation_backward_input_cuda(struct lenet_ctx *ctx,
                                                            const struct activation_backward_input *a) {
    return gpu_launch(ctx, "activation_backward_input", activation_backward_input_kernel,
                      dim3(blocks_for((size_t)a->R * a->F * a->N / 4, THREADS)), dim3(THREADS), 0, *a);
}
