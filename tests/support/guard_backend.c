/* guard_backend.c - the cpu backends with their memory locked between operations.
 *
 * A GPU's memory cannot be read by the host; malloc'ed memory can, so a driver
 * that peeks at a "device" pointer passes every CPU test and dies on the GPU.
 * Here every buffer is its own mapping, inaccessible except inside an operation
 * or a copy, so that the mistake dies on machines with no GPU too. A buffer's
 * end touches an inaccessible page, so the first access past it faults at the
 * line that made it; writes before its start are found when it is released. */
#define _GNU_SOURCE
#include "support/guard_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGEST_ALIGNMENT = 256, CANARY = 0xA5 };

struct buffer {
    struct buffer *next;
    char *base, *data; /* base <= data: what lies between is filled with CANARY */
    size_t mapped;     /* bytes from base to the inaccessible page              */
};

struct guard {
    const struct lenet_backend *backend; /* whose memory it is */
    struct lenet_ctx *inner;
    struct buffer *first;
};

static struct guard *guard_of(struct lenet_ctx *ctx) { return (struct guard *)(void *)ctx; }

static void die(const char *why) {
    fprintf(stderr, "guard backend: %s\n", why);
    abort();
}

static void protect(struct buffer *buffer, int how) {
    if (mprotect(buffer->base, buffer->mapped, how) != 0) die("mprotect failed");
}

static void protect_all(struct guard *guard, int how) {
    for (struct buffer *b = guard->first; b; b = b->next) protect(b, how);
}

/* The link that points to the buffer p lies in; dies where there is none. */
static struct buffer **find(struct guard *guard, const void *p) {
    struct buffer **link = &guard->first;
    while (*link && !((const char *)p >= (*link)->data && (const char *)p < (*link)->base + (*link)->mapped))
        link = &(*link)->next;
    if (!*link) die("not a pointer of this context");
    return link;
}

static enum lenet_status open_guard(const struct lenet_backend *backend, struct lenet_ctx **ctx,
                                    const struct lenet_open_options *options, struct lenet_error *err) {
    struct guard *guard = calloc(1, sizeof *guard);
    if (!guard) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    guard->backend = backend;
    const enum lenet_status status = backend->open(&guard->inner, options, err);
    if (status != LENET_OK) {
        free(guard);
        return status;
    }
    *ctx = (struct lenet_ctx *)(void *)guard;
    return LENET_OK;
}

static enum lenet_status guard_open(struct lenet_ctx **ctx, const struct lenet_open_options *options,
                                    struct lenet_error *err) {
    return open_guard(lenet_backend_cpu(), ctx, options, err);
}

static enum lenet_status guard_open_single(struct lenet_ctx **ctx, const struct lenet_open_options *options,
                                           struct lenet_error *err) {
    return open_guard(lenet_backend_cpu_batch1(), ctx, options, err);
}

static void guard_close(struct lenet_ctx *ctx) {
    struct guard *guard = guard_of(ctx);
    if (guard->first) die("closed before everything was released");
    guard->backend->close(guard->inner);
    free(guard);
}

/* The largest power of two that divides bytes: the end must touch the page, so
 * a buffer is aligned as well as its size allows. That is enough: the size of an
 * array is a multiple of its elements' alignment, and that of a tensor with N
 * innermost is a multiple of a vector. */
static size_t alignment_of(size_t bytes) {
    size_t alignment = 1;
    while (alignment < LARGEST_ALIGNMENT && bytes % (2 * alignment) == 0) alignment *= 2;
    return alignment;
}

