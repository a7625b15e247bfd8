/* runtime.cc - the device, errors, and launches. */
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "cuda_runtime.h"
#include "machine.h"

namespace simt {
namespace {

constexpr int kMinMajor = 7, kMinMinor = 5; /* the oldest architecture that the project's kernels are built for */
constexpr int kProcessors = 4;

bool HasCode(const Device &d) { return d.major > kMinMajor || (d.major == kMinMajor && d.minor >= kMinMinor); }

/* Above each limit is no device that the project is built for. */
std::string WrongShape(const cudaLaunchConfig_t &c) {
    const dim3 &g = c.gridDim, &b = c.blockDim;
    const auto text = [](const dim3 &d) { return describe(make_uint3(d.x, d.y, d.z)); };
    if ((uint64_t)b.x * b.y * b.z > 1024 || b.x > 1024 || b.y > 1024 || b.z > 64)
        return "blocks of " + text(b) + ": at most 1024 threads, 64 in z";
    if (b.x == 0 || b.y == 0 || b.z == 0) return "blocks of " + text(b);
    if (g.x == 0 || g.y == 0 || g.z == 0) return "a grid of " + text(g);
    if (g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535)
        return "a grid of " + text(g) + ": at most 2147483647 in x, 65535 in y and z";
    return "";
}

size_t DynamicLimit(Machine &m, const void *kernel) {
    const auto set = m.dynamic_limits.find(kernel);
    return set == m.dynamic_limits.end() ? kDefaultSharedBytes : std::max(set->second, kDefaultSharedBytes);
}

cudaError_t Refuse(Machine &m, const void *kernel, const std::string &why, cudaError_t error) {
    m.Complain(Kind::kConfiguration, "kernel " + kernel_name(kernel) + " is launched with " + why);
    return error;
}

cudaError_t CheckedLaunch(Machine &m, const cudaLaunchConfig_t &config, const void *kernel, Work body) {
    if (!HasCode(m.device)) return cudaErrorNoKernelImageForDevice;
    const std::string wrong = WrongShape(config);
    if (!wrong.empty()) return Refuse(m, kernel, wrong, cudaErrorInvalidConfiguration);
    if (config.numAttrs != 0) return Refuse(m, kernel, "attributes, which are not emulated", cudaErrorNotSupported);
    const size_t limit = DynamicLimit(m, kernel);
    if (config.dynamicSmemBytes > limit)
        return Refuse(m, kernel,
                      std::to_string(config.dynamicSmemBytes) + " bytes of dynamic shared memory, and may have " +
                          std::to_string(limit) + ": see cudaFuncSetAttribute",
                      cudaErrorInvalidValue);
    const size_t all = limit > kDefaultSharedBytes ? m.SharedOptIn() : kDefaultSharedBytes;
    const Launch launch = {kernel, config.gridDim, config.blockDim, config.dynamicSmemBytes, all, std::move(body)};
    return m.streams.Enqueue(config.stream, [&m, launch] { m.scheduler.Run(launch); });
}

cudaError_t SetDynamicLimit(Machine &m, const void *kernel, int bytes) {
    if (bytes < 0 || (size_t)bytes > m.SharedOptIn()) return cudaErrorInvalidValue;
    m.dynamic_limits[kernel] = (size_t)bytes;
    return cudaSuccess;
}

int Attribute(const Machine &m, enum cudaDeviceAttr attribute) {
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: return 1024;
    case cudaDevAttrMaxSharedMemoryPerBlock: return (int)kDefaultSharedBytes;
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrClockRate: return 1000000;
    case cudaDevAttrMultiProcessorCount: return kProcessors;
    case cudaDevAttrMemoryClockRate: return 1000000;
    case cudaDevAttrGlobalMemoryBusWidth: return 64;
    case cudaDevAttrComputeCapabilityMajor: return m.device.major;
    case cudaDevAttrComputeCapabilityMinor: return m.device.minor;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return (int)m.SharedOptIn();
    }
    return -1;
}

cudaDeviceProp Properties(const Machine &m) {
    cudaDeviceProp p = {};
    strcpy(p.name, "SIMT emulator");
    p.totalGlobalMem = m.device.memory;
    p.sharedMemPerBlock = kDefaultSharedBytes;
    p.sharedMemPerBlockOptin = m.SharedOptIn();
    p.sharedMemPerMultiprocessor = p.sharedMemPerBlockOptin + 1024;
    p.regsPerBlock = p.regsPerMultiprocessor = 65536;
    p.warpSize = 32;
    p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
    p.maxThreadsDim[2] = 64;
    p.maxGridSize[0] = 0x7fffffff;
    p.maxGridSize[1] = p.maxGridSize[2] = 65535;
    p.totalConstMem = 65536;
    p.major = m.device.major;
    p.minor = m.device.minor;
    p.multiProcessorCount = kProcessors;
    p.memoryBusWidth = 64;
    p.l2CacheSize = 1 << 20;
    p.maxThreadsPerMultiProcessor = 2048;
    p.maxBlocksPerMultiProcessor = 32;
    return p;
}

} // namespace

