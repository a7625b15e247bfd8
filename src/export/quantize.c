/* quantize.c - makes a network of small integers layer by layer: rounds the weights for the inputs that the integer
 * layers before it give, corrects the biases, and fits the scale of the outputs to what comes out.
 *
 * An input byte q of a layer stands for unit * q + offset; a sum of products of weights and bytes in map o for
 * units[o] * sum. */
#include "export/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/rounding.h"

enum {
    TABLE_STEPS = 64,        /* of the table, in 1 */
    SIGNED_MOST = 127,       /* of an output that may be negative; its 0 is byte 128 */
    UNSIGNED_MOST = 255,     /* of one that may not */
    MOMENT_INPUTS = 1 << 17, /* places of kernels at which the second moments of inputs are taken, about */
    BINS = 4096,
    MOST_WEIGHTS = (1 << 30) / (127 * 255), /* of a unit, so that their products fit beside the bias */
    LARGEST_BIAS = 1 << 30
};
static const double SQUASH_HEIGHT = 1.7159, SQUASH_SLOPE = 2.0 / 3;

/* ---- stages: what becomes one integer layer ---------------------------------------------------------------- */

struct stage {
    const struct lenet_layer *linear; /* with the weights, or RBF outputs */
    int index;                        /* of it                            */
    enum lenet_activation first;      /* of its sums                      */
    const struct lenet_layer *pool, *scale;
    enum lenet_activation second; /* after these */
};

static int has_second(const struct stage *s, enum lenet_pooling pooling) {
    return s->scale || s->second != LENET_LINEAR || (s->pool && pooling != LENET_POOL_MAX);
}

static const struct lenet_layer *layer_of_kind(const struct lenet_topology *topology, int l,
                                               enum lenet_layer_kind kind) {
    return l < topology->layer_count && topology->layers[l].spec.kind == kind ? &topology->layers[l] : NULL;
}