static enum lenet_status guard_alloc(struct lenet_ctx *ctx, void **p, size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard *guard = guard_of(ctx);
    struct buffer *buffer = malloc(sizeof *buffer);
    if (!buffer) return LENET_ERR_MEMORY;
    if (bytes == 0) bytes = alignment_of(0);
    buffer->mapped = (bytes + page - 1) / page * page;
    buffer->base = mmap(NULL, buffer->mapped + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer->base == MAP_FAILED) {
        free(buffer);
        return LENET_ERR_MEMORY;
    }
    buffer->data = buffer->base + buffer->mapped - bytes;
    if ((size_t)buffer->data % alignment_of(bytes) != 0) die("alignment_of is wrong");
    protect(buffer, PROT_READ | PROT_WRITE);
    memset(buffer->base, CANARY, (size_t)(buffer->data - buffer->base));
    protect(buffer, PROT_NONE);
    buffer->next = guard->first;
    guard->first = buffer;
    *p = buffer->data;
    return LENET_OK;
}

static void guard_release(struct lenet_ctx *ctx, void *p) {
    if (!p) return;
    struct buffer **link = find(guard_of(ctx), p), *buffer = *link;
    if (p != buffer->data) die("released a pointer into the middle of a buffer");
    protect(buffer, PROT_READ);
    for (const char *c = buffer->base; c < buffer->data; c++)
        if (*(const unsigned char *)c != CANARY) die("something was written before a buffer's start");
    munmap(buffer->base, buffer->mapped + (size_t)sysconf(_SC_PAGESIZE));
    *link = buffer->next;
    free(buffer);
}

/* Only the device's side of a copy is opened: a device pointer handed in as the host's dies. */
static enum lenet_status guard_upload(struct lenet_ctx *ctx, void *dst, const void *host_src, size_t bytes) {
    struct buffer *buffer = *find(guard_of(ctx), dst);
    protect(buffer, PROT_READ | PROT_WRITE);
    const enum lenet_status status = guard_of(ctx)->backend->upload(guard_of(ctx)->inner, dst, host_src, bytes);
    protect(buffer, PROT_NONE);
    return status;
}

static enum lenet_status guard_download(struct lenet_ctx *ctx, void *host_dst, const void *src, size_t bytes) {
    struct buffer *buffer = *find(guard_of(ctx), src);
    protect(buffer, PROT_READ);
    const enum lenet_status status = guard_of(ctx)->backend->download(guard_of(ctx)->inner, host_dst, src, bytes);
    protect(buffer, PROT_NONE);
    return status;
}

static enum lenet_status guard_measure_peak(struct lenet_ctx *ctx, double *flops_per_s) {
    return guard_of(ctx)->backend->measure_peak(guard_of(ctx)->inner, flops_per_s);
}

#define X(op)                                                                                                          \
    static enum lenet_status guard_##op(struct lenet_ctx *ctx, const struct op *args) {                                \
        protect_all(guard_of(ctx), PROT_READ | PROT_WRITE);                                                            \
        enum lenet_status status = guard_of(ctx)->backend->op(guard_of(ctx)->inner, args);                             \
        if (status == LENET_OK) status = guard_of(ctx)->backend->join(guard_of(ctx)->inner); /* which does it */       \
        protect_all(guard_of(ctx), PROT_NONE);                                                                         \
        return status;                                                                                                 \
    }
LENET_OPS(X)
#undef X

static void fill_table(struct lenet_backend *guard, const struct lenet_backend *backend) {
    *guard = *backend;
    guard->name = "guard";
    guard->close = guard_close;
    guard->alloc = guard_alloc;
    guard->release = guard_release;
    guard->upload = guard_upload;
    guard->download = guard_download;
    guard->measure_peak = guard_measure_peak;
    guard->branch = NULL;
    guard->back = NULL;
    guard->join = NULL;
#define X(op) guard->op = guard_##op;
    LENET_OPS(X)
#undef X
}

const struct lenet_backend *lenet_backend_guard(void) {
    static struct lenet_backend guard; /* filled here: the number of lanes is known to the cpu backend alone */
    fill_table(&guard, lenet_backend_cpu());
    guard.open = guard_open;
    return &guard;
}

const struct lenet_backend *lenet_backend_guard_single(void) {
    static struct lenet_backend guard;
    fill_table(&guard, lenet_backend_cpu_batch1());
    guard.open = guard_open_single;
    return &guard;
}
