/* stack.h - the parameters of several networks as the tensors of one file.
 *
 * In memory a network's parameters lie together, [R][kinds][stride], a kind being weights or moments. In a file a
 * tensor of all networks lies together: C1.weight is [R][O][C][K][K], or [O][C][K][K] for a file of a single network.
 */
#ifndef LENET_NET_STACK_H
#define LENET_NET_STACK_H
#include "lenet/topology.h"

enum { LENET_KINDS = 3, LENET_STACK_TENSORS = LENET_KINDS * 2 * LENET_MAX_LAYERS };

struct lenet_stack {
    const struct lenet_topology *topology;
    int R, kinds; /* networks; 1: weights, 2: m too, 3: v too */
    int n;
    struct lenet_tensor tensors[LENET_STACK_TENSORS];
    float *memory; /* what the tensors' data point into */
};

/* Describes R networks; single: one, whose tensors have no dimension R. To be freed with free(stack->memory), also on
 * failure. LENET_ERR_MEMORY. */
enum lenet_status lenet_stack_make(const struct lenet_topology *topology, int R, int single, int kinds,
                                   struct lenet_stack *stack, struct lenet_error *err);

/* Copies network r's parameters, state[kinds][stride], into the stack or out of it. */
enum lenet_stack_direction { LENET_STACK_IN, LENET_STACK_OUT };
void lenet_stack_copy(const struct lenet_stack *stack, int r, float *state, enum lenet_stack_direction direction);

/* Fills the stack from a file. LENET_ERR_FORMAT where one of its tensors is missing there or has another shape. */
enum lenet_status lenet_stack_read(const struct lenet_stack *stack, const char *path,
                                   const struct lenet_tensor_file *file, struct lenet_error *err);

#endif
