/* bench.c - how long a training step takes, whole and taken apart.
 *
 * Each operation is timed inside real training steps, through a backend that wraps
 * every entry of the table: there is no list of benchmarks that could forget one. */
#include "lenet/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lenet/network.h"
#include "net/passes.h"
#include "train/settings.h"

enum { WARM_UP = 20, ROUNDS = 10, STEPS = 20, IMAGES = 4096, SIDE = 28 };

/* Where work is enqueued, as on a GPU, waiting takes longer than a small operation: there so many are measured at a
 * time. */
static int at_once(const struct lenet_backend *backend) { return backend->record ? 20 : 1; }

/* ---- a backend that times another one ------------------------------------------------------- */

struct timed_ctx {
    const struct lenet_backend *inner;
    struct lenet_ctx *ctx;
    uint64_t *sync; /* on the device: downloading it waits for the operation */
    int call, step; /* of this step; of all timed steps */
    struct lenet_bench_row rows[LENET_MAX_BENCH_ROWS];
    double seconds[LENET_MAX_BENCH_ROWS][ROUNDS * STEPS];
};

/* Floating-point operations of the matrix product of R networks and N images: forward as backward, by input and by
 * parameters, each weight meets each pixel of the output. */
static double conv_flops(const struct conv_forward *a) {
    const double weights = (double)a->O * a->C * a->K * a->K, pixels = (double)(a->H - a->K + 1) * (a->W - a->K + 1);
    return 2.0 * a->R * a->N * weights * pixels;
}
static double dense_flops(const struct dense_forward *a) { return 2.0 * a->R * a->N * (double)a->I * a->O; }

