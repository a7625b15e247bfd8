/* cuda_runtime.h - CUDA C++ for a host compiler: its keywords, and launches of kernels on the machine of simt.h.
 *
 * There is no __shared__: kernels declare shared memory by the macros of
 * shared.h. There is no <<<>>>: cudaLaunchKernelEx is ordinary C++. */
#ifndef LENET_SIMT_CUDA_RUNTIME_H
#define LENET_SIMT_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"

#ifdef __cplusplus
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "builtins.h"
#include "shared.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

namespace simt {

cudaError_t launch(const cudaLaunchConfig_t &config, const void *kernel, std::function<void()> body);
cudaError_t copy_symbol(void *dst, const void *src, size_t bytes, bool to_symbol, size_t room);
cudaError_t symbol_address(void **p, void *symbol, size_t bytes);

/* The project's limit; the oldest of CUDA's own. */
constexpr size_t kMaxArgumentBytes = 4096;

} // namespace simt

/* Arguments are converted and copied now, as on a GPU, and once more for every thread, for kernels may change them. */
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...),
                               Arguments &&...arguments) {
    static_assert((std::is_trivially_copyable_v<Parameters> && ...), "arguments of a kernel are plain data, by value");
    static_assert((sizeof(Parameters) + ... + 0) <= simt::kMaxArgumentBytes, "arguments of a kernel: 4 KB at most");
    const auto packed = std::make_shared<const std::tuple<Parameters...>>(std::forward<Arguments>(arguments)...);
    return simt::launch(*config, reinterpret_cast<const void *>(kernel),
                        [kernel, packed] { std::apply(kernel, *packed); });
}

template <class T> cudaError_t cudaMalloc(T **p, size_t bytes) {
    return cudaMalloc(reinterpret_cast<void **>(p), bytes);
}
template <class T> cudaError_t cudaMallocHost(T **p, size_t bytes) {
    return cudaMallocHost(reinterpret_cast<void **>(p), bytes);
}
template <class T> cudaError_t cudaHostAlloc(T **p, size_t bytes, unsigned flags) {
    return cudaHostAlloc(reinterpret_cast<void **>(p), bytes, flags);
}
template <class R, class... P>
cudaError_t cudaFuncSetAttribute(R (*kernel)(P...), enum cudaFuncAttribute attribute, int value) {
    return cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), attribute, value);
}
template <class R, class... P>
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, R (*kernel)(P...)) {
    return cudaFuncGetAttributes(attributes, reinterpret_cast<const void *>(kernel));
}

/* Variables declared __constant__ or __device__ are ordinary ones here. */
template <class T>
cudaError_t cudaMemcpyToSymbol(T &symbol, const void *src, size_t bytes, size_t offset = 0,
                               enum cudaMemcpyKind = cudaMemcpyHostToDevice) {
    void *p = const_cast<void *>(static_cast<const void *>(&symbol));
    return simt::copy_symbol(static_cast<char *>(p) + offset, src, bytes, true, sizeof(T) - offset);
}
template <class T>
cudaError_t cudaMemcpyFromSymbol(void *dst, const T &symbol, size_t bytes, size_t offset = 0,
                                 enum cudaMemcpyKind = cudaMemcpyDeviceToHost) {
    const char *p = reinterpret_cast<const char *>(&symbol);
    return simt::copy_symbol(dst, p + offset, bytes, false, sizeof(T) - offset);
}
template <class T> cudaError_t cudaGetSymbolAddress(void **p, const T &symbol) {
    return simt::symbol_address(p, const_cast<T *>(&symbol), sizeof(T));
}

#endif
#endif
