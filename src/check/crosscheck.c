/* crosscheck.c - does a backend compute what the CPU computes in double?
 *
 * Three networks take each step together, operation by operation: the device's, the reference in double, and one in
 * double that computes with the sizes of values, without their signs, so that its sums are those of the sizes of the
 * terms. Once an operation's output is compared, the other two take it over: each operation begins from the same
 * values, so that no rounding is carried on, ReLU and maximum decide alike, and only the operation's own rounding is
 * left. That is a fraction of the size of its terms, however far they cancel.
 *
 * Training may take a step in another way, with operations that do the work of several layers, or beside each other. So
 * a fourth network on the device takes each step as training does: it has to end with the bytes of the first one. */
#include "lenet/crosscheck.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lenet/network.h"
#include "train/settings.h"

/* Two members, so that everything is tried away from the first one; the second one's images are distorted, and some
 * of its labels wrong. 63 images are padded to 64 by any number of lanes up to 64; the backend for single images gets
 * 64, and tests show that it does the same with one. */
enum { MEMBERS = 2, BATCH = 63, PADDED = 64, IMAGES = 512, SIDE = 28 };

/* A sum of n terms of one sign, each addition rounded up or down by 0.4 * 2^-24 of what is there already, is off by
 * 0.23 sqrt(n) * 2^-24 of the terms' size, in the mean of many: by 6 for the 784 of the longest sum here. Terms of
 * both signs make it less. Eight times that is more than the largest error of millions. */
static const double ROUNDING = 8 * 6 * 0x1p-24;
/* In float what is below FLT_MIN counts as zero, while double has it. A sum has at most 784 * 64 terms (of the gradient
 * of C1), and each may lose a factor, which the other one, less than 6, has multiplied, the product, and the sum up to
 * there. */
static const double FLUSHED = 8.0 * 784 * 64 * FLT_MIN;
/* The CPU computes the loss's gradient in double, as a difference of numbers of the size of the largest. */
static const double ROUNDING_OF_DOUBLE = 16 * 0x1p-53;

/* Bounds of |got - want| in fractions of want: by Euclidean norms, and of the largest values. */
struct norms {
    double norm, largest;
};
/* The curvature is a chain of all layers' sums, but of squares, which do not cancel. */
static const struct norms CURVATURE = {.norm = 2e-6, .largest = 1e-5};
/* TF32 rounds both factors of a product to 11 bits: each is off by 2^-12 on average, a product by sqrt(2) times as
 * much, 3.5e-4; three layers follow each other in a curvature, 6e-4. An error of 1 % stays visible. */
static const struct norms TF32 = {.norm = 2e-3, .largest = 5e-3};

/* A network and its data on one backend. */
struct side {
    const struct lenet_backend *backend;
    struct lenet_ctx *ctx;
    struct lenet_device_data data;
    struct lenet_network net;
};

enum { DEVICE, REFERENCE, TERMS, SIDES };

struct crosscheck {
    struct side sides[SIDES];
    struct lenet_network whole; /* on the device: takes whole steps, as training does */
    int tf32;
    struct lenet_crosscheck *result;
    double *host[SIDES]; /* room for the largest tensor of a member */
    double *as_it_lies;  /* likewise: one as it is on a side */
};

/* A tensor on each side, in which members lie `apart`, and the part of a member's that is meant; in elements. One of
 * images has so many units, which come to the host as [units][N], however the images lie on a side. */
struct tensor {
    void *on[SIDES];
    size_t apart, first, count, units;
};

#define ON_SIDES(c, field)                                                                                             \
    { (c)->sides[DEVICE].net.field, (c)->sides[REFERENCE].net.field, (c)->sides[TERMS].net.field }

static const struct lenet_topology *topology_of(const struct crosscheck *c) { return &c->sides[DEVICE].net.topology; }
static size_t batch_of(const struct crosscheck *c, size_t units) { return units * (size_t)c->sides[DEVICE].net.N; }

/* ---- comparing ------------------------------------------------------------------------------------------ */

