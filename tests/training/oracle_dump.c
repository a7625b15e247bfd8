/* oracle_dump.c - writes down what this library computes in some training steps, for test_pytorch.py to compute again.
 *
 * usage: oracle_dump FILE MEMBERS [option of lenet train ...]
 *
 * Trains a population of MEMBERS networks for --steps steps (10 where it is not given) and writes the middle
 * member to FILE as safetensors. --device also takes cpu64, the CPU twin in double. The tensors, in the
 * backend's own type where no other is named:
 *   C1.weight, C1.bias, ...           before the first step
 *   gradient.C1.weight, ...           of the first batch's mean loss
 *   gradient.input                    [1][H][W][N], the same for x
 *   logits                            [classes][N], of the first batch
 *   trained.C1.weight, ...            after the last step
 *   stepped.C1.weight, ...            the same, of a second training by lenet_network_step as a whole
 *   batch0.x, batch1.x, ...           [1][H][W][N], images innermost
 *   batch0.label, ...                 [N] bytes; 255 marks an image that only pads the batch
 *   loss                              [steps] double, the mean over each batch
 *   rate                              [steps] float, what schedule_step has set
 * The metadata are the options that make a run what it is, by their names and as the user would write them (the
 * library rounds them to float), and warmup-steps and decay-steps, which it derives from them.
 * Exit codes: 0 done, 2 usage, 3 anything else, 4 no such device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"
#include "lenet/options.h"
#include "lenet/train.h"
#include "train/settings.h"

enum { MAX_STEPS = 64, MAX_TENSORS = 8 * LENET_MAX_LAYERS + 2 * MAX_STEPS + 4, MAX_METADATA = 64, MAX_TEXT = 64 };

struct dump {
    struct lenet_config config;
    int members, member;
    struct lenet_dataset data;
    struct lenet_device device;
    struct lenet_device_data device_data;
    struct lenet_topology topology;
    struct lenet_hyper hyper; /* of the member that is written */
    struct lenet_network net;

    double *loss; /* [steps]: the tensors' data, as rate */
    float *rate;
    struct lenet_tensor tensors[MAX_TENSORS]; /* each owns its data */
    int n;
    struct lenet_metadata metadata[MAX_METADATA];
    char text[MAX_METADATA][MAX_TEXT];
    int n_metadata;
};

/* ---- collecting ------------------------------------------------------------------------ */

/* Room for one more tensor, not filled yet; NULL where memory is out. */
static void *add_tensor(struct dump *d, const char *name, enum lenet_dtype dtype, int rank, const size_t *shape) {
    struct lenet_tensor *tensor = &d->tensors[d->n];
    *tensor = (struct lenet_tensor){.dtype = dtype, .rank = rank};
    snprintf(tensor->name, sizeof tensor->name, "%.*s", LENET_MAX_TENSOR_NAME - 1, name);
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
    tensor->data = malloc(lenet_tensor_bytes(tensor));
    if (tensor->data) d->n++;
    return tensor->data;
}

static enum lenet_dtype real_type(const struct dump *d) {
    return d->net.backend->element_size == sizeof(double) ? LENET_F64 : LENET_F32;
}

/* The member's part of a tensor that has `shape` for each network. */
static enum lenet_status add_real(struct dump *d, const char *name, int rank, const size_t *shape, const void *real) {
    void *host = add_tensor(d, name, real_type(d), rank, shape);
    if (!host) return LENET_ERR_MEMORY;
    const size_t bytes = lenet_tensor_bytes(&d->tensors[d->n - 1]);
    return d->net.backend->download(d->net.ctx, host, (const char *)real + (size_t)d->member * bytes, bytes);
}

static enum lenet_status add_images(struct dump *d, const char *name, const void *real) {
    const struct lenet_layer *first = &d->topology.layers[0];
    const size_t shape[] = {(size_t)first->C, (size_t)first->H, (size_t)first->W, (size_t)d->net.N};
    return add_real(d, name, 4, shape, real);
}

