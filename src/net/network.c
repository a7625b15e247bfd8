/* network.c - a population's memory, its passes and its training steps as sequences of the backend's operations. */
#include "lenet/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/elementary.h"
#include "net/passes.h"

/* ---- memory: three arenas, each laid out once to measure and once to place ------- */

struct arena {
    char *base; /* NULL while measuring */
    size_t used;
};

static void *take(struct arena *arena, size_t bytes) {
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += lenet_padded(bytes);
    return p;
}

static void lay_out_parameters(struct lenet_network *net, struct arena *arena) {
    const size_t bytes = net->R * net->topology.stride * net->backend->element_size;
    net->w = take(arena, bytes);
    net->dw = take(arena, bytes);
    net->m = net->optimizer == LENET_SGD ? NULL : take(arena, bytes);
    net->v = net->optimizer == LENET_ADAMW ? take(arena, bytes) : NULL;
    net->squared_w = net->optimizer == LENET_SDLM ? take(arena, bytes) : NULL;
}

/* Whether layer l is a convolution that is computed together with the subsampling above it, so that nobody sees its
 * output. */
static int is_fused(const struct lenet_network *net, int l) {
    const struct lenet_topology *topology = &net->topology;
    const struct lenet_layer *layer = &topology->layers[l];
    return net->fuses && l + 1 < topology->layer_count && layer->spec.kind == LENET_CONV &&
           layer[1].spec.kind == LENET_SUBSAMPLE && layer[1].spec.size == 2 && topology->pooling == LENET_POOL_MAX;
}

/* Whether nobody but its own parameters wants the gradient of fused convolution l's outputs, which then need not exist.
 */
static int hides_gradient(const struct lenet_network *net, int l) {
    return is_fused(net, l) && !lenet_wants_gradient(net, l - 1);
}

/* For the parts of the gradient of a convolution's parameters. */
static size_t scratch_bytes(const struct lenet_network *net, const struct lenet_layer *layer) {
    return (size_t)net->R * LENET_PARTS * (layer->w_count + layer->b_count) * net->backend->element_size;
}

static void lay_out_activations(struct lenet_network *net, struct arena *arena, int input_gradient) {
    const struct lenet_topology *topology = &net->topology;
    const size_t image = (size_t)net->R * net->N * net->backend->element_size;
    const size_t x_bytes = lenet_layer_inputs(&topology->layers[0]) * image;
    size_t most_inputs = 0;
    net->x = take(arena, x_bytes);
    net->next_x = net->backend->record ? take(arena, x_bytes) : NULL;
    net->dx = input_gradient ? take(arena, x_bytes) : NULL;
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        const size_t inputs = lenet_layer_inputs(layer), outputs = lenet_layer_outputs(layer);
        const int in_place = layer->spec.kind == LENET_ACTIVATION;
        if (inputs > most_inputs) most_inputs = inputs;
        net->y[l] = in_place ? net->y[l - 1] : is_fused(net, l) ? NULL : take(arena, outputs * image);
        net->place[l] = l > 0 && is_fused(net, l - 1) ? take(arena, outputs * (size_t)net->R * (size_t)net->N) : NULL;
        net->gradient[l] = in_place ? net->gradient[l - 1] : take(arena, outputs * image);
        net->scratch[l] = layer->spec.kind == LENET_CONV ? take(arena, scratch_bytes(net, layer)) : NULL;
    }
    net->squared_x = net->optimizer == LENET_SDLM ? take(arena, most_inputs * image) : NULL;
}

static void lay_out_control(struct lenet_network *net, struct arena *arena) {
    const size_t R = (size_t)net->R;
    net->label = take(arena, R * net->N);
    net->next_label = net->backend->record ? take(arena, R * net->N) : NULL;
    net->predicted = take(arena, R * net->N);
    net->losses = take(arena, R * net->N * sizeof *net->losses);
    net->hyper = take(arena, R * sizeof *net->hyper);
    net->tally = take(arena, R * sizeof *net->tally);
    net->scratch_tally = take(arena, R * sizeof *net->scratch_tally);
    net->step = take(arena, sizeof *net->step);
    net->rate = take(arena, R * sizeof *net->rate);
}

static void lay_out(struct lenet_network *net, struct arena arenas[3], int input_gradient) {
    lay_out_parameters(net, &arenas[0]);
    lay_out_activations(net, &arenas[1], input_gradient);
    lay_out_control(net, &arenas[2]);
}

