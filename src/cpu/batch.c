/* batch.c - bytes of the data set to inputs of the network, on the CPU: twin of cuda/batch.cu.
 *
 * An item is as many images as a vector has. They are brought row by row into a small buffer, in which the images of a
 * pixel lie together, and from there they are stored a vector at a time. */
#include <string.h>

#include "cpu/ops_cpu.h"
#include "cpu/vector.h"
#include "ops/draw.h"

/* One row of the field for IMAGE_LANES images. */
typedef LENET_REAL row_buffer[LENET_MAX_SIDE][IMAGE_LANES];

static void plain_row(const struct lenet_source *s, const uint8_t *image, int row, int lane, row_buffer bytes) {
    const int h = row - (s->OH - s->H) / 2, left = (s->OW - s->W) / 2;
    const int first = h >= 0 && h < s->H ? left : s->OW, end = first + s->W < s->OW ? first + s->W : s->OW;
    for (int w = 0; w < first; w++) bytes[w][lane] = 0;
    for (int w = first; w < end; w++) bytes[w][lane] = image[(ptrdiff_t)h * s->W + w - left];
    for (int w = end; w < s->OW; w++) bytes[w][lane] = 0;
}

/* A distortion with all its nodes, of which a row needs its own. */
struct warp {
    struct lenet_affine affine;
    int elastic;
    float node[LENET_GRID][LENET_GRID][2];
};

static struct warp draw_warp(const struct lenet_hyper *h, uint32_t epoch, uint32_t sample) {
    struct warp warp;
    warp.affine = lenet_affine_draw(h, epoch, sample);
    warp.elastic = h->elastic > 0;
    for (int quad = 0; warp.elastic && quad < LENET_NODE_QUADS; quad++) {
        const struct lenet_quad nodes = lenet_nodes_draw(h, epoch, sample, quad);
        memcpy(&warp.node[0][0][0] + 4 * quad, nodes.v, (size_t)least(LENET_NODES - 4 * quad, 4) * sizeof *nodes.v);
    }
    return warp;
}

static void nodes_of_row(const struct warp *warp, int OH, int row, float node[LENET_GRID][2]) {
    const struct lenet_spline s = lenet_spline_at(row, OH);
    for (int j = 0; j < LENET_GRID; j++)
        for (int k = 0; k < 2; k++) {
            node[j][k] = 0;
            for (int i = 0; i < 4; i++) node[j][k] += s.weight[i] * warp->node[s.cell + i][j][k];
        }
}

static void warped_row(const struct lenet_source *s, const uint8_t *image, const struct warp *warp,
                       const struct lenet_spline *splines, int row, int lane, row_buffer bytes) {
    const struct lenet_line line = lenet_line_of(&warp->affine, s->H, s->W, s->OH, s->OW, row);
    float node[LENET_GRID][2];
    if (warp->elastic) nodes_of_row(warp, s->OH, row, node);
    for (int w = 0; w < s->OW; w++) {
        float x = line.x + (float)w * line.dx, y = line.y + (float)w * line.dy;
        for (int j = 0; warp->elastic && j < 4; j++) {
            x += splines[w].weight[j] * node[splines[w].cell + j][0];
            y += splines[w].weight[j] * node[splines[w].cell + j][1];
        }
        bytes[w][lane] = lenet_bilinear(image, s->H, s->W, x, y);
    }
}

/* Which images of the data set become the images n ... of network r, which an item computes. */
struct selection {
    ptrdiff_t r;
    int n;
    int64_t sample[IMAGE_LANES]; /* -1 for padding */
    uint8_t label[IMAGE_LANES];
    int warped;
    struct warp warps[IMAGE_LANES]; /* how they are distorted where they are */
};

static struct selection select_item(ptrdiff_t item, int N) {
    return (struct selection){.r = item / (N / IMAGE_LANES), .n = (int)(item % (N / IMAGE_LANES)) * IMAGE_LANES};
}

