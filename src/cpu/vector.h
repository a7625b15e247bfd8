/* vector.h - the CPU's lanes: one image of the batch per lane.
 *
 * The compilers' own vector types (gcc and clang) as wide as this machine's
 * registers. Every twin under src/cpu is compiled twice, with LENET_REAL float
 * for training and double for gradient checks. */
#ifndef LENET_CPU_VECTOR_H
#define LENET_CPU_VECTOR_H

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

typedef LENET_REAL vec __attribute__((vector_size(VECTOR_BYTES)));

/* All ones in the lanes where a comparison holds; also the lanes' bits as integers. */
#ifdef LENET_CPU64
typedef long long mask __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int mask __attribute__((vector_size(VECTOR_BYTES)));
#endif

enum { LANES = VECTOR_BYTES / (int)sizeof(LENET_REAL) };

/* For functions whose sizes are constants at every call, so that their arrays
 * of vectors live in registers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Unrolls the loop that follows: its trip count is a small constant. */
#define UNROLL _Pragma("GCC unroll 16")

/* Subtracting zero, unlike adding it, keeps -0. */
ALWAYS_INLINE vec vec_of(LENET_REAL value) { return value - (vec){0}; }

/* a where the mask is set, else b. */
ALWAYS_INLINE vec select_vec(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

#endif
