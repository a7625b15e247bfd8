/* memory.cc - allocation, copies and fills. */
#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "machine.h"

namespace simt {
namespace {

constexpr size_t kAlignment = 256; /* what cudaMalloc promises */

/* Bytes before and after each piece that nobody may write to; read as a number they are NaN, too. */
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kGuard = 0;
#else
constexpr size_t kGuard = 1024;
#endif

/* Of the guard that begins at p: how many of its bytes come before the first one that was written to. */
size_t Intact(const unsigned char *p) {
    return (size_t)(std::find_if(p, p + kGuard, [](int v) { return v != 0xff; }) - p);
}

/* Pages that come when they are touched, and are zero then. */
void *MapSparse(size_t bytes) {
    void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
}

} // namespace

void *Memory::Allocate(Place place, size_t bytes, int device, bool sparse) {
    void *block = nullptr;
    if (sparse)
        block = MapSparse(kGuard + bytes + kGuard);
    else if (posix_memalign(&block, kAlignment, kGuard + bytes + kGuard) != 0)
        return nullptr;
    if (!block) return nullptr;
    char *const p = static_cast<char *>(block) + kGuard;
    if (!sparse) memset(p, 0xff, bytes);
    memset(block, 0xff, kGuard);
    memset(p + bytes, 0xff, kGuard);
    pieces_[reinterpret_cast<uintptr_t>(p)] = {place, device, sparse, bytes, block, nullptr, nullptr};
    if (place != Place::kDevice) return p;
    if ((size_t)device >= allocated_.size()) allocated_.resize((size_t)device + 1);
    allocated_[(size_t)device] += bytes;
    return p;
}

size_t Memory::allocated() const { return std::accumulate(allocated_.begin(), allocated_.end(), (size_t)0); }

void Memory::Clear(void *p, size_t bytes) {
    constexpr uintptr_t kPage = 4096;
    char *const begin = static_cast<char *>(p), *const end = begin + bytes;
    char *const first = begin + (kPage - reinterpret_cast<uintptr_t>(begin) % kPage) % kPage;
    char *const last = end - reinterpret_cast<uintptr_t>(end) % kPage;
    if (!Around(p, bytes)->sparse || first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED) != 0) {
        memset(p, 0, bytes);
        return;
    }
    memset(begin, 0, (size_t)(first - begin));
    memset(last, 0, (size_t)(end - last));
}

bool Memory::Free(Place place, void *p) {
    const auto piece = pieces_.find(reinterpret_cast<uintptr_t>(p));
    if (piece == pieces_.end() || piece->second.place != place) return false;
    const size_t bytes = piece->second.bytes;
    if (place == Place::kDevice) allocated_[(size_t)piece->second.device] -= bytes;
    void *const block = piece->second.block;
    const bool sparse = piece->second.sparse;
    pieces_.erase(piece);
    for (Recent &r : recent_) r = {};
    if (sparse)
        munmap(block, kGuard + bytes + kGuard);
    else
        free(block);
    return true;
}

std::string Memory::Damage() const {
    for (const auto &[address, piece] : pieces_) {
        const unsigned char *const block = static_cast<const unsigned char *>(piece.block);
        const std::string of = " of " + std::to_string(piece.bytes) + " bytes that were allocated together";
        if (Intact(block) < kGuard) return "something was written before the first" + of;
        const size_t after = Intact(block + kGuard + piece.bytes);
        if (after < kGuard) return "something was written " + std::to_string(after) + " bytes after the last" + of;
    }
    return "";
}

const Memory::Piece *Memory::Around(const void *p, size_t bytes) const {
    const uintptr_t address = reinterpret_cast<uintptr_t>(p);
    auto piece = pieces_.upper_bound(address);
    if (piece == pieces_.begin()) return nullptr;
    --piece;
    const size_t offset = address - piece->first;
    if (offset > piece->second.bytes || bytes > piece->second.bytes - offset) return nullptr;
    return &piece->second;
}

bool Memory::OnDevice(const void *p, size_t bytes) const {
    const Piece *piece = Around(p, bytes);
    return piece && piece->place != Place::kPinned;
}