/* Fills an item's images of x and their labels. */
static void fill_images(const struct lenet_source *s, const struct selection *selection, int N, LENET_REAL *x,
                        uint8_t *label) {
    _Alignas(VECTOR_BYTES) row_buffer bytes;
    const LENET_REAL factor = s->factor, offset = s->offset;
    struct lenet_spline splines[LENET_MAX_SIDE];
    for (int w = 0; selection->warped && w < s->OW; w++) splines[w] = lenet_spline_at(w, s->OW);
    for (int lane = 0; lane < IMAGE_LANES; lane++)
        label[selection->r * N + selection->n + lane] = selection->label[lane];
    const int first = selection->n / GROUP * GROUP, together = least(N - first, GROUP);
    x += (selection->r * N + first) * s->OH * s->OW + selection->n - first;
    for (int row = 0; row < s->OH; row++) {
        for (int lane = 0; lane < IMAGE_LANES; lane++) {
            /* Padding repeats image 0, so that its outputs are ordinary numbers. */
            const int64_t sample = selection->sample[lane] < 0 ? 0 : selection->sample[lane];
            const uint8_t *image = s->images + sample * s->H * s->W;
            if (selection->warped)
                warped_row(s, image, &selection->warps[lane], splines, row, lane, bytes);
            else
                plain_row(s, image, row, lane, bytes);
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): plain_row fills all of a row */
        for (int w = 0; w < s->OW; w++, x += together) *(image_vec *)x = factor * *(const image_vec *)bytes[w] + offset;
    }
}

static void draw_item(const void *args, ptrdiff_t item) {
    const struct batch_draw *a = args;
    struct selection selection = select_item(item, a->N);
    const struct lenet_hyper *hyper = &a->hyper[selection.r];
    const struct lenet_epoch epoch = lenet_epoch_of(hyper, *a->step, a->B, a->source.count);
    selection.warped = lenet_augments(hyper);
    for (int lane = 0; lane < IMAGE_LANES; lane++) {
        const int n = selection.n + lane;
        const int64_t sample = n < a->B ? lenet_sample_at(hyper, &epoch, n) : -1;
        selection.sample[lane] = sample;
        selection.label[lane] = sample < 0 ? LENET_NO_LABEL : lenet_label_at(hyper, &a->source, (uint32_t)sample);
        if (selection.warped) selection.warps[lane] = draw_warp(hyper, epoch.epoch, sample < 0 ? 0 : (uint32_t)sample);
    }
    fill_images(&a->source, &selection, a->N, a->x, a->label);
}

static void slice_item(const void *args, ptrdiff_t item) {
    const struct batch_slice *a = args;
    struct selection selection = select_item(item, a->N);
    struct lenet_bijection split = {.size = 0};
    if (a->hyper) split = lenet_bijection_make(a->hyper[selection.r].seed, LENET_RNG_SPLIT, 0, a->source.count);
    for (int lane = 0; lane < IMAGE_LANES; lane++) {
        const int n = selection.n + lane;
        const uint64_t place = (uint64_t)a->first + (uint64_t)n;
        int64_t sample = -1;
        if (n < a->B && place < a->end) sample = a->hyper ? lenet_permute(&split, (uint32_t)place) : (int64_t)place;
        selection.sample[lane] = sample;
        selection.label[lane] = sample < 0 ? LENET_NO_LABEL : a->source.labels[sample];
    }
    fill_images(&a->source, &selection, a->N, a->x, a->label);
}

enum lenet_status CPU_NAME(batch_draw)(struct lenet_ctx *ctx, const struct batch_draw *a) {
    at_once(ctx, (ptrdiff_t)a->R * (a->N / IMAGE_LANES), draw_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(batch_slice)(struct lenet_ctx *ctx, const struct batch_slice *a) {
    at_once(ctx, (ptrdiff_t)a->R * (a->N / IMAGE_LANES), slice_item, a);
    return LENET_OK;
}