static enum lenet_status add_labels(struct dump *d, int step) {
    const size_t N = (size_t)d->net.N;
    char name[LENET_MAX_TENSOR_NAME];
    snprintf(name, sizeof name, "batch%d.label", step);
    void *host = add_tensor(d, name, LENET_U8, 1, &N);
    return host ? d->net.backend->download(d->net.ctx, host, d->net.label + (size_t)d->member * N, N)
                : LENET_ERR_MEMORY;
}

/* All of net->w or net->dw, tensor by tensor. The topology describes floats; only its names, shapes and places are
 * used. */
static enum lenet_status add_parameters(struct dump *d, const char *prefix, const void *real) {
    const size_t stride = d->topology.stride, size = d->net.backend->element_size;
    struct lenet_tensor described[2 * LENET_MAX_LAYERS];
    float *floats = malloc(stride * sizeof *floats);
    char *host = malloc(stride * size);
    enum lenet_status status = floats && host ? LENET_OK : LENET_ERR_MEMORY;
    if (status == LENET_OK)
        status = d->net.backend->download(d->net.ctx, host, (const char *)real + (size_t)d->member * stride * size,
                                          stride * size);
    const int n = status == LENET_OK ? lenet_topology_tensors(&d->topology, prefix, floats, described) : 0;
    for (int i = 0; i < n && status == LENET_OK; i++) {
        const size_t first = (size_t)((float *)described[i].data - floats);
        void *data = add_tensor(d, described[i].name, real_type(d), described[i].rank, described[i].shape);
        if (data)
            memcpy(data, host + first * size, lenet_tensor_bytes(&d->tensors[d->n - 1]));
        else
            status = LENET_ERR_MEMORY;
    }
    free(floats);
    free(host);
    return status;
}

/* ---- the population ---------------------------------------------------------------------- */

/* The other members differ in everything a member may differ in, so that no member can pass for another one. */
static struct lenet_hyper hyper_of(const struct dump *d, int r) {
    struct lenet_hyper hyper = d->hyper;
    if (r == d->member) return hyper;
    hyper.seed += (uint64_t)r + 1;
    hyper.learning_rate *= 1.5f;
    hyper.momentum *= 0.5f;
    hyper.weight_decay = 0;
    hyper.warmup_steps++;
    hyper.label_noise = 0.5f;
    return hyper;
}

/* A seed's initial weights; biases are drawn too, for those that begin at zero would hide one that is not added. */
static void initial_weights(const struct dump *d, uint64_t seed, float *host_w) {
    lenet_topology_init(&d->topology, (enum lenet_init)d->config.init, seed, (float)d->config.init_scale, host_w);
    for (int l = 0; l < d->topology.layer_count; l++)
        for (size_t i = 0; i < d->topology.layers[l].b_count; i++)
            host_w[d->topology.layers[l].b + i] =
                0.1f * lenet_signed_unit(lenet_philox(seed, LENET_RNG_CHECK, (uint32_t)l, i).v[0]);
}

static enum lenet_status put_members(struct dump *d) {
    struct lenet_network *net = &d->net;
    float *host_w = malloc(d->topology.stride * sizeof *host_w);
    enum lenet_status status = host_w ? LENET_OK : LENET_ERR_MEMORY;
    for (int r = 0; r < d->members && status == LENET_OK; r++) {
        const struct lenet_hyper hyper = hyper_of(d, r);
        initial_weights(d, hyper.seed, host_w);
        status = net->backend->upload(net->ctx, net->hyper + r, &hyper, sizeof hyper);
        if (status == LENET_OK) status = lenet_network_put(net, net->w, r, host_w);
    }
    free(host_w);
    return status;
}

static enum lenet_status open_device(struct dump *d, struct lenet_error *err) {
    const struct lenet_open_options options = lenet_open_options_of(&d->config);
    if (strcmp(d->config.device, "cpu64") != 0) return lenet_device_open(d->config.device, options, &d->device, err);
    d->device.backend = lenet_backend_cpu64();
    return d->device.backend->open(&d->device.ctx, &options, err);
}

