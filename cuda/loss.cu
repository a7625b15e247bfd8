/* loss.cu - cross-entropy of the softmax, and the distance, on the GPU: twin of src/cpu/loss.c.
 *
 * One block owns a network, so that its tally is added in one order. Four lanes share an image: lane l of a warp has
 * every fourth output of image l % 8, from output l / 8 on, so that loads and stores are whole sectors of eight images,
 * and sums over the outputs are two shuffles. Exponentials are in float, and only numbers of one sign are added: each
 * probability and each loss is right to some roundings, whatever their size. Sums of losses are in double. */
#include <math.h>

#include "gpu.cuh"

enum {
    PARTS = 4,             /* lanes of an image */
    IMAGES = WARP / PARTS, /* of a warp, at a time */
    AHEAD = 4,             /* outputs that a lane loads at a time */
    WARPS = 16,
    THREADS = WARPS * WARP,
};

/* ---- the tally ------------------------------------------------------------------------------------------ */

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

/* The sum over groups of `width` neighbouring lanes, for each of them. */
static __device__ partial add_lanes(partial p, int width) {
    for (int offset = width / 2; offset > 0; offset /= 2) {
        partial other;
        other.loss = __shfl_xor_sync(0xffffffffu, p.loss, offset);
        other.count = __shfl_xor_sync(0xffffffffu, p.count, offset);
        other.correct = __shfl_xor_sync(0xffffffffu, p.correct, offset);
        other.nonfinite = __shfl_xor_sync(0xffffffffu, p.nonfinite, offset);
        p = add(p, other);
    }
    return p;
}

/* One over the number of labels, or 0 where there are none: every warp counts for itself, four labels a lane, which
 * takes less time than to wait for the others. */
static __device__ float share_of_labelled(const uint8_t *label, int N, int lane) {
    const uint32_t *words = reinterpret_cast<const uint32_t *>(label);
    int labelled = 0;
    for (int i = lane; i < N / 4; i += WARP) {
        const uint32_t word = words[i];
        for (int k = 0; k < 4; k++) labelled += (word >> 8 * k & 255) != LENET_NO_LABEL;
    }
    for (int offset = HALF_WARP; offset > 0; offset /= 2) labelled += __shfl_xor_sync(0xffffffffu, labelled, offset);
    return labelled ? 1.0f / (float)labelled : 0;
}

/* ---- one image ------------------------------------------------------------------------------------------- */

/* What a lane knows of its image: its label, where its column of y and dy begins, and which outputs are the lane's:
 * part, part + PARTS ... The first ones are loaded in one go, since each takes as long as all; past the last output
 * they are -infinity, whose exponential is 0. */
struct image {
    int label, part;
    size_t first;
    float y[AHEAD];
    float top; /* the largest output */
    int largest;
    float of_label; /* the label's output, or 0 where there is none */
};

template <class Loss> static __device__ image load_image(const Loss &a, int r, int n, int part) {
    image i;
    i.label = a.label[(size_t)r * a.N + n];
    i.part = part;
    i.first = (size_t)r * a.O * a.N + n;
#pragma unroll
    for (int k = 0; k < AHEAD; k++) {
        const int o = part + k * PARTS;
        i.y[k] = o < a.O ? a.y[i.first + o * a.N] : -INFINITY;
    }
    return i;
}

/* Calls use(o, y[o]) for each of the lane's outputs, and for o past the last one. */
template <class Loss, class Use>
static __device__ __forceinline__ void each_output(const Loss &a, const image &i, Use use) {
#pragma unroll
    for (int k = 0; k < AHEAD; k++) use(i.part + k * PARTS, i.y[k]);
    for (int o = i.part + AHEAD * PARTS; o < a.O; o += PARTS) use(o, a.y[i.first + o * a.N]);
}

/* The sum over the lanes of an image, for each of them, always added in the same order. */
static __device__ float image_sum(float v) {
    v += __shfl_xor_sync(0xffffffffu, v, IMAGES);
    return v + __shfl_xor_sync(0xffffffffu, v, 2 * IMAGES);
}

/* The largest output and the label's, which one of the image's lanes has. Of equal outputs the first one is the
 * largest, and nothing is larger than a first output that is NaN. */
