/* device.cu - everything of the CUDA backend that is no operation: opening a GPU, memory and copies, the branch,
 * recorded steps, and the peak. */
#include <stdlib.h>
#include <string.h>

#include "gpu.cuh"
#include "peak.cuh"

/* lenet_backend_cuda hands it out. Each thread has its own: several may ask at a time. */
static thread_local char no_device_reason[256];

extern "C" const char *cuda_probe(void) {
    int driver = 0, runtime = 0, devices = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0) return "no NVIDIA driver is loaded (nvidia-smi tells more)";
    const cudaError_t error = cudaGetDeviceCount(&devices);
    if (error == cudaErrorInsufficientDriver || (error != cudaSuccess && driver / 1000 < runtime / 1000)) {
        snprintf(no_device_reason, sizeof no_device_reason,
                 "the NVIDIA driver supports CUDA %d.%d, this build needs %d.%d; update the driver", driver / 1000,
                 driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
        return no_device_reason;
    }
    if (error != cudaSuccess) {
        snprintf(no_device_reason, sizeof no_device_reason, "%s (%s)", cudaGetErrorString(error),
                 cudaGetErrorName(error));
        return no_device_reason;
    }
    return devices > 0 ? NULL : "the driver finds no CUDA device";
}

/* CUDA has a current device for each thread. Nothing else in the program chooses one. */
static thread_local int current_device = -1;

extern "C" enum lenet_status cuda_make_current(struct lenet_ctx *ctx) {
    if (ctx->index == current_device) return LENET_OK;
    LENET_TRY(gpu_check(ctx, cudaSetDevice(ctx->index), "cudaSetDevice"));
    current_device = ctx->index;
    return LENET_OK;
}

/* Whether this build has code for the device shows when a kernel that does nothing is launched. */
static __global__ void nothing_kernel(int unused) { (void)unused; }

static enum lenet_status check_architecture(struct lenet_ctx *ctx, int index, const cudaDeviceProp &properties,
                                            struct lenet_error *err) {
    static const char what[] = "a first kernel";
    const enum lenet_status launched = gpu_launch(ctx, what, nothing_kernel, dim3(1), dim3(1), 0, 0);
    if (launched == LENET_OK) return gpu_check(ctx, cudaStreamSynchronize(ctx->stream), what);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaErrorNoKernelImageForDevice && error != cudaErrorUnsupportedPtxVersion &&
        error != cudaErrorInvalidDeviceFunction)
        return launched;
    return lenet_fail(err, LENET_ERR_DEVICE,
                      "cuda:%d: %s (compute capability %d.%d) cannot run this build's kernels; "
                      "configure with -DCMAKE_CUDA_ARCHITECTURES=%d%d: %s",
                      index, properties.name, properties.major, properties.minor, properties.major, properties.minor,
                      ctx->message);
}

#ifndef LENET_CUDA_BUILD
#define LENET_CUDA_BUILD "unknown" /* CMakeLists.txt knows it */
#endif

