/* elementwise.c - squares and weighted sums of whole tensors on the CPU: twin of cuda/elementwise.cu. */
#include "cpu/ops_cpu.h"

/* Elements of an item: some microseconds of work. */
enum { CHUNK = 1 << 16 };

static size_t end_of(ptrdiff_t item, size_t count) {
    const size_t end = ((size_t)item + 1) * CHUNK;
    return end < count ? end : count;
}

static void square_item(const void *args, ptrdiff_t item) {
    const struct square *a = args;
    for (size_t i = (size_t)item * CHUNK; i < end_of(item, a->count); i++) a->y[i] = a->x[i] * a->x[i];
}

static void accumulate_item(const void *args, ptrdiff_t item) {
    const struct accumulate *a = args;
    const LENET_REAL keep = a->keep, factor = a->factor;
    for (size_t i = (size_t)item * CHUNK; i < end_of(item, a->count); i++)
        a->y[i] = (keep != 0 ? keep * a->y[i] : 0) + factor * a->x[i];
}

enum lenet_status CPU_NAME(square)(struct lenet_ctx *ctx, const struct square *a) {
    at_once(ctx, (ptrdiff_t)((a->count + CHUNK - 1) / CHUNK), square_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(accumulate)(struct lenet_ctx *ctx, const struct accumulate *a) {
    at_once(ctx, (ptrdiff_t)((a->count + CHUNK - 1) / CHUNK), accumulate_item, a);
    return LENET_OK;
}
