/* shared.h - shared memory whose every access is checked.
 *
 * SHARED and DYNAMIC_SHARED declare a SharedPointer, which works like the
 * array or pointer that they declare under nvcc: p[i], p + n, &p[i], load4(p, i).
 * p[i] is a reference-like object that converts to T and takes = += -= and so
 * on. It cannot be kept: `auto v = p[i];` does not compile once v is used. */
#ifndef LENET_SIMT_SHARED_H
#define LENET_SIMT_SHARED_H
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tracker.h"
#include "vector_types.h"

namespace simt {

/* Where the source is that does something. */
struct Site {
    const char *file;
    int line;
};

/* An array in the shared memory of the running block. */
struct SharedVariable {
    const void *key; /* of its declaration */
    const char *name;
    unsigned char *data;
    Cell *cells;
    long count; /* elements */
    size_t element;
};

/* An index that remembers the line it is written in. */
struct Index {
    template <class I, class = std::enable_if_t<std::is_integral_v<I> || std::is_enum_v<I>>>
    Index(I i, const char *file = __builtin_FILE(), int line = __builtin_LINE()) : value((long)i), site{file, line} {}
    long value;
    Site site;
};

/* Declares an array of the running block, or finds the one that another thread of it has declared. */
SharedVariable *shared_variable(const void *key, const char *name, size_t element, long count);
SharedVariable *dynamic_shared_variable(const char *name, size_t element);

[[noreturn]] void shared_out_of_range(const SharedVariable &v, long i, Site site);
[[noreturn]] void shared_misaligned(const SharedVariable &v, long i, int bytes, Site site);
/* The full check of an access: what the quick one below was not sure of. The cell is part of a word of so many bytes,
 * which the access moves. */
void shared_check(SharedVariable &v, long i, Cell &cell, Access access, int bytes, Site site);

SIMT_UNSANITIZED inline void shared_read(SharedVariable &v, long i, Cell &cell, int bytes, const Site &site) {
    const Running &r = running;
    const bool known_reader = /* so it was checked that the block has written it */
        cell.read_phase == r.phase &&
        ((cell.flags & kFarReader) || (cell.read_time == r.clock->time && cell.reader / 32 == r.thread / 32));
    if (cell.write_phase < r.quick_phase && known_reader)
        cell.read_lanes |= 1u << r.thread % 32;
    else
        shared_check(v, i, cell, Access::kRead, bytes, site);
}

SIMT_UNSANITIZED inline void shared_write(SharedVariable &v, long i, Cell &cell, int bytes, const Site &site) {
    const Running &r = running;
    if (cell.write_phase < r.quick_phase && cell.read_phase < r.quick_phase) {
        cell.write_phase = r.phase;
        cell.write_time = r.clock->time;
        cell.read_phase = 0;
        cell.writer = (uint16_t)r.thread;
        cell.write_line = (uint16_t)site.line;
        cell.flags = 0;
    } else {
        shared_check(v, i, cell, Access::kWrite, bytes, site);
    }
}

template <class T> class SharedPointer;

/* One element: what p[i] gives. The site is the caller's, and lasts as long as the expression does. */
template <class T> class SharedRef {
  public:
    SIMT_UNSANITIZED SharedRef(SharedVariable *v, long i, const Site &site) : v_(v), i_(i), site_(site) {}

    SIMT_UNSANITIZED operator T() const && { return Get(); }
    SIMT_UNSANITIZED T operator=(T value) && { return Put(value); }
    T operator=(SharedRef &&other) && { return Put(other.Get()); }
    T operator+=(T value) && { return Put((T)(Get() + value)); }
    T operator-=(T value) && { return Put((T)(Get() - value)); }
    SharedPointer<T> operator&() && { return SharedPointer<T>(v_, i_); }

    /* bytes: of the word that is moved, in which the element may be one of several. */
    SIMT_UNSANITIZED T Get(int bytes = kWord) const {
        for (int k = 0; k < kCells; k++) shared_read(*v_, i_, v_->cells[i_ * kCells + k], bytes, site_);
        return Data();
    }
    SIMT_UNSANITIZED T Put(T value, int bytes = kWord) const {
        for (int k = 0; k < kCells; k++) shared_write(*v_, i_, v_->cells[i_ * kCells + k], bytes, site_);
        return Data() = value;
    }
    /* Replaces the value without a race with others who do so, and returns the old one. */
    template <class F> T Atomic(F &&f) const {
        for (int k = 0; k < kCells; k++)
            shared_check(*v_, i_, v_->cells[i_ * kCells + k], Access::kAtomic, kWord, site_);
        const T old = Data();
        Data() = f(old);
        return old;
    }

  private:
    static constexpr int kCells = sizeof(T) <= 4 ? 1 : sizeof(T) / 4;
    static constexpr int kWord = alignof(T) < 16 ? alignof(T) : 16; /* larger elements are moved in pieces */
    SIMT_UNSANITIZED T &Data() const { return reinterpret_cast<T *>(v_->data)[i_]; }

    SharedVariable *v_;
    long i_;
    const Site &site_;
};

template <class T> class SharedPointer {
  public:
    static_assert(std::is_trivially_copyable_v<T>, "shared memory holds plain data");
    static_assert(sizeof(T) <= 4 || sizeof(T) % 4 == 0, "elements of whole words, or smaller than one");

    SharedPointer(SharedVariable *v, long first) : v_(v), first_(first) {}

    SIMT_UNSANITIZED SharedRef<T> operator[](const Index &i) const { return At(i.value, i.site); }
    SIMT_UNSANITIZED SharedRef<T> At(long i, const Site &site) const {
        if ((unsigned long)(first_ + i) >= (unsigned long)v_->count) shared_out_of_range(*v_, first_ + i, site);
        return SharedRef<T>(v_, first_ + i, site);
    }
    SharedPointer operator+(long n) const { return SharedPointer(v_, first_ + n); }
    SharedPointer &operator+=(long n) {
        first_ += n;
        return *this;
    }
    /* Fails unless element i begins a word of so many bytes that lies in the array as a whole. */
    SIMT_UNSANITIZED void RequireWord(const Index &i, int bytes) const {
        const long at = first_ + i.value;
        if (at * (long)sizeof(T) % bytes != 0) shared_misaligned(*v_, at, bytes, i.site);
        const long last = at + bytes / (long)sizeof(T) - 1;
        if (last >= v_->count) shared_out_of_range(*v_, last, i.site);
    }

  private:
    SharedVariable *v_;
    long first_;
};

template <class T> SharedPointer<T> declare_shared(const void *key, const char *name, long count) {
    return SharedPointer<T>(shared_variable(key, name, sizeof(T), count), 0);
}
template <class T> SharedPointer<T> declare_dynamic_shared(const char *name) {
    static_assert(sizeof(T) % 4 == 0, "dynamic shared memory is checked by the word");
    return SharedPointer<T>(dynamic_shared_variable(name, sizeof(T)), 0);
}

} // namespace simt

