/* passes.h - what the forward and the backward pass, network.c, share with the second derivatives, curvature.c: a
 * layer's operations, layer.c, on tensors that the caller names. */
#ifndef LENET_NET_PASSES_H
#define LENET_NET_PASSES_H
#include <string.h>

#include "lenet/network.h"

/* Runs an operation of net's backend with these arguments: RUN(square, .count = 3, .x = x, .y = y). */
#define RUN(op, ...) net->backend->op(net->ctx, &(struct op){__VA_ARGS__})

/* The fields that nearly all operations have. */
#define LENET_POPULATION .R = net->R, .N = net->N

/* The place of parameter `count` in a tensor of parameters. */
static inline void *lenet_parameter_at(const struct lenet_network *net, void *tensor, size_t count) {
    return (char *)tensor + count * net->backend->element_size;
}

/* What layer l reads: the output of the layer before it, or the network's input. */
const void *lenet_layer_input(const struct lenet_network *net, int l);

enum lenet_status lenet_layer_forward(struct lenet_network *net, const struct lenet_layer *l, const void *x, void *y);

/* The gradients of a layer's parameters, into net->dw. */
enum lenet_status lenet_layer_backward_params(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                              const void *dy);

/* The gradient of a layer's input x, from that of its output y. `weights` are net->w, or as many others. */
enum lenet_status lenet_layer_backward_input(struct lenet_network *net, const struct lenet_layer *l, void *weights,
                                             const void *x, const void *y, const void *dy, void *dx);

/* Convolution l and the maxima of its outputs, which are y, with their places. */
enum lenet_status lenet_layer_forward_with_maxima(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                  void *y, uint8_t *place);
/* The gradients of its parameters, from dy, that of the maxima; `between` has room for that of its outputs. */
enum lenet_status lenet_layer_backward_params_of_maxima(struct lenet_network *net, const struct lenet_layer *l,
                                                        const void *x, const void *y, const uint8_t *place,
                                                        const void *dy, void *between);
/* The gradient of its outputs, from that of the maxima, which are layer l's. */
enum lenet_status lenet_layer_backward_maxima(struct lenet_network *net, const struct lenet_layer *l, const void *y,
                                              const uint8_t *place, const void *dy, void *dx);

/* Fully connected layer l and the activation behind it, which works in place. */
enum lenet_status lenet_layer_forward_activated(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                void *y);
/* Fully connected layer l and the activation in front of it, likewise. */
enum lenet_status lenet_layer_backward_activated(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                 const void *dy, void *dx);

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
