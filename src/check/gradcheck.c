/* gradcheck.c - see gradcheck.h.
 *
 * With f(k) the loss with an entry moved by k*h, the slope is taken as
 * (8 (f(1)-f(-1)) - (f(2)-f(-2))) / 12h, whose error is of the order h^4. Where the network is smooth h = 1e-3
 * leaves about 1e-12 of truncation and 1e-13 of rounding. ReLU and maximum have corners, and a step of that size
 * would cross some in every difference; there h = 1e-6, and an entry is left out where the differences over h
 * and 2h disagree, which a smooth loss cannot make them do. The gradient under test has no part in that. */
#include "lenet/gradcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "lenet/network.h"
#include "train/settings.h"

static const double SMOOTH_STEP = 1e-3, SMOOTH_BOUND = 1e-7;
/* Rounding: 1e-16 * loss / h = 2e-10 against gradients of 1e-3 and more. */
static const double KINKED_STEP = 1e-6, KINKED_BOUND = 1e-5;
/* Differences over h and 2h agree to the rounding of both, about 1e-9, unless there is a corner. */
static const double KINK_DISAGREEMENT = 1e-7;
/* More corners than this, and the check says nothing. */
static const double MOST_KINKS = 0.25;

struct checker {
    struct lenet_network net;
    int images, kinked;
    double h;
    uint64_t seed, drawn; /* random numbers drawn so far */
};

static double uniform(struct checker *c) {
    const uint64_t i = c->drawn++;
    return lenet_signed_unit(lenet_philox(c->seed, LENET_RNG_CHECK, 0, i / 4).v[i % 4]);
}

static enum lenet_status mean_loss(struct checker *c, double *loss) {
    struct lenet_tally tally = {0};
    const struct lenet_network *net = &c->net;
    LENET_TRY(net->backend->upload(net->ctx, net->tally, &tally, sizeof tally));
    LENET_TRY(lenet_network_forward(&c->net));
    LENET_TRY(lenet_network_loss(&c->net, 0));
    LENET_TRY(net->backend->download(net->ctx, &tally, net->tally, sizeof tally));
    *loss = tally.loss / (double)tally.count;
    return LENET_OK;
}

/* Fills weights, inputs and labels, and computes every gradient. */
static enum lenet_status prepare(struct checker *c, const struct lenet_config *config) {
    struct lenet_network *net = &c->net;
    const struct lenet_backend *be = net->backend;
    const size_t inputs = lenet_layer_inputs(&net->topology.layers[0]) * net->N;
    const size_t largest = inputs > net->topology.stride ? inputs : net->topology.stride;
    double *values = malloc(largest * sizeof *values);
    uint8_t *labels = malloc((size_t)net->N);
    float *w = malloc(net->topology.stride * sizeof *w);
    enum lenet_status status = values && labels && w ? LENET_OK : LENET_ERR_MEMORY;
    if (status == LENET_OK) {
        lenet_topology_init(&net->topology, (enum lenet_init)config->init, c->seed, (float)config->init_scale, w);
        for (size_t i = 0; i < net->topology.stride; i++) /* biases too */
            values[i] = lenet_parameter_exists(&net->topology, i) ? w[i] + 0.1 * uniform(c) : 0;
        status = be->upload(net->ctx, net->w, values, net->topology.stride * sizeof *values);
    }
    if (status == LENET_OK) {
        for (size_t i = 0; i < inputs; i++) values[i] = uniform(c);
        for (int n = 0; n < net->N; n++)
            labels[n] = n < c->images ? (uint8_t)((uniform(c) + 1) / 2 * net->topology.classes) : LENET_NO_LABEL;
        status = be->upload(net->ctx, net->x, values, inputs * sizeof *values);
    }
    if (status == LENET_OK) status = be->upload(net->ctx, net->label, labels, (size_t)net->N);
    if (status == LENET_OK) status = lenet_network_forward(net);
    if (status == LENET_OK) status = lenet_network_loss(net, 1);
    if (status == LENET_OK) status = lenet_network_backward(net);
    free(values);
    free(labels);
    free(w);
    return status;
}

/* The numerical slope along one entry of a tensor on the backend; *kink is 1 where there is a corner. */
static enum lenet_status slope_at(struct checker *c, void *entry, double *slope, int *kink) {
    const struct lenet_network *net = &c->net;
    const struct lenet_backend *be = net->backend;
    double value, f[5];
    LENET_TRY(be->download(net->ctx, &value, entry, sizeof value));
    for (int k = -2; k <= 2; k++) {
        if (k == 0) continue;
        const double moved = value + k * c->h;
        LENET_TRY(be->upload(net->ctx, entry, &moved, sizeof moved));
        LENET_TRY(mean_loss(c, &f[k + 2]));
    }
    const double narrow = (f[3] - f[1]) / (2 * c->h), wide = (f[4] - f[0]) / (4 * c->h);
    *slope = (4 * narrow - wide) / 3;
    *kink = c->kinked && !(fabs(narrow - wide) <= KINK_DISAGREEMENT + 1e-5 * fabs(narrow));
    return be->upload(net->ctx, entry, &value, sizeof value);
}

