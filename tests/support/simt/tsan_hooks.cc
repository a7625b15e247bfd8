/* tsan_hooks.cc - the functions that code compiled with -fsanitize=thread calls, which pass each access on to
 * global_races.h, or counting.h, instead of to ThreadSanitizer.
 *
 * Under the real ThreadSanitizer they would be defined twice. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIMT_TSAN 1
#endif
#endif
#if !defined(__SANITIZE_THREAD__) && !defined(SIMT_TSAN)
#include <cstddef>
#include <cstdint>
#include <cstring>

#define SIMT_GLOBAL_RACES /* what shared.h then declares is here */
#include "machine.h"

namespace {

simt::GlobalRaces &races = simt::machine().races;
simt::Counting &counting = simt::machine().counting;

/* Most accesses are to the thread's own stack. */
inline void Note(const void *p, size_t bytes, simt::Access access, const void *code) {
    const simt::Running &r = simt::running;
    if (!r.noting || (uintptr_t)p - (uintptr_t)r.stack < r.stack_bytes) return;
    if (r.counting)
        counting.Global(p, bytes, access, code);
    else
        races.Note(p, bytes, access, code);
}

} // namespace

#define HERE __builtin_return_address(0)

#define ACCESS(n)                                                                                                      \
    void __tsan_read##n(void *p) { Note(p, n, simt::Access::kRead, HERE); }                                            \
    void __tsan_write##n(void *p) { Note(p, n, simt::Access::kWrite, HERE); }                                          \
    void __tsan_read_write##n(void *p) { Note(p, n, simt::Access::kWrite, HERE); }                                     \
    void __tsan_unaligned_read##n(void *p) { Note(p, n, simt::Access::kRead, HERE); }                                  \
    void __tsan_unaligned_write##n(void *p) { Note(p, n, simt::Access::kWrite, HERE); }                                \
    void __tsan_unaligned_read_write##n(void *p) { Note(p, n, simt::Access::kWrite, HERE); }

/* The host's reference counts and guards of static variables. */
#define ATOMIC(n, T)                                                                                                   \
    T __tsan_atomic##n##_load(const volatile T *p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }               \
    void __tsan_atomic##n##_store(volatile T *p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }               \
    T __tsan_atomic##n##_exchange(volatile T *p, T v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }     \
    T __tsan_atomic##n##_fetch_add(volatile T *p, T v, int) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }     \
    T __tsan_atomic##n##_fetch_sub(volatile T *p, T v, int) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); }     \
    int __tsan_atomic##n##_compare_exchange_strong(volatile T *p, T *c, T v, int, int) {                               \
        return __atomic_compare_exchange_n(p, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                        \
    }                                                                                                                  \
    int __tsan_atomic##n##_compare_exchange_weak(volatile T *p, T *c, T v, int, int) {                                 \
        return __atomic_compare_exchange_n(p, c, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                         \
    }                                                                                                                  \
    T __tsan_atomic##n##_compare_exchange_val(volatile T *p, T c, T v, int, int) {                                     \
        __atomic_compare_exchange_n(p, &c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                              \
        return c;                                                                                                      \
    }

extern "C" {

void __tsan_init() { simt::machine().races.on = true; }
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __tsan_read_range(void *p, size_t bytes) { Note(p, bytes, simt::Access::kRead, HERE); }
void __tsan_write_range(void *p, size_t bytes) { Note(p, bytes, simt::Access::kWrite, HERE); }
void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
    Note(from, bytes, simt::Access::kRead, HERE);
    Note(to, bytes, simt::Access::kWrite, HERE);
    return memcpy(to, from, bytes);
}
void *__tsan_memmove(void *to, const void *from, size_t bytes) {
    Note(from, bytes, simt::Access::kRead, HERE);
    Note(to, bytes, simt::Access::kWrite, HERE);
    return memmove(to, from, bytes);
}
void *__tsan_memset(void *to, int value, size_t bytes) {
    Note(to, bytes, simt::Access::kWrite, HERE);
    return memset(to, value, bytes);
}

float2 simt_load2(const float *p) {
    Note(p, sizeof(float2), simt::Access::kRead, HERE);
    return *reinterpret_cast<const float2 *>(p);
}
float4 simt_load4(const float *p) {
    Note(p, sizeof(float4), simt::Access::kRead, HERE);
    return *reinterpret_cast<const float4 *>(p);
}
void simt_store2(float *p, float2 v) {
    Note(p, sizeof(float2), simt::Access::kWrite, HERE);
    *reinterpret_cast<float2 *>(p) = v;
}
void simt_store4(float *p, float4 v) {
    Note(p, sizeof(float4), simt::Access::kWrite, HERE);
    *reinterpret_cast<float4 *>(p) = v;
}

ATOMIC(8, uint8_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
void __tsan_atomic_thread_fence(int) {}

} // extern "C"

#endif
