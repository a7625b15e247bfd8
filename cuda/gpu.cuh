/* gpu.cuh - what every CUDA file shares: the context, launching, shared memory, sums within a warp.
 *
 * The same sources also compile for a host compiler, against tests/support/simt: so kernels are launched by
 * cudaLaunchKernelEx, and shared memory is declared by the macros below. */
#ifndef LENET_GPU_CUH
#define LENET_GPU_CUH
#define LENET_REAL   float
#define LENET_ON_GPU 1

#include <cuda_runtime.h>
#include <stdio.h>

#include "ops_cuda.h"

enum { WARP = 32, HALF_WARP = WARP / 2 }; /* lanes, each of which as a rule works on an image of the batch */

struct gpu_blas; /* dense.cu */

enum { BRANCHES = 2 };

struct lenet_ctx {
    int index;           /* of its device */
    cudaStream_t stream; /* where work is enqueued now: that of the branch below */
    int branch;          /* 1 between cuda_branch and cuda_back, else 0 */
    bool branched;       /* there is work on branch 1 that was not joined yet */
    cudaStream_t streams[BRANCHES];
    cudaEvent_t begun, done;     /* of the work on branch 1 */
    struct gpu_blas *blas;       /* NULL where own_dense is set */
    bool own_dense;              /* fully connected layers by dense_own.cu */
    bool blocking;               /* CUDA_LAUNCH_BLOCKING is set: wait for each launch, to name the one that fails */
    char message[512];           /* what failed last */
    char machine[LENET_MACHINE]; /* what it says of itself */
};

/* cuBLAS, for the fully connected layers: in dense.cu. */
enum lenet_status gpu_blas_open(struct lenet_ctx *ctx, bool tf32, struct lenet_error *err);
void gpu_blas_close(struct lenet_ctx *ctx);
int gpu_blas_version(const struct lenet_ctx *ctx);

/* ---- errors ------------------------------------------------------------------------------------------- */

static inline enum lenet_status gpu_check(struct lenet_ctx *ctx, cudaError_t error, const char *what) {
    if (error == cudaSuccess) return LENET_OK;
    snprintf(ctx->message, sizeof ctx->message, "%s: %s (%s)", what, cudaGetErrorString(error),
             cudaGetErrorName(error));
    return error == cudaErrorMemoryAllocation ? LENET_ERR_MEMORY : LENET_ERR_DEVICE;
}

/* Called after every launch: the error of the launch, or of the kernel where launches are waited for. */
static inline enum lenet_status gpu_launched(struct lenet_ctx *ctx, cudaError_t error, const char *name) {
    if (error == cudaSuccess && ctx->blocking) error = cudaStreamSynchronize(ctx->stream);
    return gpu_check(ctx, error, name);
}

/* Enqueues kernel(args) and names it where the launch fails. */
template <class Args>
static inline enum lenet_status gpu_launch(struct lenet_ctx *ctx, const char *name, void (*kernel)(Args), dim3 grid,
                                           dim3 block, size_t shared_bytes, const Args &args) {
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = ctx->stream;
    return gpu_launched(ctx, cudaLaunchKernelEx(&config, kernel, args), name);
}

/* ---- shared memory -------------------------------------------------------------------------------------- */

#ifndef SHARED
/* SHARED(float, tile, 420) declares an array of the block, and DYNAMIC_SHARED(float, weights) one of the size that the
 * launch gave. load4 and store4 move four neighbours at once, load2 and store2 two, also of global memory; i is a
 * multiple of 4, or of 2. */
#define SHARED(type, name, count)  __shared__ __align__(16) type name[count]
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) type name[]
static __device__ __forceinline__ float2 load2(const float *array, int i) {
    return *reinterpret_cast<const float2 *>(array + i);
}
static __device__ __forceinline__ float4 load4(const float *array, int i) {
    return *reinterpret_cast<const float4 *>(array + i);
}
static __device__ __forceinline__ void store2(float *array, int i, float2 v) {
    *reinterpret_cast<float2 *>(array + i) = v;
}
static __device__ __forceinline__ void store4(float *array, int i, float4 v) {
    *reinterpret_cast<float4 *>(array + i) = v;
}
#endif

/* ---- sums within a warp ----------------------------------------------------------------------------------- */

/* Every lane gets the sum over the lanes, always added in the same order. */
static __device__ __forceinline__ float warp_sum(float v) {
    for (int offset = HALF_WARP; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
    return v;
}

static inline unsigned blocks_for(size_t count, unsigned threads) {
    return (unsigned)((count + threads - 1) / threads);
}

static inline int pieces(int size, int chunk) { return (size + chunk - 1) / chunk; }

#endif
