/* layer.c - a layer as its backend's operations: by itself, and where one operation does the work of two layers. */
#include <string.h>

#include "net/passes.h"

/* What a layer is to its operations: the fields that those of a kind have in common. */
#define CONV_SIZES                                                                                                     \
    LENET_POPULATION, .C = l->C, .H = l->H, .W = l->W, .O = l->O, .K = l->spec.size, .stride = net->topology.stride
#define SUBSAMPLE_SIZES                                                                                                \
    LENET_POPULATION, .C = l->C, .H = l->H, .W = l->W, .S = l->spec.size, .pooling = net->topology.pooling,            \
                      .activation = l->activation
#define MAXPOOL_SIZES    LENET_POPULATION, .C = l->C, .H = l->H, .W = l->W, .activation = l->activation
#define SCALE_SIZES      LENET_POPULATION, .C = l->C, .P = l->H * l->W, .stride = net->topology.stride
#define ACTIVATION_SIZES LENET_POPULATION, .F = (int)lenet_layer_inputs(l), .activation = net->topology.activation
#define RBF_SIZES        LENET_POPULATION, .I = (int)lenet_layer_inputs(l), .O = l->O
#define DENSE_SIZES      LENET_POPULATION, .I = (int)lenet_layer_inputs(l), .O = l->O, .stride = net->topology.stride

enum lenet_status lenet_layer_forward(struct lenet_network *net, const struct lenet_layer *l, const void *x, void *y) {
    const void *w = lenet_parameter_at(net, net->w, l->w), *b = lenet_parameter_at(net, net->w, l->b);
    switch (l->spec.kind) {
    case LENET_CONV: return RUN(conv_forward, CONV_SIZES, .x = x, .w = w, .b = b, .y = y);
    case LENET_SUBSAMPLE: return RUN(subsample_forward, SUBSAMPLE_SIZES, .x = x, .y = y);
    case LENET_SCALE: return RUN(scale_forward, SCALE_SIZES, .x = x, .w = w, .b = b, .y = y);
    case LENET_ACTIVATION: return RUN(activation_forward, ACTIVATION_SIZES, .x = x, .y = y);
    case LENET_RBF: return RUN(rbf_forward, RBF_SIZES, .targets = net->topology.targets, .x = x, .y = y);
    case LENET_DENSE:
        return RUN(dense_forward, DENSE_SIZES, .activation = LENET_LINEAR, .x = x, .w = w, .b = b, .y = y);
    }
    return LENET_ERR_ARG;
}

static void *scratch_of(const struct lenet_network *net, const struct lenet_layer *l) {
    return net->scratch[l - net->topology.layers];
}

enum lenet_status lenet_layer_backward_params(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                              const void *dy) {
    void *dw = lenet_parameter_at(net, net->dw, l->w), *db = lenet_parameter_at(net, net->dw, l->b);
    if (l->spec.kind == LENET_SCALE)
        return RUN(scale_backward_params, SCALE_SIZES, .x = x, .dy = dy, .dw = dw, .db = db);
    if (l->spec.kind == LENET_DENSE)
        return RUN(dense_backward_params, DENSE_SIZES, .x = x, .dy = dy, .dw = dw, .db = db);
    if (l->spec.kind != LENET_CONV) return LENET_ERR_ARG;
    struct conv_backward_params conv = {CONV_SIZES, .x = x,   .dy = dy,
                                        .dw = dw,   .db = db, .scratch = scratch_of(net, l)};
    if (l->spec.table) memcpy(conv.table, l->spec.table, (size_t)l->O * sizeof *conv.table);
    return net->backend->conv_backward_params(net->ctx, &conv);
}

enum lenet_status lenet_layer_backward_input(struct lenet_network *net, const struct lenet_layer *l, void *weights,
                                             const void *x, const void *y, const void *dy, void *dx) {
    const void *w = lenet_parameter_at(net, weights, l->w);
    switch (l->spec.kind) {
    case LENET_CONV: return RUN(conv_backward_input, CONV_SIZES, .dy = dy, .w = w, .dx = dx);
    case LENET_SUBSAMPLE: return RUN(subsample_backward_input, SUBSAMPLE_SIZES, .x = x, .dy = dy, .dx = dx);
    case LENET_SCALE: return RUN(scale_backward_input, SCALE_SIZES, .dy = dy, .w = w, .dx = dx);
    case LENET_ACTIVATION: return RUN(activation_backward_input, ACTIVATION_SIZES, .y = y, .dy = dy, .dx = dx);
    case LENET_RBF:
        return RUN(rbf_backward_input, RBF_SIZES, .targets = net->topology.targets, .x = x, .dy = dy, .dx = dx);
    case LENET_DENSE:
        return RUN(dense_backward_input, DENSE_SIZES, .activation = LENET_LINEAR, .dy = dy, .w = w, .dx = dx);
    }
    return LENET_ERR_ARG;
}

/* ---- two layers as one operation ---------------------------------------------------- */

enum lenet_status lenet_layer_forward_with_maxima(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                  void *y, uint8_t *place) {
    return RUN(conv_maxpool_forward, CONV_SIZES, .activation = l[1].activation, .x = x,
               .w = lenet_parameter_at(net, net->w, l->w), .b = lenet_parameter_at(net, net->w, l->b), .y = y,
               .place = place);
}

enum lenet_status lenet_layer_backward_params_of_maxima(struct lenet_network *net, const struct lenet_layer *l,
                                                        const void *x, const void *y, const uint8_t *place,
                                                        const void *dy, void *between) {
    struct conv_maxpool_backward_params conv = {CONV_SIZES,
                                                .activation = l[1].activation,
                                                .x = x,
                                                .y = y,
                                                .place = place,
                                                .dy = dy,
                                                .dw = lenet_parameter_at(net, net->dw, l->w),
                                                .db = lenet_parameter_at(net, net->dw, l->b),
                                                .scratch = scratch_of(net, l),
                                                .between = between};
    if (l->spec.table) memcpy(conv.table, l->spec.table, (size_t)l->O * sizeof *conv.table);
    return net->backend->conv_maxpool_backward_params(net->ctx, &conv);
}

enum lenet_status lenet_layer_backward_maxima(struct lenet_network *net, const struct lenet_layer *l, const void *y,
                                              const uint8_t *place, const void *dy, void *dx) {
    return RUN(maxpool_backward_input, MAXPOOL_SIZES, .y = y, .place = place, .dy = dy, .dx = dx);
}

enum lenet_status lenet_layer_forward_activated(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                void *y) {
    return RUN(dense_forward, DENSE_SIZES, .activation = net->topology.activation, .x = x,
               .w = lenet_parameter_at(net, net->w, l->w), .b = lenet_parameter_at(net, net->w, l->b), .y = y);
}

enum lenet_status lenet_layer_backward_activated(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                                 const void *dy, void *dx) {
    return RUN(dense_backward_input, DENSE_SIZES, .activation = net->topology.activation, .x = x, .dy = dy,
               .w = lenet_parameter_at(net, net->w, l->w), .dx = dx);
}
