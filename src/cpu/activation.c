/* activation.c - tanh, ReLU and the squash on the CPU: twin of cuda/activation.cu. */
#include "cpu/activation.h"

#include <string.h>

#include "cpu/ops_cpu.h"

/* Elements of an item: whole vectors, and some microseconds of work. */
enum { CHUNK = 4096 * LANES };

static ptrdiff_t end_of(ptrdiff_t item, ptrdiff_t count) {
    return (item + 1) * CHUNK < count ? (item + 1) * CHUNK : count;
}

/* Load and store the last values of a single image, which do not fill a vector. */
ALWAYS_INLINE vec load_rest(const LENET_REAL *p, ptrdiff_t count) {
    vec v = {0};
    memcpy(&v, p, (size_t)count * sizeof *p);
    return v;
}
ALWAYS_INLINE void store_rest(LENET_REAL *p, vec v, ptrdiff_t count) { memcpy(p, &v, (size_t)count * sizeof *p); }

ALWAYS_INLINE void forward_chunk(const struct activation_forward *a, ptrdiff_t item, enum lenet_activation f) {
    const ptrdiff_t end = end_of(item, (ptrdiff_t)a->R * a->F * a->N);
    ptrdiff_t i = item * CHUNK;
    for (; i + LANES <= end; i += LANES) *(vec *)(a->y + i) = activated(*(const vec *)(a->x + i), f);
    if (i < end) store_rest(a->y + i, activated(load_rest(a->x + i, end - i), f), end - i);
}

ALWAYS_INLINE void backward_chunk(const struct activation_backward_input *a, ptrdiff_t item, enum lenet_activation f) {
    const ptrdiff_t end = end_of(item, (ptrdiff_t)a->R * a->F * a->N);
    ptrdiff_t i = item * CHUNK;
    for (; i + LANES <= end; i += LANES)
        *(vec *)(a->dx + i) = activation_gradient(*(const vec *)(a->y + i), *(const vec *)(a->dy + i), f);
    if (i < end)
        store_rest(a->dx + i, activation_gradient(load_rest(a->y + i, end - i), load_rest(a->dy + i, end - i), f),
                   end - i);
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct activation_forward *a = args;
    switch (a->activation) {
    case LENET_RELU: forward_chunk(a, item, LENET_RELU); break;
    case LENET_SQUASH: forward_chunk(a, item, LENET_SQUASH); break;
    default: forward_chunk(a, item, LENET_TANH);
    }
}

static void backward_item(const void *args, ptrdiff_t item) {
    const struct activation_backward_input *a = args;
    switch (a->activation) {
    case LENET_RELU: backward_chunk(a, item, LENET_RELU); break;
    case LENET_SQUASH: backward_chunk(a, item, LENET_SQUASH); break;
    default: backward_chunk(a, item, LENET_TANH);
    }
}

static ptrdiff_t chunks(int R, int N, int F) { return ((ptrdiff_t)R * F * N + CHUNK - 1) / CHUNK; }

enum lenet_status CPU_NAME(activation_forward)(struct lenet_ctx *ctx, const struct activation_forward *a) {
    parallel_for(ctx->pool, chunks(a->R, a->N, a->F), forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(activation_backward_input)(struct lenet_ctx *ctx,
                                                      const struct activation_backward_input *a) {
    parallel_for(ctx->pool, chunks(a->R, a->N, a->F), backward_item, a);
    return LENET_OK;
}
