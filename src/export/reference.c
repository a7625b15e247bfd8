/* reference.c - runs the network of floats over the calibration images, and counts what it gets right. */
#include "export/reference.h"

#include <stdlib.h>
#include <string.h>

#include "lenet/device.h"
#include "lenet/network.h"

enum { BATCH = 128 };

void lenet_reference_free(struct lenet_reference *reference) {
    for (int l = 0; l < LENET_MAX_LAYERS; l++) free(reference->means[l]);
    *reference = (struct lenet_reference){.train_correct = 0};
}

/* Adds the sums of the batch's first `count` images, which are in y[l]. */
static enum lenet_status add_layer(struct lenet_network *net, int l, uint32_t count, float *y, double *sums) {
    const struct lenet_layer *layer = &net->topology.layers[l];
    const size_t pixels = (size_t)layer->OH * layer->OW, units = lenet_layer_outputs(layer);
    LENET_TRY(net->backend->download(net->ctx, y, net->y[l], units * (size_t)net->N * sizeof *y));
    for (size_t unit = 0; unit < units; unit++)
        for (int n = 0; n < (int)count; n++)
            sums[unit / pixels] += y[lenet_value_at(net->backend, net->N, units, unit, n)];
    return LENET_OK;
}

static int has_sums(const struct lenet_layer *layer) {
    return layer->spec.kind == LENET_CONV || layer->spec.kind == LENET_DENSE;
}

static enum lenet_status add_batch(struct lenet_network *net, const struct lenet_source *source, uint32_t first,
                                   float *y, struct lenet_reference *reference) {
    const struct batch_slice slice = {.R = 1,
                                      .N = net->N,
                                      .B = net->N,
                                      .source = *source,
                                      .first = first,
                                      .end = source->count,
                                      .x = net->x,
                                      .label = net->label};
    const uint32_t left = source->count - first, count = left < (uint32_t)net->N ? left : (uint32_t)net->N;
    LENET_TRY(net->backend->batch_slice(net->ctx, &slice));
    for (int l = 0; l < net->topology.layer_count; l++) {
        LENET_TRY(lenet_network_forward_layer(net, l));
        if (reference->means[l]) LENET_TRY(add_layer(net, l, count, y, reference->means[l]));
    }
    return LENET_OK;
}

static enum lenet_status add_means(struct lenet_network *net, const struct lenet_source *source,
                                   struct lenet_reference *reference, struct lenet_error *err) {
    size_t most = 1;
    for (int l = 0; l < net->topology.layer_count; l++) {
        const struct lenet_layer *layer = &net->topology.layers[l];
        if (!has_sums(layer)) continue;
        if (lenet_layer_outputs(layer) > most) most = lenet_layer_outputs(layer);
        reference->means[l] = calloc((size_t)layer->O, sizeof *reference->means[l]);
        if (!reference->means[l]) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    float *y = malloc(most * (size_t)net->N * sizeof *y);
    enum lenet_status status = y ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (uint32_t n = 0; n < source->count && status == LENET_OK; n += (uint32_t)net->N)
        status = add_batch(net, source, n, y, reference);
    free(y);
    for (int l = 0; l < net->topology.layer_count; l++) {
        const struct lenet_layer *layer = &net->topology.layers[l];
        for (int o = 0; reference->means[l] && o < layer->O; o++)
            reference->means[l][o] /= (double)source->count * layer->OH * layer->OW;
    }
    return status;
}

static enum lenet_status count_correct(struct lenet_network *net, const struct lenet_source *source,
                                       uint64_t *correct) {
    struct lenet_tally tally = {.count = 0};
    if (source->count) LENET_TRY(lenet_network_evaluate(net, source, NULL, 0, source->count, &tally, NULL));
    *correct = tally.correct;
    return LENET_OK;
}

static enum lenet_status measure(const struct lenet_device *device, const struct lenet_model *model,
                                 const float *host_w, const struct lenet_dataset *data,
                                 struct lenet_reference *reference, struct lenet_error *err) {
    struct lenet_device_data on_device = {.memory = NULL};
    struct lenet_network net = {.backend = NULL};
    const struct lenet_network_options options = {
        .topology = &model->topology, .optimizer = LENET_SGD, .R = 1, .B = BATCH, .by_layer = 1};
    enum lenet_status status = lenet_device_data_create(device->backend, device->ctx, data, model->scaling,
                                                        model->topology.arch->field, &on_device, err);
    if (status == LENET_OK) status = lenet_network_create(device->backend, device->ctx, &options, &net, err);
    if (status == LENET_OK) status = lenet_network_put(&net, net.w, 0, host_w);
    if (status == LENET_OK) status = add_means(&net, &on_device.train, reference, err);
    if (status == LENET_OK) status = count_correct(&net, &on_device.train, &reference->train_correct);
    if (status == LENET_OK) status = count_correct(&net, &on_device.test, &reference->test_correct);
    if (net.backend) lenet_network_free(&net);
    lenet_device_data_free(device->backend, device->ctx, &on_device);
    return status;
}

enum lenet_status lenet_reference_measure(const struct lenet_model *model, const float *host_w,
                                          const struct lenet_dataset *data, struct lenet_reference *reference,
                                          struct lenet_error *err) {
    struct lenet_device device;
    *reference = (struct lenet_reference){.train_correct = 0};
    LENET_TRY(lenet_device_open("cpu", (struct lenet_open_options){.threads = 0}, &device, err));
    if (err) err->text[0] = 0;
    const enum lenet_status status =
        lenet_device_explain(&device, measure(&device, model, host_w, data, reference, err), err);
    lenet_device_close(&device);
    return status;
}
