/* preconditions.h - what each operation asks of its arguments, in code; lenet/ops.h says the same in words.
 *
 * A backend's table holds no twin itself but checked_OP, which calls the twin only where OP_ok holds. So the twins of
 * all backends refuse the same arguments, and none of them checks anything. */
#ifndef LENET_OPS_PRECONDITIONS_H
#define LENET_OPS_PRECONDITIONS_H
#include <math.h>

#include "lenet/ops.h"

/* Defines checked_OP. `lanes` is how many images the backend computes together. */
#define LENET_CHECKED(op, twin, lanes)                                                                                 \
    static enum lenet_status checked_##op(struct lenet_ctx *ctx, const struct op *a) {                                 \
        return op##_ok(a, lanes) ? twin(ctx, a) : LENET_ERR_ARG;                                                       \
    }

/* ---- what several operations have in common ---------------------------------------- */

static inline int is_within(int size, int largest) { return size > 0 && size <= largest; }
static inline int is_activation(enum lenet_activation f) { return (int)f >= LENET_TANH && f <= LENET_LINEAR; }

/* Whether a convolution has a connection table. */
static inline int has_table(const uint32_t table[LENET_TABLE_MAPS]) {
    uint32_t any = 0;
    for (int o = 0; o < LENET_TABLE_MAPS; o++) any |= table[o];
    return any != 0;
}

static inline int is_source(const struct lenet_source *s) {
    return s->count > 0 && s->count <= 1u << 31 && s->H > 0 && s->W > 0 && is_within(s->classes, LENET_NO_LABEL) &&
           s->H <= s->OH && s->OH <= LENET_MAX_SIDE && s->W <= s->OW && s->OW <= LENET_MAX_SIDE;
}

/* Of the arguments of any operation that have these fields. */
#define POPULATION_OK(a, lanes)                                                                                        \
    (is_within((a)->R, LENET_MAX_NETWORKS) && is_within((a)->N, LENET_MAX_BATCH) && (a)->N % (lanes) == 0)
#define MAPS_OK(a)                                                                                                     \
    (is_within((a)->C, LENET_MAX_MAPS) && is_within((a)->H, LENET_MAX_SIDE) && is_within((a)->W, LENET_MAX_SIDE))
#define BATCH_OK(a, lanes) (POPULATION_OK(a, lanes) && is_within((a)->B, (a)->N) && is_source(&(a)->source))
#define CONV_OK(a, lanes)                                                                                              \
    (POPULATION_OK(a, lanes) && MAPS_OK(a) && is_within((a)->O, LENET_MAX_MAPS) &&                                     \
     is_within((a)->K, LENET_MAX_KERNEL) && (a)->K <= (a)->H && (a)->K <= (a)->W)
#define TABLE_OK(a) (!has_table((a)->table) || ((a)->O <= LENET_TABLE_MAPS && (a)->C <= LENET_TABLE_INPUTS))
#define CONV_MAXPOOL_OK(a, lanes)                                                                                      \
    (CONV_OK(a, lanes) && ((a)->H - (a)->K) % 2 == 1 && ((a)->W - (a)->K) % 2 == 1 && is_activation((a)->activation))
#define SUBSAMPLE_OK(a, lanes)                                                                                         \
    (POPULATION_OK(a, lanes) && MAPS_OK(a) && (a)->S > 0 && (a)->H % (a)->S == 0 && (a)->W % (a)->S == 0 &&            \
     (int)(a)->pooling >= LENET_POOL_AVERAGE && (a)->pooling <= LENET_POOL_SUM && is_activation((a)->activation))
#define SCALE_OK(a, lanes)                                                                                             \
    (POPULATION_OK(a, lanes) && is_within((a)->C, LENET_MAX_MAPS) && is_within((a)->P, LENET_MAX_SIDE * LENET_MAX_SIDE))
