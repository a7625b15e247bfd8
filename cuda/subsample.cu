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

/* Calls use(in, out) for each window of a thread: x[in] is its first pixel, and y[out] what becomes of it. */
template <class Args, class Use> static __device__ __forceinline__ void each_window(const Args &a, int S, Use use) {
    const unsigned map = blockIdx.x, h = blockIdx.y, N = a.N; /* map: of all networks */
    const unsigned n = (blockIdx.z * IMAGE_THREADS + threadIdx.x) * IMAGES;
    if (n >= N) return;
    const size_t in = ((size_t)map * a.H + h * S) * a.W * N + n;
    const size_t out = ((size_t)map * (a.H / S) + h) * (a.W / S) * N + n;
    for (unsigned w = threadIdx.y; w < (unsigned)(a.W / S); w += blockDim.y)
        use(in + (size_t)(w * S * N), out + (size_t)(w * N));
}

/* Calls use(p, at) for each pixel of a window, in reading order: number p lies `at` behind the first. WINDOW is S where
 * the compiler should know it, else 0. */
template <int WINDOW, class Args, class Use> static __device__ __forceinline__ void each_pixel(const Args &a, Use use) {
    const int S = WINDOW ? WINDOW : a.S;
    const size_t line = (size_t)a.W * a.N;
#pragma unroll(WINDOW ? WINDOW *WINDOW : 1)
    for (int p = 0; p < S * S; p++) use(p, p / S * line + (size_t)(p % S * (unsigned)a.N));
}

/* An average is its share of the sum. */
template <int WINDOW, class Args> static __device__ __forceinline__ float share_of(const Args &a, float sum) {
    const int S = WINDOW ? WINDOW : a.S;
    return a.pooling == LENET_POOL_SUM ? sum : sum * (1.0f / (S * S));
}

/* Of one window. F is the nonlinearity. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void forward(const subsample_forward &a, const float *x, float *y) {
    values largest = load(x), sum = {}, result;
    each_pixel<WINDOW>(a, [&](int, size_t at) {
        const values v = load(x + at);
#pragma unroll
        for (int k = 0; k < IMAGES; k++) {
            if (a.pooling == LENET_POOL_MAX)
                largest.of[k] = v.of[k] > largest.of[k] ? v.of[k] : largest.of[k];
            else
                sum.of[k] += activated(v.of[k], F);
        }
    });
#pragma unroll
    for (int k = 0; k < IMAGES; k++) /* f never falls, so its maximum is f of the maximum */
        result.of[k] = a.pooling == LENET_POOL_MAX ? activated(largest.of[k], F) : share_of<WINDOW>(a, sum.of[k]);
    store(y, result);
}

/* The gradient of the first of the largest pixels, in reading order; the others have none. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void backward_of_maximum(const subsample_backward_input &a, const float *x,
                                                           const values &dy, float *dx) {
    values largest = load(x), gradient;
    int first[IMAGES] = {};
    each_pixel<WINDOW>(a, [&](int p, size_t at) {
        const values v = load(x + at);
#pragma unroll
        for (int k = 0; k < IMAGES; k++) {
            first[k] = v.of[k] > largest.of[k] ? p : first[k];
            largest.of[k] = v.of[k] > largest.of[k] ? v.of[k] : largest.of[k];
        }
    });
#pragma unroll
    for (int k = 0; k < IMAGES; k++) gradient.of[k] = activation_gradient(activated(largest.of[k], F), dy.of[k], F);
    each_pixel<WINDOW>(a, [&](int p, size_t at) {
        values v;
#pragma unroll
        for (int k = 0; k < IMAGES; k++) v.of[k] = p == first[k] ? gradient.of[k] : 0;
        store(dx + at, v);
    });
}

/* Each pixel has its share of the window's gradient. */
template <int WINDOW, enum lenet_activation F>
static __device__ __forceinline__ void backward_of_sum(const subsample_backward_input &a, const float *x, values dy,
                                                       float *dx) {
#pragma unroll
    for (int k = 0; k < IMAGES; k++) dy.of[k] = share_of<WINDOW>(a, dy.of[k]);
    each_pixel<WINDOW>(a, [&](int, size_t at) {
        const values v = load(x + at);
        values gradient;
#pragma unroll
        for (int k = 0; k < IMAGES; k++) gradient.of[k] = activation_gradient(activated(v.of[k], F), dy.of[k], F);
        store(dx + at, gradient);
    });
}

template <int WINDOW>
static __global__ void __launch_bounds__(THREADS, 2) subsample_forward_kernel(subsample_forward a) {
    with_activation(a.activation, [&](auto f) {
        each_window(a, WINDOW ? WINDOW : a.S,
                    [&](size_t in, size_t out) { forward<WINDOW, f.value>(a, a.x + in, a.y + out); });
    });
}

template <int WINDOW>
static __global__ void __launch_bounds__(THREADS, 2) subsample_backward_input_kernel(subsample_backward_input a) {
    with_activation(a.activation, [&](auto f) {
        each_window(a, WINDOW ? WINDOW : a.S, [&](size_t in, size_t out) {
            if (a.pooling == LENET_POOL_MAX)
                backward_of_maximum<WINDOW, f.value>(a, a.x + in, load(a.dy + out), a.dx + in);
            else
                backward_of_sum<WINDOW, f.value>(a, a.x + in, load(a.dy + out), a.dx + in);
        });
    });
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