/* Reads the stage that begins at layer *l, which becomes the next one's. */
static enum lenet_status read_stage(const struct lenet_topology *topology, int *l, struct stage *stage,
                                    struct lenet_error *err) {
    const struct lenet_layer *layer = &topology->layers[*l];
    *stage = (struct stage){.linear = layer, .index = (*l)++, .first = LENET_LINEAR, .second = LENET_LINEAR};
    if (layer->spec.kind != LENET_CONV && layer->spec.kind != LENET_DENSE && layer->spec.kind != LENET_RBF)
        return lenet_fail(
            err, LENET_ERR_FORMAT,
            "%s: layer %d (%s) follows no convolution or fully connected layer, for which an exported file "
            "has no code",
            topology->arch->name, *l, layer->spec.name[0] ? layer->spec.name : "an activation");
    if (layer_of_kind(topology, *l, LENET_ACTIVATION)) {
        stage->first = topology->activation;
        (*l)++;
    }
    if ((stage->pool = layer_of_kind(topology, *l, LENET_SUBSAMPLE))) {
        if (stage->first == LENET_LINEAR) stage->first = stage->pool->activation;
        (*l)++;
    }
    if ((stage->scale = layer_of_kind(topology, *l, LENET_SCALE))) (*l)++;
    if ((stage->pool || stage->scale) && layer_of_kind(topology, *l, LENET_ACTIVATION)) {
        stage->second = topology->activation;
        (*l)++;
    }
    return LENET_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* What the network owns from now on: zeros. */
static void *own(struct lenet_integer_network *network, size_t count, size_t size) {
    void *memory = calloc(count, size);
    network->owned[network->owned_count++] = memory;
    return memory;
}

void lenet_integer_network_free(struct lenet_integer_network *network) {
    for (int i = 0; i < network->owned_count; i++) free(network->owned[i]);
    *network = (struct lenet_integer_network){.owned_count = 0};
}

/* ---- the state -------------------------------------------------------------------------------------------- */

struct quantizer {
    const struct lenet_model *model;
    const float *w;
    const struct lenet_reference *reference;
    int bits;
    struct lenet_integer_network *out;
    size_t images;
    uint8_t *x;          /* [images][inputs of the next layer] */
    double unit, offset; /* of these                           */
    int32_t *sums;
};

static int outputs_wide(const struct layer *l) { return l->columns - l->kernel_columns + 1; }
static int outputs_high(const struct layer *l) { return l->rows - l->kernel_rows + 1; }

static size_t inputs_of(const struct layer *l) { return (size_t)l->inputs * (size_t)l->rows * (size_t)l->columns; }

static size_t outputs_of(const struct layer *l) {
    return (size_t)l->maps * (size_t)(outputs_high(l) / l->window) * (size_t)(outputs_wide(l) / l->window);
}

/* Weights of a map, those that a connection table leaves out among them. */
static size_t kernel_of(const struct layer *l) {
    return (size_t)l->inputs * (size_t)l->kernel_rows * (size_t)l->kernel_columns;
}

static int is_connected(const struct layer *l, int o, size_t weight) {
    const size_t c = weight / (size_t)(l->kernel_rows * l->kernel_columns);
    return !l->connections || (l->connections[o] >> c & 1);
}

static size_t weight_count(const struct layer *l) {
    size_t count = 0;
    for (int o = 0; o < l->maps; o++)
        for (size_t i = 0; i < kernel_of(l); i++) count += (size_t)is_connected(l, o, i);
    return count;
}

size_t lenet_weight_bytes(const struct layer *l) { return (weight_count(l) * (size_t)l->bits + 7) / 8; }

/* ---- rescaling -------------------------------------------------------------------------------------------- */

static int32_t whole(double value) { return (int32_t)round(fmax(-INT32_MAX, fmin(INT32_MAX, value))); }

/* The unit in which values in this one are least wrong when integers above `most` are cut off: of many clipping points,
 * the one with the least mean square error. */
static double best_unit(const int32_t *values, size_t n, double unit, int most) {
    double histogram[BINS] = {0}, largest = 0, best = 1, least = INFINITY;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)values[i]));
    if (largest == 0) return unit;
    for (size_t i = 0; i < n; i++)
        if (values[i]) histogram[(int)fmin(BINS - 1, fabs((double)values[i]) / largest * BINS)]++;
    for (int k = BINS / 4; k <= BINS; k += BINS / 128) { /* the first k bins are kept */
        const double step = (double)k / most;
        double error = 0;
        for (int i = 0; i < BINS; i++) {
            const double over = fmax(0, i + 0.5 - k);
            error += histogram[i] * (over > 0 ? over * over : step * step / 12);
        }
        if (error >= least) continue;
        least = error;
        best = (double)k;
    }
    return best / BINS * largest * unit / most;
}

/* Runs a layer over all images, to bytes or to 32 bits; either may be NULL. */
static void run_all(const struct quantizer *q, const struct layer *l, uint8_t *bytes, int32_t *wide) {
    const size_t in = inputs_of(l), out = outputs_of(l);
    for (size_t i = 0; i < q->images; i++)
        run_layer(l, q->x + i * in, q->sums, bytes ? bytes + i * out : NULL, wide ? wide + i * out : NULL);
}

/* Chooses the unit for what a layer gives, as long as it gives it without limits, in wide_unit. */
static enum lenet_status choose_unit(const struct quantizer *q, const struct layer *l, double wide_unit, int most,
                                     double *unit, struct lenet_error *err) {
    const size_t n = q->images * outputs_of(l);
    int32_t *wide = malloc(n * sizeof *wide);
    if (!wide) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    run_all(q, l, NULL, wide);
    *unit = best_unit(wide, n, wide_unit, most);
    free(wide);
    return LENET_OK;
}

static double largest_of(const double *values, int n) {
    double largest = 0;
    for (int i = 0; i < n; i++) largest = fmax(largest, fabs(values[i]));
    return largest > 0 ? largest : 1;
}