static struct lenet_crosscheck_row *row_of(struct lenet_crosscheck *result, const char *tensor, const char *quantity) {
    struct lenet_crosscheck_row *row = result->rows;
    while (row < result->rows + result->n && !(strcmp(row->tensor, tensor) == 0 && row->quantity == quantity)) row++;
    if (row == result->rows + result->n) {
        result->n++;
        row->quantity = quantity;
        strcpy(row->tensor, tensor);
    }
    return row;
}

/* The larger one; NaN is the largest of all, and stays. */
static double worse(double a, double b) { return isnan(a) || a >= b ? a : b; }

/* Notes how far the device's values, on the host, are from the reference's: by norms or, without, by their terms. */
static void note(struct crosscheck *c, const char *tensor, const char *quantity, const struct norms *norms,
                 size_t count) {
    struct lenet_crosscheck_row *row = row_of(c->result, tensor, quantity);
    const double *got = c->host[DEVICE], *want = c->host[REFERENCE], *terms = c->host[TERMS];
    double difference = 0, largest_difference = 0, norm = 0, largest = 0, of_bound = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs(got[i] - want[i]);
        difference += d * d;
        largest_difference = worse(largest_difference, d);
        norm += want[i] * want[i];
        largest = worse(largest, fabs(want[i]));
    }
    if (difference == 0) return; /* of zeros, too */
    row->norm_error = worse(row->norm_error, sqrt(difference / norm));
    row->max_error = worse(row->max_error, largest_difference / largest);
    if (norms)
        of_bound = worse(row->norm_error / norms->norm, row->max_error / norms->largest);
    else
        for (size_t i = 0; i < count; i++) {
            const double size = fabs(terms[i]) + fabs(want[i]), d = fabs(got[i] - want[i]);
            const double bound = ROUNDING * size + ROUNDING_OF_DOUBLE * largest + FLUSHED;
            if (!(d <= of_bound * bound)) of_bound = worse(of_bound, d / bound); /* hardly ever */
        }
    row->of_bound = worse(row->of_bound, of_bound);
}

/* Copies a tensor's values from how they lie on a side to how they lie on the host, or the other way round. */
static void arrange(const struct side *side, const struct tensor *tensor, double *on_side, double *host, int to_side) {
    const int N = side->net.N;
    for (size_t i = 0; i < tensor->count; i++) {
        const size_t at =
            tensor->units ? lenet_value_at(side->backend, N, tensor->units, i / (size_t)N, (int)(i % (size_t)N)) : i;
        if (to_side)
            on_side[at] = host[i];
        else
            host[i] = on_side[at];
    }
}

/* Downloads member r's values as doubles. */
static enum lenet_status get(struct crosscheck *c, int on, const struct tensor *tensor, size_t r, double *host) {
    const struct side *side = &c->sides[on];
    const size_t size = side->backend->element_size, first = r * tensor->apart + tensor->first;
    LENET_TRY(side->backend->download(side->ctx, c->as_it_lies, (const char *)tensor->on[on] + first * size,
                                      tensor->count * size));
    const char *bytes = (const char *)c->as_it_lies; /* floats, widened in place from the last one on */
    for (size_t i = tensor->count; size == sizeof(float) && i-- > 0;) {
        float value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        c->as_it_lies[i] = value;
    }
    arrange(side, tensor, c->as_it_lies, host, 0);
    return LENET_OK;
}

/* To a side in double. */
static enum lenet_status put(struct crosscheck *c, int on, const struct tensor *tensor, size_t r, double *host) {
    const struct side *side = &c->sides[on];
    arrange(side, tensor, c->as_it_lies, host, 1);
    return side->backend->upload(side->ctx, (double *)tensor->on[on] + r * tensor->apart + tensor->first, c->as_it_lies,
                                 tensor->count * sizeof *host);
}

/* The reference goes on from the device's values, which are on the host, and the terms from their sizes. */
static enum lenet_status take_over(struct crosscheck *c, const struct tensor *tensor, size_t r) {
    double *values = c->host[DEVICE];
    LENET_TRY(put(c, REFERENCE, tensor, r, values));
    for (size_t i = 0; i < tensor->count; i++) values[i] = fabs(values[i]);
    return put(c, TERMS, tensor, r, values);
}

