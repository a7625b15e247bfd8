/* ops_cpu.h - prototypes of the CPU twins in the precision being compiled, and what they share. */
#ifndef LENET_CPU_OPS_CPU_H
#define LENET_CPU_OPS_CPU_H
#include "cpu/names.h"

#include "cpu/queue.h"
#include "cpu/vector.h"
#include "lenet/ops.h"

struct lenet_ctx {
    struct queue queue;
    int on_branch;
    void *memory; /* of the operation that is under way, where it needs some: see batch1.h */
    size_t bytes;
};

static inline int least(int a, int b) { return a < b ? a : b; }
static inline int pieces(int size, int chunk) { return (size + chunk - 1) / chunk; }

/* Runs an operation by its items, after all that waits. */
static inline void at_once(struct lenet_ctx *ctx, ptrdiff_t items, parallel_body *body, const void *args) {
    queue_flush(&ctx->queue);
    parallel_for(ctx->queue.pool, items, body, args);
}

/* Images that lie together in a tensor: a block. So many, because then what a thread works on stays in its caches. */
#ifdef LENET_BATCH1
enum { GROUP = LENET_MAX_BATCH };
#else
enum { GROUP = 32 };
#endif

/* The gradient of a convolution's parameters is added up from at most LENET_PARTS sums over so many blocks. */
static inline int blocks_of_part(int N) { return pieces(pieces(N, GROUP), LENET_PARTS); }

/* Enqueues the operation *a, which is computed by blocks. One for single images has memory that is valid until the next
 * one, and is done at once. */
#ifdef LENET_BATCH1
struct whole_batches {
    int N;
    block_body *body;
    const void *args;
};
static inline void whole_batch(const void *args, ptrdiff_t r) {
    const struct whole_batches *op = args;
    op->body(op->args, &(struct block){.r = r, .before = r * op->N, .n = 0, .count = op->N});
}
static inline enum lenet_status by_blocks(struct lenet_ctx *ctx, int R, int N, block_body *body, const void *args,
                                          size_t bytes) {
    (void)bytes;
    at_once(ctx, R, whole_batch, &(struct whole_batches){N, body, args});
    return LENET_OK;
}
#else
static inline enum lenet_status by_blocks(struct lenet_ctx *ctx, int R, int N, block_body *body, const void *args,
                                          size_t bytes) {
    queue_blocks(&ctx->queue, R, N, GROUP, blocks_of_part(N), body, args, bytes);
    return LENET_OK;
}
#endif
#define BY_BLOCKS(ctx, a, body) by_blocks(ctx, (a)->R, (a)->N, body, a, sizeof *(a))

/* Enqueues the operation *a, which needs all images of a network. On the branch it waits until it is joined. */
static inline enum lenet_status by_items(struct lenet_ctx *ctx, ptrdiff_t items, parallel_body *body, const void *args,
                                         size_t bytes) {
    queue_after(&ctx->queue, items, body, args, bytes);
    if (!ctx->on_branch) queue_flush(&ctx->queue);
    return LENET_OK;
}
#define BY_ITEMS(ctx, a, items, body) by_items(ctx, items, body, a, sizeof *(a))

/* Whether a connection table, if there is one, connects map c to map o. */
static inline int is_connected(const struct conv_backward_params *a, int with_table, int o, int c) {
    return !with_table || (a->table[o] >> c & 1);
}

#define X(op) enum lenet_status CPU_NAME(op)(struct lenet_ctx * ctx, const struct op *a);
LENET_OPS(X)
#undef X

/* The nonlinearity of a fully connected layer, in place. */
static inline enum lenet_status activate_outputs(struct lenet_ctx *ctx, const struct dense_forward *a) {
    const struct activation_forward f = {a->R, a->N, a->O, a->activation, a->y, a->y};
    return a->activation == LENET_LINEAR ? LENET_OK : CPU_NAME(activation_forward)(ctx, &f);
}

/* The gradient of the nonlinearity in front of one, in place. */
static inline enum lenet_status activate_gradients(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    const struct activation_backward_input f = {a->R, a->N, a->I, a->activation, a->x, a->dx, a->dx};
    return a->activation == LENET_LINEAR ? LENET_OK : CPU_NAME(activation_backward_input)(ctx, &f);
}

#endif
