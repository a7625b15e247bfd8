/* steps.c - training steps: one by one, and as a recorded graph of many, in which the next batch is drawn beside each.
 */
#include <stdlib.h>

#include "net/passes.h"

enum { MANY = 16 }; /* steps of the larger graph; what remains is done one by one */

/* ---- steps, enqueued ---------------------------------------------------------------------- */

static enum lenet_status draw_next(struct lenet_network *net, const struct lenet_source *source) {
    return RUN(batch_draw, .R = net->R, .N = net->N, .B = net->B, .source = *source, .hyper = net->hyper,
               .step = net->step, .x = net->next_x, .label = net->next_label);
}

static void go_to_next(struct lenet_network *net) {
    void *const x = net->x;
    uint8_t *const label = net->label;
    net->x = net->next_x;
    net->label = net->next_label;
    net->next_x = x;
    net->next_label = label;
}

/* What nobody waits for before the backward pass: the rate of this step, by which *step becomes the next one, and the
 * batch of that. On a branch, where the backend has one. */
static enum lenet_status look_ahead(struct lenet_network *net, const struct lenet_source *source, int has_next) {
    const struct lenet_backend *be = net->backend;
    if (be->branch) LENET_TRY(be->branch(net->ctx));
    enum lenet_status status = lenet_network_schedule(net);
    if (status == LENET_OK && has_next) status = draw_next(net, source);
    if (be->branch) be->back(net->ctx);
    return status;
}

/* Nothing is drawn ahead of the last one, so that whatever is done between calls finds the step and x as they are. */
static enum lenet_status take_steps(struct lenet_network *net, const struct lenet_source *source, int count) {
    LENET_TRY(lenet_network_draw(net, source));
    for (int i = 0; i < count; i++) {
        const int has_next = i + 1 < count;
        LENET_TRY(look_ahead(net, source, has_next));
        LENET_TRY(lenet_network_forward(net));
        LENET_TRY(lenet_network_loss(net, 1));
        LENET_TRY(lenet_network_backward(net)); /* which waits for the branch */
        LENET_TRY(lenet_network_optimize(net));
        if (has_next) go_to_next(net);
    }
    return LENET_OK;
}

enum lenet_status lenet_network_step(struct lenet_network *net, const struct lenet_source *source) {
    return take_steps(net, source, 1);
}

/* ---- steps, recorded ---------------------------------------------------------------------- */

struct steps {
    struct lenet_network *net;
    const struct lenet_source *source;
    int count;
};

static enum lenet_status enqueue_steps(void *argument) {
    const struct steps *s = argument;
    return take_steps(s->net, s->source, s->count);
}

static void forget(struct lenet_network *net, void **graph) {
    if (*graph) net->backend->forget(net->ctx, *graph);
    *graph = NULL;
}

static void forget_steps(struct lenet_network *net) {
    forget(net, &net->one_step);
    forget(net, &net->many_steps);
}

void lenet_network_forget(struct lenet_network *net) {
    forget_steps(net);
    for (int i = 0; i < LENET_EVALUATIONS; i++) forget(net, &net->evaluations[i].graph);
}

static enum lenet_status record_steps(struct lenet_network *net, const struct lenet_source *source) {
    const struct lenet_backend *be = net->backend;
    LENET_TRY(be->record(net->ctx, enqueue_steps, &(struct steps){net, source, MANY}, &net->many_steps));
    LENET_TRY(be->record(net->ctx, enqueue_steps, &(struct steps){net, source, 1}, &net->one_step));
    net->recorded = *source;
    return LENET_OK;
}

static int are_recorded(const struct lenet_network *net, const struct lenet_source *source) {
    return net->one_step && net->many_steps && lenet_is_same_source(&net->recorded, source);
}

enum lenet_status lenet_network_steps(struct lenet_network *net, const struct lenet_source *source, int count) {
    const struct lenet_backend *be = net->backend;
    if (be->record && count > 0 && !are_recorded(net, source)) {
        forget_steps(net);
        /* The first step is not recorded: at their first call libraries load their kernels. */
        LENET_TRY(take_steps(net, source, 1));
        LENET_TRY(record_steps(net, source));
        count--;
    }
    if (net->one_step && net->many_steps) {
        LENET_TRY(be->replay(net->ctx, net->many_steps, count / MANY));
        return be->replay(net->ctx, net->one_step, count % MANY);
    }
    for (int i = 0; i < count; i++) LENET_TRY(take_steps(net, source, 1));
    return LENET_OK;
}

enum lenet_status lenet_network_prepare(struct lenet_network *net, const struct lenet_source *source) {
    const struct lenet_backend *be = net->backend;
    const uint64_t step = 0;
    if (!be->record || are_recorded(net, source)) return LENET_OK;
    LENET_TRY(lenet_network_steps(net, source, 1));
    struct lenet_tally *none = calloc((size_t)net->R, sizeof *none);
    if (!none) return LENET_ERR_MEMORY;
    enum lenet_status status = be->upload(net->ctx, net->step, &step, sizeof step);
    if (status == LENET_OK) status = be->upload(net->ctx, net->tally, none, (size_t)net->R * sizeof *none);
    free(none);
    return status;
}