/* A rescaling in the making: from sums in units[o], plus biases[o] or nothing, through f. */
struct rescale_request {
    const double *units, *biases;
    enum lenet_activation f;
    int is_last; /* to scores */
};

/* What a byte of a layer's output stands for: unit * (byte - zero). */
struct scaled {
    double unit;
    int zero;
};

/* So that sums become integers in this unit. Factors have 31 bits. */
static void set_rescaling(struct rescaling *r, int32_t *factor, int32_t *bias, const struct rescale_request *request,
                          int maps, double unit) {
    const int exponent = ilogb(largest_of(request->units, maps) / unit);
    r->shift = exponent > 29 ? 1 : exponent < -31 ? 61 : 30 - exponent;
    r->factor = factor;
    r->bias = bias;
    for (int o = 0; o < maps; o++) factor[o] = whole(ldexp(request->units[o] / unit, r->shift));
    for (int o = 0; bias && o < maps; o++) bias[o] = whole(request->biases[o] / unit);
}

/* Fills *r, one of the layer's; with it the layer is complete, so that it can be run. */
static enum lenet_status make_rescaling(struct quantizer *q, struct layer *l, struct rescaling *r,
                                        const struct rescale_request *request, struct scaled *result,
                                        struct lenet_error *err) {
    const int rectifies = request->f == LENET_RELU, is_squash = request->f == LENET_SQUASH;
    const int most = rectifies ? UNSIGNED_MOST : SIGNED_MOST;
    int32_t *factor = own(q->out, (size_t)l->maps, sizeof *factor);
    int32_t *bias = request->biases ? own(q->out, (size_t)l->maps, sizeof *bias) : NULL;
    if (!factor || (request->biases && !bias)) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    *result = (struct scaled){.unit = largest_of(request->units, l->maps), .zero = rectifies ? 0 : SIGNED_MOST + 1};
    if (is_squash || request->f == LENET_TANH) {
        *r = (struct rescaling){.low = 1 - LENET_TABLE_ENTRIES, .high = LENET_TABLE_ENTRIES - 1};
        set_rescaling(r, factor, bias, request, l->maps, 1 / (TABLE_STEPS * (is_squash ? SQUASH_SLOPE : 1)));
        result->unit = (is_squash ? SQUASH_HEIGHT : 1) / SIGNED_MOST;
        r->table = q->out->table;
        return LENET_OK;
    }
    *r = (struct rescaling){.low = rectifies ? 0 : -INT32_MAX, .high = INT32_MAX};
    set_rescaling(r, factor, bias, request, l->maps, result->unit);
    if (request->is_last) return LENET_OK;
    LENET_TRY(choose_unit(q, l, result->unit, most, &result->unit, err));
    set_rescaling(r, factor, bias, request, l->maps, result->unit);
    r->low = rectifies ? 0 : -most;
    r->high = most;
    return LENET_OK;
}

/* ---- weights ---------------------------------------------------------------------------------------------- */

/* What the rounding of a layer's weights works on. */
struct weights {
    size_t n;        /* of a map                                          */
    float *w;        /* [maps][n]                                         */
    double *biases;  /* [maps]                                            */
    uint8_t *exists; /* [maps][n]                                         */
    double *means;   /* [n] of the inputs                                 */
    double *sampled; /* [n] likewise, of those images that moments are of */
    double *moments; /* [n][n]                                            */
    double *scale;   /* [maps]                                            */
    int8_t *q;       /* [maps][n]                                         */
};

static void free_weights(struct weights *w) {
    free(w->w);
    free(w->biases);
    free(w->exists);
    free(w->means);
    free(w->sampled);
    free(w->moments);
    free(w->scale);
    free(w->q);
}

