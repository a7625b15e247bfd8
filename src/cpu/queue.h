/* queue.h - operations that were called and have yet to be done.
 *
 * Most operations compute of an image what they need of that image alone. So they wait in a queue, and when somebody
 * wants results each thread takes a block of images through all of them: what one operation has written is still in
 * the thread's own cache when the next one reads it, and the threads meet once and not after every operation. What
 * needs all images of a network, such as the end of a sum over them, comes after these, again all at once.
 *
 * No result depends on how the blocks are shared out. */
#ifndef LENET_CPU_QUEUE_H
#define LENET_CPU_QUEUE_H
#include "cpu/parallel.h"

/* Images n ... n+count-1 of network r, before which there are `before` images of this network and the ones before it.
 * They lie together: a tensor with so many units an image has them from before*units on, as [units][count]. */
struct block {
    ptrdiff_t r, before;
    int n, count;
};
typedef void block_body(const void *args, const struct block *block);

enum { MOST_WAITING = 32, MOST_ARGS = 384 };

struct waiting {
    block_body *of_block;
    parallel_body *of_item;
    ptrdiff_t items;
    union {
        max_align_t aligned;
        unsigned char args[MOST_ARGS]; /* a copy */
    };
};

struct queue {
    struct parallel *pool;
    int R, N, images, in_order;         /* of all that wait: a block but for the last one has so many images */
    int count, after_count;             /* how many wait                                    */
    struct waiting ops[MOST_WAITING];   /* by blocks, one after the other for each block    */
    struct waiting after[MOST_WAITING]; /* by items, in any order, when those are done      */
};

/* An operation of R networks and N images that is computed by blocks. So many of a network, one after the other, are
 * done in order. */
void queue_blocks(struct queue *queue, int R, int N, int images, int in_order, block_body *body, const void *args,
                  size_t bytes);

/* One that is computed by items when all operations by blocks are done, none of which needs its results. */
void queue_after(struct queue *queue, ptrdiff_t items, parallel_body *body, const void *args, size_t bytes);

/* Does all that waits. */
void queue_flush(struct queue *queue);

#endif
