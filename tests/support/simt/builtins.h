/* builtins.h - what a kernel can use without declaring it: its indices, barriers, warp intrinsics, atomics. Of CUDA's
 * many, those that the project's kernels and the emulator's tests use. */
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

namespace simt {

enum class WarpOp : uint8_t { kShuffle, kShuffleDown, kShuffleXor, kBallot, kAny, kAll, kSync };

void barrier(Site site);
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

inline void __syncthreads(SIMT_HERE) { simt::barrier(SIMT_SITE); }

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
    SIMT_SHUFFLE(T, __shfl_down_sync, kShuffleDown, unsigned)                                                          \
    SIMT_SHUFFLE(T, __shfl_xor_sync, kShuffleXor, int)

/* Some of the types that CUDA has overloads for. */
SIMT_SHUFFLES(int)
SIMT_SHUFFLES(unsigned)
SIMT_SHUFFLES(float)
SIMT_SHUFFLES(double)
#undef SIMT_SHUFFLES
#undef SIMT_SHUFFLE

/* ---- atomics: of integers only, whose results do not depend on the order ------------- */

#define SIMT_ATOMICS(T)                                                                                                \
    T atomicAdd(T *p, T value);                                                                                        \
    inline T atomicAdd(simt::SharedPointer<T> p, T value, SIMT_HERE) {                                                 \
        return p.At(0, SIMT_SITE).Atomic([value](T old) { return old + value; });                                      \
    }
SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
#undef SIMT_ATOMICS

/* ---- the rest -------------------------------------------------------------------------- */

inline void __trap(SIMT_HERE) { simt::trap(SIMT_SITE); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

/* Of multiples of pi, which are exact where those are: x is reduced before it is multiplied. */
inline double cospi(double x) {
    const double half_turns = fabs(x - 2 * nearbyint(x / 2)); /* within one */
    return half_turns <= 0.25   ? cos(M_PI * half_turns)
           : half_turns <= 0.75 ? sin(M_PI * (0.5 - half_turns))
                                : -cos(M_PI * (1 - half_turns));
}
inline void sincospif(float x, float *s, float *c) {
    *s = (float)cospi((double)x - 0.5);
    *c = (float)cospi(x);
}

#endif
