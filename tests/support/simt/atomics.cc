/* atomics.cc - atomic operations on global memory: threads take turns, so plain ones will do. */
#include "builtins.h"
#include "machine.h"

#define SIMT_ATOMIC(T, name, result)                                                                                   \
    T name(T *p, T value) {                                                                                            \
        if (simt::running.noting)                                                                                      \
            simt::machine().races.Note(p, sizeof(T), simt::Access::kAtomic, __builtin_return_address(0));              \
        const T old = *p;                                                                                              \
        *p = (result);                                                                                                 \
        return old;                                                                                                    \
    }
#define SIMT_ATOMICS(T)                                                                                                \
    SIMT_ATOMIC(T, atomicAdd, old + value)                                                                             \
    SIMT_ATOMIC(T, atomicMax, old > value ? old : value)                                                               \
    SIMT_ATOMIC(T, atomicMin, old < value ? old : value)                                                               \
    SIMT_ATOMIC(T, atomicOr, old | value)                                                                              \
    SIMT_ATOMIC(T, atomicAnd, old &value)                                                                              \
    SIMT_ATOMIC(T, atomicExch, value)                                                                                  \
    T atomicCAS(T *p, T expected, T value) {                                                                           \
        if (simt::running.noting)                                                                                      \
            simt::machine().races.Note(p, sizeof(T), simt::Access::kAtomic, __builtin_return_address(0));              \
        const T old = *p;                                                                                              \
        if (old == expected) *p = value;                                                                               \
        return old;                                                                                                    \
    }

SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)