cudaError_t launch(const cudaLaunchConfig_t &config, const void *kernel, std::function<void()> body) {
    return call([&](Machine &m) { return CheckedLaunch(m, config, kernel, std::move(body)); });
}

} // namespace simt

using simt::call;
using simt::Machine;

const char *cudaGetErrorName(cudaError_t error) {
    switch (error) {
#define X(name, value, text)                                                                                           \
    case name: return #name;
        SIMT_CUDA_ERRORS(X)
#undef X
    }
    return "unrecognized error code";
}
const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
#define X(name, value, text)                                                                                           \
    case name: return text;
        SIMT_CUDA_ERRORS(X)
#undef X
    }
    return "unrecognized error code";
}
cudaError_t cudaPeekAtLastError(void) {
    const Machine &m = simt::machine();
    return m.sticky_error != cudaSuccess ? m.sticky_error : m.last_error;
}
cudaError_t cudaGetLastError(void) {
    const cudaError_t error = cudaPeekAtLastError();
    simt::machine().last_error = cudaSuccess;
    return error;
}

/* 0 where there is no driver, and that is no error. */
cudaError_t cudaDriverGetVersion(int *version) {
    const simt::Device &device = simt::machine().device;
    *version = device.driver ? device.driver_version : 0;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    return call([&](Machine &m) {
        *count = m.device.count;
        return cudaSuccess;
    });
}
cudaError_t cudaSetDevice(int device) {
    return call(
        [&](Machine &m) { return device >= 0 && device < m.device.count ? cudaSuccess : cudaErrorInvalidDevice; });
}
cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return call([](Machine &) { return cudaSuccess; });
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device) {
    return call([&](Machine &m) {
        if (device < 0 || device >= m.device.count) return cudaErrorInvalidDevice;
        *prop = simt::Properties(m);
        return cudaSuccess;
    });
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    return call([&](Machine &m) {
        if (device < 0 || device >= m.device.count) return cudaErrorInvalidDevice;
        *value = simt::Attribute(m, attribute);
        return *value >= 0 ? cudaSuccess : cudaErrorInvalidValue;
    });
}

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value) {
    return call([&](Machine &m) {
        const bool limit = attribute == cudaFuncAttributeMaxDynamicSharedMemorySize;
        return limit ? simt::SetDynamicLimit(m, kernel, value) : cudaSuccess; /* the other is but a hint */
    });
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *kernel) {
    return call([&](Machine &m) {
        if (!simt::HasCode(m.device)) return cudaErrorNoKernelImageForDevice;
        *attributes = {};
        attributes->maxThreadsPerBlock = 1024;
        attributes->maxDynamicSharedSizeBytes = (int)simt::DynamicLimit(m, kernel);
        attributes->ptxVersion = attributes->binaryVersion = 10 * m.device.major + m.device.minor;
        return cudaSuccess;
    });
}
