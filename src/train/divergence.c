/* divergence.c - finds the first NaN or infinity of a network: trains it again from where it was finite, at first many
 * steps at a time, then the one step in which it comes up operation by operation. */
#include "train/divergence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 32 }; /* between two looks at the weights */

struct search {
    const struct lenet_replay *replay;
    struct lenet_divergence *found;
    struct lenet_network net; /* of one */
    int moments;
    float *good, *state; /* [1 + moments][stride]: after `step` steps, all finite; and after some more     */
    float *values;       /* room for any tensor */
    uint8_t *label;      /* [N]                 */
    uint64_t step;
};

void lenet_divergence_text(const struct lenet_divergence *divergence, char text[LENET_DIVERGENCE_TEXT]) {
    const uint64_t step = divergence->step, loss_step = divergence->loss_step;
    char loss[64] = "";
    if (loss_step && loss_step != step) snprintf(loss, sizeof loss, ", and in the loss at step %" PRIu64, loss_step);
    if (step)
        snprintf(text, LENET_DIVERGENCE_TEXT, "NaN or infinity came up first in %s%s at step %" PRIu64 "%s",
                 divergence->tensor,
                 loss_step == step && strcmp(divergence->tensor, "the loss") != 0 ? " and the loss" : "", step, loss);
    else
        snprintf(text, LENET_DIVERGENCE_TEXT, "the loss or a weight is NaN or infinite");
}

/* ---- the state -------------------------------------------------------------------------------------- */

static void *part(struct search *s, int i) { return i == 0 ? s->net.w : i == 1 ? s->net.m : s->net.v; }

/* Puts the network back to where all was finite. */
static enum lenet_status go_back(struct search *s) {
    const struct lenet_tally none = {0};
    struct lenet_network *net = &s->net;
    for (int i = 0; i <= s->moments; i++)
        LENET_TRY(lenet_network_put(net, part(s, i), 0, s->good + (size_t)i * net->topology.stride));
    LENET_TRY(net->backend->upload(net->ctx, net->tally, &none, sizeof none));
    return net->backend->upload(net->ctx, net->step, &s->step, sizeof s->step);
}

static int all_finite(const float *values, size_t count) {
    int finite = 1;
    for (size_t i = 0; i < count; i++) finite = finite && isfinite(values[i]);
    return finite;
}

static enum lenet_status is_loss_finite(struct search *s, int *finite) {
    struct lenet_tally tally;
    LENET_TRY(s->net.backend->download(s->net.ctx, &tally, s->net.tally, sizeof tally));
    *finite = tally.nonfinite == 0;
    return LENET_OK;
}

static enum lenet_status is_state_finite(struct search *s, int *finite) {
    const size_t stride = s->net.topology.stride;
    LENET_TRY(is_loss_finite(s, finite));
    for (int i = 0; i <= s->moments; i++)
        LENET_TRY(lenet_network_get(&s->net, part(s, i), 0, s->state + (size_t)i * stride));
    *finite = *finite && all_finite(s->state, (size_t)(1 + s->moments) * stride);
    return LENET_OK;
}

/* ---- one step, operation by operation ------------------------------------------------------------------- */

/* Of a tensor with so many values an image. Padding is no image. */
static int images_finite(const struct search *s, size_t units) {
    for (int n = 0; n < s->net.N; n++)
        for (size_t unit = 0; s->label[n] != LENET_NO_LABEL && unit < units; unit++)
            if (!isfinite(s->values[lenet_value_at(s->net.backend, s->net.N, units, unit, n)])) return 0;
    return 1;
}

/* Looks at `count` values of an operation's tensor whose name is made of two words; of each image where units, its
 * values, are not 0. */
static enum lenet_status look(struct search *s, const float *tensor, size_t count, size_t units, const char *what,
                              const char *name) {
    if (s->found->step || !tensor) return LENET_OK;
    LENET_TRY(s->net.backend->download(s->net.ctx, s->values, tensor, count * sizeof *tensor));
    if (units ? images_finite(s, units) : all_finite(s->values, count)) return LENET_OK;
    s->found->step = s->step + 1;
    snprintf(s->found->tensor, sizeof s->found->tensor, "%.47s%.63s", what, name);
    return LENET_OK;
}

