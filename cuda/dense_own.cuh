/* dense_own.cuh - the operations of the fully connected layer by kernels of the project's own. */
#ifndef LENET_DENSE_OWN_CUH
#define LENET_DENSE_OWN_CUH
#include "gpu.cuh"

enum lenet_status own_dense_forward(struct lenet_ctx *ctx, const struct dense_forward *a);
enum lenet_status own_dense_backward_input(struct lenet_ctx *ctx, const struct dense_backward_input *a);
enum lenet_status own_dense_backward_params(struct lenet_ctx *ctx, const struct dense_backward_params *a);

#endif
