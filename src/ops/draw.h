/* draw.h - which image a network sees next, with which label, and how it is distorted.
 *
 * These are pure functions of seed, step and place in the batch, compiled into both twins of batch_draw, so that the
 * CPU and the GPU draw the same images. */
#ifndef LENET_OPS_DRAW_H
#define LENET_OPS_DRAW_H
#include <math.h>

#include "base/elementary.h"
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

/* The part of a distortion that is the same for the whole field:
 * source = centre + m * (pixel - centre) + offset + spline(pixel), from a pixel of the field to a point of the image.
 */
struct lenet_affine {
    float m[2][2], offset[2]; /* rows: x (to the right), y (down) */
};

/* Cosine and sine of degrees. */
static LENET_HOST_DEVICE inline void lenet_turn(float degrees, float *c, float *s) {
#ifdef LENET_ON_GPU
    sincospif(degrees * (1.0f / 180), s, c);
#else
    *c = (float)lenet_cospi(degrees / 180.0);
    *s = (float)lenet_sinpi(degrees / 180.0);
#endif
}

static LENET_HOST_DEVICE inline struct lenet_affine lenet_affine_draw(const struct lenet_hyper *h, uint32_t epoch,
                                                                      uint32_t sample) {
    const uint64_t index = (uint64_t)sample << 8;
    const struct lenet_random a = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index);
    const struct lenet_random b = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index + 1);
    const float width = 1 / (1 + h->scale * lenet_signed_unit(a.v[1]));
    const float height = 1 / (1 + h->scale * lenet_signed_unit(a.v[2]));
    const float shear = h->shear * lenet_signed_unit(a.v[3]);
    float c, s;
    lenet_turn(h->rotate * lenet_signed_unit(a.v[0]), &c, &s);
    struct lenet_affine w;
    /* Rotation * shear * scaling, all of them inverted: only the ranges matter, and these are symmetric. */
    w.m[0][0] = width * c;
    w.m[0][1] = height * (shear * c - s);
    w.m[1][0] = width * s;
    w.m[1][1] = height * (shear * s + c);
    w.offset[0] = h->shift * lenet_signed_unit(b.v[0]);
    w.offset[1] = h->shift * lenet_signed_unit(b.v[1]);
    return w;
}

/* The spline's nodes, [LENET_GRID][LENET_GRID][2] displacements, are drawn four values at a time. */
enum { LENET_NODES = LENET_GRID * LENET_GRID * 2, LENET_NODE_QUADS = (LENET_NODES + 3) / 4 };

struct lenet_quad {
    float v[4];
};

static LENET_HOST_DEVICE inline struct lenet_quad lenet_nodes_draw(const struct lenet_hyper *h, uint32_t epoch,
                                                                   uint32_t sample, int quad) {
    const uint64_t index = ((uint64_t)sample << 8) + 2 + (uint64_t)quad;
    const struct lenet_random r = lenet_philox(h->seed, LENET_RNG_AUGMENT, epoch, index);
    struct lenet_quad nodes;
    for (int k = 0; k < 4; k++) nodes.v[k] = h->elastic * lenet_signed_unit(r.v[k]);
    return nodes;
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

/* A row of an OH x OW field without its spline: pixel `column` shows the point (x, y) + column * (dx, dy). */
struct lenet_line {
    float x, y, dx, dy;
};

static LENET_HOST_DEVICE inline struct lenet_line lenet_line_of(const struct lenet_affine *w, int H, int W, int OH,
                                                                int OW, int row) {
    const float left = -0.5f * (float)(OW - 1), down = (float)row - 0.5f * (float)(OH - 1);
    struct lenet_line l;
    l.x = 0.5f * (float)(W - 1) + w->m[0][0] * left + w->m[0][1] * down + w->offset[0];
    l.y = 0.5f * (float)(H - 1) + w->m[1][0] * left + w->m[1][1] * down + w->offset[1];
    l.dx = w->m[0][0];
    l.dy = w->m[1][0];
    return l;
}

/* Where a point (x, y) lies between four pixels: the index of the one above to the left, which need not exist, which of
 * them do, first those above, and how far away it is. None exists where the point is outside of the image. */
struct lenet_corners {
    int at, exists[4];
    float fx, fy;
};

static LENET_HOST_DEVICE inline struct lenet_corners lenet_corners_of(int H, int W, float x, float y) {
    const int inside = x > -1 && x < (float)W && y > -1 && y < (float)H;
    const int j = inside ? (int)(x + 1) - 1 : 0, i = inside ? (int)(y + 1) - 1 : 0; /* floor, for values above -1 */
    const int up = inside && i >= 0, down = inside && i + 1 < H, left = j >= 0, right = j + 1 < W;
    struct lenet_corners c;
    c.at = i * W + j;
    c.exists[0] = up && left;
    c.exists[1] = up && right;
    c.exists[2] = down && left;
    c.exists[3] = down && right;
    c.fx = inside ? x - (float)j : 0;
    c.fy = inside ? y - (float)i : 0;
    return c;
}

/* Bilinear between the values of the corners. */
static LENET_HOST_DEVICE inline float lenet_between(const struct lenet_corners *c, const float v[4]) {
    return (v[0] * (1 - c->fx) + v[1] * c->fx) * (1 - c->fy) + (v[2] * (1 - c->fx) + v[3] * c->fx) * c->fy;
}

/* The image's byte value at a point, bilinear between pixels, 0 outside. */
static LENET_HOST_DEVICE inline float lenet_bilinear(const uint8_t *image, int H, int W, float x, float y) {
    if (!(x > -1 && x < (float)W && y > -1 && y < (float)H)) return 0;
    const struct lenet_corners c = lenet_corners_of(H, W, x, y);
    const float v[4] = {c.exists[0] ? (float)image[c.at] : 0, c.exists[1] ? (float)image[c.at + 1] : 0,
                        c.exists[2] ? (float)image[c.at + W] : 0, c.exists[3] ? (float)image[c.at + W + 1] : 0};
    return lenet_between(&c, v);
}

#endif
