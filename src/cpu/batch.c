/* batch.c - bytes of the data set to inputs of the network, on the CPU: twin of cuda/batch.cu.
 *
 * One work item is a lane group: each of its images is computed row by row into a
 * small buffer, whose rows are then stored across the lanes. */
#include "lenet/draw.h"
#include "ops_cpu.h"
#include "vector.h"

enum { MAX_WIDTH = 512 };

static int source_ok(const struct lenet_source *s, int R, int N, int B) {
    return R > 0 && N > 0 && N % LANES == 0 && B > 0 && B <= N && s->count > 0 && s->count <= 1u << 31 && s->H > 0 &&
           s->W > 0 && s->classes > 0 && s->classes <= LENET_NO_LABEL && s->OH >= s->H && s->OW >= s->W &&
           s->OW <= MAX_WIDTH;
}

/* One row of the field for LANES images: a pixel's lanes lie together. */
typedef LENET_REAL row_buffer[MAX_WIDTH][LANES];

static void plain_row(const struct lenet_source *s, const uint8_t *image, int row, int lane, row_buffer bytes) {
    const int h = row - (s->OH - s->H) / 2, left = (s->OW - s->W) / 2;
    const int first = h >= 0 && h < s->H ? left : s->OW, end = first + s->W < s->OW ? first + s->W : s->OW;
    for (int w = 0; w < first; w++) bytes[w][lane] = 0;
    for (int w = first; w < end; w++) bytes[w][lane] = image[(ptrdiff_t)h * s->W + w - left];
    for (int w = end; w < s->OW; w++) bytes[w][lane] = 0;
}

static void warped_row(const struct lenet_source *s, const uint8_t *image, const struct lenet_warp *warp,
                       const struct lenet_spline *splines, int row, int lane, row_buffer bytes) {
    const struct lenet_warp_row warp_row = lenet_warp_row_make(warp, s->H, s->W, s->OH, s->OW, row);
    for (int w = 0; w < s->OW; w++) {
        float x, y;
        lenet_warp_point(&warp_row, w, &splines[w], &x, &y);
        bytes[w][lane] = lenet_bilinear(image, s->H, s->W, x, y);
    }
}

/* Fills LANES images of x; sample[] is -1 for padding, warps is NULL for none. */
static void fill_lanes(const struct lenet_source *s, const int64_t sample[LANES], const struct lenet_warp *warps,
                       LENET_REAL *x, int N) {
    _Alignas(VECTOR_BYTES) row_buffer bytes;
    struct lenet_spline splines[MAX_WIDTH];
    for (int w = 0; warps && w < s->OW; w++) splines[w] = lenet_spline_at(w, s->OW);
    for (int row = 0; row < s->OH; row++) {
        for (int lane = 0; lane < LANES; lane++) {
            /* padding repeats image 0, so that its outputs are ordinary numbers */
            const uint8_t *image = s->images + (sample[lane] < 0 ? 0 : sample[lane]) * s->H * s->W;
            if (warps)
                warped_row(s, image, &warps[lane], splines, row, lane, bytes);
            else
                plain_row(s, image, row, lane, bytes);
        }
        for (int w = 0; w < s->OW; w++, x += N)
            *(vec *)x = vec_of(s->factor) * *(const vec *)bytes[w] + vec_of(s->offset);
    }
}

static void draw_item(const void *args, ptrdiff_t item) {
    const struct batch_draw *a = args;
    const struct lenet_source *s = &a->source;
    const ptrdiff_t groups = a->N / LANES, r = item / groups;
    const int first = (int)(item % groups) * LANES;
    const struct lenet_hyper *hyper = &a->hyper[r];
    const struct lenet_epoch epoch = lenet_epoch_of(hyper, *a->step, a->B, s->count);
    const int augments = lenet_augments(hyper);
    int64_t sample[LANES];
    struct lenet_warp warps[LANES];
    uint8_t *label = a->label + r * a->N + first;
    for (int lane = 0; lane < LANES; lane++) {
        sample[lane] = first + lane < a->B ? lenet_sample_at(hyper, &epoch, first + lane) : -1;
        label[lane] = sample[lane] < 0 ? LENET_NO_LABEL : lenet_label_at(hyper, s, (uint32_t)sample[lane]);
        if (augments) warps[lane] = lenet_warp_draw(hyper, epoch.epoch, sample[lane] < 0 ? 0 : (uint32_t)sample[lane]);
    }
    fill_lanes(s, sample, augments ? warps : NULL, a->x + r * s->OH * s->OW * a->N + first, a->N);
}

static void slice_item(const void *args, ptrdiff_t item) {
    const struct batch_slice *a = args;
    const struct lenet_source *s = &a->source;
    const ptrdiff_t groups = a->N / LANES, r = item / groups;
    const int first = (int)(item % groups) * LANES;
    struct lenet_bijection split = {.size = 0};
    if (a->hyper) split = lenet_bijection_make(a->hyper[r].seed, LENET_RNG_SPLIT, 0, s->count);
    int64_t sample[LANES];
    uint8_t *label = a->label + r * a->N + first;
    for (int lane = 0; lane < LANES; lane++) {
        const uint64_t place = (uint64_t)a->first + (uint64_t)(first + lane);
        sample[lane] = -1;
        if (first + lane < a->B && place < a->end)
            sample[lane] = a->hyper ? lenet_permute(&split, (uint32_t)place) : (int64_t)place;
        label[lane] = sample[lane] < 0 ? LENET_NO_LABEL : s->labels[sample[lane]];
    }
    fill_lanes(s, sample, NULL, a->x + r * s->OH * s->OW * a->N + first, a->N);
}

enum lenet_status CPU_NAME(batch_draw)(struct lenet_ctx *ctx, const struct batch_draw *a) {
    if (!source_ok(&a->source, a->R, a->N, a->B)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->N / LANES), draw_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(batch_slice)(struct lenet_ctx *ctx, const struct batch_slice *a) {
    if (!source_ok(&a->source, a->R, a->N, a->B) || a->first > a->end || a->end > a->source.count) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (ptrdiff_t)a->R * (a->N / LANES), slice_item, a);
    return LENET_OK;
}
