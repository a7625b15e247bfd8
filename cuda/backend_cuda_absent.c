/* backend_cuda_absent.c - linked instead of the CUDA backend where the build has none. */
#include "lenet/backend.h"

const struct lenet_backend *lenet_backend_cuda(const char **why) {
    *why = "this build has no CUDA backend";
    return NULL;
}