static enum lenet_status compare(struct crosscheck *c, const char *name, const char *quantity,
                                 const struct norms *norms, const struct tensor *tensor) {
    for (size_t r = 0; r < MEMBERS; r++) {
        for (int side = 0; side < SIDES; side++) LENET_TRY(get(c, side, tensor, r, c->host[side]));
        note(c, name, quantity, norms, tensor->count);
        LENET_TRY(take_over(c, tensor, r));
    }
    return LENET_OK;
}

/* What fully connected layers compute may be in TF32. */
static const struct norms *norms_of(const struct crosscheck *c, const struct lenet_layer *layer) {
    return c->tf32 && layer->spec.kind == LENET_DENSE ? &TF32 : NULL;
}

/* Weights and biases of one layer, or of all where it is NULL, in a tensor of parameters. */
static enum lenet_status compare_params(struct crosscheck *c, const char *prefix, const char *quantity,
                                        const struct norms *norms, const struct lenet_layer *layer,
                                        struct tensor tensor) {
    struct lenet_tensor parts[2 * LENET_MAX_LAYERS];
    float *const base = NULL; /* offsets only */
    const int n = tensor.on[DEVICE] ? lenet_topology_tensors(topology_of(c), prefix, base, parts) : 0;
    tensor.apart = topology_of(c)->stride;
    for (int i = 0; i < n; i++) {
        tensor.first = (size_t)((float *)parts[i].data - base);
        tensor.count = lenet_tensor_bytes(&parts[i]) / sizeof(float);
        if (!layer || tensor.first == layer->w || tensor.first == layer->b)
            LENET_TRY(compare(c, parts[i].name, quantity, norms, &tensor));
    }
    return LENET_OK;
}

/* `count` whole numbers of a kind that both sides must agree on. */
static void note_exact(struct crosscheck *c, const char *tensor, size_t count) {
    memset(c->host[TERMS], 0, count * sizeof *c->host[TERMS]);
    note(c, tensor, "value", NULL, count);
}

/* Labels and predictions, [R][N] bytes. */
static enum lenet_status compare_bytes(struct crosscheck *c, const char *tensor, const uint8_t *got,
                                       const uint8_t *want) {
    const uint8_t *const on[] = {got, want};
    uint8_t bytes[MEMBERS * PADDED];
    const size_t count = MEMBERS * batch_of(c, 1);
    for (int side = DEVICE; side <= REFERENCE; side++) {
        LENET_TRY(c->sides[side].backend->download(c->sides[side].ctx, bytes, on[side], count));
        for (size_t i = 0; i < count; i++) c->host[side][i] = bytes[i];
    }
    note_exact(c, tensor, count);
    return LENET_OK;
}

static enum lenet_status compare_losses(struct crosscheck *c) {
    struct lenet_tally tallies[SIDES][MEMBERS];
    for (int side = DEVICE; side <= REFERENCE; side++)
        LENET_TRY(c->sides[side].backend->download(c->sides[side].ctx, tallies[side], c->sides[side].net.tally,
                                                   sizeof tallies[side]));
    for (int r = 0; r < MEMBERS; r++) {
        for (int side = DEVICE; side <= REFERENCE; side++) {
            const struct lenet_tally *tally = &tallies[side][r];
            const double values[] = {tally->loss, (double)tally->count, (double)tally->correct,
                                     (double)tally->nonfinite};
            memcpy(c->host[side], values, sizeof values);
        }
        note_exact(c, "losses", 4);
    }
    return LENET_OK;
}

/* ---- one step on all sides, layer by layer ---------------------------------------------------------------- */

/* The outputs of layer l, -1 for the input, and their gradients. */
static struct tensor outputs_of(const struct crosscheck *c, int l) {
    const size_t units =
        l < 0 ? lenet_layer_inputs(&topology_of(c)->layers[0]) : lenet_layer_outputs(&topology_of(c)->layers[l]);
    struct tensor outputs = {.apart = batch_of(c, units), .count = batch_of(c, units), .units = units};
    for (int side = 0; side < SIDES; side++) outputs.on[side] = l < 0 ? c->sides[side].net.x : c->sides[side].net.y[l];
    return outputs;
}

