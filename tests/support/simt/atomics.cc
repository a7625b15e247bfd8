/* atomics.cc - atomic operations on global memory: threads take turns, so plain ones will do. */
#include "builtins.h"
#include "machine.h"

namespace {

template <class T> T Add(T *p, T value, const void *code) {
    simt::Machine &m = simt::machine();
    if (simt::running.counting)
        m.counting.Global(p, sizeof(T), simt::Access::kAtomic, code);
    else if (simt::running.noting)
        m.races.Note(p, sizeof(T), simt::Access::kAtomic, code);
    const T old = *p;
    *p = old + value;
    return old;
}

} // namespace

int atomicAdd(int *p, int value) { return Add(p, value, __builtin_return_address(0)); }
unsigned atomicAdd(unsigned *p, unsigned value) { return Add(p, value, __builtin_return_address(0)); }
