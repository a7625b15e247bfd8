/* gradcheck.c - is the gradient of every parameter and of the input the slope of the loss? All in double.
 *
 * With f(k) the loss with an entry moved by k*h, the slope is taken as (8 (f(1)-f(-1)) - (f(2)-f(-2))) / 12h. It is off
 * by the slope's fifth-order term, h^4 f^(5) / 30, by what rounding does to the losses, and by kinks: of ReLU and of a
 * maximum, within the step. The first and the last show themselves, without a look at the gradient under test. The
 * differences over h and over 2h disagree by h^2 f^(3) / 2 or a part of the kink, and so does the fourth difference. An
 * entry where they do is tried again with a smaller step.
 *
 * Where the network is smooth, h = 1e-3. A step of that size would cross kinks in every difference, so that with ReLU
 * and maximum h = 1e-5; an entry that has a kink even within the smallest step is left out, and another one taken.
 *
 * What rounding does to a loss follows from the size of the sums behind it. */
#include "lenet/gradcheck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "lenet/network.h"
#include "train/settings.h"

/* How a kind of network is checked: the step, the smallest one that is tried instead, the disagreement of differences
 * that is no reason to, and the error that is left to everything but rounding; these as fractions of the slope.
 * Smooth: where derivatives grow by a factor s from one to the next, as of sin(s x), (h s)^4 / 30 is 5e-13 when
 * (h s)^2 / 2 is 2e-6. Those of tanh grow faster, to 8 s^3 and 16 s^4: 5e-9. Kinked: one kink moves the slope by at
 * most 4/3 of the disagreement. */
struct method {
    double step, smallest_step, disagreement, bound;
};
static const struct method SMOOTH = {.step = 1e-3, .smallest_step = 1e-6, .disagreement = 2e-6, .bound = 1e-7};
static const struct method KINKED = {.step = 1e-5, .smallest_step = 1e-8, .disagreement = 1e-6, .bound = 1e-5};
enum { STEP_RATIO = 8 };

/* A sum of n terms of one sign, each addition rounded up or down by 0.4 * 2^-53 of what is there already, is off by
 * 0.23 sqrt(n) * 2^-53 of the terms' size, in the mean of many: by 6 for the 784 of the longest sum here. Terms of both
 * signs make it less. */
static const double ROUNDING = 6 * 0x1p-53;

/* More kinks than this, and the check says nothing. A few are chance. Weights and images that give a tensor more are
 * drawn for one in some thousand networks with few entries; three times in turn is no chance. */
static const double MOST_KINKS = 0.25, FEW_KINKS = 3;
enum { MOST_DRAWS = 3 };

