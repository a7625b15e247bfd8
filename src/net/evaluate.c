/* evaluate.c - runs a population over images without training on them, and brings what it answers to the host. */
#include <math.h>
#include <stdlib.h>

#include "base/elementary.h"
#include "base/half.h"
#include "net/passes.h"

/* The loss of an image with these outputs, y[o * step], as the operation computes it. */
static double loss_of(const struct lenet_topology *topology, const float *y, uint8_t label) {
    if (topology->loss == LENET_MSE) return -(double)y[label];
    const double rubbish = topology->loss == LENET_MAP ? -topology->map_j : -INFINITY;
    double top = rubbish, sum = 0;
    for (int o = 0; o < topology->classes; o++) top = fmax(top, y[o]);
    for (int o = 0; o < topology->classes; o++) sum += lenet_exp(y[o] - top);
    return lenet_log(sum + lenet_exp(rubbish - top)) + top - y[label];
}

/* The last batch's outputs and labels on the host, as they lie on the device. */
static enum lenet_status fetch_outputs(struct lenet_network *net, float *y, uint8_t *label) {
    const size_t labels = (size_t)net->R * (size_t)net->N, outputs = labels * (size_t)net->topology.classes;
    LENET_TRY(net->backend->download(net->ctx, y, net->y[net->topology.layer_count - 1], outputs * sizeof *y));
    return net->backend->download(net->ctx, label, net->label, labels);
}

/* Puts them to their places in the answers, which have room for `total` images of each member. */
static void place_outputs(const struct lenet_network *net, const struct lenet_answers *answers, size_t place,
                          size_t total, size_t count, const float *y, const uint8_t *label) {
    const size_t O = (size_t)net->topology.classes, N = (size_t)net->N;
    float own[LENET_NO_LABEL];
    for (size_t r = 0; r < (size_t)net->R; r++)
        for (size_t n = 0; n < count; n++) {
            const size_t at = r * total + place + n;
            for (size_t o = 0; o < O; o++) own[o] = y[r * O * N + lenet_value_at(net->backend, net->N, O, o, (int)n)];
            if (answers->outputs) memcpy(answers->outputs + at * O, own, O * sizeof *own);
            if (answers->loss) answers->loss[at] = lenet_half(loss_of(&net->topology, own, label[r * N + n]));
        }
}

/* Brings what `count` images got from all members. */
static enum lenet_status fetch_answers(struct lenet_network *net, const struct lenet_answers *answers, size_t place,
                                       size_t total, size_t count) {
    const struct lenet_backend *be = net->backend;
    const size_t N = (size_t)net->N, R = (size_t)net->R;
    for (size_t r = 0; answers->predicted && r < R; r++)
        LENET_TRY(be->download(net->ctx, answers->predicted + r * total + place, net->predicted + r * N, count));
    if (!answers->outputs && !answers->loss) return LENET_OK;
    if (be->element_size != sizeof(float)) return LENET_ERR_ARG;
    float *y = malloc(R * N * (size_t)net->topology.classes * sizeof *y);
    uint8_t *label = malloc(R * N);
    enum lenet_status status = y && label ? fetch_outputs(net, y, label) : LENET_ERR_MEMORY;
    if (status == LENET_OK) place_outputs(net, answers, place, total, count, y, label);
    free(y);
    free(label);
    return status;
}

/* ---- batches of images --------------------------------------------------------------------------- */

/* What is evaluated: images first ... end-1 of a source, in the order that hyper says. */
struct job {
    struct lenet_network *net;
    const struct lenet_source *source;
    const struct lenet_hyper *hyper;
    uint32_t first, end;
};

/* Images n ... of a job, and padding behind its last one. */
static enum lenet_status evaluate_batch(const struct job *job, uint32_t n) {
    struct lenet_network *net = job->net;
    LENET_TRY(RUN(batch_slice, .R = net->R, .N = net->N, .B = net->N, .source = *job->source, .hyper = job->hyper,
                  .first = n, .end = job->end, .x = net->x, .label = net->label));
    LENET_TRY(lenet_network_forward(net));
    return lenet_network_loss(net, 0);
}

