/* parallel.h - a pool of threads that share out the items of one operation at a time.
 *
 * Items are claimed one by one, and an operation is done when every claimed item
 * is: a thread that the system has taken off its processor delays at most the
 * item it holds, and none that it had not claimed. (With OpenMP's teams every
 * thread must arrive at every operation: a third busy process on two processors
 * cut training from 65,000 to 21,000 images/s, below what one thread reaches.)
 * Which thread runs an item never matters to its result. */
#ifndef LENET_CPU_PARALLEL_H
#define LENET_CPU_PARALLEL_H
#include "lenet/ops.h"

struct parallel;

/* A pool of this many threads, the caller's own among them; NULL where memory or threads are refused. mode is set in
 * each of them while it runs items, and the caller's is as it was afterwards: DENORMALS_TO_ZERO of denormals.h, or 0.
 */
struct parallel *parallel_create(int threads, uint64_t mode);
void parallel_free(struct parallel *pool);

int parallel_threads(const struct parallel *pool);

/* Runs body(args, 0 ... items-1), each once, on the pool's threads; returns when all are done. Calls must not be
 * nested, nor come from two threads at once. items is at most 2^31. */
typedef void parallel_body(const void *args, ptrdiff_t item);
void parallel_for(struct parallel *pool, ptrdiff_t items, parallel_body *body, const void *args);

#endif