static struct tensor gradient_of(const struct crosscheck *c, int l) {
    struct tensor gradient = outputs_of(c, l);
    for (int side = 0; side < SIDES; side++) gradient.on[side] = lenet_network_gradient(&c->sides[side].net, l);
    return gradient;
}

static const char *layer_name(const struct crosscheck *c, int l, char name[LENET_MAX_TENSOR_NAME]) {
    return lenet_topology_layer_name(topology_of(c), l, name);
}

/* A pixel is as far off as the place where it looks, which is rounded as numbers up to SIDE are, times the steepest
 * rise between two pixels. */
static enum lenet_status put_terms_of_input(struct crosscheck *c, const struct tensor *input) {
    const struct lenet_source *source = &c->sides[DEVICE].data.train;
    double *sizes = c->host[TERMS];
    for (size_t i = 0; i < input->count; i++) sizes[i] = SIDE * (255 * fabs(source->factor) + fabs(source->offset));
    for (size_t r = 0; r < MEMBERS; r++) LENET_TRY(put(c, TERMS, input, r, sizes));
    return LENET_OK;
}

static enum lenet_status check_forward(struct crosscheck *c) {
    struct lenet_network *device = &c->sides[DEVICE].net, *reference = &c->sides[REFERENCE].net;
    const struct tensor input = outputs_of(c, -1);
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(lenet_network_draw(device, &c->sides[DEVICE].data.train));
    LENET_TRY(lenet_network_draw(reference, &c->sides[REFERENCE].data.train));
    LENET_TRY(compare_bytes(c, "labels", device->label, reference->label));
    LENET_TRY(put_terms_of_input(c, &input));
    LENET_TRY(compare(c, "input", "value", NULL, &input));
    for (int l = 0; l < topology_of(c)->layer_count; l++) {
        const struct tensor outputs = outputs_of(c, l);
        for (int side = 0; side < SIDES; side++) LENET_TRY(lenet_network_forward_layer(&c->sides[side].net, l));
        LENET_TRY(compare(c, layer_name(c, l, name), "value", norms_of(c, &topology_of(c)->layers[l]), &outputs));
    }
    return LENET_OK;
}

/* What a layer's input is to be so that its backward pass gives the size of the terms: next to 0 every nonlinearity is
 * at its steepest, and maxima are where they were; of an RBF unit, |x| + 2 - t is at least |x| + |t|. */
static double size_of_input(enum lenet_layer_kind kind, double x) {
    if (kind == LENET_ACTIVATION || kind == LENET_SUBSAMPLE) return 1e-30 * x;
    return kind == LENET_RBF ? fabs(x) + 2 : fabs(x);
}

static enum lenet_status put_terms_of_backward(struct crosscheck *c, int l) {
    const struct tensor input = outputs_of(c, l - 1);
    double *values = c->host[TERMS];
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get(c, REFERENCE, &input, r, values));
        for (size_t i = 0; i < input.count; i++)
            values[i] = size_of_input(topology_of(c)->layers[l].spec.kind, values[i]);
        LENET_TRY(put(c, TERMS, &input, r, values));
    }
    return LENET_OK;
}

static enum lenet_status check_backward_layer(struct crosscheck *c, int l) {
    const struct lenet_layer *layer = &topology_of(c)->layers[l];
    const struct tensor below = gradient_of(c, l - 1), params = {.on = ON_SIDES(c, dw)};
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(put_terms_of_backward(c, l));
    for (int side = 0; side < SIDES; side++) LENET_TRY(lenet_network_backward_layer(&c->sides[side].net, l));
    LENET_TRY(compare(c, layer_name(c, l - 1, name), "gradient", norms_of(c, layer), &below));
    return layer->w_count ? compare_params(c, "", "gradient", norms_of(c, layer), layer, params) : LENET_OK;
}

