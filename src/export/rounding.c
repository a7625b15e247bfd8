/* rounding.c - rounds a unit's weights one by one, each to what is best beside the others as they are, until none
 * changes, and fits the scale to them; from several first scales, of which the best result stays. */
#include "export/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SWEEPS = 20, MOST_FITS = 4 };

/* The first scales, as parts of the one that the largest weight asks for. Where there are many integers, the first of
 * them is best. */
static const double parts[] = {1, 0.9, 0.8, 0.7, 0.6, 0.5};
enum { PARTS = sizeof parts / sizeof *parts, FEW = 15 };

/* One unit, and one try. */
struct try {
    const struct lenet_rounding *layer;
    const float *w;
    const uint8_t *exists;
    double *of_w, *of_q; /* [n]: the moments times w, and times q */
    double scale;
    int8_t *q; /* [n] */
};

static double nearest(const struct try *t, double value) {
    return fmax(-t->layer->most, fmin(t->layer->most, round(value)));
}

static const double *row_of(const struct try *t, int j) { return t->layer->moments + (size_t)j * (size_t)t->layer->n; }

static void set_weight(struct try *t, int j, double q) {
    const double *row = row_of(t, j), change = q - t->q[j];
    if (change == 0) return;
    for (int i = 0; i < t->layer->n; i++) t->of_q[i] += change * row[i];
    t->q[j] = (int8_t)q;
}

/* Each weight to its best value beside the others. Returns whether one has changed. */
static int sweep(struct try *t) {
    int changed = 0;
    for (int j = 0; j < t->layer->n; j++) {
        const double square = row_of(t, j)[j];
        if (!t->exists[j] || square <= 0) continue;
        const double best = nearest(t, t->q[j] + (t->of_w[j] / t->scale - t->of_q[j]) / square);
        changed |= best != t->q[j];
        set_weight(t, j, best);
    }
    return changed;
}

static double error_of(const struct try *t) {
    double error = 0;
    for (int j = 0; j < t->layer->n; j++)
        error += (t->w[j] - t->scale * t->q[j]) * (t->of_w[j] - t->scale * t->of_q[j]);
    return error;
}

/* The scale that suits the integers best. */
static double fitted_scale(const struct try *t, double least) {
    double with_w = 0, with_q = 0;
    for (int j = 0; j < t->layer->n; j++) {
        with_w += t->q[j] * t->of_w[j];
        with_q += t->q[j] * t->of_q[j];
    }
    return fmax(with_q > 0 ? with_w / with_q : t->scale, least);
}

static void round_from(struct try *t, double scale, double least) {
    memset(t->q, 0, (size_t)t->layer->n);
    for (int j = 0; j < t->layer->n; j++) t->of_q[j] = 0;
    for (int j = 0; j < t->layer->n; j++)
        if (t->exists[j]) set_weight(t, j, nearest(t, t->w[j] / scale));
    t->scale = scale;
    for (int fit = 0; fit < MOST_FITS; fit++) {
        for (int i = 0; i < MOST_SWEEPS && sweep(t); i++) {
        }
        t->scale = fitted_scale(t, least);
    }
}

static void round_unit(struct try *t, int o) {
    const struct lenet_rounding *layer = t->layer;
    const size_t n = (size_t)layer->n;
    const double least = layer->scale[o];
    double largest = 0, least_error = INFINITY;
    t->w = layer->w + (size_t)o * n;
    t->exists = layer->exists + (size_t)o * n;
    for (size_t j = 0; j < n; j++) {
        t->of_w[j] = 0;
        for (size_t i = 0; i < n; i++) t->of_w[j] += row_of(t, (int)j)[i] * t->w[i];
        largest = fmax(largest, fabs(t->w[j]));
    }
    for (int p = 0; p < (layer->most > FEW ? 1 : PARTS); p++) {
        round_from(t, fmax(parts[p] * largest / layer->most, least), least);
        const double error = error_of(t);
        if (error >= least_error) continue;
        least_error = error;
        layer->scale[o] = t->scale;
        memcpy(layer->q + (size_t)o * n, t->q, n);
    }
}

enum lenet_status lenet_round_weights(const struct lenet_rounding *rounding, struct lenet_error *err) {
    const size_t n = (size_t)rounding->n;
    struct try t = {.layer = rounding, .of_w = malloc(2 * n * sizeof *t.of_w), .q = malloc(n)};
    t.of_q = t.of_w + n;
    const int good = t.of_w && t.q;
    for (int o = 0; good && o < rounding->units; o++) round_unit(&t, o);
    free(t.of_w);
    free(t.q);
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}
