/* passes.h - the parts of the forward and backward pass that network.c shares with the second derivatives, curvature.c:
 * a layer's operations on tensors that the caller names. */
#ifndef LENET_NET_PASSES_H
#define LENET_NET_PASSES_H
#include <string.h>

#include "lenet/network.h"

/* Runs an operation of net's backend with these arguments: RUN(square, .count = 3, .x = x, .y = y). */
#define RUN(op, ...) net->backend->op(net->ctx, &(struct op){__VA_ARGS__})

/* What layer l reads: the output of the layer before it, or the network's input. */
const void *lenet_layer_input(const struct lenet_network *net, int l);

/* The gradients of a layer's parameters, into net->dw. */
enum lenet_status lenet_layer_backward_params(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                              const void *dy);

/* The gradient of a layer's input x, from that of its output y. `weights` are net->w, or as many others. */
enum lenet_status lenet_layer_backward_input(struct lenet_network *net, const struct lenet_layer *l, void *weights,
                                             const void *x, const void *y, const void *dy, void *dx);

/* 1 where the gradient of y[l] (l = -1: of x) is wanted: by itself, or by parameters that train below. */
int lenet_wants_gradient(const struct lenet_network *net, int l);

/* The two parts of an update: the rate, by which the step under way becomes the next one, and the parameters. */
enum lenet_status lenet_network_schedule(struct lenet_network *net);
enum lenet_status lenet_network_optimize(struct lenet_network *net);

/* Whether what was recorded of one source is of the other. */
static inline int lenet_is_same_source(const struct lenet_source *a, const struct lenet_source *b) {
    /* NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c): it has no padding */
    return memcmp(a, b, sizeof *a) == 0;
}

/* Forgets all that was recorded. */
void lenet_network_forget(struct lenet_network *net);

/* LENET_STOPPED where the network's work is to end. */
static inline enum lenet_status lenet_network_may_go_on(const struct lenet_network *net) {
    return net->is_stopped && net->is_stopped(net->stop) ? LENET_STOPPED : LENET_OK;
}

/* The distance loss of the network's outputs, whatever its own loss is. */
enum lenet_status lenet_distance_loss(struct lenet_network *net, void *dy, struct lenet_tally *tally);

#endif
