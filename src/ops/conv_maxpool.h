/* conv_maxpool.h - conv_maxpool_backward_params as the two operations that it stands for. */
#ifndef LENET_OPS_CONV_MAXPOOL_H
#define LENET_OPS_CONV_MAXPOOL_H
#include <string.h>

#include "lenet/ops.h"

/* The gradient of the convolution's outputs. */
static inline struct maxpool_backward_input gradient_between(const struct conv_maxpool_backward_params *a) {
    struct maxpool_backward_input first;
    first.R = a->R;
    first.N = a->N;
    first.C = a->O;
    first.H = a->H - a->K + 1;
    first.W = a->W - a->K + 1;
    first.activation = a->activation;
    first.y = a->y;
    first.place = a->place;
    first.dy = a->dy;
    first.dx = a->between;
    return first;
}

/* What it gives the parameters. */
static inline struct conv_backward_params params_of_between(const struct conv_maxpool_backward_params *a) {
    struct conv_backward_params second;
    second.R = a->R;
    second.N = a->N;
    second.C = a->C;
    second.H = a->H;
    second.W = a->W;
    second.O = a->O;
    second.K = a->K;
    second.stride = a->stride;
    second.x = a->x;
    second.dy = a->between;
    second.dw = a->dw;
    second.db = a->db;
    second.scratch = a->scratch;
    memcpy(second.table, a->table, sizeof second.table);
    return second;
}

#endif
