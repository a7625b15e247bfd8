/* crosscheck.c - see crosscheck.h. */
#include "lenet/crosscheck.h"

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

/* In float a sum of n terms is off by some sqrt(n) * 2^-24 of its terms' size: 1e-6 for the longest ones here. */
static const double NORM_BOUND = 2e-6, MAX_BOUND = 1e-5;
/* TF32 rounds both factors of a product to 11 bits: each is off by 2^-12 on average, a product by sqrt(2) times as
 * much, 3.5e-4. Three layers follow each other, which adds up to 6e-4. An error of 1 % stays visible. */
static const double TF32_NORM_BOUND = 2e-3, TF32_MAX_BOUND = 5e-3;

/* A network and its data on one backend. */
struct side {
    const struct lenet_backend *backend;
    struct lenet_ctx *ctx;
    struct lenet_device_data data;
    struct lenet_network net;
};

struct crosscheck {
    struct side device, reference;
    struct lenet_crosscheck *result;
    double *got, *want; /* on the host, room for the largest tensor */
};

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

/* Notes how far got[first ... first+count-1] is from want, by the measure of all `total` values of want. */
static void note_part(struct crosscheck *c, const char *tensor, const char *quantity, size_t first, size_t count,
                      size_t total) {
    struct lenet_crosscheck_row *row = row_of(c->result, tensor, quantity);
    double difference = 0, largest_difference = 0, norm = 0, largest = 0;
    for (size_t i = first; i < first + count; i++) {
        const double d = fabs(c->got[i] - c->want[i]);
        difference += d * d;
        largest_difference = worse(largest_difference, d);
    }
    for (size_t i = 0; i < total; i++) {
        norm += c->want[i] * c->want[i];
        if (fabs(c->want[i]) > largest) largest = fabs(c->want[i]);
    }
    if (difference == 0) return; /* of zeros, too */
    row->norm_error = worse(row->norm_error, sqrt(difference / norm));
    row->max_error = worse(row->max_error, largest_difference / largest);
}

static void note(struct crosscheck *c, const char *tensor, const char *quantity, size_t count) {
    note_part(c, tensor, quantity, 0, count, count);
}

/* Downloads elements first ... first+count-1 of a tensor as doubles. */
static enum lenet_status get(const struct side *side, const void *tensor, size_t first, size_t count, double *host) {
    const size_t size = side->backend->element_size;
    LENET_TRY(side->backend->download(side->ctx, host, (const char *)tensor + first * size, count * size));
    if (size == sizeof(double)) return LENET_OK;
    const char *bytes = (const char *)host; /* floats, widened in place from the last one on */
    for (size_t i = count; i-- > 0;) {
        float value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        host[i] = value;
    }
    return LENET_OK;
}

/* Fills c->got and c->want. */
static enum lenet_status get_both(struct crosscheck *c, const void *got, const void *want, size_t first, size_t count) {
    LENET_TRY(get(&c->device, got, first, count, c->got));
    return get(&c->reference, want, first, count, c->want);
}

/* A tensor [R][units][N], member by member. */
static enum lenet_status compare_units(struct crosscheck *c, const char *tensor, const char *quantity, const void *got,
                                       const void *want, size_t units) {
    const size_t count = units * (size_t)c->device.net.N;
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get_both(c, got, want, r * count, count));
        note(c, tensor, quantity, count);
    }
    return LENET_OK;
}

/* The same, after which the reference goes on from the device's values. */
static enum lenet_status compare_and_take_over(struct crosscheck *c, const char *tensor, const void *got, void *want,
                                               size_t units) {
    const size_t count = MEMBERS * units * (size_t)c->device.net.N;
    LENET_TRY(compare_units(c, tensor, "value", got, want, units));
    LENET_TRY(get(&c->device, got, 0, count, c->got));
    return c->reference.backend->upload(c->reference.ctx, want, c->got, count * sizeof *c->got);
}

/* Weights and bias of a layer in w, dw, m or v, [R][stride]. A bias's gradient adds terms of both signs, which may all
 * but cancel and leave their rounding: it is judged by the measure of the layer's weights and bias together. */