struct checker {
    struct lenet_network net, terms; /* the one that is checked; of the size of its sums' terms */
    int images;
    const struct method *method;
    double loss, rounding; /* of the network as it is; by so much any loss may be off */
    uint64_t seed, drawn;  /* random numbers drawn so far                             */
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

/* ---- rounding ------------------------------------------------------------------------------------------ */

static enum lenet_status get(const struct lenet_network *net, const void *tensor, size_t count, double *values) {
    return net->backend->download(net->ctx, values, tensor, count * sizeof *values);
}

/* The same values without their signs, in another network. */
static enum lenet_status put_sizes(struct checker *c, const void *tensor, void *sizes, size_t count, double *values) {
    LENET_TRY(get(&c->net, tensor, count, values));
    for (size_t i = 0; i < count; i++) values[i] = fabs(values[i]);
    return c->terms.backend->upload(c->terms.ctx, sizes, values, count * sizeof *values);
}

/* Adds to *sum what the rounding of layer l's outputs does to the loss, squared: each is off by a fraction of the size
 * of its terms, which the layer gives for inputs and weights without their signs (or of itself, where it is a
 * distance), and moves the loss by its gradient times that. */
static enum lenet_status add_layer(struct checker *c, int l, double *x, double *y, double *sum) {
    struct lenet_network *net = &c->net;
    const struct lenet_layer *layer = &net->topology.layers[l];
    const size_t N = (size_t)net->N, outputs = lenet_layer_outputs(layer) * N;
    LENET_TRY(
        put_sizes(c, l ? net->y[l - 1] : net->x, l ? c->terms.y[l - 1] : c->terms.x, lenet_layer_inputs(layer) * N, x));
    LENET_TRY(lenet_network_forward_layer(&c->terms, l));
    LENET_TRY(get(&c->terms, c->terms.y[l], outputs, x));
    LENET_TRY(get(net, net->y[l], outputs, y));
    for (size_t i = 0; i < outputs; i++) x[i] = fmax(x[i], fabs(y[i]));
    LENET_TRY(get(net, lenet_network_gradient(net, l), outputs, y));
    for (size_t i = 0; i < outputs; i++) *sum += x[i] * y[i] * x[i] * y[i];
    return lenet_network_backward_layer(net, l);
}

static size_t most_values(const struct lenet_network *net) {
    size_t most = net->topology.stride;
    for (int l = 0; l < net->topology.layer_count; l++) {
        const struct lenet_layer *layer = &net->topology.layers[l];
        const size_t inputs = lenet_layer_inputs(layer) * (size_t)net->N;
        const size_t outputs = lenet_layer_outputs(layer) * (size_t)net->N;
        most = most > inputs ? most : inputs;
        most = most > outputs ? most : outputs;
    }
    return most;
}

/* Computes every gradient, and from them c->rounding. Roundings of many sums are as often up as down, and add up as
 * squares. The loss itself is a difference of two outputs, and a mean: 2 * 2^-53 of these. */
static enum lenet_status backward(struct checker *c) {
    struct lenet_network *net = &c->net;
    double *x = malloc(most_values(net) * sizeof *x), *y = malloc(most_values(net) * sizeof *y), sum = 0, largest = 0;
    const int last = net->topology.layer_count - 1;
    const size_t outputs = (size_t)(net->topology.classes * net->N);
    enum lenet_status status = x && y ? LENET_OK : LENET_ERR_MEMORY;
    if (status == LENET_OK) status = mean_loss(c, &c->loss);
    if (status == LENET_OK) status = put_sizes(c, net->w, c->terms.w, net->topology.stride, x);
    if (status == LENET_OK) status = lenet_network_loss(net, 1);
    if (status == LENET_OK) status = get(net, net->y[last], outputs, y);
    for (size_t i = 0; i < outputs && status == LENET_OK; i++) largest = fmax(largest, fabs(y[i]));
    for (int l = last; l >= 0 && status == LENET_OK; l--) status = add_layer(c, l, x, y, &sum);
    c->rounding = ROUNDING * sqrt(sum) + 2 * 0x1p-53 * (largest + fabs(c->loss));
    free(x);
    free(y);
    return status;
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
    if (status == LENET_OK) status = backward(c);
    free(values);
    free(labels);
    free(w);
    return status;
}

/* ---- slopes -------------------------------------------------------------------------------------------- */

struct slope {
    double value, tolerance;
    int kink; /* 1: there is one even within the smallest step */
};

/* The numerical slope along one entry, whose value is given, by a step. */
static enum lenet_status try_step(struct checker *c, void *entry, double value, double h, struct slope *slope) {
    const struct lenet_network *net = &c->net;
    double f[5] = {0, 0, c->loss, 0, 0};
    for (int k = -2; k <= 2; k++) {
        const double moved = value + k * h;
        if (k == 0) continue;
        LENET_TRY(net->backend->upload(net->ctx, entry, &moved, sizeof moved));
        LENET_TRY(mean_loss(c, &f[k + 2]));
    }
    const double narrow = (f[3] - f[1]) / (2 * h), wide = (f[4] - f[0]) / (4 * h);
    const double fourth = (f[4] - 4 * f[3] + 6 * f[2] - 4 * f[1] + f[0]) / (4 * h), rounding = c->rounding / h;
    const double disagreement = fmax(fabs(narrow - wide), fabs(fourth));
    slope->value = (4 * narrow - wide) / 3;
    /* Of rounding, 1.5 in the slope, 1.5 and 4 in the disagreements: the most that five losses can do. */
    slope->tolerance = c->method->bound * fabs(slope->value) + 8 * rounding;
    slope->kink = !(disagreement <= c->method->disagreement * fabs(slope->value) + 4 * rounding);
    return LENET_OK;
}

static enum lenet_status slope_at(struct checker *c, void *entry, struct slope *slope) {
    const struct lenet_network *net = &c->net;
    double value, h = c->method->step;
    LENET_TRY(get(net, entry, 1, &value));
    LENET_TRY(try_step(c, entry, value, h, slope));
    while (slope->kink && (h /= STEP_RATIO) >= c->method->smallest_step) LENET_TRY(try_step(c, entry, value, h, slope));
    return net->backend->upload(net->ctx, entry, &value, sizeof value);
}

static int says_nothing(const struct lenet_check *check) {
    const double kinks = (double)check->kinks, all = kinks + (double)check->entries;
    return check->entries == 0 || kinks > FEW_KINKS + MOST_KINKS * all;
}

/* Checks entries of a tensor of `size` values: a random choice, or all that exist. Parameters begin at `first` of the
 * network's; images lie in padded batches. */
static enum lenet_status check_tensor(struct checker *c, void *tensor, const void *gradient, uint64_t size,
                                      size_t first, int padded, int64_t entries, struct lenet_check *check) {
    const struct lenet_network *net = &c->net;
    const struct lenet_bijection order =
        lenet_bijection_make(c->seed, LENET_RNG_CHECK, (uint32_t)c->drawn++, (uint32_t)size);
    double difference = 0, numerical = 0, analytical = 0, tolerance = 0;
    check->size = check->entries = check->kinks = 0;
    for (size_t at = 0; at < size; at++) check->size += padded || lenet_parameter_exists(&net->topology, first + at);
    for (uint64_t i = 0; i < size && !(entries && check->entries == (uint64_t)entries); i++) {
        uint64_t at = lenet_permute(&order, (uint32_t)i);
        if (!padded && !lenet_parameter_exists(&net->topology, first + (size_t)at)) continue;
        if (padded)
            at = lenet_value_at(net->backend, net->N, (size_t)(size / (uint64_t)c->images),
                                (size_t)(at / (uint64_t)c->images), (int)(at % (uint64_t)c->images));
        struct slope slope;
        double of_entry;
        LENET_TRY(slope_at(c, (double *)tensor + at, &slope));
        LENET_TRY(get(net, (const double *)gradient + at, 1, &of_entry));
        check->kinks += (uint64_t)slope.kink;
        if (slope.kink) continue;
        check->entries++;
        difference += (slope.value - of_entry) * (slope.value - of_entry);
        numerical += slope.value * slope.value;
        analytical += of_entry * of_entry;
        tolerance += slope.tolerance * slope.tolerance;
    }
    const double norm = numerical > analytical ? numerical : analytical;
    check->error = difference > 0 ? sqrt(difference / norm) : difference; /* 0, or NaN */
    check->bound = norm > 0 ? sqrt(tolerance / norm) : c->method->bound;
    check->passed = check->error <= check->bound && !says_nothing(check);
    return LENET_OK;
}

/* Checks each tensor of which the weights and images before, if any, said nothing. */
static enum lenet_status check_all(struct checker *c, int64_t entries, struct lenet_gradcheck *result) {
    struct lenet_network *net = &c->net;
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    float *const base = NULL; /* offsets only */
    const int n = lenet_topology_tensors(&net->topology, "", base, tensors);
    result->n = n + 1;
    for (int i = 0; i < n; i++) {
        struct lenet_check *check = &result->checks[i];
        const size_t first = (size_t)((float *)tensors[i].data - base);
        memcpy(check->tensor, tensors[i].name, sizeof check->tensor);
        if (!says_nothing(check)) continue;
        LENET_TRY(check_tensor(c, (double *)net->w + first, (double *)net->dw + first,
                               lenet_tensor_bytes(&tensors[i]) / sizeof(float), first, 0, entries, check));
    }
    struct lenet_check *input = &result->checks[n];
    strcpy(input->tensor, "input");
    if (!says_nothing(input)) return LENET_OK;
    return check_tensor(c, net->x, net->dx, lenet_layer_inputs(&net->topology.layers[0]) * (uint64_t)c->images, 0, 1,
                        entries, input);
}

static int is_unfinished(const struct lenet_gradcheck *result) {
    for (int i = 0; i < result->n; i++)
        if (says_nothing(&result->checks[i])) return 1;
    return result->n == 0;
}

static enum lenet_status fail(const struct lenet_check *check, struct lenet_error *err) {
    if (says_nothing(check))
        return lenet_fail(err, LENET_ERR_CHECK,
                          "the gradient of %s cannot be checked: the loss has a kink next to %llu of %llu entries; "
                          "another --seed may draw better ones",
                          check->tensor, (unsigned long long)check->kinks,
                          (unsigned long long)(check->entries + check->kinks));
    return lenet_fail(err, LENET_ERR_CHECK, "the gradient of %s is not the slope of the loss: error %.3g, bound %.3g",
                      check->tensor, check->error, check->bound);
}

enum lenet_status lenet_gradcheck_run(const struct lenet_config *config, struct lenet_gradcheck *result,
                                      struct lenet_error *err) {
    return lenet_gradcheck_backend(lenet_backend_cpu64(), config, result, err);
}

enum lenet_status lenet_gradcheck_backend(const struct lenet_backend *be, const struct lenet_config *config,
                                          struct lenet_gradcheck *result, struct lenet_error *err) {
    struct checker c = {.images = (int)config->images};
    struct lenet_topology topology;
    struct lenet_ctx *ctx;
    LENET_TRY(lenet_config_topology(config, LENET_DIGITS, &topology, err));
    *result = (struct lenet_gradcheck){.seed = config->seed ? config->seed : (int64_t)time(NULL)};
    c.seed = (uint64_t)result->seed;
    const int has_kinks = config->activation == LENET_RELU || config->pooling == LENET_POOL_MAX;
    c.method = topology.layer_count > 1 && has_kinks ? &KINKED : &SMOOTH;
    result->step = c.method->step;
    const struct lenet_open_options open_options = lenet_open_options_of(config);
    LENET_TRY(be->open(&ctx, &open_options, err));
    const struct lenet_network_options options = {
        .topology = &topology, .optimizer = LENET_SGD, .R = 1, .B = c.images, .input_gradient = 1, .by_layer = 1};
    enum lenet_status status = lenet_network_create(be, ctx, &options, &c.net, err);
    if (status == LENET_OK) status = lenet_network_create(be, ctx, &options, &c.terms, err);
    for (int draw = 0; draw < MOST_DRAWS && status == LENET_OK && is_unfinished(result); draw++) {
        status = prepare(&c, config);
        if (status == LENET_OK && !isfinite(c.rounding))
            status = lenet_fail(err, LENET_ERR_CHECK, "an output or a gradient is NaN or infinite");
        if (status == LENET_OK) status = check_all(&c, config->entries, result);
    }
    if (c.net.backend) lenet_network_free(&c.net);
    if (c.terms.backend) lenet_network_free(&c.terms);
    be->close(ctx);
    LENET_TRY(status);
    for (int i = 0; i < result->n; i++)
        if (!result->checks[i].passed) return fail(&result->checks[i], err);
    return LENET_OK;
}
