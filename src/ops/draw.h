/* draw.h - which image a network sees next, with which label, and how it is distorted.
 *
 * These are pure functions of seed, step and place in the batch, compiled into both twins of batch_draw, so that the
 * CPU and the GPU draw the same images. */
#ifndef LENET_OPS_DRAW_H
#define LENET_OPS_DRAW_H
#include <math.h>

#include "base/rng.h"
#include "lenet/ops.h"

/* Nodes per side of the elastic grid: four cells of a cubic B-spline across the field. */
enum { LENET_GRID = 7 };

/* What is drawn once per network and step. */
struct lenet_epoch {
    uint32_t epoch;
    uint64_t first;               /* place in the epoch of the batch's first image */
    struct lenet_bijection split; /* positions of the set -> images                */
    struct lenet_bijection order; /* places in the epoch -> positions in the subset */
};

static LENET_HOST_DEVICE inline uint64_t lenet_steps_per_epoch(uint32_t train_count, int B) {
    return ((uint64_t)train_count + (uint64_t)B - 1) / (uint64_t)B;
}

static LENET_HOST_DEVICE inline struct lenet_epoch lenet_epoch_of(const struct lenet_hyper *hyper, uint64_t step, int B,
                                                                  uint32_t source_count) {
    const uint64_t steps = lenet_steps_per_epoch(hyper->train_count, B);
    struct lenet_epoch e;
    e.epoch = (uint32_t)(step / steps);
    e.first = step % steps * (uint64_t)B;
    e.split = lenet_bijection_make(hyper->seed, LENET_RNG_SPLIT, 0, source_count);
    e.order =
        lenet_bijection_make(hyper->seed, LENET_RNG_ORDER, hyper->constant_order ? 0 : e.epoch, hyper->train_count);
    return e;
}

/* The image at place n of the batch, or -1 past the epoch's end. */
static LENET_HOST_DEVICE inline int64_t lenet_sample_at(const struct lenet_hyper *hyper, const struct lenet_epoch *e,
                                                        int n) {
    const uint64_t place = e->first + (uint64_t)n;
    if (place >= hyper->train_count) return -1;
    return lenet_permute(&e->split, hyper->train_first + lenet_permute(&e->order, (uint32_t)place));
}

/* The label that an image is trained with. One random word decides whether it is wrong: never at a noise of 0,
 * and always at 1. Another one decides which wrong label it is. So more noise keeps the wrong labels and adds others.
 */
static LENET_HOST_DEVICE inline uint8_t lenet_label_at(const struct lenet_hyper *hyper, const struct lenet_source *s,
                                                       uint32_t sample) {
    const uint32_t label = s->labels[sample], classes = (uint32_t)s->classes;
    const struct lenet_random r = lenet_philox(hyper->seed, LENET_RNG_LABEL, 0, sample);
    if (lenet_unit(r.v[0]) >= hyper->label_noise) return (uint8_t)label;
    /* 1 to classes-1 classes further on, in a circle; where there is only one class, the label stays. */
    return (uint8_t)((label + 1 + lenet_mulhi32(r.v[1], classes - 1)) % classes);
}

static LENET_HOST_DEVICE inline int lenet_augments(const struct lenet_hyper *h) {
    return h->shift > 0 || h->rotate > 0 || h->scale > 0 || h->shear > 0 || h->elastic > 0;
}

/* A distortion, as the map from a pixel of the field to a point of the image:
 * source = centre + m * (pixel - centre) + offset + spline(pixel). */
struct lenet_warp {
    float m[2][2], offset[2]; /* rows: x (to the right), y (down) */
    int elastic;
    float node[LENET_GRID][LENET_GRID][2];
};