static enum lenet_status check_backward(struct crosscheck *c) {
    struct lenet_network *device = &c->sides[DEVICE].net, *reference = &c->sides[REFERENCE].net;
    const int last = topology_of(c)->layer_count - 1;
    const struct tensor output = gradient_of(c, last);
    LENET_TRY(lenet_network_loss(device, 1));
    LENET_TRY(lenet_network_loss(reference, 1));
    LENET_TRY(compare_losses(c));
    LENET_TRY(compare_bytes(c, "predictions", device->predicted, reference->predicted));
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(compare(c, layer_name(c, last, name), "gradient", NULL, &output));
    for (int l = last; l >= 0; l--) LENET_TRY(check_backward_layer(c, l));
    return LENET_OK;
}

/* From weights of 0, the terms' update is that of the sizes alone. */
static enum lenet_status check_update(struct crosscheck *c) {
    const size_t count = topology_of(c)->stride;
    const struct tensor weights = {.on = ON_SIDES(c, w), .apart = count, .count = count};
    memset(c->host[TERMS], 0, count * sizeof *c->host[TERMS]);
    for (size_t r = 0; r < MEMBERS; r++) LENET_TRY(put(c, TERMS, &weights, r, c->host[TERMS]));
    for (int side = 0; side < SIDES; side++) LENET_TRY(lenet_network_update(&c->sides[side].net));
    const struct tensor w = {.on = ON_SIDES(c, w)}, m = {.on = ON_SIDES(c, m)}, v = {.on = ON_SIDES(c, v)};
    LENET_TRY(compare_params(c, "", "after update", NULL, NULL, w));
    LENET_TRY(compare_params(c, "m of ", "after update", NULL, NULL, m));
    return compare_params(c, "v of ", "after update", NULL, NULL, v);
}

/* ---- the same step as a whole ------------------------------------------------------------------------------ */

/* A member's parameters of one kind, of both networks on the device, as bytes. */
static enum lenet_status get_both(const struct crosscheck *c, size_t r, const void *by_layer, const void *whole) {
    const struct side *device = &c->sides[DEVICE];
    const size_t bytes = topology_of(c)->stride * device->backend->element_size;
    LENET_TRY(device->backend->download(device->ctx, c->host[REFERENCE], (const char *)by_layer + r * bytes, bytes));
    return device->backend->download(device->ctx, c->host[DEVICE], (const char *)whole + r * bytes, bytes);
}

static enum lenet_status compare_whole(struct crosscheck *c, const char *name, const void *by_layer,
                                       const void *whole) {
    const size_t bytes = topology_of(c)->stride * c->sides[DEVICE].backend->element_size;
    if (!by_layer) return LENET_OK; /* this optimizer has none */
    struct lenet_crosscheck_row *row = row_of(c->result, name, "same bytes");
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get_both(c, r, by_layer, whole));
        if (memcmp(c->host[DEVICE], c->host[REFERENCE], bytes) != 0) row->of_bound = INFINITY;
    }
    return LENET_OK;
}

static enum lenet_status check_whole_step(struct crosscheck *c) {
    const struct lenet_network *device = &c->sides[DEVICE].net, *whole = &c->whole;
    LENET_TRY(lenet_network_step(&c->whole, &c->sides[DEVICE].data.train));
    LENET_TRY(compare_whole(c, "w of a whole step", device->w, whole->w));
    LENET_TRY(compare_whole(c, "m of a whole step", device->m, whole->m));
    return compare_whole(c, "v of a whole step", device->v, whole->v);
}

/* What the curvature has left in m. */
static enum lenet_status copy_curvature(struct crosscheck *c) {
    const struct side *device = &c->sides[DEVICE];
    const size_t bytes = topology_of(c)->stride * device->backend->element_size;
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get_both(c, r, device->net.m, c->whole.m));
        LENET_TRY(device->backend->upload(device->ctx, (char *)c->whole.m + r * bytes, c->host[REFERENCE], bytes));
    }
    return LENET_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

