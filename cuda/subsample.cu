/* subsample.cu - average, maximum and sum of windows on the GPU: twin of src/cpu/subsample.c.
 *
 * A thread has one window of one image. The lanes of a warp are images, so loads and stores are whole lines. f(x) is
 * computed where it is needed, and again for the gradient: that is cheaper than to store it. */
#include "activation.cuh"
#include "gpu.cuh"

enum { THREADS = 256 };

/* The window of a thread: the offset of its first pixel in x, and its offset in y. */
struct window {
    bool exists;
    size_t x, y;
};

static __device__ window window_of_thread(int maps, int N, int H, int W, int S) {
    const size_t t = (size_t)blockIdx.x * THREADS + threadIdx.x, out_row = (size_t)(W / S);
    const size_t n = t % N, column = t / N % out_row, row = t / N / out_row; /* of all maps, one below the other */
    window w;
    w.exists = row < (size_t)maps * (H / S);
    w.x = (row * S * W + column * S) * N + n;
    w.y = t;
    return w;
}

/* An average is its share of the sum. */
static __device__ float share_of(float sum, int S, enum lenet_pooling pooling) {
    return pooling == LENET_POOL_SUM ? sum : sum * (1.0f / (S * S));
}

static __global__ void __launch_bounds__(THREADS) subsample_forward_kernel(subsample_forward a) {
    const window w = window_of_thread(a.R * a.C, a.N, a.H, a.W, a.S);
    if (!w.exists) return;
    const float *x = a.x + w.x;
    float largest = x[0], sum = 0;
    for (int i = 0; i < a.S; i++)
        for (int j = 0; j < a.S; j++) {
            const float v = x[((size_t)i * a.W + j) * a.N];
            if (a.pooling == LENET_POOL_MAX)
                largest = v > largest ? v : largest; /* f never falls, so its maximum is f of the maximum */
            else
                sum += activated(v, a.activation);
        }
    a.y[w.y] = a.pooling == LENET_POOL_MAX ? activated(largest, a.activation) : share_of(sum, a.S, a.pooling);
}

static __global__ void __launch_bounds__(THREADS) subsample_backward_input_kernel(subsample_backward_input a) {
    const window w = window_of_thread(a.R * a.C, a.N, a.H, a.W, a.S);
    if (!w.exists) return;
    const float *x = a.x + w.x, dy = a.dy[w.y], share = share_of(dy, a.S, a.pooling);
    float *dx = a.dx + w.x;
    int first = 0; /* the first of the largest pixels, in reading order */
    float largest = x[0];
    for (int k = 1; a.pooling == LENET_POOL_MAX && k < a.S * a.S; k++) {
        const float v = x[((size_t)(k / a.S) * a.W + k % a.S) * a.N];
        if (v > largest) {
            largest = v;
            first = k;
        }
    }
    for (int k = 0; k < a.S * a.S; k++) {
        const size_t at = ((size_t)(k / a.S) * a.W + k % a.S) * a.N;
        const bool gets_none = a.pooling == LENET_POOL_MAX && k != first;
        const float dy_k = a.pooling == LENET_POOL_MAX ? dy : share;
        dx[at] = gets_none ? 0 : activation_gradient(activated(x[at], a.activation), dy_k, a.activation);
    }
}

static dim3 blocks(int R, int N, int C, int H, int W, int S) {
    return dim3(blocks_for((size_t)R * C * (H / S) * (W / S) * N, THREADS));
}

extern "C" enum lenet_status subsample_forward_cuda(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    return gpu_launch(ctx, "subsample_forward", subsample_forward_kernel, blocks(a->R, a->N, a->C, a->H, a->W, a->S),
                      dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status subsample_backward_input_cuda(struct lenet_ctx *ctx,
                                                           const struct subsample_backward_input *a) {
    return gpu_launch(ctx, "subsample_backward_input", subsample_backward_input_kernel,
                      blocks(a->R, a->N, a->C, a->H, a->W, a->S), dim3(THREADS), 0, *a);
}
