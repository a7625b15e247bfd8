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
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

namespace simt {

cudaError_t launch(const cudaLaunchConfig_t &config, const void *kernel, std::function<void()> body);

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

#endif
#endif
