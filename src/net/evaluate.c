/* evaluate.c - runs a population over images without training on them, and brings what it answers to the host. */
#include <math.h>
#include <stdlib.h>

#include "base/half.h"
#include "net/passes.h"

/* The loss of an image with these outputs, y[o * step], as the operation computes it. */
static double loss_of(const struct lenet_topology *topology, const float *y, size_t step, uint8_t label) {
    if (topology->loss == LENET_MSE) return -(double)y[label * step];
    const double rubbish = topology->loss == LENET_MAP ? -topology->map_j : -INFINITY;
    double top = rubbish, sum = 0;
    for (int o = 0; o < topology->classes; o++) top = fmax(top, y[(size_t)o * step]);
    for (int o = 0; o < topology->classes; o++) sum += exp(y[(size_t)o * step] - top);
    return log(sum + exp(rubbish - top)) + top - y[label * step];
}

/* The last batch's outputs and labels on the host: y[R][O][N], label[R][N]. */
static enum lenet_status fetch_outputs(struct lenet_network *net, float *y, uint8_t *label) {
    const size_t labels = (size_t)net->R * (size_t)net->N, outputs = labels * (size_t)net->topology.classes;
    LENET_TRY(net->backend->download(net->ctx, y, net->y[net->topology.layer_count - 1], outputs * sizeof *y));
    return net->backend->download(net->ctx, label, net->label, labels);
}

/* Puts them to their places in the answers, which have room for `total` images of each member. */
static void place_outputs(const struct lenet_network *net, const struct lenet_answers *answers, size_t place,
                          size_t total, size_t count, const float *y, const uint8_t *label) {
    const size_t O = (size_t)net->topology.classes, N = (size_t)net->N;
    for (size_t r = 0; r < (size_t)net->R; r++)
        for (size_t n = 0; n < count; n++) {
            const float *own = y + r * O * N + n;
            const size_t at = r * total + place + n;
            for (size_t o = 0; answers->outputs && o < O; o++) answers->outputs[at * O + o] = own[o * N];
            if (answers->loss) answers->loss[at] = lenet_half(loss_of(&net->topology, own, N, label[r * N + n]));
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
    for (uint32_t n = first; n < end && status == LENET_OK; n += (uint32_t)net->N) {
        const uint32_t count = end - n < (uint32_t)net->N ? end - n : (uint32_t)net->N;
        status = lenet_network_may_go_on(net);
        if (status == LENET_OK)
            status = RUN(batch_slice, .R = net->R, .N = net->N, .B = net->N, .source = *source, .hyper = hyper,
                         .first = n, .end = end, .x = net->x, .label = net->label);
        if (status == LENET_OK) status = lenet_network_forward(net);
        if (status == LENET_OK) status = lenet_network_loss(net, 0);
        if (status == LENET_OK && answers) status = fetch_answers(net, answers, n - first, end - first, count);
    }
    if (status == LENET_OK) status = be->download(net->ctx, host_tally, net->tally, tally_bytes);
    if (status == LENET_OK || status == LENET_STOPPED) {
        const enum lenet_status restored = be->upload(net->ctx, net->tally, kept, tally_bytes);
        status = restored == LENET_OK ? status : restored;
    }
    free(kept);
    return status;
}