static enum lenet_status open_all(struct dump *d, struct lenet_error *err) {
    struct lenet_config *config = &d->config;
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known", config->arch);
    LENET_TRY(lenet_config_dataset(config, LENET_BOTH_HALVES, lenet_arch_find(config->arch)->field, &d->data, err));
    LENET_TRY(lenet_topology_make(arch, (enum lenet_activation)config->activation, (enum lenet_pooling)config->pooling,
                                  d->data.classes, &d->topology, err));
    struct lenet_settings settings;
    LENET_TRY(lenet_settings_make(config, d->data.train.count, &settings, err));
    d->hyper = settings.hyper;
    LENET_TRY(open_device(d, err));
    const struct lenet_scaling scaling = lenet_scaling_of(&d->data.train, d->data.H, d->data.W);
    const struct lenet_network_options options = {.topology = &d->topology,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = d->members,
                                                  .B = (int)config->batch,
                                                  .input_gradient = 1};
    LENET_TRY(lenet_device_data_create(d->device.backend, d->device.ctx, &d->data, scaling, arch->field,
                                       &d->device_data, err));
    LENET_TRY(lenet_network_create(d->device.backend, d->device.ctx, &options, &d->net, err));
    return put_members(d);
}

static void close_all(struct dump *d) {
    if (d->device.backend) {
        if (d->net.backend) lenet_network_free(&d->net);
        lenet_device_data_free(d->device.backend, d->device.ctx, &d->device_data);
    }
    lenet_device_close(&d->device);
    lenet_dataset_free(&d->data);
    for (int i = 0; i < d->n; i++) free(d->tensors[i].data);
}

/* ---- training ------------------------------------------------------------------------------ */

/* The mean loss of the batch under way. The tally is put back to zero. */
static enum lenet_status take_loss(struct dump *d, double *loss) {
    const struct lenet_network *net = &d->net;
    struct lenet_tally tally;
    LENET_TRY(net->backend->download(net->ctx, &tally, net->tally + d->member, sizeof tally));
    *loss = tally.loss / (double)tally.count;
    tally = (struct lenet_tally){0};
    return net->backend->upload(net->ctx, net->tally + d->member, &tally, sizeof tally);
}

static enum lenet_status add_first_batch(struct dump *d) {
    const size_t logits[] = {(size_t)d->topology.classes, (size_t)d->net.N};
    LENET_TRY(add_real(d, "logits", 2, logits, d->net.y[d->topology.layer_count - 1]));
    LENET_TRY(add_parameters(d, "gradient.", d->net.dw));
    return add_images(d, "gradient.input", d->net.dx);
}

/* lenet_network_step, with a look at what is between its parts. */
static enum lenet_status train_step(struct dump *d, int step) {
    struct lenet_network *net = &d->net;
    char name[LENET_MAX_TENSOR_NAME];
    LENET_TRY(net->backend->batch_draw(net->ctx, &(struct batch_draw){net->R, net->N, net->B, d->device_data.train,
                                                                      net->hyper, net->step, net->x, net->label}));
    snprintf(name, sizeof name, "batch%d.x", step);
    LENET_TRY(add_images(d, name, net->x));
    LENET_TRY(add_labels(d, step));
    LENET_TRY(lenet_network_forward(net));
    LENET_TRY(lenet_network_loss(net, 1));
    LENET_TRY(lenet_network_backward(net));
    LENET_TRY(take_loss(d, &d->loss[step]));
    if (step == 0) LENET_TRY(add_first_batch(d));
    LENET_TRY(lenet_network_update(net));
    return net->backend->download(net->ctx, &d->rate[step], net->rate + d->member, sizeof d->rate[step]);
}

static enum lenet_status train(struct dump *d) {
    const size_t steps = (size_t)d->config.steps;
    d->loss = add_tensor(d, "loss", LENET_F64, 1, &steps);
    d->rate = add_tensor(d, "rate", LENET_F32, 1, &steps);
    if (!d->loss || !d->rate) return LENET_ERR_MEMORY;
    LENET_TRY(add_parameters(d, "", d->net.w));
    for (int step = 0; step < (int)steps; step++) LENET_TRY(train_step(d, step));
    return add_parameters(d, "trained.", d->net.w);
}

