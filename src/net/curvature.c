/* curvature.c - second derivatives: the diagonal of the Gauss-Newton matrix, propagated back layer by layer.
 *
 * A weighted sum y = sum of w*x has d2x = sum of w^2 * d2y and d2w = sum of x^2 * d2y: these are the operations of the
 * backward pass, given squares. A nonlinearity f has d2x = f'^2 * d2y: that is its operation applied twice. */
#include "net/passes.h"

/* How many values a tensor of so many for each image has. */
static size_t values(const struct lenet_network *net, size_t of_image) {
    return (size_t)net->R * (size_t)net->N * of_image;
}
static size_t all_parameters(const struct lenet_network *net) { return (size_t)net->R * net->topology.stride; }

/* Multiplies dx, which has been multiplied by f'(x) once, by it again; and likewise by the share of an average. */
static enum lenet_status square_subsampling(struct lenet_network *net, const struct lenet_layer *l, const void *x,
                                            void *dx) {
    const size_t inputs = lenet_layer_inputs(l);
    const float share = 1 / (float)(l->spec.size * l->spec.size);
    void *y = net->squared_x; /* it is free meanwhile */
    if (l->activation != LENET_LINEAR) {
        LENET_TRY(RUN(activation_forward, .R = net->R, .N = net->N, .F = (int)inputs, .activation = l->activation,
                      .x = x, .y = y));
        LENET_TRY(RUN(activation_backward_input, .R = net->R, .N = net->N, .F = (int)inputs,
                      .activation = l->activation, .y = y, .dy = dx, .dx = dx));
    }
    if (net->topology.pooling != LENET_POOL_AVERAGE) return LENET_OK;
    return RUN(accumulate, .count = values(net, inputs), .keep = share, .factor = 0, .x = dx, .y = dx);
}

static enum lenet_status backward_second_layer(struct lenet_network *net, int l) {
    const struct lenet_layer *layer = &net->topology.layers[l];
    const void *x = lenet_layer_input(net, l), *y = net->y[l], *dy = lenet_network_gradient(net, l);
    void *dx = lenet_network_gradient(net, l - 1);
    if (lenet_layer_trains(layer)) {
        LENET_TRY(RUN(square, .count = values(net, lenet_layer_inputs(layer)), .x = x, .y = net->squared_x));
        LENET_TRY(lenet_layer_backward_params(net, layer, net->squared_x, dy));
    }
    if (!lenet_wants_gradient(net, l - 1)) return LENET_OK;
    LENET_TRY(lenet_layer_backward_input(net, layer, net->squared_w, x, y, dy, dx));
    if (layer->spec.kind == LENET_ACTIVATION)
        return lenet_layer_backward_input(net, layer, net->squared_w, x, y, dx, dx);
    return layer->spec.kind == LENET_SUBSAMPLE ? square_subsampling(net, layer, x, dx) : LENET_OK;
}

enum lenet_status lenet_network_backward_second(struct lenet_network *net) {
    const int last = net->topology.layer_count - 1;
    const struct lenet_layer *output = &net->topology.layers[last];
    if (output->spec.kind != LENET_RBF || net->optimizer != LENET_SDLM) return LENET_ERR_ARG;
    LENET_TRY(lenet_distance_loss(net, lenet_network_gradient(net, last), net->scratch_tally));
    LENET_TRY(RUN(rbf_backward_second, .R = net->R, .N = net->N, .I = (int)lenet_layer_inputs(output), .O = output->O,
                  .dy = lenet_network_gradient(net, last), .d2x = lenet_network_gradient(net, last - 1)));
    LENET_TRY(RUN(square, .count = all_parameters(net), .x = net->w, .y = net->squared_w));
    for (int l = last - 1; l >= 0 && lenet_wants_gradient(net, l); l--) LENET_TRY(backward_second_layer(net, l));
    return LENET_OK;
}

enum lenet_status lenet_network_add_curvature(struct lenet_network *net, int i, int batches) {
    LENET_TRY(lenet_network_backward_second(net));
    return RUN(accumulate, .count = all_parameters(net), .keep = i ? 1 : 0, .factor = 1 / (float)batches, .x = net->dw,
               .y = net->m);
}

enum lenet_status lenet_network_curvature(struct lenet_network *net, const struct lenet_source *source, int batches) {
    const struct lenet_backend *be = net->backend;
    uint64_t first;
    LENET_TRY(be->download(net->ctx, &first, net->step, sizeof first));
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < batches && (status = lenet_network_may_go_on(net)) == LENET_OK; i++) {
        const uint64_t step = first + (uint64_t)i;
        LENET_TRY(be->upload(net->ctx, net->step, &step, sizeof step));
        LENET_TRY(lenet_network_draw(net, source));
        LENET_TRY(lenet_network_forward(net));
        LENET_TRY(lenet_network_add_curvature(net, i, batches));
    }
    LENET_TRY(be->upload(net->ctx, net->step, &first, sizeof first));
    return status;
}