#define ACTIVATION_OK(a, lanes)                                                                                        \
    (POPULATION_OK(a, lanes) && (a)->F > 0 && (size_t)(a)->R * (size_t)(a)->F * (size_t)(a)->N <= LENET_MAX_VALUES &&  \
     is_activation((a)->activation) && (a)->activation != LENET_LINEAR)
#define DENSE_OK(a, lanes) (POPULATION_OK(a, lanes) && (a)->I > 0 && (a)->O > 0)
#define RBF_OK(a, lanes)                                                                                               \
    (POPULATION_OK(a, lanes) && is_within((a)->I, LENET_MAX_TARGET) && is_within((a)->O, LENET_TARGETS))
#define LOSS_OK(a, lanes) (POPULATION_OK(a, lanes) && is_within((a)->O, LENET_NO_LABEL - 1))

/* ---- one function for each operation ------------------------------------------------- */

/* Most are one of the expressions above, and no more. */
#define LENET_OK_IF(op, condition)                                                                                     \
    static inline int op##_ok(const struct op *a, int lanes) {                                                         \
        (void)lanes;                                                                                                   \
        return condition;                                                                                              \
    }
LENET_OK_IF(batch_draw, BATCH_OK(a, lanes))
LENET_OK_IF(batch_slice, BATCH_OK(a, lanes) && a->first <= a->end && a->end <= a->source.count)
LENET_OK_IF(conv_forward, CONV_OK(a, lanes))
LENET_OK_IF(conv_backward_input, CONV_OK(a, lanes))
LENET_OK_IF(conv_backward_params, CONV_OK(a, lanes) && TABLE_OK(a))
LENET_OK_IF(subsample_forward, SUBSAMPLE_OK(a, lanes))
LENET_OK_IF(subsample_backward_input, SUBSAMPLE_OK(a, lanes))
LENET_OK_IF(conv_maxpool_forward, CONV_MAXPOOL_OK(a, lanes))
LENET_OK_IF(conv_maxpool_backward_params, CONV_MAXPOOL_OK(a, lanes) && TABLE_OK(a))
LENET_OK_IF(maxpool_backward_input,
            POPULATION_OK(a, lanes) && MAPS_OK(a) && a->H % 2 == 0 && a->W % 2 == 0 && is_activation(a->activation))
LENET_OK_IF(scale_forward, SCALE_OK(a, lanes))
LENET_OK_IF(scale_backward_input, SCALE_OK(a, lanes))
LENET_OK_IF(scale_backward_params, SCALE_OK(a, lanes))
LENET_OK_IF(activation_forward, ACTIVATION_OK(a, lanes))
LENET_OK_IF(activation_backward_input, ACTIVATION_OK(a, lanes))
LENET_OK_IF(dense_forward, DENSE_OK(a, lanes) && is_activation(a->activation))
LENET_OK_IF(dense_backward_input, DENSE_OK(a, lanes) && is_activation(a->activation))
LENET_OK_IF(dense_backward_params, DENSE_OK(a, lanes))
LENET_OK_IF(rbf_forward, RBF_OK(a, lanes))
LENET_OK_IF(rbf_backward_input, RBF_OK(a, lanes))
LENET_OK_IF(rbf_backward_second, RBF_OK(a, lanes))
LENET_OK_IF(softmax_loss, LOSS_OK(a, lanes) && a->rubbish >= 0 && isfinite(a->rubbish))
LENET_OK_IF(distance_loss, LOSS_OK(a, lanes))
LENET_OK_IF(square, a->count > 0 && a->count <= LENET_MAX_VALUES)
LENET_OK_IF(accumulate, a->count > 0 && a->count <= LENET_MAX_VALUES)
LENET_OK_IF(schedule_step, is_within(a->R, LENET_MAX_NETWORKS))
LENET_OK_IF(optimizer_step, is_within(a->R, LENET_MAX_NETWORKS) && a->first < a->end && a->end <= a->stride &&
                                a->end - a->first <= LENET_MAX_VALUES && (int)a->optimizer >= LENET_SGD &&
                                a->optimizer <= LENET_SDLM)

#endif