static enum lenet_status look_at_output(struct search *s, const void *tensor, int l, const char *what) {
    const struct lenet_topology *topology = &s->net.topology;
    char name[LENET_MAX_TENSOR_NAME];
    const size_t units = l < 0 ? lenet_layer_inputs(&topology->layers[0]) : lenet_layer_outputs(&topology->layers[l]);
    lenet_topology_layer_name(topology, l, name);
    return look(s, tensor, units * (size_t)s->net.N, units, what, name);
}

/* Of parameters: of one layer, or of all where it is NULL. */
static enum lenet_status look_at_parameters(struct search *s, const void *parameters, const struct lenet_layer *layer,
                                            const char *what) {
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    float *const base = NULL; /* offsets only */
    const int n = parameters ? lenet_topology_tensors(&s->net.topology, "", base, tensors) : 0;
    for (int i = 0; i < n; i++) {
        const size_t first = (size_t)((float *)tensors[i].data - base);
        if (!layer || first == layer->w || first == layer->b)
            LENET_TRY(look(s, (const float *)parameters + first, lenet_tensor_bytes(&tensors[i]) / sizeof(float), 0,
                           what, tensors[i].name));
    }
    return LENET_OK;
}

static enum lenet_status look_at_passes(struct search *s) {
    struct lenet_network *net = &s->net;
    const struct lenet_topology *topology = &net->topology;
    const int last = topology->layer_count - 1;
    int finite;
    LENET_TRY(lenet_network_draw(net, s->replay->source));
    LENET_TRY(net->backend->download(net->ctx, s->label, net->label, (size_t)net->N));
    LENET_TRY(look_at_output(s, net->x, -1, "the "));
    for (int l = 0; l <= last; l++) {
        LENET_TRY(lenet_network_forward_layer(net, l));
        LENET_TRY(look_at_output(s, net->y[l], l, "the outputs of layer "));
    }
    LENET_TRY(lenet_network_loss(net, 1));
    LENET_TRY(is_loss_finite(s, &finite));
    if (!finite && !s->found->step) *s->found = (struct lenet_divergence){.step = s->step + 1, .tensor = "the loss"};
    LENET_TRY(look_at_output(s, lenet_network_gradient(net, last), last, "the gradient of the outputs of layer "));
    for (int l = last; l >= 0 && lenet_topology_trains_below(topology, l + 1); l--) {
        LENET_TRY(lenet_network_backward_layer(net, l));
        if (lenet_layer_trains(&topology->layers[l]))
            LENET_TRY(look_at_parameters(s, net->dw, &topology->layers[l], "the gradient of "));
        if (l > 0 && lenet_topology_trains_below(topology, l))
            LENET_TRY(
                look_at_output(s, lenet_network_gradient(net, l - 1), l - 1, "the gradient of the outputs of layer "));
    }
    return LENET_OK;
}

static enum lenet_status begin_pass(struct search *s) {
    const struct lenet_settings *settings = s->replay->settings;
    if (s->net.optimizer != LENET_SDLM || s->step % settings->steps_per_epoch != 0) return LENET_OK;
    return lenet_network_curvature(&s->net, s->replay->source, settings->curvature_batches);
}

static enum lenet_status look_at_step(struct search *s) {
    struct lenet_network *net = &s->net;
    const int is_adamw = net->optimizer == LENET_ADAMW;
    LENET_TRY(begin_pass(s));
    if (net->optimizer == LENET_SDLM) LENET_TRY(look_at_parameters(s, net->m, NULL, "the curvature of "));
    LENET_TRY(look_at_passes(s));
    LENET_TRY(lenet_network_update(net));
    LENET_TRY(look_at_parameters(s, net->m, NULL, is_adamw ? "the first moment of " : "the momentum of "));
    LENET_TRY(look_at_parameters(s, net->v, NULL, "the second moment of "));
    return look_at_parameters(s, net->w, NULL, "");
}