static enum lenet_status evaluate_batches(const struct job *job, const struct lenet_answers *answers) {
    const uint32_t N = (uint32_t)job->net->N;
    for (uint32_t n = job->first; n < job->end; n += N) {
        const uint32_t count = job->end - n < N ? job->end - n : N;
        LENET_TRY(lenet_network_may_go_on(job->net));
        LENET_TRY(evaluate_batch(job, n));
        if (answers) LENET_TRY(fetch_answers(job->net, answers, n - job->first, job->end - job->first, count));
    }
    return LENET_OK;
}

/* ---- recorded ------------------------------------------------------------------------------------ */

/* At most so many images, of all networks: a fraction of a second's. */
enum { MOST_RECORDED = 1 << 20 };

static struct lenet_recorded_evaluation *find(const struct job *job) {
    struct lenet_network *net = job->net;
    for (struct lenet_recorded_evaluation *e = net->evaluations; e < net->evaluations + LENET_EVALUATIONS; e++)
        if (e->graph && lenet_is_same_source(&e->source, job->source) && e->hyper == job->hyper &&
            e->first == job->first && e->end == job->end)
            return e;
    return NULL;
}

static enum lenet_status enqueue(void *argument) {
    const struct job *job = argument;
    for (uint32_t n = job->first; n < job->end; n += (uint32_t)job->net->N) LENET_TRY(evaluate_batch(job, n));
    return LENET_OK;
}

enum lenet_status lenet_network_prepare_evaluation(struct lenet_network *net, const struct lenet_source *source,
                                                   const struct lenet_hyper *hyper, uint32_t first, uint32_t end) {
    struct job job = {net, source, hyper, first, end};
    struct lenet_recorded_evaluation *e = net->evaluations;
    while (e < net->evaluations + LENET_EVALUATIONS && e->graph) e++;
    if (!net->backend->record || e == net->evaluations + LENET_EVALUATIONS || find(&job)) return LENET_OK;
    if (first >= end || (uint64_t)net->R * (end - first) > MOST_RECORDED) return LENET_OK;
    LENET_TRY(evaluate_batch(&job, end)); /* of padding: at their first call libraries load their kernels */
    *e = (struct lenet_recorded_evaluation){.source = *source, .hyper = hyper, .first = first, .end = end};
    return net->backend->record(net->ctx, enqueue, &job, &e->graph);
}

/* ---- evaluation ---------------------------------------------------------------------------------- */

static enum lenet_status evaluate(const struct job *job, const struct lenet_answers *answers) {
    const struct lenet_recorded_evaluation *recorded = answers ? NULL : find(job);
    if (!recorded) return evaluate_batches(job, answers);
    LENET_TRY(lenet_network_may_go_on(job->net));
    return job->net->backend->replay(job->net->ctx, recorded->graph, 1);
}

/* Evaluates with the training step's own buffers; the tallies of training are kept on the host meanwhile. */
enum lenet_status lenet_network_evaluate(struct lenet_network *net, const struct lenet_source *source,
                                         const struct lenet_hyper *hyper, uint32_t first, uint32_t end,
                                         struct lenet_tally *host_tally, const struct lenet_answers *answers) {
    const struct lenet_backend *be = net->backend;
    const size_t tally_bytes = (size_t)net->R * sizeof *host_tally;
    struct lenet_tally *kept = malloc(tally_bytes);
    if (!kept) return LENET_ERR_MEMORY;
    enum lenet_status status = be->download(net->ctx, kept, net->tally, tally_bytes);
    if (status == LENET_OK) status = be->upload(net->ctx, net->tally, host_tally, tally_bytes);
    if (status == LENET_OK) status = evaluate(&(struct job){net, source, hyper, first, end}, answers);
    if (status == LENET_OK) status = be->download(net->ctx, host_tally, net->tally, tally_bytes);
    if (status == LENET_OK || status == LENET_STOPPED) {
        const enum lenet_status restored = be->upload(net->ctx, net->tally, kept, tally_bytes);
        status = restored == LENET_OK ? status : restored;
    }
    free(kept);
    return status;
}
