/* dense.cu - the fully connected layer on the GPU: twin of src/cpu/dense.c, and the only file that calls cuBLAS. Where
 * the project's own kernels are wanted, dense_own.cu has them, and cuBLAS is not even loaded.
 *
 * cuBLAS is column-major, our tensors are row-major. A row-major matrix M[a][b] is, byte for byte, the column-major
 * matrix of b rows and a columns, M^T, with leading dimension b. So with X^T (N x I), W^T (I x O), Y^T (N x O):
 *   forward   Y = W X      <=>  Y^T  = X^T W^T      : op(A) = X^T as it lies,  op(B) = W^T as it lies
 *   input     dX = W^T dY  <=>  dX^T = dY^T W       : op(A) = dY^T as it lies, op(B) = (W^T)^T, transposed
 *   params    dW = dY X^T  <=>  dW^T = X dY^T       : op(A) = (X^T)^T, transposed, op(B) = dY^T as it lies
 * One call does all networks: strided batches, a network apart. */
#include <cublas_v2.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "activation.cuh"
#include "dense_own.cuh"

enum { THREADS = 256, WARPS = THREADS / WARP };

/* ---- cuBLAS, loaded when a GPU is opened ----------------------------------------------------------------
 *
 * It is 600 MB of libraries, and merely to load them takes half a second and 150 MB. A command that runs on the CPU
 * does not wait for that, and a machine without a GPU does not need them. */
#define BLAS_FUNCTIONS(X)                                                                                              \
    X(cublasCreate)                                                                                                    \
    X(cublasDestroy)                                                                                                   \
    X(cublasSetStream)                                                                                                 \
    X(cublasSetWorkspace)                                                                                              \
    X(cublasSetAtomicsMode)                                                                                            \
    X(cublasSetMathMode)                                                                                               \
    X(cublasSgemmStridedBatched)                                                                                       \
    X(cublasGetVersion)                                                                                                \
    X(cublasGetStatusString)
/* The header makes macros of some names: cublasCreate is cublasCreate_v2. This is the name that results. */
#define NAME_OF(f) #f

struct gpu_blas {
    void *library;
    cublasHandle_t handle[BRANCHES];
    void *workspace[BRANCHES];
#define X(f) decltype(&::f) f;
    BLAS_FUNCTIONS(X)
#undef X
};

/* cuBLAS must not allocate while a step is recorded. The emulated one needs no workspace. */
#ifndef LENET_CUBLAS_WORKSPACE
#define LENET_CUBLAS_WORKSPACE (32 << 20)
#endif
enum { WORKSPACE_BYTES = LENET_CUBLAS_WORKSPACE };

static const char *load(struct gpu_blas *blas) {
    blas->library = dlopen(LENET_CUBLAS, RTLD_NOW | RTLD_LOCAL);
    if (!blas->library) return dlerror();
#define X(f)                                                                                                           \
    blas->f = reinterpret_cast<decltype(blas->f)>(dlsym(blas->library, NAME_OF(f)));                                   \
    if (!blas->f) return dlerror();
    BLAS_FUNCTIONS(X)
#undef X
    return NULL;
}

/* Each branch has a handle and a workspace. Without atomics the bits are the same every time. */
static cublasStatus_t open_handle(struct gpu_blas *blas, int branch, cudaStream_t stream, bool tf32) {
    cublasStatus_t status = blas->cublasCreate(&blas->handle[branch]);
    const cublasHandle_t handle = blas->handle[branch];
    if (status == CUBLAS_STATUS_SUCCESS) status = blas->cublasSetStream(handle, stream);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = blas->cublasSetWorkspace(handle, blas->workspace[branch], WORKSPACE_BYTES);
    if (status == CUBLAS_STATUS_SUCCESS) status = blas->cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_NOT_ALLOWED);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = blas->cublasSetMathMode(handle, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_PEDANTIC_MATH);
    return status;
}

static enum lenet_status blas_error(cublasStatus_t status) {
    return status == CUBLAS_STATUS_ALLOC_FAILED ? LENET_ERR_MEMORY : LENET_ERR_DEVICE;
}

int gpu_blas_version(const struct lenet_ctx *ctx) {
    int version = 0;
    ctx->blas->cublasGetVersion(ctx->blas->handle[0], &version);
    return version;
}

enum lenet_status gpu_blas_open(struct lenet_ctx *ctx, bool tf32, struct lenet_error *err) {
    struct gpu_blas *blas = ctx->blas = (struct gpu_blas *)calloc(1, sizeof *blas);
    if (!blas) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const char *why = load(blas);
    if (why) return lenet_fail(err, LENET_ERR_DEVICE, "cuda: cuBLAS cannot be loaded: %s", why);
    for (int branch = 0; branch < BRANCHES; branch++) {
        LENET_TRY(gpu_check(ctx, cudaMalloc(&blas->workspace[branch], WORKSPACE_BYTES), "cuBLAS's workspace"));
        const cublasStatus_t status = open_handle(blas, branch, ctx->streams[branch], tf32);
        if (status != CUBLAS_STATUS_SUCCESS)
            return lenet_fail(err, blas_error(status), "cuda: cuBLAS could not be started: %s",
                              blas->cublasGetStatusString(status));
    }
    return LENET_OK;
}