/* ---- which step ------------------------------------------------------------------------------------------- */

/* Goes on until the loss is not finite either. */
static enum lenet_status find_loss(struct search *s) {
    int finite;
    LENET_TRY(is_loss_finite(s, &finite));
    while (finite && ++s->step < s->replay->end) {
        LENET_TRY(begin_pass(s));
        LENET_TRY(lenet_network_steps(&s->net, s->replay->source, 1));
        LENET_TRY(is_loss_finite(s, &finite));
    }
    if (!finite) s->found->loss_step = s->step + 1;
    return LENET_OK;
}

/* Takes as many steps as `most` and the epoch allow, and takes them back unless all has stayed finite. */
static enum lenet_status advance(struct search *s, uint64_t most, int *finite) {
    const uint64_t per_epoch = s->replay->settings->steps_per_epoch;
    uint64_t steps = per_epoch - s->step % per_epoch;
    if (steps > most) steps = most;
    if (steps > s->replay->end - s->step) steps = s->replay->end - s->step;
    if (s->net.is_stopped && s->net.is_stopped(s->net.stop)) return LENET_STOPPED;
    LENET_TRY(begin_pass(s));
    LENET_TRY(lenet_network_steps(&s->net, s->replay->source, (int)steps));
    LENET_TRY(is_state_finite(s, finite));
    if (!*finite) return go_back(s);
    float *const good = s->good;
    s->good = s->state;
    s->state = good;
    s->step += steps;
    return LENET_OK;
}

static enum lenet_status find(struct search *s) {
    uint64_t most = MOST_STEPS;
    int finite = 1;
    LENET_TRY(go_back(s));
    while (s->step < s->replay->end) {
        LENET_TRY(advance(s, most, &finite));
        if (finite) continue;
        if (most == 1) break;
        most = 1;
    }
    if (finite) return LENET_OK;
    LENET_TRY(look_at_step(s));
    return find_loss(s);
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static enum lenet_status open_search(struct search *s) {
    const struct lenet_network *net = s->replay->network;
    const struct lenet_topology *topology = &net->topology;
    const struct lenet_network_options options = {
        .topology = topology, .optimizer = net->optimizer, .R = 1, .B = net->B, .by_layer = 1};
    LENET_TRY(lenet_network_create(net->backend, net->ctx, &options, &s->net, NULL));
    s->net.is_stopped = net->is_stopped;
    s->net.stop = net->stop;
    s->moments = (s->net.m != NULL) + (s->net.v != NULL);
    size_t most = topology->stride;
    for (int l = 0; l < topology->layer_count; l++) {
        const size_t inputs = lenet_layer_inputs(&topology->layers[l]) * (size_t)s->net.N;
        const size_t outputs = lenet_layer_outputs(&topology->layers[l]) * (size_t)s->net.N;
        most = inputs > most ? inputs : most;
        most = outputs > most ? outputs : most;
    }
    const size_t state = (size_t)(1 + s->moments) * topology->stride;
    s->good = malloc(state * sizeof *s->good);
    s->state = malloc(state * sizeof *s->state);
    s->values = malloc(most * sizeof *s->values);
    s->label = malloc((size_t)s->net.N);
    if (!s->good || !s->state || !s->values || !s->label) return LENET_ERR_MEMORY;
    for (size_t i = 0; i < state; i++) s->good[i] = s->replay->state[i];
    return net->backend->upload(net->ctx, s->net.hyper, &s->replay->settings->hyper, sizeof *s->net.hyper);
}

enum lenet_status lenet_divergence_find(const struct lenet_replay *replay, struct lenet_divergence *found) {
    struct search s = {.replay = replay, .found = found, .step = replay->first};
    *found = (struct lenet_divergence){.step = 0};
    enum lenet_status status = open_search(&s);
    if (status == LENET_OK) status = find(&s);
    if (s.net.backend) lenet_network_free(&s.net);
    free(s.good);
    free(s.state);
    free(s.values);
    free(s.label);
    return status == LENET_ERR_MEMORY ? LENET_OK : status;
}
