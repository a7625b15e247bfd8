/* backend_cuda.c - the CUDA backend's table. It is in C, so that its designated initialisers read like those of
 * backend_cpu.c. */
#include "ops/preconditions.h"
#include "ops_cuda.h"

enum { LANES = 32 }; /* of a warp, which holds an image in each */

/* A context works on its own device, whichever one the calling thread has used before. */
#define X(op)                                                                                                          \
    static enum lenet_status op##_on_device(struct lenet_ctx *ctx, const struct op *a) {                               \
        LENET_TRY(cuda_make_current(ctx));                                                                             \
        return op##_cuda(ctx, a);                                                                                      \
    }                                                                                                                  \
    LENET_CHECKED(op, op##_on_device, LANES)
LENET_OPS(X)
#undef X

#define X(op) .op = checked_##op,
static const struct lenet_backend cuda = {.name = "cuda",
                                          .lanes = LANES,
                                          .element_size = sizeof(float),
                                          .fuses = 1,
                                          .open = cuda_open,
                                          .close = cuda_close,
                                          .alloc = cuda_alloc,
                                          .release = cuda_release,
                                          .upload = cuda_upload,
                                          .download = cuda_download,
                                          .message = cuda_message,
                                          .describe = cuda_describe,
                                          .record = cuda_record,
                                          .replay = cuda_replay,
                                          .forget = cuda_forget,
                                          .branch = cuda_branch,
                                          .back = cuda_back,
                                          .join = cuda_join,
                                          .measure_peak = cuda_measure_peak,
                                          LENET_OPS(X)};
#undef X

const struct lenet_backend *lenet_backend_cuda(const char **why) {
    *why = cuda_probe();
    return *why ? NULL : &cuda;
}
