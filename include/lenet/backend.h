/* backend.h - where tensors live and operations run: one const table each. */
#ifndef LENET_BACKEND_H
#define LENET_BACKEND_H
#include "lenet/ops.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_open_options {
    int index;     /* which device; ignored by cpu          */
    int threads;   /* of the host, 0 for all; ignored by cuda */
    int tf32;      /* cuda: fully connected layers in TensorFloat-32, with 11 bits of each factor */
    int own_dense; /* cuda: fully connected layers by kernels of the project's own, in float, without cuBLAS */
};

enum { LENET_MACHINE = 256 };

struct lenet_backend {
    const char *name;
    int lanes;           /* images that it computes together: a batch is padded to a multiple of this */
    size_t element_size; /* bytes of a lenet_real: 4, or 8 for cpu64 */
    int group;           /* images that lie together in a tensor, or 0: those of the whole batch; see lenet_value_at */
    int fuses;           /* 1 where conv_maxpool_forward is faster than the two operations whose results it gives */

    enum lenet_status (*open)(struct lenet_ctx **ctx, const struct lenet_open_options *options,
                              struct lenet_error *err);
    void (*close)(struct lenet_ctx *ctx);
    /* Zeroed memory, aligned to 256 bytes. */
    enum lenet_status (*alloc)(struct lenet_ctx *ctx, void **p, size_t bytes);
    void (*release)(struct lenet_ctx *ctx, void *p);
    enum lenet_status (*upload)(struct lenet_ctx *ctx, void *dst, const void *host_src, size_t bytes);
    /* Waits for all operations before it, and reports what went wrong in them. */
    enum lenet_status (*download)(struct lenet_ctx *ctx, void *host_dst, const void *src, size_t bytes);

    /* What failed last, as one line; "" for nothing. */
    const char *(*message)(const struct lenet_ctx *ctx);

    /* What the last bits of results depend on: the machine, its libraries, and how and of what this was compiled. */
    void (*describe)(const struct lenet_ctx *ctx, char text[LENET_MACHINE]);

    /* For backends that gain from it, else NULL. record notes what enqueue(argument) enqueues, without running it, as a
     * graph. replay runs the graph `times` times, with the data that is on the device then. *graph is NULL where the
     * backend does not record after all. */
    enum lenet_status (*record)(struct lenet_ctx *ctx, enum lenet_status (*enqueue)(void *), void *argument,
                                void **graph);
    enum lenet_status (*replay)(struct lenet_ctx *ctx, void *graph, int times);
    void (*forget)(struct lenet_ctx *ctx, void *graph);

    /* For backends that can do two things at once, else NULL. What is enqueued between branch and back may run beside
     * what follows back, until join: from then on everything waits for it. join without a branch does nothing. */
    enum lenet_status (*branch)(struct lenet_ctx *ctx);
    void (*back)(struct lenet_ctx *ctx);
    enum lenet_status (*join)(struct lenet_ctx *ctx);

    /* The most floating-point operations a second that the device's multiply-adds
     * reach right now, measured for some 20 ms: the ceiling of every benchmark. */
    enum lenet_status (*measure_peak)(struct lenet_ctx *ctx, double *flops_per_s);

#define X(op) enum lenet_status (*op)(struct lenet_ctx * ctx, const struct op *args);
    LENET_OPS(X)
#undef X
};

/* For the highest level of processors that this one is of, or for that of the environment variable LENET_CPU; where it
 * cannot be had, open says so. All levels with fused multiply-adds give the same bits. */
const struct lenet_backend *lenet_backend_cpu(void);
const struct lenet_backend *lenet_backend_cpu64(void);

/* Which level that is, and why, as a phrase. */
void lenet_cpu_level(char text[LENET_MACHINE]);

/* cpu with other operations, for batches of a single image: there almost all of cpu's lanes would hold padding, and
 * here they hold pixels or inputs. N may be any number of images, but only 1 is fast. Contexts and memory are those of
 * cpu. */
const struct lenet_backend *lenet_backend_cpu_batch1(void);

/* NULL where this build or this machine cannot run it; *why then says the reason, until this thread asks again. */
const struct lenet_backend *lenet_backend_cuda(const char **why);

/* Where in a tensor with `units` values an image, of one network and a batch of N, the value of image n is. */
static inline size_t lenet_value_at(const struct lenet_backend *backend, int N, size_t units, size_t unit, int n) {
    const int group = backend->group > 0 ? backend->group : N, first = n / group * group;
    const int together = N - first < group ? N - first : group;
    return (size_t)first * units + unit * (size_t)together + (size_t)(n - first);
}

/* Bytes after which the next piece of an allocation may begin, aligned as the whole is. */
static inline size_t lenet_padded(size_t bytes) { return (bytes + 255) / 256 * 256; }

#ifdef __cplusplus
}
#endif
#endif