static enum lenet_status compare_layer(struct crosscheck *c, const struct lenet_layer *layer, const char *prefix,
                                       const char *quantity, const void *got, const void *want) {
    const size_t total = layer->b + layer->b_count - layer->w; /* they lie together; between them are zeros */
    char name[LENET_MAX_TENSOR_NAME];
    for (size_t r = 0; r < MEMBERS; r++) {
        LENET_TRY(get_both(c, got, want, r * c->device.net.topology.stride + layer->w, total));
        snprintf(name, sizeof name, "%s%s.weight", prefix, layer->spec.name);
        note_part(c, name, quantity, 0, layer->w_count, total);
        snprintf(name, sizeof name, "%s%s.bias", prefix, layer->spec.name);
        note_part(c, name, quantity, layer->b - layer->w, layer->b_count, total);
    }
    return LENET_OK;
}

static enum lenet_status compare_params(struct crosscheck *c, const char *prefix, const char *quantity, const void *got,
                                        const void *want) {
    const struct lenet_topology *topology = &c->device.net.topology;
    for (int l = 0; got && l < topology->layer_count; l++)
        if (topology->layers[l].w_count) LENET_TRY(compare_layer(c, &topology->layers[l], prefix, quantity, got, want));
    return LENET_OK;
}

/* Labels and predictions, [R][N] bytes. */
static enum lenet_status compare_bytes(struct crosscheck *c, const char *tensor, const uint8_t *got,
                                       const uint8_t *want) {
    uint8_t bytes[2][MEMBERS * PADDED];
    const size_t count = MEMBERS * (size_t)c->device.net.N;
    LENET_TRY(c->device.backend->download(c->device.ctx, bytes[0], got, count));
    LENET_TRY(c->reference.backend->download(c->reference.ctx, bytes[1], want, count));
    for (size_t i = 0; i < count; i++) {
        c->got[i] = bytes[0][i];
        c->want[i] = bytes[1][i];
    }
    note(c, tensor, "value", count);
    return LENET_OK;
}

static enum lenet_status compare_losses(struct crosscheck *c) {
    struct lenet_tally got[MEMBERS], want[MEMBERS];
    LENET_TRY(c->device.backend->download(c->device.ctx, got, c->device.net.tally, sizeof got));
    LENET_TRY(c->reference.backend->download(c->reference.ctx, want, c->reference.net.tally, sizeof want));
    for (int r = 0; r < MEMBERS; r++) {
        const double values[2][4] = {
            {got[r].loss, (double)got[r].count, (double)got[r].correct, (double)got[r].nonfinite},
            {want[r].loss, (double)want[r].count, (double)want[r].correct, (double)want[r].nonfinite}};
        memcpy(c->got, values[0], sizeof values[0]);
        memcpy(c->want, values[1], sizeof values[1]);
        note(c, "losses", "value", 4);
    }
    return LENET_OK;
}

/* ---- one step on both sides, layer by layer -------------------------------------------------------------- */

/* "S2", "S2 scaled" for its coefficients and biases, "S2 activated" for the activation that follows. */
static const char *layer_name(const struct lenet_topology *topology, int l, char name[LENET_MAX_TENSOR_NAME]) {
    const enum lenet_layer_kind kind = topology->layers[l].spec.kind;
    strcpy(name, topology->layers[kind == LENET_ACTIVATION ? l - 1 : l].spec.name);
    return strcat(name, kind == LENET_ACTIVATION ? " activated" : kind == LENET_SCALE ? " scaled" : "");
}

static enum lenet_status check_forward(struct crosscheck *c) {
    struct lenet_network *device = &c->device.net, *reference = &c->reference.net;
    const struct lenet_topology *topology = &device->topology;
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(lenet_network_draw(device, &c->device.data.train));
    LENET_TRY(lenet_network_draw(reference, &c->reference.data.train));
    LENET_TRY(compare_bytes(c, "labels", device->label, reference->label));
    LENET_TRY(compare_and_take_over(c, "input", device->x, reference->x, lenet_layer_inputs(&topology->layers[0])));
    for (int l = 0; l < topology->layer_count; l++) {
        LENET_TRY(lenet_network_forward_layer(device, l));
        LENET_TRY(lenet_network_forward_layer(reference, l));
        LENET_TRY(compare_and_take_over(c, layer_name(topology, l, name), device->y[l], reference->y[l],
                                        lenet_layer_outputs(&topology->layers[l])));
    }
    return LENET_OK;
}