static enum lenet_status alloc_weights(const struct layer *l, struct weights *w, struct lenet_error *err) {
    const size_t maps = (size_t)l->maps, n = kernel_of(l);
    *w = (struct weights){.n = n,
                          .w = calloc(maps * n, sizeof *w->w),
                          .biases = calloc(maps, sizeof *w->biases),
                          .exists = calloc(maps * n, 1),
                          .means = calloc(n, sizeof *w->means),
                          .sampled = calloc(n, sizeof *w->sampled),
                          .moments = calloc(n * n, sizeof *w->moments),
                          .scale = calloc(maps, sizeof *w->scale),
                          .q = calloc(maps * n, 1)};
    const int good = w->w && w->biases && w->exists && w->means && w->sampled && w->moments && w->scale && w->q;
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

/* The distance from an RBF unit's target is |x|^2 + |t|^2 - 2 t x, of which only t x differs between the classes. */
static void copy_weights(const struct quantizer *q, const struct layer *l, const struct stage *stage,
                         struct weights *w) {
    const struct lenet_layer *linear = stage->linear;
    const struct rbf_targets *targets = &q->model->topology.targets;
    for (int o = 0; o < l->maps; o++)
        for (size_t i = 0; i < w->n; i++) {
            const size_t at = (size_t)o * w->n + i;
            w->exists[at] = (uint8_t)is_connected(l, o, i);
            w->w[at] = linear->spec.kind != LENET_RBF           ? q->w[linear->w + at]
                       : targets->plus[o][i / 32] >> i % 32 & 1 ? 1.0F
                                                                : -1.0F;
        }
    for (int o = 0; linear->b_count && o < l->maps; o++) w->biases[o] = q->w[linear->b + (size_t)o];
}

/* What the kernel sees at one place. */
static void copy_inputs(const struct layer *l, const uint8_t *x, int row, int column, uint8_t *inputs) {
    for (int c = 0; c < l->inputs; c++)
        for (int i = 0; i < l->kernel_rows; i++, inputs += l->kernel_columns)
            memcpy(inputs, x + (c * l->rows + row + i) * l->columns + column, (size_t)l->kernel_columns);
}

static void add_inputs(const uint8_t *inputs, int with_moments, struct weights *w) {
    for (size_t i = 0; i < w->n; i++) w->means[i] += inputs[i];
    for (size_t i = 0; with_moments && i < w->n; i++) {
        if (!inputs[i]) continue; /* most are 0 */
        double *moments = w->moments + i * w->n;
        w->sampled[i] += inputs[i];
        for (size_t j = 0; j <= i; j++) moments[j] += inputs[i] * inputs[j];
    }
}

/* From sums to means and to moments without the means, of which the diagonal grows by a ten-thousandth of its mean:
 * what hardly varies here may vary elsewhere. */
static void conclude_moments(struct weights *w, double places, double sampled_places) {
    double trace = 0;
    for (size_t i = 0; i < w->n; i++) {
        w->means[i] /= places;
        w->sampled[i] /= sampled_places;
        for (size_t j = 0; j <= i; j++) {
            const double moment = w->moments[i * w->n + j] / sampled_places - w->sampled[i] * w->sampled[j];
            w->moments[i * w->n + j] = w->moments[j * w->n + i] = moment;
        }
        trace += w->moments[i * w->n + i];
    }
    for (size_t i = 0; i < w->n; i++) w->moments[i * w->n + i] += 1e-4 * trace / (double)w->n + 1e-9;
}

static enum lenet_status take_moments(const struct quantizer *q, const struct layer *l, struct weights *w,
                                      struct lenet_error *err) {
    const int height = outputs_high(l), width = outputs_wide(l);
    const size_t places = (size_t)height * (size_t)width, most = MOMENT_INPUTS / places + 1;
    const size_t step = (q->images + most - 1) / most, in = inputs_of(l);
    uint8_t *inputs = calloc(w->n, 1);
    if (!inputs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < q->images; i++)
        for (int row = 0; row < height; row++)
            for (int column = 0; column < width; column++) {
                copy_inputs(l, q->x + i * in, row, column, inputs);
                add_inputs(inputs, i % step == 0, w);
            }
    free(inputs);
    const size_t sampled = (q->images + step - 1) / step;
    conclude_moments(w, (double)(q->images * places), (double)(sampled * places));
    return LENET_OK;
}

/* A bias is an integer in the unit of the sums, which must not be too small for it. */
static void set_least_scales(const struct quantizer *q, const struct layer *l, struct weights *w) {
    for (int o = 0; o < l->maps; o++) {
        double size = fabs(w->biases[o]) + 1e-6;
        for (size_t i = 0; i < w->n; i++) size += fabs(q->offset * w->w[(size_t)o * w->n + i]);
        w->scale[o] = 2 * size / (fabs(q->unit) * LARGEST_BIAS);
    }
}

/* The bias that gives a map's sums the mean that they have in the network of floats. */
static int32_t bias_of(const struct quantizer *q, const struct weights *w, const double *reference, int o) {
    const int8_t *row = w->q + (size_t)o * w->n;
    double products = 0, all = 0;
    for (size_t i = 0; i < w->n; i++) {
        products += row[i] * w->means[i];
        all += row[i];
    }
    const double unit = q->unit * w->scale[o];
    const double bias = reference ? reference[o] / unit - products : (w->biases[o] / unit + q->offset / q->unit * all);
    return (int32_t)round(fmax(-LARGEST_BIAS, fmin(LARGEST_BIAS, bias)));
}

static enum lenet_status store_weights(const struct quantizer *q, struct layer *l, const struct weights *w,
                                       const double *reference, struct lenet_error *err) {
    uint8_t *bytes = own(q->out, lenet_weight_bytes(l), 1);
    int32_t *bias = own(q->out, (size_t)l->maps, sizeof *bias);
    if (!bytes || !bias) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    size_t at = 0;
    for (int o = 0; o < l->maps; o++) {
        for (size_t i = 0; i < w->n; i++) {
            if (!w->exists[(size_t)o * w->n + i]) continue;
            const int8_t value = w->q[(size_t)o * w->n + i];
            if (l->bits == 8)
                bytes[at] = (uint8_t)(value + 128);
            else
                bytes[at / 2] |= (uint8_t)((value + 8) << at % 2 * 4);
            at++;
        }
        bias[o] = bias_of(q, w, reference, o);
    }
    l->weights = bytes;
    l->bias = bias;
    return LENET_OK;
}

static enum lenet_status quantize_weights(const struct quantizer *q, struct layer *l, const struct stage *stage,
                                          struct weights *w, struct lenet_error *err) {
    copy_weights(q, l, stage, w);
    set_least_scales(q, l, w);
    LENET_TRY(take_moments(q, l, w, err));
    const struct lenet_rounding rounding = {.units = l->maps,
                                            .n = (int)w->n,
                                            .moments = w->moments,
                                            .w = w->w,
                                            .exists = w->exists,
                                            .most = l->bits == 8 ? 127 : 7,
                                            .scale = w->scale,
                                            .q = w->q};
    LENET_TRY(lenet_round_weights(&rounding, err));
    return store_weights(q, l, w, q->reference->means[stage->index], err);
}

/* ---- a layer ---------------------------------------------------------------------------------------------- */

static struct layer shape_of(const struct lenet_layer *linear, int bits) {
    const int is_conv = linear->spec.kind == LENET_CONV, inputs = (int)lenet_layer_inputs(linear);
    return (struct layer){.inputs = is_conv ? linear->C : 1,
                          .rows = is_conv ? linear->H : 1,
                          .columns = is_conv ? linear->W : inputs,
                          .maps = linear->O,
                          .kernel_rows = is_conv ? linear->spec.size : 1,
                          .kernel_columns = is_conv ? linear->spec.size : inputs,
                          .connections = linear->spec.table,
                          .bits = bits,
                          .window = 1};
}

/* The rescaling of the sums, before the pooling where something follows that. */
static enum lenet_status make_first(struct quantizer *q, struct layer *l, const struct stage *stage,
                                    const struct rescale_request *request, struct scaled *result,
                                    struct lenet_error *err) {
    struct layer without_pooling = *l;
    const int followed = has_second(stage, q->model->topology.pooling);
    if (followed) without_pooling.window = 1;
    LENET_TRY(make_rescaling(q, &without_pooling, &without_pooling.first, request, result, err));
    l->first = without_pooling.first;
    return LENET_OK;
}

static enum lenet_status make_second(struct quantizer *q, struct layer *l, const struct stage *stage, int is_last,
                                     struct scaled *result, struct lenet_error *err) {
    double *units = malloc(2 * (size_t)l->maps * sizeof *units);
    if (!units) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    double *biases = units + l->maps;
    const double share = q->model->topology.pooling == LENET_POOL_AVERAGE ? 1.0 / (l->window * l->window) : 1;
    for (int o = 0; o < l->maps; o++) {
        units[o] = result->unit * share * (stage->scale ? (double)q->w[stage->scale->w + (size_t)o] : 1);
        biases[o] = stage->scale ? (double)q->w[stage->scale->b + (size_t)o] : 0;
    }
    /* What was rectified before stays above 0. */
    const int rectified = stage->second == LENET_LINEAR && !stage->scale && stage->first == LENET_RELU;
    const struct rescale_request request = {.units = units,
                                            .biases = stage->scale ? biases : NULL,
                                            .f = rectified ? LENET_RELU : stage->second,
                                            .is_last = is_last};
    const enum lenet_status status = make_rescaling(q, l, &l->second, &request, result, err);
    free(units);
    return status;
}

static enum lenet_status make_rescalings(struct quantizer *q, struct layer *l, const struct stage *stage, int is_last,
                                         const double *scale, struct scaled *result, struct lenet_error *err) {
    const int followed = has_second(stage, q->model->topology.pooling);
    double *units = malloc((size_t)l->maps * sizeof *units);
    if (!units) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int o = 0; o < l->maps; o++) units[o] = q->unit * scale[o];
    const struct rescale_request request = {.units = units, .f = stage->first, .is_last = is_last && !followed};
    enum lenet_status status = make_first(q, l, stage, &request, result, err);
    if (status == LENET_OK && followed) status = make_second(q, l, stage, is_last, result, err);
    free(units);
    return status;
}