Memory::Piece *Memory::FindDevicePiece(const void *p, size_t bytes, size_t *offset) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(p);
    if (!OnDevice(p, bytes)) return nullptr;
    auto piece = --pieces_.upper_bound(address);
    recent_[oldest_++ % kRecent] = {piece->first, piece->second.bytes, &piece->second};
    *offset = address - piece->first;
    return &piece->second;
}

bool Memory::Pinned(const void *p, size_t bytes) const {
    const Piece *piece = Around(p, bytes);
    return piece && piece->place == Place::kPinned;
}

namespace {

std::string Range(const void *p, size_t bytes) {
    char text[64];
    snprintf(text, sizeof text, "%zu bytes at %p", bytes, p);
    return text;
}

struct Copy {
    void *dst;
    const void *src;
    size_t bytes;
    bool to_device, from_device;
};

cudaError_t MakeCopy(Machine &m, Copy *copy, enum cudaMemcpyKind kind) {
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
    const bool guess = kind == cudaMemcpyDefault;
    copy->to_device =
        guess ? m.memory.StartsOnDevice(copy->dst) : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    copy->from_device =
        guess ? m.memory.StartsOnDevice(copy->src) : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    return cudaSuccess;
}

/* "" or that memory, which is a device's, is that of another one than `wanted`. */
std::string Foreign(Machine &m, const std::string &what, const void *p, int wanted) {
    const int device = m.memory.DeviceOf(p);
    if (device == wanted) return "";
    return what + " is memory of device " + std::to_string(device) + ", and the work is that of device " +
           std::to_string(wanted);
}

/* What is wrong with one side of a copy that a device makes. */
std::string Wrong(Machine &m, const char *side, const void *p, size_t bytes, bool device, int maker) {
    if (device && !m.memory.OnDevice(p, bytes))
        return std::string(side) + ", " + Range(p, bytes) + ", is not device memory";
    if (!device && m.memory.StartsOnDevice(p))
        return std::string(side) + ", " + Range(p, bytes) + ", is device memory, and the copy's kind says host";
    return device ? Foreign(m, side, p, maker) : "";
}

std::string Wrong(Machine &m, const Copy &copy, int maker) {
    std::string wrong = Wrong(m, "the target of a copy", copy.dst, copy.bytes, copy.to_device, maker);
    if (wrong.empty()) wrong = Wrong(m, "the source of a copy", copy.src, copy.bytes, copy.from_device, maker);
    return wrong;
}

/* A graph may run it long after it was captured. */
void RunCopy(const Copy &copy) {
    Machine &m = machine();
    std::string wrong = Wrong(m, copy, m.at_work);
    if (wrong.empty() && copy.from_device) wrong = m.memory.Damage();
    if (wrong.empty())
        memmove(copy.dst, copy.src, copy.bytes);
    else
        m.FailWork(Kind::kMemory, wrong);
}

/* Host memory that is not pinned: the source is copied before the call returns, and the call waits for the target. */
cudaError_t EnqueueCopy(Machine &m, const Copy &copy, cudaStream_t stream) {
    const bool capturing = m.streams.Capturing(stream);
    const bool stage = !capturing && !copy.from_device && !m.memory.Pinned(copy.src, copy.bytes);
    const bool wait = !capturing && !copy.to_device && !m.memory.Pinned(copy.dst, copy.bytes);
    Work work = [copy] { RunCopy(copy); };
    if (stage) {
        const char *bytes = static_cast<const char *>(copy.src);
        work = [copy, staged = std::make_shared<std::vector<char>>(bytes, bytes + copy.bytes)] {
            RunCopy({copy.dst, staged->data(), copy.bytes, copy.to_device, false});
        };
    }
    const cudaError_t error = m.streams.Enqueue(stream, std::move(work));
    if (error != cudaSuccess || !wait) return error;
    m.streams.RunAll(stream);
    return m.sticky_error;
}

cudaError_t CheckedCopy(Machine &m, Copy copy, enum cudaMemcpyKind kind, cudaStream_t stream) {
    const cudaError_t error = MakeCopy(m, &copy, kind);
    if (error != cudaSuccess || copy.bytes == 0) return error;
    const std::string wrong = Wrong(m, copy, host_thread.device);
    if (wrong.empty()) return EnqueueCopy(m, copy, stream);
    m.Complain(Kind::kMemory, wrong);
    return cudaErrorInvalidValue;
}

std::string WrongFill(Machine &m, const void *p, size_t bytes, int maker) {
    const std::string fill = "a fill of " + Range(p, bytes);
    return m.memory.OnDevice(p, bytes) ? Foreign(m, fill, p, maker) : fill + ", which is not device memory";
}

void RunFill(void *p, int value, size_t bytes) {
    Machine &m = machine();
    const std::string wrong = WrongFill(m, p, bytes, m.at_work);
    if (!wrong.empty()) return m.FailWork(Kind::kMemory, wrong);
    if (value == 0)
        m.memory.Clear(p, bytes);
    else
        memset(p, value, bytes);
}

cudaError_t CheckedFill(Machine &m, void *p, int value, size_t bytes, cudaStream_t stream) {
    if (bytes == 0) return cudaSuccess;
    const std::string wrong = WrongFill(m, p, bytes, host_thread.device);
    if (wrong.empty()) return m.streams.Enqueue(stream, [=] { RunFill(p, value, bytes); });
    m.Complain(Kind::kMemory, wrong);
    return cudaErrorInvalidValue;
}

cudaError_t Allocate(Machine &m, Memory::Place place, void **p, size_t bytes) {
    if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
    if (!p) return cudaErrorInvalidValue;
    *p = nullptr;
    if (bytes == 0) return cudaSuccess;
    const bool device = place == Memory::Place::kDevice;
    const int current = host_thread.device;
    if (device && (bytes > m.device.memory || m.memory.allocated(current) > m.device.memory - bytes))
        return cudaErrorMemoryAllocation;
    *p = m.memory.Allocate(place, bytes, current, device && m.sparse);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

/* Like the real one, this waits for all that could still use the memory. A program may free it after a fault, too. */
cudaError_t Free(Memory::Place place, void *p) {
    const Turn turn;
    Machine &m = machine();
    if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
    if (!p) return m.Usable();
    m.streams.RunEverything();
    if (m.memory.Free(place, p)) return m.Usable();
    m.Complain(Kind::kMemory, "freed " + Range(p, 0) + ", which was not allocated so, or is free already");
    return cudaErrorInvalidValue;
}

} // namespace

} // namespace simt