static enum lenet_status describe(struct lenet_ctx *ctx, const cudaDeviceProp &properties) {
    int runtime = 0;
    char blas[32] = "no cuBLAS";
    LENET_TRY(gpu_check(ctx, cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion"));
    if (ctx->blas) snprintf(blas, sizeof blas, "cuBLAS %d", gpu_blas_version(ctx));
    snprintf(ctx->machine, sizeof ctx->machine, "build %s, %.64s of compute capability %d.%d, CUDA %d.%d, %s",
             LENET_CUDA_BUILD, properties.name, properties.major, properties.minor, runtime / 1000, runtime % 1000 / 10,
             blas);
    return LENET_OK;
}

static enum lenet_status open_device(struct lenet_ctx *ctx, const struct lenet_open_options *options,
                                     struct lenet_error *err) {
    const int index = options->index;
    int devices = 0;
    cudaDeviceProp properties;
    LENET_TRY(gpu_check(ctx, cudaGetDeviceCount(&devices), "cudaGetDeviceCount"));
    if (index >= devices)
        return lenet_fail(err, LENET_ERR_DEVICE, "cuda:%d: there are %d CUDA devices, 0 to %d", index, devices,
                          devices - 1);
    current_device = -1; /* so that CUDA is told */
    ctx->index = index;
    LENET_TRY(cuda_make_current(ctx));
    for (cudaStream_t &stream : ctx->streams)
        LENET_TRY(gpu_check(ctx, cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate"));
    ctx->stream = ctx->streams[0];
    LENET_TRY(gpu_check(ctx, cudaEventCreateWithFlags(&ctx->begun, cudaEventDisableTiming), "cudaEventCreate"));
    LENET_TRY(gpu_check(ctx, cudaEventCreateWithFlags(&ctx->done, cudaEventDisableTiming), "cudaEventCreate"));
    LENET_TRY(gpu_check(ctx, cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties"));
    LENET_TRY(check_architecture(ctx, index, properties, err));
    ctx->own_dense = options->own_dense;
    if (!ctx->own_dense) LENET_TRY(gpu_blas_open(ctx, options->tf32, err));
    return describe(ctx, properties);
}

extern "C" enum lenet_status cuda_open(struct lenet_ctx **out, const struct lenet_open_options *options,
                                       struct lenet_error *err) {
    struct lenet_ctx *ctx = (struct lenet_ctx *)calloc(1, sizeof *ctx);
    *out = NULL;
    if (!ctx) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (err) err->text[0] = 0;
    const char *blocking = getenv("CUDA_LAUNCH_BLOCKING");
    ctx->blocking = blocking && strcmp(blocking, "1") == 0;
    const enum lenet_status status = open_device(ctx, options, err);
    if (status == LENET_OK) {
        *out = ctx;
        return LENET_OK;
    }
    if (err && !err->text[0]) lenet_fail(err, status, "cuda:%d: %s", options->index, ctx->message);
    cuda_close(ctx);
    return status;
}

extern "C" void cuda_close(struct lenet_ctx *ctx) {
    if (!ctx) return;
    cuda_make_current(ctx);
    gpu_blas_close(ctx);
    if (ctx->begun) cudaEventDestroy(ctx->begun);
    if (ctx->done) cudaEventDestroy(ctx->done);
    for (cudaStream_t stream : ctx->streams)
        if (stream) cudaStreamDestroy(stream);
    free(ctx);
}

extern "C" const char *cuda_message(const struct lenet_ctx *ctx) { return ctx->message; }

extern "C" void cuda_describe(const struct lenet_ctx *ctx, char text[LENET_MACHINE]) { strcpy(text, ctx->machine); }

/* ---- memory ------------------------------------------------------------------------------------------------ */

extern "C" enum lenet_status cuda_alloc(struct lenet_ctx *ctx, void **p, size_t bytes) {
    LENET_TRY(cuda_make_current(ctx));
    const cudaError_t error = cudaMalloc(p, bytes);
    if (error == cudaErrorMemoryAllocation) {
        size_t available = 0, total = 0;
        cudaGetLastError(); /* not a fault: the device goes on */
        cudaMemGetInfo(&available, &total);
        snprintf(ctx->message, sizeof ctx->message, "out of device memory: %zu MB wanted, %zu of %zu MB are free",
                 bytes >> 20, available >> 20, total >> 20);
        return LENET_ERR_MEMORY;
    }
    LENET_TRY(gpu_check(ctx, error, "cudaMalloc"));
    const enum lenet_status cleared = gpu_check(ctx, cudaMemsetAsync(*p, 0, bytes, ctx->stream), "cudaMemset");
    if (cleared == LENET_OK) return LENET_OK;
    cudaFree(*p);
    *p = NULL;
    return cleared;
}

extern "C" void cuda_release(struct lenet_ctx *ctx, void *p) {
    cuda_make_current(ctx);
    cudaStreamSynchronize(ctx->stream); /* what was enqueued may still use it */
    cudaFree(p);
}

extern "C" enum lenet_status cuda_upload(struct lenet_ctx *ctx, void *dst, const void *host_src, size_t bytes) {
    LENET_TRY(cuda_make_current(ctx));
    LENET_TRY(gpu_check(ctx, cudaMemcpyAsync(dst, host_src, bytes, cudaMemcpyHostToDevice, ctx->stream), "upload"));
    return gpu_check(ctx, cudaStreamSynchronize(ctx->stream), "upload"); /* the caller may change host_src now */
}

extern "C" enum lenet_status cuda_download(struct lenet_ctx *ctx, void *host_dst, const void *src, size_t bytes) {
    static const char what[] = "an operation since the last wait (CUDA_LAUNCH_BLOCKING=1 tells which)";
    LENET_TRY(cuda_make_current(ctx));
    LENET_TRY(gpu_check(ctx, cudaMemcpyAsync(host_dst, src, bytes, cudaMemcpyDeviceToHost, ctx->stream), what));
    return gpu_check(ctx, cudaStreamSynchronize(ctx->stream), what);
}

/* ---- branches ----------------------------------------------------------------------------------------------
 *
 * Two streams, and an event from each to the other; in a recorded step these become the edges of the graph. */

extern "C" enum lenet_status cuda_branch(struct lenet_ctx *ctx) {
    LENET_TRY(cuda_make_current(ctx));
    LENET_TRY(gpu_check(ctx, cudaEventRecord(ctx->begun, ctx->streams[0]), "a branch"));
    LENET_TRY(gpu_check(ctx, cudaStreamWaitEvent(ctx->streams[1], ctx->begun, 0), "a branch"));
    ctx->branch = 1;
    ctx->stream = ctx->streams[1];
    ctx->branched = true;
    return LENET_OK;
}

extern "C" void cuda_back(struct lenet_ctx *ctx) {
    ctx->branch = 0;
    ctx->stream = ctx->streams[0];
}

extern "C" enum lenet_status cuda_join(struct lenet_ctx *ctx) {
    if (!ctx->branched) return LENET_OK;
    LENET_TRY(cuda_make_current(ctx));
    ctx->branched = false;
    LENET_TRY(gpu_check(ctx, cudaEventRecord(ctx->done, ctx->streams[1]), "a branch's end"));
    return gpu_check(ctx, cudaStreamWaitEvent(ctx->streams[0], ctx->done, 0), "a branch's end");
}

/* ---- graphs -------------------------------------------------------------------------------------------------- */

extern "C" enum lenet_status cuda_record(struct lenet_ctx *ctx, enum lenet_status (*enqueue)(void *), void *argument,
                                         void **out) {
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    *out = NULL;
    if (ctx->blocking) return LENET_OK; /* it is impossible to wait for a launch within a graph */
    LENET_TRY(cuda_make_current(ctx));
    LENET_TRY(gpu_check(ctx, cudaStreamBeginCapture(ctx->stream, cudaStreamCaptureModeThreadLocal), "capture"));
    const enum lenet_status enqueued = enqueue(argument);
    const cudaError_t ended =
        cudaStreamEndCapture(ctx->stream, &graph); /* in any case: the stream must be usable again */
    if (enqueued != LENET_OK) {
        if (graph) cudaGraphDestroy(graph);
        return enqueued;
    }
    LENET_TRY(gpu_check(ctx, ended, "capture"));
    const cudaError_t instantiated = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    LENET_TRY(gpu_check(ctx, instantiated, "cudaGraphInstantiate"));
    *out = executable;
    return LENET_OK;
}

extern "C" enum lenet_status cuda_replay(struct lenet_ctx *ctx, void *graph, int times) {
    LENET_TRY(cuda_make_current(ctx));
    for (int i = 0; i < times; i++)
        LENET_TRY(gpu_check(ctx, cudaGraphLaunch((cudaGraphExec_t)graph, ctx->stream), "a recorded step"));
    return LENET_OK;
}

extern "C" void cuda_forget(struct lenet_ctx *ctx, void *graph) {
    cuda_make_current(ctx);
    cudaStreamSynchronize(ctx->stream);
    cudaGraphExecDestroy((cudaGraphExec_t)graph);
}

/* ---- the ceiling of benchmarks --------------------------------------------------------------------------------- */

enum { PEAK_THREADS = 256 };

struct peak {
    float *sink; /* NULL and never written to, but the compiler must keep the loop for it */
};

static __global__ void __launch_bounds__(PEAK_THREADS) peak_kernel(peak a) {
    const float sum = peak_sum((float)threadIdx.x);
    if (sum == -1) *a.sink = sum; /* it is positive */
}

/* Seconds of one launch, between two events. */
static enum lenet_status time_peak(struct lenet_ctx *ctx, int blocks, cudaEvent_t began, cudaEvent_t ended,
                                   double *seconds) {
    const struct peak args = {NULL};
    float milliseconds = 0;
    LENET_TRY(gpu_check(ctx, cudaEventRecord(began, ctx->stream), "cudaEventRecord"));
    LENET_TRY(gpu_launch(ctx, "peak", peak_kernel, dim3(blocks), dim3(PEAK_THREADS), 0, args));
    LENET_TRY(gpu_check(ctx, cudaEventRecord(ended, ctx->stream), "cudaEventRecord"));
    LENET_TRY(gpu_check(ctx, cudaEventSynchronize(ended), "peak"));
    LENET_TRY(gpu_check(ctx, cudaEventElapsedTime(&milliseconds, began, ended), "cudaEventElapsedTime"));
    *seconds = 1e-3 * milliseconds;
    return LENET_OK;
}

/* An event that goes with its scope. */
struct scoped_event {
    cudaEvent_t event = NULL;
    ~scoped_event() {
        if (event) cudaEventDestroy(event);
    }
};

extern "C" enum lenet_status cuda_measure_peak(struct lenet_ctx *ctx, double *flops_per_s) {
    cudaDeviceProp properties;
    scoped_event began, ended;
    LENET_TRY(cuda_make_current(ctx));
    LENET_TRY(gpu_check(ctx, cudaGetDeviceProperties(&properties, ctx->index), "cudaGetDeviceProperties"));
    LENET_TRY(gpu_check(ctx, cudaEventCreate(&began.event), "cudaEventCreate"));
    LENET_TRY(gpu_check(ctx, cudaEventCreate(&ended.event), "cudaEventCreate"));
    const int blocks = properties.multiProcessorCount * 8;
    const double flops = (double)PEAK_FLOPS * PEAK_THREADS * blocks;
    *flops_per_s = 0;
    for (int repeat = 0; repeat < 4; repeat++) {
        double seconds;
        LENET_TRY(time_peak(ctx, blocks, began.event, ended.event, &seconds));
        if (flops / seconds > *flops_per_s) *flops_per_s = flops / seconds;
    }
    return LENET_OK;
}
