/* ops_cuda.h - prototypes of the CUDA twins and of the backend's other functions. */
#ifndef LENET_OPS_CUDA_H
#define LENET_OPS_CUDA_H
#include "lenet/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

#define X(op) enum lenet_status op##_cuda(struct lenet_ctx *ctx, const struct op *a);
LENET_OPS(X)
#undef X

/* NULL where a usable device is present, else the reason why not. */
const char *cuda_probe(void);

/* Makes the context's device the one that this thread uses. Everything else that gets a context is called after it. */
enum lenet_status cuda_make_current(struct lenet_ctx *ctx);

enum lenet_status cuda_open(struct lenet_ctx **ctx, const struct lenet_open_options *options, struct lenet_error *err);
void cuda_close(struct lenet_ctx *ctx);
enum lenet_status cuda_alloc(struct lenet_ctx *ctx, void **p, size_t bytes);
void cuda_release(struct lenet_ctx *ctx, void *p);
enum lenet_status cuda_upload(struct lenet_ctx *ctx, void *dst, const void *host_src, size_t bytes);
enum lenet_status cuda_download(struct lenet_ctx *ctx, void *host_dst, const void *src, size_t bytes);
enum lenet_status cuda_measure_peak(struct lenet_ctx *ctx, double *flops_per_s);
const char *cuda_message(const struct lenet_ctx *ctx);
void cuda_describe(const struct lenet_ctx *ctx, char text[LENET_MACHINE]);
enum lenet_status cuda_record(struct lenet_ctx *ctx, enum lenet_status (*enqueue)(void *), void *argument,
                              void **graph);
enum lenet_status cuda_replay(struct lenet_ctx *ctx, void *graph, int times);
void cuda_forget(struct lenet_ctx *ctx, void *graph);
enum lenet_status cuda_branch(struct lenet_ctx *ctx);
void cuda_back(struct lenet_ctx *ctx);
enum lenet_status cuda_join(struct lenet_ctx *ctx);

#ifdef __cplusplus
}
#endif
#endif