/* The three below are what cuda/gpu.cuh defines under nvcc. */
#define SHARED(T, name, count)                                                                                         \
    static const char name##_key_ = 0;                                                                                 \
    const ::simt::SharedPointer<T> name = ::simt::declare_shared<T>(&name##_key_, #name, count)
#define DYNAMIC_SHARED(T, name) const ::simt::SharedPointer<T> name = ::simt::declare_dynamic_shared<T>(#name)
#define SHARED_POINTER(T)       ::simt::SharedPointer<T> /* the type of a parameter that takes either; T * under nvcc */

SIMT_UNSANITIZED inline float2 load2(simt::SharedPointer<float> p, const simt::Index &i) {
    p.RequireWord(i, 8);
    return {p.At(i.value, i.site).Get(8), p.At(i.value + 1, i.site).Get(8)};
}
SIMT_UNSANITIZED inline float4 load4(simt::SharedPointer<float> p, const simt::Index &i) {
    p.RequireWord(i, 16);
    return {p.At(i.value, i.site).Get(16), p.At(i.value + 1, i.site).Get(16), p.At(i.value + 2, i.site).Get(16),
            p.At(i.value + 3, i.site).Get(16)};
}
SIMT_UNSANITIZED inline void store4(simt::SharedPointer<float> p, const simt::Index &i, float4 v) {
    p.RequireWord(i, 16);
    p.At(i.value, i.site).Put(v.x, 16);
    p.At(i.value + 1, i.site).Put(v.y, 16);
    p.At(i.value + 2, i.site).Put(v.z, 16);
    p.At(i.value + 3, i.site).Put(v.w, 16);
}
/* The same for global memory. The compiler may take such a word apart, and then its parts would be looked at, each as
 * an access of its own. So these are functions of tsan_hooks.cc, which look at the whole; but for
 * UndefinedBehaviorSanitizer, which checks its alignment. */
#ifdef SIMT_GLOBAL_RACES
extern "C" {
float2 simt_load2(const float *p);
float4 simt_load4(const float *p);
void simt_store2(float *p, float2 v);
void simt_store4(float *p, float4 v);
}
#else
inline float2 simt_load2(const float *p) { return *reinterpret_cast<const float2 *>(p); }
inline float4 simt_load4(const float *p) { return *reinterpret_cast<const float4 *>(p); }
inline void simt_store2(float *p, float2 v) { *reinterpret_cast<float2 *>(p) = v; }
inline void simt_store4(float *p, float4 v) { *reinterpret_cast<float4 *>(p) = v; }
#endif
#define SIMT_INLINE inline __attribute__((always_inline))
template <class I> SIMT_INLINE float2 load2(const float *p, I i) { return simt_load2(p + i); }
template <class I> SIMT_INLINE float4 load4(const float *p, I i) { return simt_load4(p + i); }
template <class I> SIMT_INLINE void store2(float *p, I i, float2 v) { simt_store2(p + i, v); }
template <class I> SIMT_INLINE void store4(float *p, I i, float4 v) { simt_store4(p + i, v); }

#endif