static enum lenet_status check_backward(struct crosscheck *c) {
    struct lenet_network *device = &c->device.net, *reference = &c->reference.net;
    const struct lenet_topology *topology = &device->topology;
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(lenet_network_loss(device, 1));
    LENET_TRY(lenet_network_loss(reference, 1));
    LENET_TRY(compare_losses(c));
    LENET_TRY(compare_bytes(c, "predictions", device->predicted, reference->predicted));
    for (int l = topology->layer_count - 1; l >= 0; l--) {
        LENET_TRY(compare_units(c, layer_name(topology, l, name), "gradient", lenet_network_gradient(device, l),
                                lenet_network_gradient(reference, l), lenet_layer_outputs(&topology->layers[l])));
        LENET_TRY(lenet_network_backward_layer(device, l));
        LENET_TRY(lenet_network_backward_layer(reference, l));
    }
    LENET_TRY(
        compare_units(c, "input", "gradient", device->dx, reference->dx, lenet_layer_inputs(&topology->layers[0])));
    return compare_params(c, "", "gradient", device->dw, reference->dw);
}

static enum lenet_status check_update(struct crosscheck *c) {
    const struct lenet_network *device = &c->device.net, *reference = &c->reference.net;
    LENET_TRY(lenet_network_update(&c->device.net));
    LENET_TRY(lenet_network_update(&c->reference.net));
    LENET_TRY(compare_params(c, "", "after update", device->w, reference->w));
    if (device->optimizer == LENET_SDLM) return LENET_OK; /* whose m has been compared, as the curvature */
    LENET_TRY(compare_params(c, "m of ", "after update", device->m, reference->m));
    return compare_params(c, "v of ", "after update", device->v, reference->v);
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

/* Everything a step reads: initial weights and settings, the same on both sides. */
static enum lenet_status fill(struct side *side, uint64_t seed, const struct lenet_config *config) {
    struct lenet_network *net = &side->net;
    struct lenet_hyper hyper[MEMBERS];
    /* Steps that learn something, and are small enough for rounding not to grow in ten of them, even from the printed
     * initial weights of 1998: distances to RBF targets are far steeper than a softmax. A smaller epsilon, and AdamW
     * makes steps of nothing but rounding. */
    const int is_sdlm = net->optimizer == LENET_SDLM;
    const int has_rbf = net->topology.layers[net->topology.layer_count - 1].spec.kind == LENET_RBF;
    const float rate = is_sdlm ? 5e-5f : has_rbf ? 1e-4f : net->optimizer == LENET_ADAMW ? 1e-3f : 1e-2f;
    const float epsilon = is_sdlm ? 0.02f : 1e-5f;
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
    return side->backend->upload(side->ctx, net->hyper, hyper, sizeof hyper);
}

static enum lenet_status open_side(struct side *side, const struct lenet_topology *topology,
                                   const struct lenet_dataset *data, const struct lenet_config *config, int B,
                                   uint64_t seed, struct lenet_error *err) {
    const struct lenet_network_options options = {.topology = topology,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = MEMBERS,
                                                  .B = B,
                                                  .input_gradient = 1};
    LENET_TRY(lenet_device_data_create(side->backend, side->ctx, data, lenet_config_scaling(config, data),
                                       topology->arch->field, &side->data, err));
    LENET_TRY(lenet_network_create(side->backend, side->ctx, &options, &side->net, err));
    return fill(side, seed, config);
}

static void close_side(struct side *side) {
    if (side->net.backend) lenet_network_free(&side->net);
    lenet_device_data_free(side->backend, side->ctx, &side->data);
}

static size_t largest_tensor(const struct lenet_topology *topology, int N) {
    size_t largest = lenet_layer_inputs(&topology->layers[0]);
    for (int l = 0; l < topology->layer_count; l++)
        if (lenet_layer_outputs(&topology->layers[l]) > largest) largest = lenet_layer_outputs(&topology->layers[l]);
    largest *= MEMBERS * (size_t)N;
    return largest > topology->stride ? largest : topology->stride;
}

/* sdlm's m: from the first batch, twice, so that a mean is taken. */
static enum lenet_status check_curvature(struct crosscheck *c) {
    if (c->device.net.optimizer != LENET_SDLM) return LENET_OK;
    LENET_TRY(check_forward(c));
    for (int i = 0; i < 2; i++) {
        LENET_TRY(lenet_network_add_curvature(&c->device.net, i, 2));
        LENET_TRY(lenet_network_add_curvature(&c->reference.net, i, 2));
    }
    return compare_params(c, "", "curvature", c->device.net.m, c->reference.net.m);
}

static enum lenet_status check_steps(struct crosscheck *c) {
    LENET_TRY(check_curvature(c));
    for (int step = 0; step < c->result->steps; step++) {
        LENET_TRY(check_forward(c));
        LENET_TRY(check_backward(c));
        LENET_TRY(check_update(c));
    }
    return LENET_OK;
}

static enum lenet_status judge(struct lenet_crosscheck *result, struct lenet_error *err) {
    const struct lenet_crosscheck_row *failed = NULL;
    for (struct lenet_crosscheck_row *row = result->rows; row < result->rows + result->n; row++) {
        row->passed = row->norm_error <= result->norm_bound && row->max_error <= result->max_bound; /* NaN fails */
        if (!row->passed && !failed) failed = row;
    }
    if (!failed) return LENET_OK;
    return lenet_fail(err, LENET_ERR_CHECK,
                      "%s (%s) on %s is not what the CPU computes in double: error %.3g of the norm, %.3g of the "
                      "largest value; bounds %.3g and %.3g",
                      failed->tensor, failed->quantity, result->backend, failed->norm_error, failed->max_error,
                      result->norm_bound, result->max_bound);
}

enum lenet_status lenet_crosscheck_run(const struct lenet_device *device, const struct lenet_config *config, int steps,
                                       struct lenet_crosscheck *result, struct lenet_error *err) {
    struct lenet_topology topology;
    struct lenet_dataset data = {0};
    struct crosscheck c = {.device = {.backend = device->backend, .ctx = device->ctx},
                           .reference = {.backend = lenet_backend_cpu64()},
                           .result = result};
    *result = (struct lenet_crosscheck){.backend = device->backend->name,
                                        .seed = config->seed ? config->seed : (int64_t)time(NULL),
                                        .steps = steps,
                                        .norm_bound = config->tf32 ? TF32_NORM_BOUND : NORM_BOUND,
                                        .max_bound = config->tf32 ? TF32_MAX_BOUND : MAX_BOUND};
    LENET_TRY(lenet_config_topology(config, LENET_MAX_CLASSES, &topology, err));
    const struct lenet_open_options options = lenet_open_options_of(config);
    LENET_TRY(c.reference.backend->open(&c.reference.ctx, &options, err));
    enum lenet_status status = lenet_dataset_random((uint64_t)result->seed, IMAGES, SIDE, &data);
    const int B = device->backend->lanes == 1 ? PADDED : BATCH;
    if (status == LENET_OK) status = open_side(&c.device, &topology, &data, config, B, (uint64_t)result->seed, err);
    if (status == LENET_OK) status = open_side(&c.reference, &topology, &data, config, B, (uint64_t)result->seed, err);
    if (status == LENET_OK) {
        const size_t bytes = largest_tensor(&topology, c.device.net.N) * sizeof(double);
        c.got = malloc(bytes);
        c.want = malloc(bytes);
        status = c.got && c.want ? check_steps(&c) : LENET_ERR_MEMORY;
    }
    if (status == LENET_OK) status = judge(result, err);
    free(c.got);
    free(c.want);
    close_side(&c.device);
    close_side(&c.reference);
    lenet_dataset_free(&data);
    c.reference.backend->close(c.reference.ctx);
    return status;
}
