/* loss.cu - cross-entropy of the softmax, and the distance, on the GPU: twin of src/cpu/loss.c.
 *
 * One block owns a network, so its tally is added in one order: each thread adds its images, then the lanes of a
 * warp are added, then the warps. Losses and probabilities are computed in double, as on the CPU. */
#include "gpu.cuh"

enum { THREADS = 256, WARPS = THREADS / WARP };

struct partial {
    double loss;
    unsigned count, correct, nonfinite;
};

static __device__ partial add(partial a, partial b) {
    a.loss += b.loss;
    a.count += b.count;
    a.correct += b.correct;
    a.nonfinite += b.nonfinite;
    return a;
}

static __device__ partial add_lanes(partial p) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) {
        partial other;
        other.loss = __shfl_xor_sync(0xffffffffu, p.loss, offset);
        other.count = __shfl_xor_sync(0xffffffffu, p.count, offset);
        other.correct = __shfl_xor_sync(0xffffffffu, p.correct, offset);
        other.nonfinite = __shfl_xor_sync(0xffffffffu, p.nonfinite, offset);
        p = add(p, other);
    }
    return p;
}

/* What both losses know of image n of network r: where its column of y and dy begins, and which output is largest. */
struct image {
    int label, largest;
    size_t first;
};

/* Reads an image, and writes the class that is predicted for it. */
template <class Loss> static __device__ image read_image(const Loss &a, int r, int n) {
    image i = {a.label[(size_t)r * a.N + n], 0, (size_t)r * a.O * a.N + n};
    const float *y = a.y + i.first;
    for (int o = 1; o < a.O; o++)
        if (y[(size_t)o * a.N] > y[(size_t)i.largest * a.N]) i.largest = o;
    a.predicted[(size_t)r * a.N + n] = (uint8_t)i.largest;
    return i;
}

static __device__ partial count(const image &i, double loss) {
    return {loss, 1, i.largest == i.label, !isfinite(loss)};
}

/* For each loss: predicts image n of network r, writes its gradient and returns its loss. */
static __device__ partial one_image(const softmax_loss &a, int r, int n, double weight) {
    const image i = read_image(a, r, n);
    const float *y = a.y + i.first;
    const double rubbish = log((double)a.rubbish), top = fmax((double)y[(size_t)i.largest * a.N], rubbish);
    double sum = exp(rubbish - top);
    for (int o = 0; o < a.O; o++) sum += exp(y[(size_t)o * a.N] - top);
    for (int o = 0; a.dy && o < a.O; o++)
        a.dy[i.first + (size_t)o * a.N] =
            i.label == LENET_NO_LABEL ? 0 : (float)(weight * (exp(y[(size_t)o * a.N] - top) / sum - (o == i.label)));
    if (i.label == LENET_NO_LABEL) return {0, 0, 0, 0};
    return count(i, log(sum) + top - y[(size_t)i.label * a.N]);
}

static __device__ partial one_image(const distance_loss &a, int r, int n, double weight) {
    const image i = read_image(a, r, n);
    for (int o = 0; a.dy && o < a.O; o++) a.dy[i.first + (size_t)o * a.N] = o == i.label ? (float)-weight : 0;
    if (i.label == LENET_NO_LABEL) return {0, 0, 0, 0};
    return count(i, -(double)a.y[i.first + (size_t)i.label * a.N]);
}

/* One block for each SM is enough. Because the bound says so, ptxas takes as many registers as it needs, and spills
 * none. */
template <class Loss> static __global__ void __launch_bounds__(THREADS, 1) loss_kernel(Loss a) {
    SHARED(double, loss, WARPS);
    SHARED(unsigned, counts, 3 * WARPS);
    const int r = blockIdx.x, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;

    unsigned mine = 0; /* labelled images */
    for (int n = threadIdx.x; n < a.N; n += THREADS) mine += a.label[(size_t)r * a.N + n] != LENET_NO_LABEL;
    for (int offset = WARP / 2; offset > 0; offset /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, offset);
    if (lane == 0) counts[warp] = mine;
    __syncthreads();
    unsigned labelled = 0;
    for (int k = 0; k < WARPS; k++) labelled += counts[k];
    __syncthreads();

    partial sum = {0, 0, 0, 0};
    for (int n = threadIdx.x; n < a.N; n += THREADS) sum = add(sum, one_image(a, r, n, labelled ? 1.0 / labelled : 0));
    sum = add_lanes(sum);
    if (lane == 0) {
        loss[warp] = sum.loss;
        counts[3 * warp] = sum.count;
        counts[3 * warp + 1] = sum.correct;
        counts[3 * warp + 2] = sum.nonfinite;
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    lenet_tally *tally = &a.tally[r];
    for (int k = 0; k < WARPS; k++) {
        tally->loss += loss[k];
        tally->count += counts[3 * k];
        tally->correct += counts[3 * k + 1];
        tally->nonfinite += counts[3 * k + 2];
    }
}

extern "C" enum lenet_status softmax_loss_cuda(struct lenet_ctx *ctx, const struct softmax_loss *a) {
    return gpu_launch(ctx, "softmax_loss", loss_kernel<softmax_loss>, dim3(a->R), dim3(THREADS), 0, *a);
}

extern "C" enum lenet_status distance_loss_cuda(struct lenet_ctx *ctx, const struct distance_loss *a) {
    return gpu_launch(ctx, "distance_loss", loss_kernel<distance_loss>, dim3(a->R), dim3(THREADS), 0, *a);
}