using simt::call;
using simt::Machine;
using simt::Memory;

cudaError_t cudaMalloc(void **p, size_t bytes) {
    return call([&](Machine &m) { return simt::Allocate(m, Memory::Place::kDevice, p, bytes); });
}
cudaError_t cudaMallocHost(void **p, size_t bytes) {
    return call([&](Machine &m) { return simt::Allocate(m, Memory::Place::kPinned, p, bytes); });
}

cudaError_t cudaFree(void *p) { return simt::machine().Return(simt::Free(Memory::Place::kDevice, p)); }
cudaError_t cudaFreeHost(void *p) { return simt::machine().Return(simt::Free(Memory::Place::kPinned, p)); }

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    return call([&](Machine &m) {
        *total = m.device.memory;
        *free = m.device.memory - std::min(m.device.memory, m.memory.allocated(simt::host_thread.device));
        return cudaSuccess;
    });
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind) {
    return call([&](Machine &m) {
        if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
        const cudaError_t error = simt::CheckedCopy(m, {dst, src, bytes, false, false}, kind, nullptr);
        if (error != cudaSuccess) return error;
        m.streams.RunAll(nullptr);
        return m.sticky_error;
    });
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
    return call([&](Machine &m) { return simt::CheckedCopy(m, {dst, src, bytes, false, false}, kind, stream); });
}

cudaError_t cudaMemset(void *p, int value, size_t bytes) {
    return call([&](Machine &m) {
        if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
        return simt::CheckedFill(m, p, value, bytes, nullptr);
    });
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream) {
    return call([&](Machine &m) { return simt::CheckedFill(m, p, value, bytes, stream); });
}
