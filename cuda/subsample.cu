/* subsample.cu - average, maximum and sum of windows on the GPU: twin of src/cpu/subsample.c.
 *
 * A thread has a window of four neighbouring images: so a load moves 16 bytes, those of a warp are whole lines, and
 * what an address costs is shared by four. A block has a row of windows. f(x) is computed where it is needed, and again
 * for the gradient: that is cheaper than to store it. */
#include "activation.cuh"
#include "gpu.cuh"

enum { IMAGES = 4, IMAGE_THREADS = 32, COLUMN_THREADS = 16, THREADS = IMAGE_THREADS * COLUMN_THREADS };

/* A value for each of a thread's images. */
struct values {
    float of[IMAGES];
};

static __device__ __forceinline__ values load(const float *p) {
    const float4 v = load4(p, 0);
    return {{v.x, v.y, v.z, v.w}};
}
static __device__ __forceinline__ void store(float *p, const values &v) {
    store4(p, 0, make_float4(v.of[0], v.of[1], v.of[2], v.of[3]));
}

/* Where a thread's images lie: n is the first one, `in` and `out` begin the row of windows of x and of y. */
struct row {
    unsigned N, n;
    size_t in, out;
};

template <class Args> static __device__ __forceinline__ row row_of_block(const Args &a, int S) {
    const unsigned map = blockIdx.x, h = blockIdx.y, N = a.N; /* map: of all networks */
    const unsigned n = (blockIdx.z * IMAGE_THREADS + threadIdx.x) * IMAGES;
    return {N, n, ((size_t)map * a.H + h * S) * a.W * N + n, ((size_t)map * (a.H / S) + h) * (a.W / S) * N + n};
}

/* An average is its share of the sum. */
static __device__ __forceinline__ float share_of(float sum, int S, enum lenet_pooling pooling) {
    return pooling == LENET_POOL_SUM ? sum : sum * (1.0f / (S * S));
}

/* WINDOW is S where the compiler should know it, else 0; F is the nonlinearity. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void forward(const subsample_forward &a) {
    const int S = WINDOW ? WINDOW : a.S;
    const row at = row_of_block(a, S);
    if (at.n >= at.N) return;
    for (unsigned w = threadIdx.y; w < (unsigned)(a.W / S); w += blockDim.y) {
        const float *x = a.x + at.in + (size_t)(w * S * at.N);
        values largest = load(x), sum = {}, y;
#pragma unroll(WINDOW ? WINDOW : 1)
        for (int i = 0; i < S; i++)
#pragma unroll(WINDOW ? WINDOW : 1)
            for (int j = 0; j < S; j++) {
                const values v = load(x + (size_t)i * a.W * at.N + (size_t)(j * at.N));
#pragma unroll
                for (int k = 0; k < IMAGES; k++) {
                    if (a.pooling == LENET_POOL_MAX)
                        largest.of[k] = v.of[k] > largest.of[k] ? v.of[k] : largest.of[k];
                    else
                        sum.of[k] += activated(v.of[k], F);
                }
            }
#pragma unroll
        for (int k = 0; k < IMAGES; k++) /* f never falls, so its maximum is f of the maximum */
            y.of[k] = a.pooling == LENET_POOL_MAX ? activated(largest.of[k], F) : share_of(sum.of[k], S, a.pooling);
        store(a.y + at.out + (size_t)(w * at.N), y);
    }
}

