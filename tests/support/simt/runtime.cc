/* runtime.cc - the device, errors, and launches. */
#include <cstring>
#include <string>
#include <utility>

#include "cpu/denormals.h"
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

cudaError_t Refuse(Machine &m, const void *kernel, const std::string &why, cudaError_t error) {
    m.Complain(Kind::kConfiguration, "kernel " + kernel_name(kernel) + " is launched with " + why);
    return error;
}

/* Denormal numbers are zero in a kernel: it is compiled with nvcc's -ftz=true. */
struct Flushing {
    const uint64_t mode = rounding_mode();
    Flushing() { set_rounding_mode(mode | DENORMALS_TO_ZERO); }
    ~Flushing() { set_rounding_mode(mode); }
};

cudaError_t CheckedLaunch(Machine &m, const cudaLaunchConfig_t &config, const void *kernel, Work body) {
    if (!HasCode(m.device)) return cudaErrorNoKernelImageForDevice;
    const std::string wrong = WrongShape(config);
    if (!wrong.empty()) return Refuse(m, kernel, wrong, cudaErrorInvalidConfiguration);
    if (config.numAttrs != 0) return Refuse(m, kernel, "attributes, which are not emulated", cudaErrorNotSupported);
    if (config.dynamicSmemBytes > kSharedBytes)
        return Refuse(m, kernel,
                      std::to_string(config.dynamicSmemBytes) + " bytes of dynamic shared memory, and may have " +
                          std::to_string(kSharedBytes),
                      cudaErrorInvalidValue);
    const Launch launch = {kernel, config.gridDim, config.blockDim, config.dynamicSmemBytes, std::move(body)};
    return m.streams.Enqueue(config.stream, [&m, launch] {
        const Flushing flushing;
        m.scheduler.Run(launch);
    });
}

cudaDeviceProp Properties(const Machine &m) {
    cudaDeviceProp p = {};
    strcpy(p.name, "SIMT emulator");
    p.major = m.device.major;
    p.minor = m.device.minor;
    p.multiProcessorCount = kProcessors;
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
cudaError_t cudaGetLastError(void) {
    const simt::Turn turn;
    Machine &m = simt::machine();
    const cudaError_t last = std::exchange(simt::host_thread.last_error, cudaSuccess);
    return m.sticky_error != cudaSuccess ? m.sticky_error : last;
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
    return call([&](Machine &m) {
        if (device < 0 || device >= m.device.count) return cudaErrorInvalidDevice;
        simt::host_thread.device = device;
        return cudaSuccess;
    });
}
cudaError_t cudaGetDevice(int *device) {
    *device = simt::host_thread.device;
    return call([](Machine &) { return cudaSuccess; });
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device) {
    return call([&](Machine &m) {
        if (device < 0 || device >= m.device.count) return cudaErrorInvalidDevice;
        *prop = simt::Properties(m);
        return cudaSuccess;
    });
}