/* Everything a step reads: initial weights and settings, the same on both sides. */
static enum lenet_status fill(struct lenet_network *net, uint64_t seed, const struct lenet_config *config) {
    struct lenet_hyper hyper[MEMBERS];
    /* Steps that learn something without diverging: distances to RBF targets are far steeper than a softmax. */
    const int has_rbf = net->topology.layers[net->topology.layer_count - 1].spec.kind == LENET_RBF;
    const float rate = has_rbf ? 5e-5f : 1e-2f, epsilon = net->optimizer == LENET_SDLM ? 0.02f : 1e-8f;
    float *w = malloc(net->topology.stride * sizeof *w);
    enum lenet_status status = w ? LENET_OK : LENET_ERR_MEMORY;
    for (int r = 0; r < MEMBERS; r++) {
        hyper[r] = (struct lenet_hyper){.seed = seed + (uint64_t)r,
                                        .train_first = 100 * (uint32_t)r,
                                        .train_count = 300, /* its fifth batch is a smaller one */
                                        .learning_rate = rate,
                                        .momentum = 0.9f,
                                        .weight_decay = 1e-3f,
                                        .beta2 = 0.999f,
                                        .epsilon = epsilon,
                                        .schedule = LENET_SCHEDULE_COSINE,
                                        .total_steps = 20,
                                        .shift = 2.0f * (float)r,
                                        .rotate = 10.0f * (float)r,
                                        .scale = 0.1f * (float)r,
                                        .shear = 0.1f * (float)r,
                                        .elastic = 2.0f * (float)r,
                                        .label_noise = 0.25f * (float)r};
        if (status == LENET_OK) {
            lenet_topology_init(&net->topology, (enum lenet_init)config->init, hyper[r].seed, (float)config->init_scale,
                                w);
            status = lenet_network_put(net, net->w, r, w);
        }
    }
    free(w);
    LENET_TRY(status);
    return net->backend->upload(net->ctx, net->hyper, hyper, sizeof hyper);
}

static enum lenet_status open_network(const struct side *side, struct lenet_network_options options,
                                      struct lenet_network *net, const struct lenet_config *config, uint64_t seed,
                                      struct lenet_error *err) {
    options.optimizer = (enum lenet_optimizer)config->optimizer;
    options.R = MEMBERS;
    LENET_TRY(lenet_network_create(side->backend, side->ctx, &options, net, err));
    return fill(net, seed, config);
}

static enum lenet_status open_side(struct side *side, const struct lenet_topology *topology,
                                   const struct lenet_dataset *data, const struct lenet_config *config, int B,
                                   uint64_t seed, struct lenet_error *err) {
    const struct lenet_network_options options = {.topology = topology, .B = B, .input_gradient = 1, .by_layer = 1};
    LENET_TRY(lenet_device_data_create(side->backend, side->ctx, data, lenet_config_scaling(config, data),
                                       topology->arch->field, &side->data, err));
    return open_network(side, options, &side->net, config, seed, err);
}

static void close_side(struct side *side) {
    if (!side->backend) return;
    if (side->net.backend) lenet_network_free(&side->net);
    lenet_device_data_free(side->backend, side->ctx, &side->data);
}

static enum lenet_status allocate(struct crosscheck *c) {
    const struct lenet_topology *topology = topology_of(c);
    size_t largest = lenet_layer_inputs(&topology->layers[0]);
    for (int l = 0; l < topology->layer_count; l++)
        if (lenet_layer_outputs(&topology->layers[l]) > largest) largest = lenet_layer_outputs(&topology->layers[l]);
    largest = batch_of(c, largest) > topology->stride ? batch_of(c, largest) : topology->stride;
    for (int side = 0; side < SIDES; side++)
        if (!(c->host[side] = malloc(largest * sizeof *c->host[side]))) return LENET_ERR_MEMORY;
    return (c->as_it_lies = malloc(largest * sizeof *c->as_it_lies)) ? LENET_OK : LENET_ERR_MEMORY;
}