static LENET_HOST_DEVICE inline struct lenet_warp lenet_warp_draw(const struct lenet_hyper *h, uint32_t epoch,
                                                                  uint32_t sample) {
    const uint64_t index = (uint64_t)sample << 8;
    const struct lenet_random a = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index);
    const struct lenet_random b = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index + 1);
    const float angle = h->rotate * lenet_signed_unit(a.v[0]) * 0.017453293f; /* pi/180 */
    const float width = 1 / (1 + h->scale * lenet_signed_unit(a.v[1]));
    const float height = 1 / (1 + h->scale * lenet_signed_unit(a.v[2]));
    const float shear = h->shear * lenet_signed_unit(a.v[3]);
    const float c = cosf(angle), s = sinf(angle);
    struct lenet_warp w;
    /* Rotation * shear * scaling, all of them inverted: only the ranges matter, and these are symmetric. */
    w.m[0][0] = width * c;
    w.m[0][1] = height * (shear * c - s);
    w.m[1][0] = width * s;
    w.m[1][1] = height * (shear * s + c);
    w.offset[0] = h->shift * lenet_signed_unit(b.v[0]);
    w.offset[1] = h->shift * lenet_signed_unit(b.v[1]);
    w.elastic = h->elastic > 0;
    if (w.elastic) {
        const int values = LENET_GRID * LENET_GRID * 2;
        for (int i = 0; i < values; i += 4) {
            const struct lenet_random r = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index + 2 + (uint64_t)i / 4);
            for (int k = 0; k < 4 && i + k < values; k++)
                (&w.node[0][0][0])[i + k] = h->elastic * lenet_signed_unit(r.v[k]);
        }
    }
    return w;
}

/* The cubic B-spline's cell and four weights at pixel p of size. */
struct lenet_spline {
    int cell;
    float weight[4];
};

static LENET_HOST_DEVICE inline struct lenet_spline lenet_spline_at(int p, int size) {
    const float g = ((float)p + 0.5f) * (float)(LENET_GRID - 3) / (float)size;
    struct lenet_spline s;
    s.cell = (int)g;
    const float t = g - (float)s.cell, u = 1 - t;
    s.weight[0] = u * u * u / 6;
    s.weight[1] = (3 * t * t * t - 6 * t * t + 4) / 6;
    s.weight[2] = (3 * u * u * u - 6 * u * u + 4) / 6;
    s.weight[3] = t * t * t / 6;
    return s;
}

/* The warp along one row of an OH x OW field: pixel `column` shows the point
 * (x, y) + column * (dx, dy) + spline. */
struct lenet_warp_row {
    float x, y, dx, dy;
    int elastic;
    float node[LENET_GRID][2];
};

static LENET_HOST_DEVICE inline struct lenet_warp_row lenet_warp_row_make(const struct lenet_warp *w, int H, int W,
                                                                          int OH, int OW, int row) {
    const float left = -0.5f * (float)(OW - 1), down = (float)row - 0.5f * (float)(OH - 1);
    struct lenet_warp_row r;
    r.x = 0.5f * (float)(W - 1) + w->m[0][0] * left + w->m[0][1] * down + w->offset[0];
    r.y = 0.5f * (float)(H - 1) + w->m[1][0] * left + w->m[1][1] * down + w->offset[1];
    r.dx = w->m[0][0];
    r.dy = w->m[1][0];
    r.elastic = w->elastic;
    if (!r.elastic) return r;
    const struct lenet_spline s = lenet_spline_at(row, OH);
    for (int j = 0; j < LENET_GRID; j++)
        for (int k = 0; k < 2; k++) {
            r.node[j][k] = 0;
            for (int i = 0; i < 4; i++) r.node[j][k] += s.weight[i] * w->node[s.cell + i][j][k];
        }
    return r;
}

/* The point of the image that a pixel of the row shows; s is lenet_spline_at(column, OW). */
static LENET_HOST_DEVICE inline void lenet_warp_point(const struct lenet_warp_row *r, int column,
                                                      const struct lenet_spline *s, float *x, float *y) {
    *x = r->x + (float)column * r->dx;
    *y = r->y + (float)column * r->dy;
    if (!r->elastic) return;
    for (int j = 0; j < 4; j++) {
        *x += s->weight[j] * r->node[s->cell + j][0];
        *y += s->weight[j] * r->node[s->cell + j][1];
    }
}

/* The image's byte value at a point, bilinear between pixels, 0 outside. */
static LENET_HOST_DEVICE inline float lenet_bilinear(const uint8_t *image, int H, int W, float x, float y) {
    if (!(x > -1 && x < (float)W && y > -1 && y < (float)H)) return 0;
    const int j = (int)(x + 1) - 1, i = (int)(y + 1) - 1; /* floor, for values above -1 */
    const float fx = x - (float)j, fy = y - (float)i;
    const int up = i >= 0, down = i + 1 < H, left = j >= 0, right = j + 1 < W, at = i * W + j;
    const float a = up && left ? image[at] : 0, b = up && right ? image[at + 1] : 0;
    const float c = down && left ? image[at + W] : 0, d = down && right ? image[at + W + 1] : 0;
    return (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy;
}

#endif