/* Back to before the first step: zero moments, initial weights. */
static enum lenet_status restart(struct dump *d) {
    struct lenet_network *net = &d->net;
    const uint64_t step = 0;
    float *zeros = calloc(d->topology.stride, sizeof *zeros);
    enum lenet_status status = zeros ? LENET_OK : LENET_ERR_MEMORY;
    for (int r = 0; r < d->members && status == LENET_OK; r++) {
        if (net->m) status = lenet_network_put(net, net->m, r, zeros);
        if (net->v && status == LENET_OK) status = lenet_network_put(net, net->v, r, zeros);
    }
    free(zeros);
    LENET_TRY(status);
    LENET_TRY(net->backend->upload(net->ctx, net->step, &step, sizeof step));
    return put_members(d);
}

/* What training really calls: its parts may one day be fused there. */
static enum lenet_status train_again(struct dump *d) {
    LENET_TRY(restart(d));
    for (int step = 0; step < (int)d->config.steps; step++)
        LENET_TRY(lenet_network_step(&d->net, &d->device_data.train));
    return add_parameters(d, "stepped.", d->net.w);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void add_steps(struct dump *d, const char *key, uint64_t value) {
    char *text = d->text[d->n_metadata];
    snprintf(text, MAX_TEXT, "%llu", (unsigned long long)value);
    d->metadata[d->n_metadata++] = (struct lenet_metadata){key, text};
}

static void add_metadata(struct dump *d) {
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        if (!option->identity || option->type == LENET_OPTION_AUGMENT) continue;
        char *text = d->text[d->n_metadata];
        lenet_option_get(&d->config, option, text, MAX_TEXT);
        d->metadata[d->n_metadata++] = (struct lenet_metadata){option->name, text};
    }
    add_steps(d, "warmup-steps", d->hyper.warmup_steps);
    add_steps(d, "decay-steps", d->hyper.decay_every);
    d->metadata[d->n_metadata++] = (struct lenet_metadata){"backend", d->device.backend->name};
}

static enum lenet_status parse(struct dump *d, int argc, char **argv, struct lenet_error *err) {
    lenet_config_init(&d->config);
    d->config.steps = 10;
    if (argc < 3) return lenet_fail(err, LENET_ERR_ARG, "usage: oracle_dump FILE MEMBERS [option of lenet train ...]");
    d->members = atoi(argv[2]);
    d->member = d->members / 2;
    if (d->members < 1 || d->members > 64)
        return lenet_fail(err, LENET_ERR_ARG, "MEMBERS is '%s'; wanted 1 to 64", argv[2]);
    LENET_TRY(lenet_options_parse(LENET_CMD_TRAIN, argc - 3, argv + 3, &d->config, err));
    if (d->config.steps < 1 || d->config.steps > MAX_STEPS)
        return lenet_fail(err, LENET_ERR_ARG, "--steps %lld: wanted 1 to %d", (long long)d->config.steps, MAX_STEPS);
    return LENET_OK;
}

static enum lenet_status run(struct dump *d, int argc, char **argv, struct lenet_error *err) {
    LENET_TRY(parse(d, argc, argv, err));
    LENET_TRY(open_all(d, err));
    LENET_TRY(train(d));
    LENET_TRY(train_again(d));
    add_metadata(d);
    return lenet_tensors_write(argv[1], d->tensors, d->n, d->metadata, d->n_metadata, err);
}

int main(int argc, char **argv) {
    struct lenet_error err = {{0}};
    struct dump *d = calloc(1, sizeof *d);
    const enum lenet_status status = d ? run(d, argc, argv, &err) : LENET_ERR_MEMORY;
    if (d) close_all(d);
    free(d);
    if (status == LENET_OK) return 0;
    fprintf(stderr, "oracle_dump: %s\n", err.text[0] ? err.text : lenet_status_name(status));
    return status == LENET_ERR_ARG ? 2 : status == LENET_ERR_DEVICE ? 4 : 3;
}