/* sdlm's m: from the first batch, twice, so that a mean is taken. */
static enum lenet_status check_curvature(struct crosscheck *c) {
    const struct tensor m = {.on = ON_SIDES(c, m)};
    if (c->sides[DEVICE].net.optimizer != LENET_SDLM) return LENET_OK;
    LENET_TRY(check_forward(c));
    for (int i = 0; i < 2; i++)
        for (int side = DEVICE; side <= REFERENCE; side++)
            LENET_TRY(lenet_network_add_curvature(&c->sides[side].net, i, 2));
    return compare_params(c, "", "curvature", c->tf32 ? &TF32 : &CURVATURE, NULL, m);
}

static enum lenet_status check_steps(struct crosscheck *c) {
    const size_t stride = topology_of(c)->stride;
    const struct tensor w = {.on = ON_SIDES(c, w), .apart = stride, .count = stride};
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get(c, DEVICE, &w, r, c->host[DEVICE]));
        LENET_TRY(take_over(c, &w, r));
    }
    LENET_TRY(check_curvature(c));
    if (c->whole.optimizer == LENET_SDLM) LENET_TRY(copy_curvature(c));
    for (int step = 0; step < c->result->steps; step++) {
        LENET_TRY(check_forward(c));
        LENET_TRY(check_backward(c));
        LENET_TRY(check_update(c));
        LENET_TRY(check_whole_step(c));
    }
    return LENET_OK;
}

static enum lenet_status judge(struct lenet_crosscheck *result, struct lenet_error *err) {
    const struct lenet_crosscheck_row *failed = NULL;
    for (struct lenet_crosscheck_row *row = result->rows; row < result->rows + result->n; row++) {
        row->passed = row->of_bound <= 1; /* NaN fails */
        if (!row->passed && !failed) failed = row;
    }
    if (!failed) return LENET_OK;
    return lenet_fail(err, LENET_ERR_CHECK,
                      "%s (%s) on %s is not what the CPU computes in double: an error of %.3g times what rounding may "
                      "do to it, %.3g of the norm and %.3g of the largest value",
                      failed->tensor, failed->quantity, result->backend, failed->of_bound, failed->norm_error,
                      failed->max_error);
}

enum lenet_status lenet_crosscheck_run(const struct lenet_device *device, const struct lenet_config *config, int steps,
                                       struct lenet_crosscheck *result, struct lenet_error *err) {
    struct lenet_topology topology;
    struct lenet_dataset data = {0};
    const struct lenet_backend *cpu64 = lenet_backend_cpu64();
    struct crosscheck c = {.tf32 = config->tf32 && !config->own_dense, .result = result};
    *result = (struct lenet_crosscheck){
        .backend = device->backend->name, .seed = config->seed ? config->seed : (int64_t)time(NULL), .steps = steps};
    LENET_TRY(lenet_config_topology(config, LENET_DIGITS, &topology, err));
    const struct lenet_open_options options = lenet_open_options_of(config);
    struct lenet_ctx *ctx;
    LENET_TRY(cpu64->open(&ctx, &options, err));
    enum lenet_status status = lenet_dataset_random((uint64_t)result->seed, IMAGES, SIDE, &data);
    const int B = device->backend->lanes == 1 ? PADDED : BATCH;
    for (int side = 0; side < SIDES && status == LENET_OK; side++) {
        c.sides[side].backend = side == DEVICE ? device->backend : cpu64;
        c.sides[side].ctx = side == DEVICE ? device->ctx : ctx;
        status = open_side(&c.sides[side], &topology, &data, config, B, (uint64_t)result->seed, err);
    }
    if (status == LENET_OK)
        status = open_network(&c.sides[DEVICE], (struct lenet_network_options){.topology = &topology, .B = B}, &c.whole,
                              config, (uint64_t)result->seed, err);
    if (status == LENET_OK) status = allocate(&c);
    if (status == LENET_OK) status = check_steps(&c);
    if (status == LENET_OK) status = judge(result, err);
    if (c.whole.backend) lenet_network_free(&c.whole);
    for (int side = 0; side < SIDES; side++) {
        free(c.host[side]);
        close_side(&c.sides[side]);
    }
    free(c.as_it_lies);
    lenet_dataset_free(&data);
    cpu64->close(ctx);
    return status;
}