/* Of any operation: those without a matrix product have none. */
static double flops_of(const char *name, const void *args) {
#define CONV(op)                                                                                                       \
    if (strcmp(name, #op) == 0) {                                                                                      \
        const struct op *a = args;                                                                                     \
        return conv_flops(                                                                                             \
            &(struct conv_forward){.R = a->R, .N = a->N, .C = a->C, .H = a->H, .W = a->W, .O = a->O, .K = a->K});      \
    }
#define DENSE(op)                                                                                                      \
    if (strcmp(name, #op) == 0) {                                                                                      \
        const struct op *a = args;                                                                                     \
        return dense_flops(&(struct dense_forward){.R = a->R, .N = a->N, .I = a->I, .O = a->O});                       \
    }
    CONV(conv_forward)
    CONV(conv_backward_input)
    CONV(conv_backward_params)
    CONV(conv_maxpool_forward)
    CONV(conv_maxpool_backward_params)
    DENSE(dense_forward)
    DENSE(dense_backward_input)
    DENSE(dense_backward_params)
    return 0;
}

static void record(struct timed_ctx *t, const char *name, double flops, double seconds) {
    if (t->call >= LENET_MAX_BENCH_ROWS) return;
    struct lenet_bench_row *row = &t->rows[t->call];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->flops = flops;
    t->seconds[t->call++][t->step] = seconds;
}

#define X(op)                                                                                                          \
    static enum lenet_status timed_##op(struct lenet_ctx *ctx, const struct op *args) {                                \
        struct timed_ctx *t = (struct timed_ctx *)(void *)ctx;                                                         \
        uint64_t step;                                                                                                 \
        const int times = at_once(t->inner);                                                                           \
        const double began = lenet_now();                                                                              \
        for (int i = 0; i < times; i++) LENET_TRY(t->inner->op(t->ctx, args));                                         \
        LENET_TRY(t->inner->download(t->ctx, &step, t->sync, sizeof step));                                            \
        record(t, #op, flops_of(#op, args), (lenet_now() - began) / times);                                            \
        return LENET_OK;                                                                                               \
    }
LENET_OPS(X)
#undef X

#define X(op) .op = timed_##op,
static const struct lenet_backend timed = {LENET_OPS(X)};
#undef X

/* ---- measuring -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

/* Runs training steps, recorded where the backend can, and fills seconds[count] with the time of one. */
static enum lenet_status time_steps(struct lenet_network *net, const struct lenet_source *source, int count,
                                    double *seconds) {
    const int steps = at_once(net->backend);
    uint64_t step;
    for (int i = 0; i < count; i++) {
        const double began = lenet_now();
        LENET_TRY(lenet_network_steps(net, source, steps));
        LENET_TRY(net->backend->download(net->ctx, &step, net->step, sizeof step));
        seconds[i] = (lenet_now() - began) / steps;
    }
    return LENET_OK;
}

/* The same steps, taken apart. */
static enum lenet_status time_operations(struct timed_ctx *t, const struct lenet_network *net,
                                         const struct lenet_source *source) {
    struct lenet_backend wrapper = timed;
    struct lenet_network copy = *net;
    wrapper.element_size = net->backend->element_size;
    copy.backend = &wrapper;
    copy.ctx = (struct lenet_ctx *)(void *)t;
    for (int i = 0; i < STEPS; i++, t->step++) {
        t->call = 0;
        LENET_TRY(lenet_network_step(&copy, source));
    }
    return LENET_OK;
}

/* In rounds of all three measurements, so that a machine whose speed drifts drifts for each of them. The peak is
 * the best round's: a ceiling. */
static enum lenet_status time_rounds(struct lenet_network *net, const struct lenet_source *source, struct timed_ctx *t,
                                     struct lenet_bench *result) {
    double seconds[ROUNDS * STEPS];
    t->inner = net->backend;
    t->ctx = net->ctx;
    t->sync = net->step;
    LENET_TRY(time_steps(net, source, WARM_UP, seconds));
    for (int round = 0; round < ROUNDS; round++) {
        double peak;
        LENET_TRY(net->backend->measure_peak(net->ctx, &peak));
        if (peak > result->peak_flops) result->peak_flops = peak;
        LENET_TRY(time_steps(net, source, STEPS, seconds + round * STEPS));
        LENET_TRY(time_operations(t, net, source));
    }
    result->n = t->call;
    for (int i = 0; i < t->call; i++) {
        result->rows[i] = t->rows[i];
        result->rows[i].seconds = median(t->seconds[i], ROUNDS * STEPS);
    }
    result->step_seconds = median(seconds, ROUNDS * STEPS);
    result->fastest_step_seconds = seconds[0]; /* median has sorted them */
    return LENET_OK;
}

/* ---- the network that is measured ----------------------------------------------------------------- */

struct bench {
    struct lenet_device device;
    struct lenet_topology topology;
    struct lenet_device_data data;
    struct lenet_network net;
};

static enum lenet_status fill(struct bench *b, const struct lenet_config *config) {
    float *w = calloc(b->topology.stride, sizeof *w);
    enum lenet_status status = w ? LENET_OK : LENET_ERR_MEMORY;
    for (int r = 0; r < b->net.R && status == LENET_OK; r++) {
        /* A low rate, and an epsilon for sdlm, whose m stays 0: an update that is measured many times over must not end
         * in NaN. */
        const struct lenet_hyper hyper = {
            .seed = (uint64_t)r + 1, .train_count = IMAGES, .learning_rate = 1e-5f, .momentum = 0.9f, .epsilon = 0.02f};
        lenet_topology_init(&b->topology, (enum lenet_init)config->init, hyper.seed, 1, w);
        status = lenet_network_put(&b->net, b->net.w, r, w);
        if (status == LENET_OK) status = b->net.backend->upload(b->net.ctx, b->net.hyper + r, &hyper, sizeof hyper);
    }
    free(w);
    return status;
}

static enum lenet_status open_network(struct bench *b, const struct lenet_config *config, struct lenet_error *err) {
    const struct lenet_backend *be = lenet_device_backend_for(&b->device, (int)config->batch);
    const struct lenet_network_options options = {.topology = &b->topology,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = (int)config->networks,
                                                  .B = (int)config->batch};
    struct lenet_dataset data;
    LENET_TRY(lenet_dataset_random(1, IMAGES, SIDE, &data));
    enum lenet_status status = lenet_device_data_create(be, b->device.ctx, &data, lenet_config_scaling(config, &data),
                                                        b->topology.arch->field, &b->data, err);
    lenet_dataset_free(&data);
    LENET_TRY(status);
    LENET_TRY(lenet_network_create(be, b->device.ctx, &options, &b->net, err));
    return fill(b, config);
}

/* Calls measure with a network as config says. */
static enum lenet_status with_network(const struct lenet_config *config,
                                      enum lenet_status (*measure)(struct bench *, void *result), void *result,
                                      struct lenet_error *err) {
    struct bench b;
    memset(&b, 0, sizeof b);
    if (config->batch > IMAGES)
        return lenet_fail(err, LENET_ERR_ARG, "--batch %lld: bench has %d images; wanted at most so many",
                          (long long)config->batch, IMAGES);
    LENET_TRY(lenet_config_topology(config, LENET_DIGITS, &b.topology, err));
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &b.device, err));
    enum lenet_status status = open_network(&b, config, err);
    if (status == LENET_OK) status = measure(&b, result);
    if (b.net.backend) lenet_network_free(&b.net);
    lenet_device_data_free(lenet_device_backend_for(&b.device, (int)config->batch), b.device.ctx, &b.data);
    status = lenet_device_explain(&b.device, status, err);
    lenet_device_close(&b.device);
    return status;
}