void gpu_blas_close(struct lenet_ctx *ctx) {
    struct gpu_blas *blas = ctx->blas;
    if (!blas) return;
    for (int branch = 0; branch < BRANCHES; branch++) {
        if (blas->handle[branch]) blas->cublasDestroy(blas->handle[branch]);
        if (blas->workspace[branch]) cudaFree(blas->workspace[branch]);
    }
    if (blas->library) dlclose(blas->library);
    free(blas);
}

static enum lenet_status blas_check(struct lenet_ctx *ctx, cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS) return gpu_launched(ctx, cudaSuccess, what);
    snprintf(ctx->message, sizeof ctx->message, "%s: cuBLAS failed: %s", what,
             ctx->blas->cublasGetStatusString(status));
    return blas_error(status);
}

/* ---- products -------------------------------------------------------------------------------------------- */

/* Column-major: C (m x n) = op(A) (m x k) op(B) (k x n), for R networks. */
struct product {
    cublasOperation_t a_op, b_op;
    int m, n, k;
    const float *a, *b;
    int lda, ldb, ldc;
    long long a_stride, b_stride, c_stride;
    float *c;
};

static enum lenet_status multiply(struct lenet_ctx *ctx, const char *what, int R, const product &p) {
    const float one = 1, zero = 0;
    return blas_check(ctx,
                      ctx->blas->cublasSgemmStridedBatched(ctx->blas->handle[ctx->branch], p.a_op, p.b_op, p.m, p.n,
                                                           p.k, &one, p.a, p.lda, p.a_stride, p.b, p.ldb, p.b_stride,
                                                           &zero, p.c, p.ldc, p.c_stride, R),
                      what);
}

/* A thread has one output of four images, and a warp 128 images, for which the bias is the same. */
static __global__ void __launch_bounds__(THREADS) bias_and_activation_kernel(dense_forward a) {
    const int o = (int)(blockIdx.x * WARPS + threadIdx.y), n = 4 * (int)(blockIdx.y * WARP + threadIdx.x),
              r = blockIdx.z;
    if (o >= a.O || n >= a.N) return;
    float *y = a.y + ((size_t)r * a.O + o) * a.N + n;
    const float b = a.b[r * a.stride + o];
    const float4 v = load4(y, 0);
    store4(y, 0,
           make_float4(activated(v.x + b, a.activation), activated(v.y + b, a.activation),
                       activated(v.z + b, a.activation), activated(v.w + b, a.activation)));
}

/* A warp has one bias: each lane adds four images of every 128, then the lanes are added. */
static __global__ void __launch_bounds__(THREADS) bias_gradient_kernel(dense_backward_params a) {
    const int lane = threadIdx.x, o = (int)(blockIdx.x * WARPS + threadIdx.y), r = blockIdx.y;
    if (o >= a.O) return;
    const float *dy = a.dy + ((size_t)r * a.O + o) * a.N;
    float sum = 0;
    for (int n = 4 * lane; n < a.N; n += 4 * WARP) {
        const float4 v = load4(dy, n);
        sum += (v.x + v.y) + (v.z + v.w);
    }
    sum = warp_sum(sum);
    if (lane == 0) a.db[r * a.stride + o] = sum;
}

extern "C" enum lenet_status dense_forward_cuda(struct lenet_ctx *ctx, const struct dense_forward *a) {
    if (ctx->own_dense) return own_dense_forward(ctx, a);
    const long long N = a->N;
    const product p = {CUBLAS_OP_N, CUBLAS_OP_N,          a->N,     a->O, a->I, a->x, a->w, a->N, a->I, a->N,
                       N * a->I,    (long long)a->stride, N * a->O, a->y};
    LENET_TRY(multiply(ctx, "dense_forward", a->R, p));
    return gpu_launch(ctx, "dense_forward (bias)", bias_and_activation_kernel,
                      dim3(blocks_for(a->O, WARPS), blocks_for(a->N, 4 * WARP), a->R), dim3(WARP, WARPS), 0, *a);
}

extern "C" enum lenet_status dense_backward_input_cuda(struct lenet_ctx *ctx, const struct dense_backward_input *a) {
    if (ctx->own_dense) return own_dense_backward_input(ctx, a);
    const long long N = a->N;
    const product p = {CUBLAS_OP_N, CUBLAS_OP_T,          a->N,     a->I, a->O, a->dy, a->w, a->N, a->I, a->N,
                       N * a->O,    (long long)a->stride, N * a->I, a->dx};
    LENET_TRY(multiply(ctx, "dense_backward_input", a->R, p));
    const struct activation_backward_input f = {a->R, a->N, a->I, a->activation, a->x, a->dx, a->dx};
    return a->activation == LENET_LINEAR ? LENET_OK : activation_backward_input_cuda(ctx, &f);
}

extern "C" enum lenet_status dense_backward_params_cuda(struct lenet_ctx *ctx, const struct dense_backward_params *a) {
    if (ctx->own_dense) return own_dense_backward_params(ctx, a);
    const long long N = a->N;
    const product p = {CUBLAS_OP_T, CUBLAS_OP_N,          a->I, a->O, a->N, a->x, a->dy, a->N, a->N, a->I, N * a->I,
                       N * a->O,    (long long)a->stride, a->dw};
    LENET_TRY(multiply(ctx, "dense_backward_params", a->R, p));
    return gpu_launch(ctx, "dense_backward_params (bias)", bias_gradient_kernel, dim3(blocks_for(a->O, WARPS), a->R),
                      dim3(WARP, WARPS), 0, *a);
}
