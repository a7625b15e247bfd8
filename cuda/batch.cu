/* batch.cu - bytes of the data set to inputs of the network, on the GPU: twin of src/cpu/batch.c.
 *
 * A block has 32 images of a network, one in each lane of its warps, so that stores are whole lines. What is drawn once
 * an image - which one it is, its label, its distortion - is worked out once and kept in shared memory, and so are the
 * images' bytes where they fit: there the lanes' different places cost little. Then the warps take rows of the field in
 * turn. */
#include "gpu.cuh"
#include "ops/draw.h"

enum {
    WARPS = 16,
    STAGED_BYTES = 25 << 10, /* most bytes of a block's images in shared memory, which has 48 KB for all */
};

/* Words of an image in shared memory, 0 for none. An odd number, so that the same word of 32 images is in 32 banks. */
static int staged_words(const lenet_source &s) {
    const int words = s.H * s.W / 4 | 1;
    return s.H * s.W % 4 == 0 && words * 4 * WARP <= STAGED_BYTES ? words : 0;
}

/* What both operations know once the images are chosen. */
struct batch {
    lenet_source source;
    int N, words; /* of an image in shared memory */
    float *x;     /* of this lane's image: [OH][OW], N apart */
};

/* ---- an image's bytes -------------------------------------------------------------------------------------- */

/* Copies the images of the block, a warp each. */
template <class Shared> static __device__ void stage(const batch &b, Shared images) {
    const int count = b.source.H * b.source.W / 4;
    for (int i = threadIdx.y; b.words && i < WARP; i += WARPS) {
        const uint32_t image = images[i];
        const uint32_t *from = reinterpret_cast<const uint32_t *>(b.source.images) + (size_t)image * count;
        for (int k = threadIdx.x; k < count; k += WARP) images[WARP + i * b.words + k] = from[k];
    }
}

/* Calls fill(pixel) with a function that has the bytes of this lane's image: from shared memory, or from where they
 * are. All images must be staged before. */
