/* stack.c - lays the parameters of several networks out as the tensors of one file. */
#include "net/stack.h"

#include <stdlib.h>
#include <string.h>

#include "lenet/model.h"

static const char *const prefixes[LENET_KINDS] = {"", "checkpoint.m.", "checkpoint.v."};

enum lenet_status lenet_stack_make(const struct lenet_topology *topology, int R, int single, int kinds,
                                   struct lenet_stack *stack, struct lenet_error *err) {
    const size_t networks = (size_t)R;
    *stack = (struct lenet_stack){.topology = topology, .R = R, .kinds = kinds};
    stack->memory = calloc((size_t)kinds * networks * topology->stride, sizeof *stack->memory);
    if (!stack->memory) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    float *end = stack->memory;
    for (int kind = 0; kind < kinds; kind++)
        stack->n += lenet_topology_tensors(topology, prefixes[kind], stack->memory, stack->tensors + stack->n);
    for (int i = 0; i < stack->n; i++) {
        struct lenet_tensor *t = &stack->tensors[i];
        t->data = end;
        end += networks * (lenet_tensor_bytes(t) / sizeof *end);
        if (single) continue;
        memmove(t->shape + 1, t->shape, (size_t)t->rank++ * sizeof *t->shape);
        t->shape[0] = networks;
    }
    return LENET_OK;
}

void lenet_stack_copy(const struct lenet_stack *stack, int r, float *state, enum lenet_stack_direction direction) {
    struct lenet_tensor own[2 * LENET_MAX_LAYERS];
    const struct lenet_tensor *stacked = stack->tensors;
    for (int kind = 0; kind < stack->kinds; kind++) {
        const int n = lenet_topology_tensors(stack->topology, "", state + (size_t)kind * stack->topology->stride, own);
        for (int i = 0; i < n; i++, stacked++) {
            const size_t bytes = lenet_tensor_bytes(&own[i]);
            char *place = (char *)stacked->data + (size_t)r * bytes;
            if (direction == LENET_STACK_IN)
                memcpy(place, own[i].data, bytes);
            else
                memcpy(own[i].data, place, bytes);
        }
    }
}

enum lenet_status lenet_stack_read(const struct lenet_stack *stack, const char *path,
                                   const struct lenet_tensor_file *file, struct lenet_error *err) {
    for (int i = 0; i < stack->n; i++) LENET_TRY(lenet_tensor_copy(path, file, &stack->tensors[i], err));
    return LENET_OK;
}
