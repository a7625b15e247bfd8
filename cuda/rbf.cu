/* rbf.cu - distances to fixed targets on the GPU: twin of src/cpu/rbf.c.
 *
 * A thread has one output of one image (of a unit, or the gradient of an input), which it alone sums, in the order of
 * the sum's index. The lanes of a warp are images: loads are whole lines, and a target's component is the same for all.
 */
#include "gpu.cuh"

enum { UNITS = 8, WORD = 32 }; /* of a block, whose warps have one each */

static __device__ float target(const rbf_targets &targets, int o, int i) {
    return targets.plus[o][i / WORD] >> i % WORD & 1 ? 1 : -1;
}

/* Which output a thread has, of `units` for each image of each network: its unit, where it is, and where the image's
 * columns of x and y begin. */
struct place {
    bool exists;
    int unit;
    size_t at, x, y;
};

static __device__ place place_of_thread(int N, int I, int O, int units) {
    const size_t n = (size_t)blockIdx.x * WARP + threadIdx.x, r = blockIdx.z;
    place p;
    p.unit = (int)(blockIdx.y * UNITS + threadIdx.y);
    p.exists = p.unit < units;
    p.at = (r * units + p.unit) * N + n;
    p.x = r * I * N + n;
    p.y = r * O * N + n;
    return p;
}

static __global__ void __launch_bounds__(WARP *UNITS) rbf_forward_kernel(rbf_forward a) {
    const place p = place_of_thread(a.N, a.I, a.O, a.O);
    if (!p.exists) return;
    float sum = 0;
    for (int i = 0; i < a.I; i++) {
        const float distance = a.x[p.x + (size_t)i * a.N] - target(a.targets, p.unit, i);
        sum -= distance * distance;
    }
    a.y[p.at] = sum;
}

static __global__ void __launch_bounds__(WARP *UNITS) rbf_backward_input_kernel(rbf_backward_input a) {
    const place p = place_of_thread(a.N, a.I, a.O, a.I);
    if (!p.exists) return;
    const float x = a.x[p.at];
    float sum = 0;
    for (int o = 0; o < a.O; o++) sum -= a.dy[p.y + (size_t)o * a.N] * (x - target(a.targets, o, p.unit));
    a.dx[p.at] = 2 * sum;
}

/* All inputs of an image have the same sum, which each adds for itself: O loads are cheaper than a second kernel. */
static __global__ void __launch_bounds__(WARP *UNITS) rbf_backward_second_kernel(rbf_backward_second a) {
    const place p = place_of_thread(a.N, a.I, a.O, a.I);
    if (!p.exists) return;
    float sum = 0;
    for (int o = 0; o < a.O; o++) sum -= a.dy[p.y + (size_t)o * a.N];
    a.d2x[p.at] = 2 * sum;
}

static dim3 blocks(int R, int N, int units) { return dim3(N / WARP, pieces(units, UNITS), R); }

extern "C" enum lenet_status rbf_forward_cuda(struct lenet_ctx *ctx, const struct rbf_forward *a) {
    return gpu_launch(ctx, "rbf_forward", rbf_forward_kernel, blocks(a->R, a->N, a->O), dim3(WARP, UNITS), 0, *a);
}

extern "C" enum lenet_status rbf_backward_input_cuda(struct lenet_ctx *ctx, const struct rbf_backward_input *a) {
    return gpu_launch(ctx, "rbf_backward_input", rbf_backward_input_kernel, blocks(a->R, a->N, a->I), dim3(WARP, UNITS),
                      0, *a);
}

extern "C" enum lenet_status rbf_backward_second_cuda(struct lenet_ctx *ctx, const struct rbf_backward_second *a) {
    return gpu_launch(ctx, "rbf_backward_second", rbf_backward_second_kernel, blocks(a->R, a->N, a->I),
                      dim3(WARP, UNITS), 0, *a);
}