/* ---- training ------------------------------------------------------------------------------------- */

static enum lenet_status measure_training(struct bench *b, void *into) {
    struct lenet_bench *result = into;
    const double images = (double)b->net.R * (double)b->net.B;
    struct timed_ctx *t = calloc(1, sizeof *t);
    const enum lenet_status status = t ? time_rounds(&b->net, &b->data.train, t, result) : LENET_ERR_MEMORY;
    free(t);
    result->backend = b->device.backend->name;
    result->images_per_s = images / result->step_seconds;
    result->step_flops = lenet_topology_flops(&b->topology, 1) * images;
    return status;
}

enum lenet_status lenet_bench_run(const struct lenet_config *config, struct lenet_bench *result,
                                  struct lenet_error *err) {
    *result = (struct lenet_bench){0};
    return with_network(config, measure_training, result, err);
}

/* ---- answers -------------------------------------------------------------------------------------- */

enum { MOST_PASSES = 10000 };
#define MOST_SECONDS 2

static enum lenet_status answer(struct lenet_network *net, const struct lenet_source *source, uint32_t first,
                                void *outputs, size_t bytes) {
    LENET_TRY(RUN(batch_slice, .R = net->R, .N = net->N, .B = net->B, .source = *source, .first = first,
                  .end = source->count, .x = net->x, .label = net->label));
    LENET_TRY(lenet_network_forward(net));
    return net->backend->download(net->ctx, outputs, net->y[net->topology.layer_count - 1], bytes);
}

static enum lenet_status time_answers(struct bench *b, double *seconds, int *n, void *outputs, size_t bytes) {
    const uint32_t batches = (uint32_t)(IMAGES / b->net.B);
    const double began = lenet_now();
    for (int i = 0; i < WARM_UP; i++) LENET_TRY(answer(&b->net, &b->data.train, 0, outputs, bytes));
    for (*n = 0; *n < MOST_PASSES && lenet_now() - began < MOST_SECONDS; ++*n) {
        const double now = lenet_now();
        LENET_TRY(answer(&b->net, &b->data.train, (uint32_t)*n % batches * (uint32_t)b->net.B, outputs, bytes));
        seconds[*n] = lenet_now() - now;
    }
    return LENET_OK;
}

static enum lenet_status measure_forward(struct bench *b, void *into) {
    struct lenet_bench_forward *result = into;
    const size_t values = (size_t)b->net.R * (size_t)b->net.N * (size_t)b->topology.classes;
    const size_t bytes = values * b->net.backend->element_size;
    double *seconds = malloc(MOST_PASSES * sizeof *seconds);
    void *outputs = malloc(bytes);
    enum lenet_status status = seconds && outputs ? LENET_OK : LENET_ERR_MEMORY;
    if (status == LENET_OK) status = time_answers(b, seconds, &result->n, outputs, bytes);
    if (status == LENET_OK && result->n > 0) {
        result->backend = b->device.backend->name;
        result->median = median(seconds, result->n); /* which sorts them */
        result->p99 = seconds[result->n * 99 / 100];
        result->fastest = seconds[0];
        result->images_per_s = (double)b->net.R * (double)b->net.B / result->median;
    }
    free(seconds);
    free(outputs);
    return status;
}

enum lenet_status lenet_bench_forward(const struct lenet_config *config, struct lenet_bench_forward *result,
                                      struct lenet_error *err) {
    *result = (struct lenet_bench_forward){0};
    return with_network(config, measure_forward, result, err);
}
