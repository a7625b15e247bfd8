/* cublas_v2.h - the part of cuBLAS that the project calls, as plain loops that are enqueued like a kernel.
 *
 * Each element of C is alpha * sum + beta * C, where sum adds its k products in
 * ascending order, in float, each product rounded before it is added. With
 * beta == 0 C is not read. CUBLAS_TF32_TENSOR_OP_MATH rounds both factors to
 * TF32's ten bits of mantissa first. Values and signatures are cuBLAS 13's. */
#ifndef LENET_SIMT_CUBLAS_V2_H
#define LENET_SIMT_CUBLAS_V2_H
#include "cuda_runtime_api.h"

/* X(name, value, what cublasGetStatusString says) */
#define SIMT_CUBLAS_STATUSES(X)                                                                                        \
    X(CUBLAS_STATUS_SUCCESS, 0, "success")                                                                             \
    X(CUBLAS_STATUS_NOT_INITIALIZED, 1, "the library was not initialized")                                             \
    X(CUBLAS_STATUS_ALLOC_FAILED, 3, "the resource allocation failed")                                                 \
    X(CUBLAS_STATUS_INVALID_VALUE, 7, "an unsupported value or parameter was passed to the function")                  \
    X(CUBLAS_STATUS_ARCH_MISMATCH, 8, "the requested feature is not supported on the device")                          \
    X(CUBLAS_STATUS_EXECUTION_FAILED, 13, "the GPU program failed to execute")                                         \
    X(CUBLAS_STATUS_INTERNAL_ERROR, 14, "an internal cuBLAS operation failed")                                         \
    X(CUBLAS_STATUS_NOT_SUPPORTED, 15, "the requested functionality is not supported")

typedef enum {
#define X(name, value, text) name = value,
    SIMT_CUBLAS_STATUSES(X)
#undef X
} cublasStatus_t;

typedef enum { CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_OP_C } cublasOperation_t;
typedef enum { CUBLAS_DEFAULT_MATH = 0, CUBLAS_PEDANTIC_MATH = 2, CUBLAS_TF32_TENSOR_OP_MATH = 3 } cublasMath_t;
typedef enum { CUBLAS_ATOMICS_NOT_ALLOWED, CUBLAS_ATOMICS_ALLOWED } cublasAtomicsMode_t;
typedef struct cublasContext *cublasHandle_t;

#ifdef __cplusplus
extern "C" {
#endif

const char *cublasGetStatusString(cublasStatus_t status);
cublasStatus_t cublasCreate(cublasHandle_t *handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasGetVersion(cublasHandle_t handle, int *version);
/* As in the real one, this also takes the workspace away again. */
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode);

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                           int k, const float *alpha, const float *A, int lda, const float *B, int ldb,
                           const float *beta, float *C, int ldc);
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                         int m, int n, int k, const float *alpha, const float *A, int lda,
                                         long long strideA, const float *B, int ldb, long long strideB,
                                         const float *beta, float *C, int ldc, long long strideC, int batchCount);

#ifdef __cplusplus
}
#endif
#endif