/* The layer's outputs become the next one's inputs. */
static enum lenet_status advance(struct quantizer *q, const struct layer *l, const struct scaled *result,
                                 struct lenet_error *err) {
    uint8_t *y = malloc(q->images * outputs_of(l));
    if (!y) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    run_all(q, l, y, NULL);
    free(q->x);
    q->x = y;
    q->unit = result->unit;
    q->offset = -result->unit * result->zero;
    return LENET_OK;
}

static enum lenet_status quantize_stage(struct quantizer *q, const struct stage *stage, int is_last, struct layer *l,
                                        struct lenet_error *err) {
    struct weights weights;
    struct scaled result = {.unit = 1};
    *l = shape_of(stage->linear, q->bits);
    if (kernel_of(l) > MOST_WEIGHTS)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: %s has %zu weights a unit, and sums of 32 bits hold %d",
                          q->model->topology.arch->name, stage->linear->spec.name, kernel_of(l), MOST_WEIGHTS);
    enum lenet_status status = alloc_weights(l, &weights, err);
    if (status == LENET_OK) status = quantize_weights(q, l, stage, &weights, err);
    if (stage->pool) {
        l->window = stage->pool->spec.size;
        l->adds = q->model->topology.pooling != LENET_POOL_MAX;
    }
    if (status == LENET_OK) status = make_rescalings(q, l, stage, is_last, weights.scale, &result, err);
    free_weights(&weights);
    LENET_TRY(status);
    l->zero = result.zero;
    q->out->score_unit = result.unit * (stage->linear->spec.kind == LENET_RBF ? 2 : 1);
    return is_last ? LENET_OK : advance(q, l, &result, err);
}