/* The gradient of the first of the largest pixels, in reading order; the others have none. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void backward_of_maximum(const float *x, const values &dy, float *dx, int S,
                                                           size_t line, unsigned N) {
    values largest = load(x), gradient;
    int first[IMAGES] = {};
#pragma unroll(WINDOW ? WINDOW *WINDOW : 1)
    for (int p = 1; p < S * S; p++) {
        const values v = load(x + p / S * line + (size_t)(p % S * N));
#pragma unroll
        for (int k = 0; k < IMAGES; k++)
            if (v.of[k] > largest.of[k]) {
                largest.of[k] = v.of[k];
                first[k] = p;
            }
    }
#pragma unroll
    for (int k = 0; k < IMAGES; k++) gradient.of[k] = activation_gradient(activated(largest.of[k], F), dy.of[k], F);
#pragma unroll(WINDOW ? WINDOW *WINDOW : 1)
    for (int p = 0; p < S * S; p++) {
        values v;
#pragma unroll
        for (int k = 0; k < IMAGES; k++) v.of[k] = p == first[k] ? gradient.of[k] : 0;
        store(dx + p / S * line + (size_t)(p % S * N), v);
    }
}

/* Each pixel has its share. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void backward_of_sum(const float *x, const values &share, float *dx, int S,
                                                       size_t line, unsigned N) {
#pragma unroll(WINDOW ? WINDOW *WINDOW : 1)
    for (int p = 0; p < S * S; p++) {
        const size_t at = p / S * line + (size_t)(p % S * N);
        const values v = load(x + at);
        values gradient;
#pragma unroll
        for (int k = 0; k < IMAGES; k++) gradient.of[k] = activation_gradient(activated(v.of[k], F), share.of[k], F);
        store(dx + at, gradient);
    }
}

template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void backward(const subsample_backward_input &a) {
    const int S = WINDOW ? WINDOW : a.S;
    const row at = row_of_block(a, S);
    if (at.n >= at.N) return;
    const size_t line = (size_t)a.W * at.N;
    for (unsigned w = threadIdx.y; w < (unsigned)(a.W / S); w += blockDim.y) {
        const size_t in = at.in + (size_t)(w * S * at.N);
        values dy = load(a.dy + at.out + (size_t)(w * at.N));
        if (a.pooling == LENET_POOL_MAX) {
            backward_of_maximum<WINDOW, F>(a.x + in, dy, a.dx + in, S, line, at.N);
            continue;
        }
#pragma unroll
        for (int k = 0; k < IMAGES; k++) dy.of[k] = share_of(dy.of[k], S, a.pooling);
        backward_of_sum<WINDOW, F>(a.x + in, dy, a.dx + in, S, line, at.N);
    }
}

template <int WINDOW>
static __global__ void __launch_bounds__(THREADS, 2) subsample_forward_kernel(subsample_forward a) {
    switch (a.activation) {
    case LENET_TANH: return forward<WINDOW, LENET_TANH>(a);
    case LENET_RELU: return forward<WINDOW, LENET_RELU>(a);
    case LENET_SQUASH: return forward<WINDOW, LENET_SQUASH>(a);
    case LENET_LINEAR: return forward<WINDOW, LENET_LINEAR>(a);
    }
}

template <int WINDOW>
static __global__ void __launch_bounds__(THREADS, 2) subsample_backward_input_kernel(subsample_backward_input a) {
    switch (a.activation) {
    case LENET_TANH: return backward<WINDOW, LENET_TANH>(a);
    case LENET_RELU: return backward<WINDOW, LENET_RELU>(a);
    case LENET_SQUASH: return backward<WINDOW, LENET_SQUASH>(a);
    case LENET_LINEAR: return backward<WINDOW, LENET_LINEAR>(a);
    }
}

template <class Args>
static enum lenet_status launch(struct lenet_ctx *ctx, const char *name, void (*kernel)(Args), const Args &a) {
    const int columns = a.W / a.S, image_threads = a.N / IMAGES; /* these are a multiple of 8 */
    const dim3 grid(a.R * a.C, a.H / a.S, pieces(image_threads, IMAGE_THREADS));
    const dim3 block(image_threads < IMAGE_THREADS ? image_threads : IMAGE_THREADS,
                     columns < COLUMN_THREADS ? columns : COLUMN_THREADS);
    return gpu_launch(ctx, name, kernel, grid, block, 0, a);
}

extern "C" enum lenet_status subsample_forward_cuda(struct lenet_ctx *ctx, const struct subsample_forward *a) {
    return launch(ctx, "subsample_forward", a->S == 2 ? subsample_forward_kernel<2> : subsample_forward_kernel<0>, *a);
}

extern "C" enum lenet_status subsample_backward_input_cuda(struct lenet_ctx *ctx,
                                                           const struct subsample_backward_input *a) {
    return launch(ctx, "subsample_backward_input",
                  a->S == 2 ? subsample_backward_input_kernel<2> : subsample_backward_input_kernel<0>, *a);
}
