/* activation.c - tanh, ReLU and the squash on the CPU: twin of cuda/activation.cu. */
#include "activation.h"

#include "ops_cpu.h"

static int sizes_ok(int R, int N, int F, enum lenet_activation activation) {
    return population_ok(R, N) && F > 0 && activation >= LENET_TANH && activation < LENET_LINEAR;
}

/* Vectors per item: some microseconds of work. */
enum { CHUNK = 4096 };

static ptrdiff_t vectors(int R, int N, int F) { return (ptrdiff_t)R * F * N / LANES; }

static ptrdiff_t chunk_end(ptrdiff_t item, ptrdiff_t count) {
    return (item + 1) * CHUNK < count ? (item + 1) * CHUNK : count;
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct activation_forward *a = args;
    const ptrdiff_t end = chunk_end(item, vectors(a->R, a->N, a->F));
    const vec *x = (const vec *)a->x;
    vec *y = (vec *)a->y;
    if (a->activation == LENET_RELU)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) y[i] = activated(x[i], LENET_RELU);
    else if (a->activation == LENET_SQUASH)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) y[i] = activated(x[i], LENET_SQUASH);
    else
        for (ptrdiff_t i = item * CHUNK; i < end; i++) y[i] = activated(x[i], LENET_TANH);
}

static void backward_item(const void *args, ptrdiff_t item) {
    const struct activation_backward_input *a = args;
    const ptrdiff_t end = chunk_end(item, vectors(a->R, a->N, a->F));
    const vec *y = (const vec *)a->y, *dy = (const vec *)a->dy;
    vec *dx = (vec *)a->dx;
    if (a->activation == LENET_RELU)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) dx[i] = activation_gradient(y[i], dy[i], LENET_RELU);
    else if (a->activation == LENET_SQUASH)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) dx[i] = activation_gradient(y[i], dy[i], LENET_SQUASH);
    else
        for (ptrdiff_t i = item * CHUNK; i < end; i++) dx[i] = activation_gradient(y[i], dy[i], LENET_TANH);
}

enum lenet_status CPU_NAME(activation_forward)(struct lenet_ctx *ctx, const struct activation_forward *a) {
    if (!sizes_ok(a->R, a->N, a->F, a->activation)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (vectors(a->R, a->N, a->F) + CHUNK - 1) / CHUNK, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(activation_backward_input)(struct lenet_ctx *ctx,
                                                      const struct activation_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->F, a->activation)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (vectors(a->R, a->N, a->F) + CHUNK - 1) / CHUNK, backward_item, a);
    return LENET_OK;
}