/* ---- the network ------------------------------------------------------------------------------------------ */

static enum lenet_status quantize_layers(struct quantizer *q, struct lenet_error *err) {
    const struct lenet_topology *topology = &q->model->topology;
    struct network *net = &q->out->net;
    for (int at = 0; at < topology->layer_count; net->layer_count++) {
        struct layer *l = &q->out->layers[net->layer_count];
        struct stage stage;
        LENET_TRY(read_stage(topology, &at, &stage, err));
        snprintf(q->out->names[net->layer_count], sizeof q->out->names[0], "%s", stage.linear->spec.name);
        LENET_TRY(quantize_stage(q, &stage, at == topology->layer_count, l, err));
    }
    return LENET_OK;
}

/* The two places of inputs and outputs that take turns, and the sums. */
static void size_memory(struct lenet_integer_network *network) {
    size_t bytes[2] = {0, 0};
    for (int i = 0; i < network->net.layer_count; i++)
        if (inputs_of(&network->layers[i]) > bytes[i % 2]) bytes[i % 2] = inputs_of(&network->layers[i]);
    network->net.first_bytes = (int)bytes[0];
    network->memory_bytes = (int)(bytes[0] + bytes[1]);
    for (int i = 0; i < network->net.layer_count; i++) {
        const struct layer *l = &network->layers[i];
        const int sums = (l->window - 1) * l->columns + outputs_wide(l);
        if (sums > network->sums) network->sums = sums;
    }
}

