/* queue.c - how blocks and items of waiting operations are shared out to the pool's threads. */
#include "cpu/queue.h"

#include <assert.h>
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }

/* Of each network. */
static int items_of(const struct queue *queue) {
    const int images = queue->images * queue->in_order;
    return (queue->N + images - 1) / images;
}

static void block_item(const void *args, ptrdiff_t item) {
    const struct queue *queue = args;
    const ptrdiff_t r = item / items_of(queue);
    const int images = queue->images * queue->in_order, first = (int)(item % items_of(queue)) * images;
    for (int n = first; n < least(first + images, queue->N); n += queue->images) {
        const struct block block = {
            .r = r, .before = r * queue->N + n, .n = n, .count = least(queue->N - n, queue->images)};
        for (int i = 0; i < queue->count; i++) queue->ops[i].of_block(queue->ops[i].args, &block);
    }
}

static void after_item(const void *args, ptrdiff_t item) {
    const struct queue *queue = args;
    const struct waiting *op = queue->after;
    for (; item >= op->items; op++) item -= op->items;
    op->of_item(op->args, item);
}

void queue_flush(struct queue *queue) {
    if (queue->count > 0) {
        parallel_for(queue->pool, (ptrdiff_t)queue->R * items_of(queue), block_item, queue);
        queue->count = 0;
    }
    if (queue->after_count > 0) {
        ptrdiff_t items = 0;
        for (int i = 0; i < queue->after_count; i++) items += queue->after[i].items;
        parallel_for(queue->pool, items, after_item, queue);
        queue->after_count = 0;
    }
}

static void keep(struct waiting *op, const void *args, size_t bytes) {
    assert(bytes <= MOST_ARGS);
    memcpy(op->args, args, bytes);
}

void queue_blocks(struct queue *queue, int R, int N, int images, int in_order, block_body *body, const void *args,
                  size_t bytes) {
    const int same = R == queue->R && N == queue->N && images == queue->images && in_order == queue->in_order;
    if (queue->count == MOST_WAITING || !same) queue_flush(queue);
    queue->R = R;
    queue->N = N;
    queue->images = images;
    queue->in_order = in_order;
    struct waiting *op = &queue->ops[queue->count++];
    op->of_block = body;
    keep(op, args, bytes);
}

void queue_after(struct queue *queue, ptrdiff_t items, parallel_body *body, const void *args, size_t bytes) {
    if (queue->after_count == MOST_WAITING) queue_flush(queue);
    struct waiting *op = &queue->after[queue->after_count++];
    op->of_item = body;
    op->items = items;
    keep(op, args, bytes);
}
