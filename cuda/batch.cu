/* batch.cu - bytes of the data set to inputs of the network, on the GPU: twin of src/cpu/batch.c.
 *
 * A thread has one row of the field for one image. The lanes of a warp are images, so that stores are whole lines. Each
 * thread works out its image and its distortion for itself: that costs less than a second kernel and its memory. */
#include "gpu.cuh"
#include "ops/draw.h"

enum { ROWS = 4 }; /* of a block, whose warps have one each */

/* Fills row `row` of image `sample`, distorted or as it is. A sample of -1 is padding, which repeats image 0. */
static __device__ void fill_row(const lenet_source &s, int64_t sample, const lenet_warp *warp, int row, float *x,
                                int N) {
    const uint8_t *image = s.images + (sample < 0 ? 0 : (size_t)sample) * s.H * s.W;
    if (!warp) {
        const int h = row - (s.OH - s.H) / 2, left = (s.OW - s.W) / 2;
        for (int w = 0; w < s.OW; w++) {
            const int column = w - left;
            const bool inside = h >= 0 && h < s.H && column >= 0 && column < s.W;
            x[(size_t)w * N] = s.factor * (inside ? (float)image[h * s.W + column] : 0) + s.offset;
        }
        return;
    }
    const lenet_warp_row warp_row = lenet_warp_row_make(warp, s.H, s.W, s.OH, s.OW, row);
    for (int w = 0; w < s.OW; w++) {
        const lenet_spline spline = lenet_spline_at(w, s.OW);
        float px, py;
        lenet_warp_point(&warp_row, w, &spline, &px, &py);
        x[(size_t)w * N] = s.factor * lenet_bilinear(image, s.H, s.W, px, py) + s.offset;
    }
}

static __global__ void __launch_bounds__(WARP *ROWS) batch_draw_kernel(batch_draw a) {
    const lenet_source &s = a.source;
    const int r = blockIdx.z, n = (int)blockIdx.y * WARP + (int)threadIdx.x,
              row = (int)blockIdx.x * ROWS + (int)threadIdx.y;
    if (row >= s.OH) return;
    const lenet_hyper *hyper = &a.hyper[r];
    const lenet_epoch epoch = lenet_epoch_of(hyper, *a.step, a.B, s.count);
    const int64_t sample = n < a.B ? lenet_sample_at(hyper, &epoch, n) : -1;
    float *x = a.x + ((size_t)r * s.OH + row) * s.OW * a.N + n;
    if (row == 0)
        a.label[(size_t)r * a.N + n] =
            sample < 0 ? (uint8_t)LENET_NO_LABEL : lenet_label_at(hyper, &s, (uint32_t)sample);
    if (!lenet_augments(hyper)) {
        fill_row(s, sample, NULL, row, x, a.N);
        return;
    }
    const lenet_warp warp = lenet_warp_draw(hyper, epoch.epoch, sample < 0 ? 0 : (uint32_t)sample);
    fill_row(s, sample, &warp, row, x, a.N);
}

static __global__ void __launch_bounds__(WARP *ROWS) batch_slice_kernel(batch_slice a) {
    const lenet_source &s = a.source;
    const int r = blockIdx.z, n = (int)blockIdx.y * WARP + (int)threadIdx.x,
              row = (int)blockIdx.x * ROWS + (int)threadIdx.y;
    if (row >= s.OH) return;
    const uint64_t place = (uint64_t)a.first + (uint64_t)n;
    int64_t sample = -1;
    if (n < a.B && place < a.end) {
        sample = (int64_t)place;
        if (a.hyper) {
            const lenet_bijection split = lenet_bijection_make(a.hyper[r].seed, LENET_RNG_SPLIT, 0, s.count);
            sample = lenet_permute(&split, (uint32_t)place);
        }
    }
    if (row == 0) a.label[(size_t)r * a.N + n] = sample < 0 ? (uint8_t)LENET_NO_LABEL : s.labels[sample];
    fill_row(s, sample, NULL, row, a.x + ((size_t)r * s.OH + row) * s.OW * a.N + n, a.N);
}

extern "C" enum lenet_status batch_draw_cuda(struct lenet_ctx *ctx, const struct batch_draw *a) {
    return gpu_launch(ctx, "batch_draw", batch_draw_kernel, dim3(blocks_for(a->source.OH, ROWS), a->N / WARP, a->R),
                      dim3(WARP, ROWS), 0, *a);
}

extern "C" enum lenet_status batch_slice_cuda(struct lenet_ctx *ctx, const struct batch_slice *a) {
    return gpu_launch(ctx, "batch_slice", batch_slice_kernel, dim3(blocks_for(a->source.OH, ROWS), a->N / WARP, a->R),
                      dim3(WARP, ROWS), 0, *a);
}
