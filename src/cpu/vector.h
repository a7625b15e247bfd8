/* vector.h - the CPU's lanes: as a rule, an image of the batch in each.
 *
 * The compilers' own vector types (gcc and clang) as wide as the registers of the level that is compiled for. The twins
 * under src/cpu are compiled for each level of processors (level.c), and for each three times: with LENET_REAL float
 * for training, double for gradient checks, and float with LENET_BATCH1 for batches of a single image, where all lanes
 * but one would be padding: there the lanes are pixels of a map or inputs of a layer, which lie together when N is 1,
 * and a batch is padded to no multiple of anything.
 *
 * Results do not depend on the level, nor on the compiler. Long sums are made in SUM_LANES parts, however wide a
 * register is; and what is multiplied and added in one rounding is written so, with FMA, for compilers fuse nothing by
 * themselves (-ffp-contract=off). Only the level v2 cannot do that. */
#ifndef LENET_CPU_VECTOR_H
#define LENET_CPU_VECTOR_H

#ifdef __FAST_MATH__
#error "with -ffast-math the compiler would choose the order of sums"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include <stddef.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES     64
#define VECTOR_REGISTERS 32
#elif defined(__AVX__)
#define VECTOR_BYTES     32
#define VECTOR_REGISTERS 16
#elif defined(__aarch64__)
#define VECTOR_BYTES     16
#define VECTOR_REGISTERS 32
#else
#define VECTOR_BYTES     16
#define VECTOR_REGISTERS 16
#endif

/* A vector; in memory aligned as a whole, or by elements where lanes are pixels. */
#ifdef LENET_BATCH1
typedef LENET_REAL vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(LENET_REAL))));
#else
typedef LENET_REAL vec __attribute__((vector_size(VECTOR_BYTES)));
#endif

/* All ones in the lanes where a comparison holds; also the lanes' bits as integers. */
#ifdef LENET_CPU64
typedef long long mask __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int mask __attribute__((vector_size(VECTOR_BYTES)));
#endif

enum { LANES = VECTOR_BYTES / (int)sizeof(LENET_REAL) };

/* A long sum is one of so many: value i belongs to sum i % SUM_LANES, and at the end these are added. They fill PARTS
 * vectors. A batch is padded to a multiple of it, but for single images. */
enum { SUM_LANES = 64 / (int)sizeof(LENET_REAL), PARTS = SUM_LANES / LANES };
struct sums {
    vec part[PARTS];
};

/* For functions whose sizes are constants at every call: their arrays of vectors then live in registers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Unrolls the loop that follows: its trip count is a small constant. */
#define UNROLL _Pragma("GCC unroll 16")

/* How many lanes of a vector hold an image each, and the type of so many images: a vector, or a plain number where
 * the lanes hold something else. */
#ifdef LENET_BATCH1
typedef LENET_REAL image_vec;
enum { IMAGE_LANES = 1, BATCH_MULTIPLE = 1 };
#else
typedef vec image_vec;
enum { IMAGE_LANES = LANES, BATCH_MULTIPLE = SUM_LANES };
#endif

/* FMA(a, b, c) is a * b + c, rounded once, of vectors; FMA_REAL of numbers. */
#if defined(__AVX512F__) && defined(LENET_CPU64)
#define FMA(a, b, c) ((vec)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#elif defined(__AVX512F__)
#define FMA(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#elif defined(__FMA__) && defined(LENET_CPU64)
#define FMA(a, b, c) ((vec)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#elif defined(__FMA__)
#define FMA(a, b, c) ((vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#elif defined(__aarch64__) && defined(LENET_CPU64)
#define FMA(a, b, c) ((vec)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#elif defined(__aarch64__)
#define FMA(a, b, c) ((vec)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define FMA(a, b, c)      ((a) * (b) + (c))
#define FMA_REAL(a, b, c) ((a) * (b) + (c))
#endif
#if defined(FMA_REAL)
enum { FUSES = 0 };
#elif defined(LENET_CPU64)
enum { FUSES = 1 };
#define FMA_REAL(a, b, c) __builtin_fma(a, b, c)
#else
enum { FUSES = 1 };
#define FMA_REAL(a, b, c) __builtin_fmaf(a, b, c)
#endif

#ifdef LENET_BATCH1
typedef LENET_REAL four __attribute__((vector_size(4 * sizeof(LENET_REAL))));
/* What the sums are together. It runs once for every weight; to add in fours takes a third of the time of one by one.
 */
ALWAYS_INLINE LENET_REAL add_lanes(const struct sums *sums) {
    const union {
        struct sums whole;
        four parts[SUM_LANES / 4];
    } lanes = {*sums};
    four sum = lanes.parts[0];
    UNROLL for (int i = 1; i < SUM_LANES / 4; i++) sum += lanes.parts[i];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
#else
ALWAYS_INLINE LENET_REAL add_lanes(const struct sums *sums) {
    LENET_REAL sum = 0;
    for (int i = 0; i < SUM_LANES; i++) sum += sums->part[i / LANES][i % LANES];
    return sum;
}
#endif

/* Adds `count` values, a multiple of SUM_LANES. */
ALWAYS_INLINE void add_values(struct sums *sums, const LENET_REAL *x, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i += SUM_LANES)
        UNROLL for (int p = 0; p < PARTS; p++) sums->part[p] += *(const vec *)(x + i + p * LANES);
}

/* Subtracting zero, unlike adding it, keeps -0. */
ALWAYS_INLINE vec vec_of(LENET_REAL value) { return value - (vec){0}; }

/* a where the mask is set, else b. */
ALWAYS_INLINE vec select_vec(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

#endif