template <class Loss> static __device__ void find_outputs(const Loss &a, image &i) {
    float top = -INFINITY, of_label = 0;
    int largest = i.part;
    each_output(a, i, [&](int o, float y) {
        of_label = o == i.label ? y : of_label;
        const float v = o == 0 && isnan(y) ? INFINITY : y;
        largest = v > top ? o : largest;
        top = v > top ? v : top;
    });
    for (int offset = IMAGES; offset < WARP; offset *= 2) {
        const float v = __shfl_xor_sync(0xffffffffu, top, offset);
        const int o = __shfl_xor_sync(0xffffffffu, largest, offset);
        const bool is_larger = v > top || (v == top && o < largest);
        top = is_larger ? v : top;
        largest = is_larger ? o : largest;
    }
    i.top = top;
    i.largest = largest;
    i.of_label = __shfl_sync(0xffffffffu, of_label, i.label % PARTS * IMAGES + (int)threadIdx.x % IMAGES);
}

static __device__ partial counted(const image &i, double loss) {
    if (i.label == LENET_NO_LABEL || i.part != 0) return {0, 0, 0, 0};
    return {loss, 1, i.largest == i.label, !isfinite(loss)};
}

/* For each loss, what the kernel gets: the arguments of the operation, and what the host knows better. */
struct softmax : softmax_loss {
    float log_rubbish;
};
struct distance : distance_loss {};

/* For each loss: writes the gradient of an image and returns its loss. The exponentials are of differences from the
 * largest output; `others` is the sum of all but the label's. */
static __device__ partial one_image(const softmax &a, const image &i, float share) {
    const bool labelled = i.label != LENET_NO_LABEL;
    const float top = fmaxf(i.top, a.log_rubbish);
    const float rubbish = expf(a.log_rubbish - top);
    float others = i.part == 0 ? rubbish : 0;
    each_output(a, i, [&](int o, float y) {
        const float e = expf(y - top); /* not only where it is wanted: a branch costs more */
        others += o == i.label ? 0 : e;
    });
    others = image_sum(others);
    const float own = labelled ? expf(i.of_label - top) : 0, scale = share / (others + own);
    each_output(a, i, [&](int o, float y) {
        const float e = expf(y - top), dy = (o == i.label ? -others : e) * scale;
        if (a.dy && o < a.O) a.dy[i.first + o * a.N] = labelled ? dy : 0;
    });
    return counted(i, (double)log1pf(others + (own - 1)) + ((double)top - i.of_label));
}

static __device__ partial one_image(const distance &a, const image &i, float share) {
    each_output(a, i, [&](int o, float) {
        if (a.dy && o < a.O) a.dy[i.first + o * a.N] = o == i.label ? -share : 0;
    });
    return counted(i, -(double)i.of_label);
}

/* ---- a network --------------------------------------------------------------------------------------------- */

/* Warp w has images 8w ... 8w+7 of each turn. Its sum is added over its lanes, and then the first warp adds those of
 * all warps. What comes from memory is asked for early. One block for each SM is enough: because the bound says so,
 * ptxas spills no register. */
template <class Loss> static __global__ void __launch_bounds__(THREADS, 1) loss_kernel(Loss a) {
    SHARED(partial, of_warp, WARPS);
    const int r = blockIdx.x, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int part = lane / IMAGES, first = warp * IMAGES + lane % IMAGES;
    const lenet_tally before = a.tally[r];
    float share = 0; /* of an image in the mean */
    partial sum = {0, 0, 0, 0};
    for (int n = first; n < a.N; n += WARPS * IMAGES) {
        image i = load_image(a, r, n, part);
        if (n == first) share = share_of_labelled(a.label + (size_t)r * a.N, a.N, lane);
        find_outputs(a, i);
        if (part == 0) a.predicted[(size_t)r * a.N + n] = (uint8_t)i.largest;
        sum = add(sum, one_image(a, i, share));
    }
    sum = add_lanes(sum, IMAGES);
    if (lane == 0) of_warp[warp] = sum;
    __syncthreads();
    if (warp != 0) return;
    sum = of_warp[lane % WARPS];
    sum = add_lanes(sum, WARPS);
    if (lane == 0)
        a.tally[r] = {before.loss + sum.loss, before.count + sum.count, before.correct + sum.correct,
                      before.nonfinite + sum.nonfinite};
}

extern "C" enum lenet_status softmax_loss_cuda(struct lenet_ctx *ctx, const struct softmax_loss *a) {
    softmax args;
    static_cast<softmax_loss &>(args) = *a;
    args.log_rubbish = (float)log((double)a->rubbish);
    return gpu_launch(ctx, "softmax_loss", loss_kernel<softmax>, dim3(a->R), dim3(THREADS), 0, args);
}

extern "C" enum lenet_status distance_loss_cuda(struct lenet_ctx *ctx, const struct distance_loss *a) {
    distance args;
    static_cast<distance_loss &>(args) = *a;
    return gpu_launch(ctx, "distance_loss", loss_kernel<distance>, dim3(a->R), dim3(THREADS), 0, args);
}
