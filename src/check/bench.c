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

static enum lenet_status measure(const struct lenet_device *device, const struct lenet_config *config,
                                 const struct lenet_topology *topology, const struct lenet_dataset *data,
                                 struct lenet_bench *result, struct lenet_error *err) {
    const int R = (int)config->networks;
    const struct lenet_backend *be = lenet_device_backend_for(device, (int)config->batch);
    const struct lenet_network_options options = {
        .topology = topology, .optimizer = (enum lenet_optimizer)config->optimizer, .R = R, .B = (int)config->batch};
    struct lenet_device_data device_data = {0};
    struct lenet_network net = {0};
    float *w = calloc(topology->stride, sizeof *w);
    struct timed_ctx *t = calloc(1, sizeof *t);
    enum lenet_status status = w && t ? LENET_OK : LENET_ERR_MEMORY;
    if (status == LENET_OK)
        status = lenet_device_data_create(be, device->ctx, data, lenet_config_scaling(config, data),
                                          topology->arch->field, &device_data, err);
    if (status == LENET_OK) status = lenet_network_create(be, device->ctx, &options, &net, err);
    for (int r = 0; r < net.R && status == LENET_OK; r++) {
        /* A low rate, and an epsilon for sdlm, whose m stays 0: an update that is measured many times over must not end
         * in NaN. */
        const struct lenet_hyper hyper = {
            .seed = (uint64_t)r + 1, .train_count = IMAGES, .learning_rate = 1e-5f, .momentum = 0.9f, .epsilon = 0.02f};
        lenet_topology_init(topology, (enum lenet_init)config->init, hyper.seed, 1, w);
        status = lenet_network_put(&net, net.w, r, w);
        if (status == LENET_OK) status = be->upload(net.ctx, net.hyper + r, &hyper, sizeof hyper);
    }
    if (status == LENET_OK) status = time_rounds(&net, &device_data.train, t, result);
    if (net.backend) lenet_network_free(&net);
    lenet_device_data_free(be, device->ctx, &device_data);
    free(w);
    free(t);
    result->backend = device->backend->name;
    result->images_per_s = (double)R * (double)config->batch / result->step_seconds;
    result->step_flops = lenet_topology_flops(topology, 1) * (double)R * (double)config->batch;
    return status;
}

enum lenet_status lenet_bench_run(const struct lenet_config *config, struct lenet_bench *result,
                                  struct lenet_error *err) {
    struct lenet_device device;
    struct lenet_topology topology;
    struct lenet_dataset data;
    if (config->batch > IMAGES)
        return lenet_fail(err, LENET_ERR_ARG, "--batch %lld: bench has %d images; wanted at most so many",
                          (long long)config->batch, IMAGES);
    *result = (struct lenet_bench){0};
    LENET_TRY(lenet_config_topology(config, LENET_DIGITS, &topology, err));
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &device, err));
    enum lenet_status status = lenet_dataset_random(1, IMAGES, SIDE, &data);
    if (status == LENET_OK) status = measure(&device, config, &topology, &data, result, err);
    status = lenet_device_explain(&device, status, err);
    lenet_dataset_free(&data);
    lenet_device_close(&device);
    return status;
}