template <class Shared, class Fill> static __device__ void with_pixels(const batch &b, Shared images, Fill fill) {
    const int first = WARP + (int)threadIdx.x * b.words;
    if (b.words) {
        fill([&](unsigned i) {
            const uint32_t word = images[first + i / 4];
            return (float)(word >> i % 4 * 8 & 255);
        });
        return;
    }
    const uint32_t image = images[threadIdx.x];
    const uint8_t *bytes = b.source.images + (size_t)image * b.source.H * b.source.W;
    fill([&](unsigned i) { return (float)bytes[i]; });
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Fills the rows of this warp with the image as it is, in the middle of the field. */
template <class Pixel> static __device__ void plain_rows(const batch &b, Pixel pixel) {
    const lenet_source &s = b.source;
    const int top = (s.OH - s.H) / 2, left = (s.OW - s.W) / 2;
    for (int row = threadIdx.y; row < s.OH; row += WARPS) {
        float *x = b.x + (size_t)row * s.OW * b.N;
        const bool inside = row >= top && row - top < s.H;
        const int first = inside ? left : s.OW, end = inside ? left + s.W : s.OW;
        int i = (row - top) * s.W, w = 0;
        for (; w < first; w++, x += b.N) *x = s.offset;
        for (; w < end; w++, x += b.N) *x = s.factor * pixel(i++) + s.offset;
        for (; w < s.OW; w++, x += b.N) *x = s.offset;
    }
}

/* The columns' splines, [SPLINE][LENET_MAX_SIDE]: the cell, and four weights. They are the same for all images. */
enum { SPLINE = 5 };

template <class Shared> static __device__ void make_columns(int OW, Shared columns) {
    for (int w = threadIdx.y * WARP + threadIdx.x; w < OW; w += WARPS * WARP) {
        const lenet_spline s = lenet_spline_at(w, OW);
        columns[w] = (float)s.cell;
        for (int k = 0; k < 4; k++) columns[(1 + k) * LENET_MAX_SIDE + w] = s.weight[k];
    }
}

/* A distortion, and the shared memory with what is not affine of it: the grid's nodes [LENET_NODES][WARP], and the
 * columns' splines. */
template <class Shared> struct distortion {
    lenet_affine affine;
    bool elastic;
    Shared nodes, columns;
};

/* Two displacements. */
struct node {
    float x, y;
};

/* Fills the rows of this warp with the distorted image. A pixel lies between four nodes of its row, n0 to n3, which
 * move on with it. */
template <class Shared, class Pixel>
static __device__ void warped_rows(const batch &b, const distortion<Shared> &d, Pixel pixel) {
    const lenet_source &s = b.source;
    for (int row = threadIdx.y; row < s.OH; row += WARPS) {
        const lenet_line line = lenet_line_of(&d.affine, s.H, s.W, s.OH, s.OW, row);
        const lenet_spline down = lenet_spline_at(row, s.OH);
        const auto node_of_row = [&](int j) {
            node n = {0, 0};
            for (int i = 0; i < 4; i++) {
                const int at = ((down.cell + i) * LENET_GRID + j) * 2 * WARP + (int)threadIdx.x;
                n.x += down.weight[i] * d.nodes[at];
                n.y += down.weight[i] * d.nodes[at + WARP];
            }
            return n;
        };
        node n0 = {}, n1 = {}, n2 = {}, n3 = {};
        int next = 0; /* the node behind n3 */
        float *x = b.x + (size_t)row * s.OW * b.N;
        for (int w = 0; w < s.OW; w++, x += b.N) {
            float px = line.x + (float)w * line.dx, py = line.y + (float)w * line.dy;
            if (d.elastic) {
                for (const int end = (int)(float)d.columns[w] + 4; next < end; next++) {
                    n0 = n1;
                    n1 = n2;
                    n2 = n3;
                    n3 = node_of_row(next);
                }
                const float w0 = d.columns[LENET_MAX_SIDE + w], w1 = d.columns[2 * LENET_MAX_SIDE + w];
                const float w2 = d.columns[3 * LENET_MAX_SIDE + w], w3 = d.columns[4 * LENET_MAX_SIDE + w];
                px += w0 * n0.x + w1 * n1.x + w2 * n2.x + w3 * n3.x;
                py += w0 * n0.y + w1 * n1.y + w2 * n2.y + w3 * n3.y;
            }
            const lenet_corners c = lenet_corners_of(s.H, s.W, px, py);
            const float v[4] = {c.exists[0] ? pixel(c.at) : 0, c.exists[1] ? pixel(c.at + 1) : 0,
                                c.exists[2] ? pixel(c.at + s.W) : 0, c.exists[3] ? pixel(c.at + s.W + 1) : 0};
            *x = s.factor * lenet_between(&c, v) + s.offset;
        }
    }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

struct drawing : batch_draw {
    int words;
};

static __device__ batch batch_of(const lenet_source &s, int N, int words, float *x, int r, int n) {
    return {s, N, words, x + (size_t)r * s.OH * s.OW * N + n};
}

/* Draws the nodes of all images of the block, which the warps share. */
template <class Shared>
static __device__ void draw_nodes(const lenet_hyper *hyper, uint32_t epoch, uint32_t image, Shared nodes) {
    for (int quad = threadIdx.y; quad < LENET_NODE_QUADS; quad += WARPS) {
        const lenet_quad drawn = lenet_nodes_draw(hyper, epoch, image, quad);
        for (int k = 0; k < 4; k++)
            if (4 * quad + k < LENET_NODES) nodes[(4 * quad + k) * WARP + (int)threadIdx.x] = drawn.v[k];
    }
}

/* The first warp chooses the images; the rest is for all. */
static __global__ void __launch_bounds__(WARP *WARPS) batch_draw_kernel(drawing a) {
    DYNAMIC_SHARED(uint32_t, images); /* which ones, then their bytes */
    SHARED(uint32_t, epochs, 1);
    SHARED(float, nodes, LENET_NODES *WARP);
    SHARED(float, columns, SPLINE *LENET_MAX_SIDE);
    const int r = blockIdx.y, lane = threadIdx.x, n = (int)blockIdx.x * WARP + lane;
    const lenet_hyper *hyper = &a.hyper[r];
    const batch b = batch_of(a.source, a.N, a.words, a.x, r, n);
    if (threadIdx.y == 0) {
        const lenet_epoch epoch = lenet_epoch_of(hyper, *a.step, a.B, a.source.count);
        const int64_t sample = n < a.B ? lenet_sample_at(hyper, &epoch, n) : -1;
        images[lane] = sample < 0 ? 0 : (uint32_t)sample; /* padding repeats image 0 */
        a.label[(size_t)r * a.N + n] =
            sample < 0 ? (uint8_t)LENET_NO_LABEL : lenet_label_at(hyper, &a.source, (uint32_t)sample);
        if (lane == 0) epochs[0] = epoch.epoch;
    }
    __syncthreads();
    const uint32_t image = images[lane], epoch = epochs[0];
    const bool elastic = hyper->elastic > 0;
    if (elastic) draw_nodes(hyper, epoch, image, &nodes[0]);
    if (elastic) make_columns(a.source.OW, &columns[0]);
    stage(b, images);
    __syncthreads();
    if (!lenet_augments(hyper)) {
        with_pixels(b, images, [&](auto pixel) { plain_rows(b, pixel); });
        return;
    }
    const distortion<decltype(&nodes[0])> d = {lenet_affine_draw(hyper, epoch, image), elastic, &nodes[0], &columns[0]};
    with_pixels(b, images, [&](auto pixel) { warped_rows(b, d, pixel); });
}

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

struct slicing : batch_slice {
    int words;
};

static __global__ void __launch_bounds__(WARP *WARPS) batch_slice_kernel(slicing a) {
    DYNAMIC_SHARED(uint32_t, images); /* which ones, then their bytes */
    const lenet_source &s = a.source;
    const int r = blockIdx.y, lane = threadIdx.x, n = (int)blockIdx.x * WARP + lane;
    const batch b = batch_of(s, a.N, a.words, a.x, r, n);
    if (threadIdx.y == 0) {
        const uint64_t place = (uint64_t)a.first + (uint64_t)n;
        const bool exists = n < a.B && place < a.end;
        uint32_t image = exists ? (uint32_t)place : 0;
        if (exists && a.hyper) {
            const lenet_bijection split = lenet_bijection_make(a.hyper[r].seed, LENET_RNG_SPLIT, 0, s.count);
            image = lenet_permute(&split, image);
        }
        images[lane] = image;
        a.label[(size_t)r * a.N + n] = exists ? s.labels[image] : (uint8_t)LENET_NO_LABEL;
    }
    __syncthreads();
    stage(b, images);
    __syncthreads();
    with_pixels(b, images, [&](auto pixel) { plain_rows(b, pixel); });
}

/* ---- launching --------------------------------------------------------------------------------------------------- */

template <class Args, class Op>
static enum lenet_status launch(struct lenet_ctx *ctx, const char *name, void (*kernel)(Args), const Op *a) {
    Args args;
    static_cast<Op &>(args) = *a;
    args.words = staged_words(a->source);
    const size_t shared_bytes = (size_t)(1 + args.words) * WARP * sizeof(uint32_t);
    return gpu_launch(ctx, name, kernel, dim3(a->N / WARP, a->R), dim3(WARP, WARPS), shared_bytes, args);
}

extern "C" enum lenet_status batch_draw_cuda(struct lenet_ctx *ctx, const struct batch_draw *a) {
    return launch(ctx, "batch_draw", batch_draw_kernel, a);
}

extern "C" enum lenet_status batch_slice_cuda(struct lenet_ctx *ctx, const struct batch_slice *a) {
    return launch(ctx, "batch_slice", batch_slice_kernel, a);
}