enum lenet_status lenet_network_create(const struct lenet_backend *backend, struct lenet_ctx *ctx,
                                       const struct lenet_network_options *options, struct lenet_network *net,
                                       struct lenet_error *err) {
    const int lanes = backend->lanes;
    *net = (struct lenet_network){.backend = backend,
                                  .ctx = ctx,
                                  .topology = *options->topology,
                                  .optimizer = options->optimizer,
                                  /* second derivatives go layer by layer */
                                  .fuses = backend->fuses && !options->by_layer && options->optimizer != LENET_SDLM,
                                  .R = options->R,
                                  .B = options->B,
                                  .N = (options->B + lanes - 1) / lanes * lanes};
    struct arena arenas[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    lay_out(net, arenas, options->input_gradient);
    for (int i = 0; i < 3; i++) {
        const enum lenet_status status = backend->alloc(ctx, &net->memory[i], arenas[i].used);
        if (status != LENET_OK) {
            lenet_network_free(net);
            return lenet_fail(err, status, "%s: no %zu MB for %d network(s) with a batch of %d%s%s", backend->name,
                              (arenas[i].used >> 20) + 1, options->R, options->B, backend->message(ctx)[0] ? ": " : "",
                              backend->message(ctx));
        }
        arenas[i] = (struct arena){.base = net->memory[i]};
    }
    lay_out(net, arenas, options->input_gradient);
    return LENET_OK;
}

void lenet_network_free(struct lenet_network *net) {
    lenet_network_forget(net);
    for (int i = 0; i < 3; i++)
        if (net->memory[i]) net->backend->release(net->ctx, net->memory[i]);
    memset(net->memory, 0, sizeof net->memory);
}

/* ---- parameters to and from the host ------------------------------------------- */

static int is_as_on_the_host(const struct lenet_network *net) { return net->backend->element_size == sizeof(float); }

enum lenet_status lenet_network_put(struct lenet_network *net, void *which, int r, const float *host_w) {
    const size_t stride = net->topology.stride;
    void *place = lenet_parameter_at(net, which, (size_t)r * stride);
    if (is_as_on_the_host(net)) return net->backend->upload(net->ctx, place, host_w, stride * sizeof *host_w);
    double *buffer = malloc(stride * sizeof *buffer);
    if (!buffer) return LENET_ERR_MEMORY;
    for (size_t i = 0; i < stride; i++) buffer[i] = host_w[i];
    const enum lenet_status status = net->backend->upload(net->ctx, place, buffer, stride * sizeof *buffer);
    free(buffer);
    return status;
}

enum lenet_status lenet_network_get(struct lenet_network *net, const void *which, int r, float *host_w) {
    const size_t stride = net->topology.stride;
    const void *place = lenet_parameter_at(net, (void *)which, (size_t)r * stride);
    if (is_as_on_the_host(net)) return net->backend->download(net->ctx, host_w, place, stride * sizeof *host_w);
    double *buffer = malloc(stride * sizeof *buffer);
    if (!buffer) return LENET_ERR_MEMORY;
    const enum lenet_status status = net->backend->download(net->ctx, buffer, place, stride * sizeof *buffer);
    for (size_t i = 0; i < stride && status == LENET_OK; i++) host_w[i] = (float)buffer[i];
    free(buffer);
    return status;
}

/* ---- passes ------------------------------------------------------------------------ */

const void *lenet_layer_input(const struct lenet_network *net, int l) { return l == 0 ? net->x : net->y[l - 1]; }

enum lenet_status lenet_network_draw(struct lenet_network *net, const struct lenet_source *source) {
    return RUN(batch_draw, LENET_POPULATION, .B = net->B, .source = *source, .hyper = net->hyper, .step = net->step,
               .x = net->x, .label = net->label);
}

enum lenet_status lenet_network_forward_layer(struct lenet_network *net, int l) {
    if (is_fused(net, l))
        return lenet_layer_forward_with_maxima(net, &net->topology.layers[l], lenet_layer_input(net, l), net->y[l + 1],
                                               net->place[l + 1]);
    if (net->place[l]) return LENET_OK; /* it was computed with the convolution below */
    return lenet_layer_forward(net, &net->topology.layers[l], lenet_layer_input(net, l), net->y[l]);
}

static int is_kind(const struct lenet_topology *topology, int l, enum lenet_layer_kind kind) {
    return l < topology->layer_count && topology->layers[l].spec.kind == kind;
}

enum lenet_status lenet_network_forward(struct lenet_network *net) {
    const struct lenet_topology *topology = &net->topology;
    for (int l = 0; l < topology->layer_count; l++) {
        if (is_kind(topology, l, LENET_DENSE) && is_kind(topology, l + 1, LENET_ACTIVATION)) {
            LENET_TRY(lenet_layer_forward_activated(net, &topology->layers[l], lenet_layer_input(net, l), net->y[l]));
            l++;
        } else {
            LENET_TRY(lenet_network_forward_layer(net, l));
        }
    }
    return LENET_OK;
}

/* With dy and tally as they are called where it stands. */
#define LOSS_FIELDS                                                                                                    \
    LENET_POPULATION, .O = net->topology.classes, .y = net->y[net->topology.layer_count - 1], .label = net->label,     \
                      .dy = dy, .predicted = net->predicted, .losses = net->losses, .tally = tally

enum lenet_status lenet_distance_loss(struct lenet_network *net, void *dy, struct lenet_tally *tally) {
    return RUN(distance_loss, LOSS_FIELDS);
}

enum lenet_status lenet_network_loss(struct lenet_network *net, int with_gradient) {
    const struct lenet_topology *topology = &net->topology;
    void *dy = with_gradient ? net->gradient[topology->layer_count - 1] : NULL;
    struct lenet_tally *tally = net->tally;
    if (topology->loss == LENET_MSE) return lenet_distance_loss(net, dy, tally);
    return RUN(softmax_loss, LOSS_FIELDS,
               .rubbish = topology->loss == LENET_MAP ? (float)lenet_exp(-topology->map_j) : 0);
}

void *lenet_network_gradient(const struct lenet_network *net, int l) { return l < 0 ? net->dx : net->gradient[l]; }

int lenet_wants_gradient(const struct lenet_network *net, int l) {
    return net->dx || lenet_topology_trains_below(&net->topology, l + 1);
}

/* The gradients of parameters may be computed beside that of the input and what follows from it: nobody waits for them
 * before the update. So they are enqueued to the backend's branch, where one comes after the other; but those of the
 * lowest layer, beside which there is nothing else to do. */
static enum lenet_status join(struct lenet_network *net) {
    return net->backend->join ? net->backend->join(net->ctx) : LENET_OK;
}

static enum lenet_status backward_params(struct lenet_network *net, int l) {
    const struct lenet_layer *layer = &net->topology.layers[l];
    const void *x = lenet_layer_input(net, l);
    void *dy = lenet_network_gradient(net, l);
    if (hides_gradient(net, l))
        return lenet_layer_backward_params_of_maxima(net, layer, x, net->y[l + 1], net->place[l + 1],
                                                     lenet_network_gradient(net, l + 1), dy);
    return lenet_layer_backward_params(net, layer, x, dy);
}

static enum lenet_status branch_backward_params(struct lenet_network *net, int l) {
    const struct lenet_backend *be = net->backend;
    if (!be->branch) return backward_params(net, l);
    LENET_TRY(be->branch(net->ctx));
    const enum lenet_status status = backward_params(net, l);
    be->back(net->ctx);
    return status;
}

/* Of layer l, and where that is asked for of the activation in front of it. */
static enum lenet_status backward_layer(struct lenet_network *net, int l, int with_activation) {
    const struct lenet_layer *layer = &net->topology.layers[l];
    const void *x = lenet_layer_input(net, l), *dy = lenet_network_gradient(net, l);
    const int wants_dx = lenet_wants_gradient(net, l - 1) && !(l > 0 && hides_gradient(net, l - 1));
    void *dx = wants_dx ? lenet_network_gradient(net, l - 1) : NULL;
    if (lenet_layer_trains(layer)) LENET_TRY(dx ? branch_backward_params(net, l) : backward_params(net, l));
    if (dx && net->place[l]) return lenet_layer_backward_maxima(net, layer, net->y[l], net->place[l], dy, dx);
    if (dx && with_activation) return lenet_layer_backward_activated(net, layer, x, dy, dx);
    return dx ? lenet_layer_backward_input(net, layer, net->w, x, net->y[l], dy, dx) : LENET_OK;
}

enum lenet_status lenet_network_backward_layer(struct lenet_network *net, int l) {
    LENET_TRY(backward_layer(net, l, 0));
    return join(net);
}

enum lenet_status lenet_network_backward(struct lenet_network *net) {
    const struct lenet_topology *topology = &net->topology;
    for (int l = topology->layer_count - 1; l >= 0 && lenet_wants_gradient(net, l); l--) {
        const int with_activation =
            is_kind(topology, l, LENET_DENSE) && l > 0 && is_kind(topology, l - 1, LENET_ACTIVATION);
        LENET_TRY(backward_layer(net, l, with_activation));
        l -= with_activation;
    }
    return join(net);
}

enum lenet_status lenet_network_schedule(struct lenet_network *net) {
    return RUN(schedule_step, .R = net->R, .hyper = net->hyper, .step = net->step, .rate = net->rate);
}

enum lenet_status lenet_network_optimize(struct lenet_network *net) {
    const struct lenet_topology *topology = &net->topology;
    size_t first = 0, end = 0; /* of parameters that are updated together: those of layers between frozen ones */
    for (int l = 0; l < topology->layer_count; l++) {
        const int is_last = l == topology->layer_count - 1, frozen = topology->layers[l].frozen;
        end = is_last ? topology->stride : topology->layers[l + 1].w;
        if (frozen) first = end;
        if (first == end || !(is_last || topology->layers[l + 1].frozen)) continue;
        LENET_TRY(RUN(optimizer_step, .R = net->R, .stride = topology->stride, .first = first, .end = end,
                      .optimizer = net->optimizer, .hyper = net->hyper, .rate = net->rate, .step = net->step,
                      .dw = net->dw, .w = net->w, .m = net->m, .v = net->v));
    }
    return LENET_OK;
}

enum lenet_status lenet_network_update(struct lenet_network *net) {
    LENET_TRY(lenet_network_schedule(net));
    return lenet_network_optimize(net);
}
