/* denormals.h - whether numbers below the least normal one count as zero in this thread, as operands and as results.
 *
 * Where it cannot be asked for, on other processors than these two, they are as the standard says. */
#ifndef LENET_CPU_DENORMALS_H
#define LENET_CPU_DENORMALS_H
#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#define DENORMALS_TO_ZERO 0x8040u /* of MXCSR: FTZ, of results, and DAZ, of operands */
static inline uint64_t rounding_mode(void) { return _mm_getcsr(); }
static inline void set_rounding_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define DENORMALS_TO_ZERO (UINT64_C(1) << 24) /* of FPCR: FZ */
static inline uint64_t rounding_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void set_rounding_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
#define DENORMALS_TO_ZERO 0u
static inline uint64_t rounding_mode(void) { return 0; }
static inline void set_rounding_mode(uint64_t mode) { (void)mode; }
#endif

#endif