enum lenet_status lenet_quantize(const struct lenet_model *model, const float *host_w, int bits,
                                 const struct lenet_dataset *data, const struct lenet_reference *reference,
                                 struct lenet_integer_network *out, struct lenet_error *err) {
    const int field = model->topology.arch->field;
    const size_t pixels = (size_t)field * (size_t)field;
    *out = (struct lenet_integer_network){.net = {.rows = data->H,
                                                  .columns = data->W,
                                                  .field = field,
                                                  .classes = model->topology.classes,
                                                  .layers = out->layers}};
    if (model->scaling.factor == 0)
        return lenet_fail(err, LENET_ERR_FORMAT, "a network whose input factor is 0 sees nothing of an image");
    struct quantizer q = {.model = model,
                          .w = host_w,
                          .reference = reference,
                          .bits = bits,
                          .out = out,
                          .images = data->train.count,
                          .x = calloc(data->train.count, pixels),
                          .unit = model->scaling.factor,
                          .offset = model->scaling.offset,
                          .sums = calloc(pixels, sizeof *q.sums)};
    for (int i = 0; i < LENET_TABLE_ENTRIES; i++)
        out->table[i] = (uint8_t)round(SIGNED_MOST * tanh((double)i / TABLE_STEPS));
    enum lenet_status status = q.x && q.sums ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < q.images && status == LENET_OK; i++)
        place_image(&out->net, data->train.images + i * (size_t)data->H * (size_t)data->W, q.x + i * pixels);
    if (status == LENET_OK) status = quantize_layers(&q, err);
    if (status == LENET_OK) size_memory(out);
    free(q.x);
    free(q.sums);
    if (status != LENET_OK) lenet_integer_network_free(out);
    return status;
}

enum lenet_status lenet_integer_network_measure(const struct lenet_integer_network *network,
                                                const struct lenet_samples *samples, int32_t *scores, uint64_t *correct,
                                                struct lenet_error *err) {
    const size_t pixels = (size_t)network->net.rows * (size_t)network->net.columns;
    uint8_t *memory = calloc((size_t)network->memory_bytes, 1);
    int32_t *sums = calloc((size_t)network->sums, sizeof *sums), own_scores[UINT8_MAX + 1] = {0};
    const int good = memory && sums;
    *correct = 0;
    for (size_t i = 0; good && i < samples->count; i++) {
        int32_t *of_image = scores ? scores + i * (size_t)network->net.classes : own_scores;
        const int best = classify(&network->net, samples->images + i * pixels, memory, sums, of_image);
        *correct += best == samples->labels[i];
    }
    free(memory);
    free(sums);
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}