/* Checks entries of a tensor of `size` values: a random choice, or all that exist. Parameters begin at `first` of the
 * network's; images lie in padded batches. */
static enum lenet_status check_tensor(struct checker *c, void *tensor, const void *gradient, uint64_t size,
                                      size_t first, int padded, int64_t entries, struct lenet_check *check) {
    const struct lenet_network *net = &c->net;
    const struct lenet_bijection order =
        lenet_bijection_make(c->seed, LENET_RNG_CHECK, (uint32_t)c->drawn++, (uint32_t)size);
    double difference = 0, norm = 0;
    for (size_t at = 0; at < size; at++) check->size += padded || lenet_parameter_exists(&net->topology, first + at);
    for (uint64_t i = 0; i < size; i++) {
        uint64_t at = lenet_permute(&order, (uint32_t)i);
        if (!padded && !lenet_parameter_exists(&net->topology, first + (size_t)at)) continue;
        if (entries && check->entries + check->kinks == (uint64_t)entries) break;
        if (padded) at = at / (uint64_t)c->images * (uint64_t)net->N + at % (uint64_t)c->images;
        double numerical, analytical;
        int kink;
        LENET_TRY(slope_at(c, (double *)tensor + at, &numerical, &kink));
        LENET_TRY(net->backend->download(net->ctx, &analytical, (const double *)gradient + at, sizeof analytical));
        check->kinks += (uint64_t)kink;
        if (kink) continue;
        check->entries++;
        difference += (numerical - analytical) * (numerical - analytical);
        norm += numerical * numerical;
    }
    check->error = sqrt(difference / norm);
    if (difference == 0 && norm == 0) check->error = 0;
    check->bound = c->kinked ? KINKED_BOUND : SMOOTH_BOUND;
    check->passed =
        check->error <= check->bound && check->entries > 0 &&
        (double)check->kinks <= MOST_KINKS * (double)(check->entries + check->kinks); /* NaN does not pass */
    return LENET_OK;
}

static enum lenet_status check_all(struct checker *c, int64_t entries, struct lenet_gradcheck *result) {
    struct lenet_network *net = &c->net;
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    float *const base = NULL; /* offsets only */
    const int n = lenet_topology_tensors(&net->topology, "", base, tensors);
    for (int i = 0; i < n; i++) {
        struct lenet_check *check = &result->checks[result->n++];
        const size_t first = (size_t)((float *)tensors[i].data - base);
        memcpy(check->tensor, tensors[i].name, sizeof check->tensor);
        LENET_TRY(check_tensor(c, (double *)net->w + first, (double *)net->dw + first,
                               lenet_tensor_bytes(&tensors[i]) / sizeof(float), first, 0, entries, check));
    }
    struct lenet_check *input = &result->checks[result->n++];
    strcpy(input->tensor, "input");
    return check_tensor(c, net->x, net->dx, lenet_layer_inputs(&net->topology.layers[0]) * (uint64_t)c->images, 0, 1,
                        entries, input);
}

enum lenet_status lenet_gradcheck_run(const struct lenet_config *config, struct lenet_gradcheck *result,
                                      struct lenet_error *err) {
    struct checker c = {.images = (int)config->images};
    struct lenet_topology topology;
    struct lenet_ctx *ctx;
    const struct lenet_backend *be = lenet_backend_cpu64();
    LENET_TRY(lenet_config_topology(config, LENET_MAX_CLASSES, &topology, err));
    *result = (struct lenet_gradcheck){.seed = config->seed ? config->seed : (int64_t)time(NULL)};
    c.seed = (uint64_t)result->seed;
    c.kinked = topology.layer_count > 1 && (config->activation == LENET_RELU || config->pooling == LENET_POOL_MAX);
    c.h = result->step = c.kinked ? KINKED_STEP : SMOOTH_STEP;
    const struct lenet_open_options open_options = lenet_open_options_of(config);
    LENET_TRY(be->open(&ctx, &open_options, err));
    const struct lenet_network_options options = {
        .topology = &topology, .optimizer = LENET_SGD, .R = 1, .B = c.images, .input_gradient = 1};
    enum lenet_status status = lenet_network_create(be, ctx, &options, &c.net, err);
    if (status == LENET_OK) {
        status = prepare(&c, config);
        if (status == LENET_OK) status = check_all(&c, config->entries, result);
        lenet_network_free(&c.net);
    }
    be->close(ctx);
    if (status != LENET_OK) return status;
    for (int i = 0; i < result->n; i++)
        if (!result->checks[i].passed)
            return lenet_fail(err, LENET_ERR_CHECK,
                              "the gradient of %s is not the slope of the loss: error %.3g, bound %.3g",
                              result->checks[i].tensor, result->checks[i].error, result->checks[i].bound);
    return LENET_OK;
}
