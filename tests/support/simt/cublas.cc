/* cublas.cc - the emulated cuBLAS: products as plain loops, which check what cuBLAS asks of its arguments. */
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "cublas_v2.h"
#include "machine.h"

struct cublasContext {
    int device = 0;
    cudaStream_t stream = nullptr;
    const void *workspace = nullptr; /* NULL: the library's own */
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
};

namespace simt {
namespace {

/* Matrices of a batch, column by column. */
template <class T> struct Matrices {
    T *first;
    int rows, columns, ld; /* as they are stored */
    long long stride;
    bool transposed;

    T *Of(int batch) const { return first + batch * stride; }
    bool Valid() const { return first && ld >= std::max(1, rows); }
    bool OnDevice(int batch) const {
        if (rows == 0 || columns == 0) return true;
        const size_t elements = (size_t)(columns - 1) * (size_t)ld + (size_t)rows;
        const Machine &m = machine();
        return m.memory.OnDevice(Of(batch), elements * sizeof(T)) && m.memory.DeviceOf(Of(batch)) == m.at_work;
    }
};

struct Gemm {
    int m, n, k, batches;
    float alpha, beta;
    Matrices<const float> a, b;
    Matrices<float> c;
    bool tf32;
};

/* To ten bits of mantissa; halves away from zero, as tensor cores' conversion instruction does. */
float ToTf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & ~0x1fffu;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* op(A) as `rows` rows without gaps, column by column. */
std::vector<float> Pack(const Matrices<const float> &source, const float *from, int rows, int columns, bool tf32) {
    std::vector<float> packed((size_t)rows * (size_t)columns);
    float *to = packed.data();
    for (int j = 0; j < columns; j++)
        for (int i = 0; i < rows; i++) {
            const size_t at = source.transposed ? (size_t)i * (size_t)source.ld + (size_t)j
                                                : (size_t)j * (size_t)source.ld + (size_t)i;
            *to++ = tf32 ? ToTf32(from[at]) : from[at];
        }
    return packed;
}

/* One column of C: its sums grow by one product each, for all rows in turn. */
void Column(const Gemm &g, const float *a, const float *b, float *sums, float *c) {
    std::fill(sums, sums + g.m, 0.0f);
    for (int l = 0; l < g.k; l++, a += g.m) {
        const float factor = b[l];
        for (int i = 0; i < g.m; i++) sums[i] += a[i] * factor;
    }
    for (int i = 0; i < g.m; i++) c[i] = g.beta == 0 ? g.alpha * sums[i] : g.alpha * sums[i] + g.beta * c[i];
}

/* As if each matrix moved once. */
void Count(const Gemm &g) {
    Counting &counting = machine().counting;
    counting.Begin("cublasSgemm", 0, 0);
    const auto count = [&](const auto &matrices, int batch, Access access) {
        for (int j = 0; j < matrices.columns; j++)
            counting.Range(matrices.Of(batch) + (size_t)j * (size_t)matrices.ld, (size_t)matrices.rows * sizeof(float),
                           access);
    };
    for (int batch = 0; batch < g.batches; batch++) {
        count(g.a, batch, Access::kRead);
        count(g.b, batch, Access::kRead);
        count(g.c, batch, Access::kWrite);
    }
    counting.End();
}

void RunGemm(const Gemm &g) {
    Machine &machine_now = machine();
    machine_now.counters.gemms++;
    if (machine_now.counting.on) Count(g);
    if (machine_now.counting.on && machine_now.counting.every > 1) return;
    std::vector<float> sums((size_t)g.m);
    const unsigned wanted = machine_now.ends.z;
    const int ends = wanted && wanted < (unsigned)g.batches / 2 ? (int)wanted : g.batches;
    for (int batch = 0; batch < g.batches; batch++) {
        if (batch == ends) batch = std::max(batch, g.batches - ends);
        for (const char *wrong : {g.a.OnDevice(batch) ? nullptr : "A", g.b.OnDevice(batch) ? nullptr : "B",
                                  g.c.OnDevice(batch) ? nullptr : "C"})
            if (wrong)
                return machine_now.FailWork(Kind::kMemory,
                                            "matrix " + std::string(wrong) + " number " + std::to_string(batch) +
                                                " of a cublasSgemm is not in the device's memory as a whole");
        const std::vector<float> a = Pack(g.a, g.a.Of(batch), g.m, g.k, g.tf32);
        const std::vector<float> b = Pack(g.b, g.b.Of(batch), g.k, g.n, g.tf32);
        for (int j = 0; j < g.n; j++)
            Column(g, a.data(), b.data() + (size_t)j * (size_t)g.k, sums.data(),
                   g.c.Of(batch) + (size_t)j * (size_t)g.c.ld);
    }
}

Matrices<const float> Operand(const float *first, cublasOperation_t op, int rows, int columns, int ld,
                              long long stride) {
    const bool transposed = op != CUBLAS_OP_N;
    return {first, transposed ? columns : rows, transposed ? rows : columns, ld, stride, transposed};
}

cublasStatus_t Enqueue(cublasHandle_t handle, const Gemm &gemm) {
    const Turn turn;
    Machine &m = machine();
    if (gemm.m < 0 || gemm.n < 0 || gemm.k < 0 || gemm.batches < 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (!gemm.a.Valid() || !gemm.b.Valid() || !gemm.c.Valid()) return CUBLAS_STATUS_INVALID_VALUE;
    if (m.BeginCall() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!m.streams.OfCurrentDevice(handle->device, "a handle of cuBLAS")) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!handle->workspace) m.counters.gemms_in_default_workspace++;
    const cudaError_t error = m.streams.Enqueue(
        handle->stream, [gemm] { RunGemm(gemm); }, handle->workspace);
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

} // namespace
} // namespace simt

const char *cublasGetStatusString(cublasStatus_t status) {
    switch (status) {
#define X(name, value, text)                                                                                           \
    case name: return text;
        SIMT_CUBLAS_STATUSES(X)
#undef X
    }
    return "unknown cuBLAS status";
}

/* The real one allocates, so that it cannot be called during a capture. */
cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    const simt::Turn turn;
    simt::Machine &m = simt::machine();
    if (const cudaError_t error = m.BeginCall())
        return error == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED : CUBLAS_STATUS_NOT_INITIALIZED;
    if (m.streams.ForbidDuringCapture() != cudaSuccess) return CUBLAS_STATUS_ALLOC_FAILED;
    *handle = new cublasContext();
    (*handle)->device = simt::host_thread.device;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion(cublasHandle_t, int *version) {
    *version = 120000;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->stream = stream;
    handle->workspace = nullptr;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
    const simt::Turn turn;
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!simt::machine().memory.OnDevice(workspace, bytes) || reinterpret_cast<uintptr_t>(workspace) % 256 != 0)
        return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    return CUBLAS_STATUS_SUCCESS;
}
/* The loops below know no atomics. */
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t) {
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                         int m, int n, int k, const float *alpha, const float *A, int lda,
                                         long long strideA, const float *B, int ldb, long long strideB,
                                         const float *beta, float *C, int ldc, long long strideC, int batchCount) {
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    return simt::Enqueue(handle, {m, n, k, batchCount, *alpha, *beta, simt::Operand(A, transa, m, k, lda, strideA),
                                  simt::Operand(B, transb, k, n, ldb, strideB),
                                  simt::Matrices<float>{C, m, n, ldc, strideC, false},
                                  handle->math == CUBLAS_TF32_TENSOR_OP_MATH});
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                           int k, const float *alpha, const float *A, int lda, const float *B, int ldb,
                           const float *beta, float *C, int ldc) {
    return cublasSgemmStridedBatched(handle, transa, transb, m, n, k, alpha, A, lda, 0, B, ldb, 0, beta, C, ldc, 0, 1);
}
