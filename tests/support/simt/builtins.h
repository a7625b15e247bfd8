/* builtins.h - what a kernel can use without declaring it: its indices, barriers, warp intrinsics, atomics, arithmetic.
 */
#ifndef LENET_SIMT_BUILTINS_H
#define LENET_SIMT_BUILTINS_H
#include <math.h>

#include <cstdint>
#include <cstring>

#include "shared.h"
#include "tracker.h"
#include "vector_types.h"

/* The registers of the running thread: parts of the emulated machine that have to have these names. */
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

namespace simt {

enum class BarrierKind : uint8_t { kPlain, kCount, kAnd, kOr };
enum class WarpOp : uint8_t { kShuffle, kShuffleUp, kShuffleDown, kShuffleXor, kBallot, kAny, kAll, kSync };

int barrier(BarrierKind kind, bool predicate, Site site);
uint64_t warp_operation(WarpOp op, unsigned mask, uint64_t value, int parameter, int width, Site site);
[[noreturn]] void trap(Site site);

template <class T> uint64_t to_bits(T value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T> T from_bits(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

} // namespace simt

/* Default arguments are evaluated where the call stands. */
#define SIMT_HERE const char *file_ = __builtin_FILE(), int line_ = __builtin_LINE()
#define SIMT_SITE                                                                                                      \
    { file_, line_ }

/* ---- barriers ------------------------------------------------------------------ */

inline void __syncthreads(SIMT_HERE) { simt::barrier(simt::BarrierKind::kPlain, false, SIMT_SITE); }
inline int __syncthreads_count(int predicate, SIMT_HERE) {
    return simt::barrier(simt::BarrierKind::kCount, predicate != 0, SIMT_SITE);
}
inline int __syncthreads_and(int predicate, SIMT_HERE) {
    return simt::barrier(simt::BarrierKind::kAnd, predicate != 0, SIMT_SITE);
}
inline int __syncthreads_or(int predicate, SIMT_HERE) {
    return simt::barrier(simt::BarrierKind::kOr, predicate != 0, SIMT_SITE);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

/* ---- warp intrinsics ------------------------------------------------------------- */

inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_HERE) {
    simt::warp_operation(simt::WarpOp::kSync, mask, 0, 0, 32, SIMT_SITE);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_HERE) {
    return (unsigned)simt::warp_operation(simt::WarpOp::kBallot, mask, predicate != 0, 0, 32, SIMT_SITE);
}
inline int __any_sync(unsigned mask, int predicate, SIMT_HERE) {
    return (int)simt::warp_operation(simt::WarpOp::kAny, mask, predicate != 0, 0, 32, SIMT_SITE);
}
inline int __all_sync(unsigned mask, int predicate, SIMT_HERE) {
    return (int)simt::warp_operation(simt::WarpOp::kAll, mask, predicate != 0, 0, 32, SIMT_SITE);
}

#define SIMT_SHUFFLE(T, name, op, P)                                                                                   \
    inline T name(unsigned mask, T value, P parameter, int width = 32, SIMT_HERE) {                                    \
        return simt::from_bits<T>(                                                                                     \
            simt::warp_operation(simt::WarpOp::op, mask, simt::to_bits(value), (int)parameter, width, SIMT_SITE));     \
    }
#define SIMT_SHUFFLES(T)                                                                                               \
    SIMT_SHUFFLE(T, __shfl_sync, kShuffle, int)                                                                        \
    SIMT_SHUFFLE(T, __shfl_up_sync, kShuffleUp, unsigned)                                                              \
    SIMT_SHUFFLE(T, __shfl_down_sync, kShuffleDown, unsigned)                                                          \
    SIMT_SHUFFLE(T, __shfl_xor_sync, kShuffleXor, int)

/* The types that CUDA has overloads for, so that no others compile here. */
SIMT_SHUFFLES(int)
SIMT_SHUFFLES(unsigned)
SIMT_SHUFFLES(long)
SIMT_SHUFFLES(unsigned long)
SIMT_SHUFFLES(long long)
SIMT_SHUFFLES(unsigned long long)
SIMT_SHUFFLES(float)
SIMT_SHUFFLES(double)
#undef SIMT_SHUFFLES
#undef SIMT_SHUFFLE

/* ---- atomics: of integers only, because the project has no others ------------------ */

#define SIMT_ATOMIC(T, name, result)                                                                                   \
    T name(T *p, T value);                                                                                             \
    inline T name(simt::SharedPointer<T> p, T value, SIMT_HERE) {                                                      \
        return p.At(0, SIMT_SITE).Atomic([value](T old) { return (T)(result); });                                      \
    }
#define SIMT_ATOMICS(T)                                                                                                \
    SIMT_ATOMIC(T, atomicAdd, old + value)                                                                             \
    SIMT_ATOMIC(T, atomicMax, old > value ? old : value)                                                               \
    SIMT_ATOMIC(T, atomicMin, old < value ? old : value)                                                               \
    SIMT_ATOMIC(T, atomicOr, old | value)                                                                              \
    SIMT_ATOMIC(T, atomicAnd, old &value)                                                                              \
    SIMT_ATOMIC(T, atomicExch, ((void)old, value))                                                                     \
    T atomicCAS(T *p, T expected, T value);                                                                            \
    inline T atomicCAS(simt::SharedPointer<T> p, T expected, T value, SIMT_HERE) {                                     \
        return p.At(0, SIMT_SITE).Atomic([=](T old) { return old == expected ? value : old; });                        \
    }
SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)
#undef SIMT_ATOMICS
#undef SIMT_ATOMIC

/* ---- memory and arithmetic ----------------------------------------------------------- */

template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline void __stcs(T *p, T value) { *p = value; }
inline void __trap(SIMT_HERE) { simt::trap(SIMT_SITE); }

/* Like CUDA's, these take arguments of two types where one of them holds both well enough. */
#define SIMT_MIN_MAX(R, A, B)                                                                                          \
    inline R min(A a, B b) { return (R)a < (R)b ? (R)a : (R)b; }                                                       \
    inline R max(A a, B b) { return (R)a > (R)b ? (R)a : (R)b; }
SIMT_MIN_MAX(int, int, int)
SIMT_MIN_MAX(unsigned, unsigned, unsigned)
SIMT_MIN_MAX(unsigned, int, unsigned)
SIMT_MIN_MAX(unsigned, unsigned, int)
SIMT_MIN_MAX(long, long, long)
SIMT_MIN_MAX(unsigned long, unsigned long, unsigned long)
SIMT_MIN_MAX(long long, long long, long long)
SIMT_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
#undef SIMT_MIN_MAX
/* Of a number and a NaN these give the number. */
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline void sincospif(float x, float *s, float *c) {
    *s = (float)sin(M_PI * x);
    *c = (float)cos(M_PI * x);
}
/* glibc declares functions of these names, so these are macros; on a GPU they are less exact than here. */
#define __expf(x)          expf(x)
#define __logf(x)          logf(x)
#define __sinf(x)          sinf(x)
#define __cosf(x)          cosf(x)
#define __powf(x, y)       powf(x, y)
#define __fdividef(a, b)   ((a) / (b))
#define __saturatef(x)     fminf(fmaxf(x, 0.0f), 1.0f)
#define __fadd_rn(a, b)    simt::rounded((a) + (b))
#define __fsub_rn(a, b)    simt::rounded((a) - (b))
#define __fmul_rn(a, b)    simt::rounded((a) * (b))
#define __fdiv_rn(a, b)    simt::rounded((a) / (b))
#define __fmaf_rn(a, b, c) fmaf(a, b, c)

namespace simt {
/* Keeps the compiler from fusing the operation with another. */
inline float rounded(float x) {
    __asm__("" : "+m"(x));
    return x;
}
} // namespace simt

inline int __float2int_rn(float x) { return (int)rintf(x); }
inline int __float2int_rd(float x) { return (int)floorf(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline int __float_as_int(float x) { return simt::from_bits<int>(simt::to_bits(x)); }
inline unsigned __float_as_uint(float x) { return simt::from_bits<unsigned>(simt::to_bits(x)); }
inline float __int_as_float(int x) { return simt::from_bits<float>(simt::to_bits(x)); }
inline float __uint_as_float(unsigned x) { return simt::from_bits<float>(simt::to_bits(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }

#endif
