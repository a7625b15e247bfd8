/* guard_backend.h - the cpu backend with its memory locked between operations. */
#ifndef LENET_GUARD_BACKEND_H
#define LENET_GUARD_BACKEND_H
#include "lenet/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

const struct lenet_backend *lenet_backend_guard(void);
const struct lenet_backend *lenet_backend_guard_single(void);

#ifdef __cplusplus
}
#endif
#endif
