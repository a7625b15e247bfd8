/* parallel.c - the pool of threads: it claims the items of an operation one by one, and waits for work by spinning,
 * then by giving the processor away, then by sleeping. */
#include "cpu/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cpu/denormals.h"

/* How often to check for work, and for its end, before giving the processor away, and then before sleeping: longer than
 * the host's work between two operations, and shorter than a scheduler's slice. */
enum { SPINS_BEFORE_YIELD = 1 << 12, YIELDS_BEFORE_SLEEP = 1 << 6 };

struct parallel {
    /* The operation's number in the upper half and its unclaimed items in the lower one. A successful exchange
     * claims an item of just that operation, so body and args, read before it, are that operation's. */
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) atomic_long unfinished;
    _Alignas(64) _Atomic(parallel_body *) body;
    _Atomic(const void *) args;

    atomic_int sleepers, stop;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    uint64_t mode;
    int threads;
    pthread_t workers[]; /* [threads - 1] */
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static int unclaimed(uint64_t ticket) { return (uint32_t)ticket != 0; }

/* Claims items and runs them until none is left. */
static void work(struct parallel *pool) {
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while (unclaimed(ticket)) {
        parallel_body *body = atomic_load_explicit(&pool->body, memory_order_relaxed);
        const void *args = atomic_load_explicit(&pool->args, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        body(args, (ptrdiff_t)(uint32_t)(ticket - 1));
        atomic_fetch_sub_explicit(&pool->unfinished, 1, memory_order_release);
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
}

/* Returns when there is work, or the pool stops. */
static void wait_for_work(struct parallel *pool) {
    for (int i = 0; i < SPINS_BEFORE_YIELD + YIELDS_BEFORE_SLEEP; i++) {
        if (unclaimed(atomic_load_explicit(&pool->ticket, memory_order_relaxed)) || atomic_load(&pool->stop)) return;
        if (i < SPINS_BEFORE_YIELD)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1); /* before the last check: parallel_for checks in the other order */
    while (!unclaimed(atomic_load(&pool->ticket)) && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker(void *argument) {
    struct parallel *pool = argument;
    set_rounding_mode(rounding_mode() | pool->mode);
    while (!atomic_load(&pool->stop)) {
        work(pool);
        wait_for_work(pool);
    }
    return NULL;
}

static void wake_sleepers(struct parallel *pool) {
    if (atomic_load(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void share_out(struct parallel *pool, ptrdiff_t items, parallel_body *body, const void *args) {
    if (pool->threads == 1 || items == 1) {
        for (ptrdiff_t item = 0; item < items; item++) body(args, item);
        return;
    }
    const uint64_t operation = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&pool->body, body, memory_order_relaxed);
    atomic_store_explicit(&pool->args, args, memory_order_relaxed);
    atomic_store_explicit(&pool->unfinished, (long)items, memory_order_relaxed);
    atomic_store(&pool->ticket, operation << 32 | (uint64_t)items);
    wake_sleepers(pool);
    work(pool);
    for (int i = 0; atomic_load_explicit(&pool->unfinished, memory_order_acquire) > 0; i++)
        if (i < SPINS_BEFORE_YIELD)
            relax();
        else
            sched_yield();
}

void parallel_for(struct parallel *pool, ptrdiff_t items, parallel_body *body, const void *args) {
    const uint64_t mode = rounding_mode();
    if (pool->mode) set_rounding_mode(mode | pool->mode);
    share_out(pool, items, body, args);
    if (pool->mode) set_rounding_mode(mode);
}

struct parallel *parallel_create(int threads, uint64_t mode) {
    struct parallel *pool = aligned_alloc(64, (sizeof *pool + (size_t)threads * sizeof(pthread_t) + 63) / 64 * 64);
    if (!pool) return NULL;
    atomic_init(&pool->ticket, 0);
    atomic_init(&pool->unfinished, 0);
    atomic_init(&pool->body, NULL);
    atomic_init(&pool->args, NULL);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->stop, 0);
    pool->mode = mode;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (pool->threads = 1; pool->threads < threads; pool->threads++)
        if (pthread_create(&pool->workers[pool->threads - 1], NULL, worker, pool) != 0) {
            parallel_free(pool);
            return NULL;
        }
    return pool;
}

void parallel_free(struct parallel *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->threads - 1; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

int parallel_threads(const struct parallel *pool) { return pool->threads; }
