/* vector.h - the CPU's lanes: as a rule, an image of the batch in each.
 *
 * The compilers' own vector types (gcc and clang) as wide as this machine's
 * registers. The twins under src/cpu are compiled three times: with LENET_REAL
 * float for training, double for gradient checks, and float with LENET_BATCH1
 * for batches of a single image, where all lanes but one would be padding: there
 * the lanes are pixels of a map or inputs of a layer, which lie together when N
 * is 1, and a batch is padded to no multiple of anything. */
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

/* For functions whose sizes are constants at every call: their arrays of vectors then live in registers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Unrolls the loop that follows: its trip count is a small constant. */
#define UNROLL _Pragma("GCC unroll 16")

/* How many lanes of a vector hold an image each, and the type of so many images: a vector, or a plain number where
 * the lanes hold something else. */
#ifdef LENET_BATCH1
typedef LENET_REAL image_vec;
enum { IMAGE_LANES = 1 };
#else
typedef vec image_vec;
enum { IMAGE_LANES = LANES };
#endif

#ifdef LENET_BATCH1
typedef LENET_REAL four __attribute__((vector_size(4 * sizeof(LENET_REAL))));
/* The sum of the lanes. It runs once for every weight; to add in fours takes a third of the time of one by one. */
ALWAYS_INLINE LENET_REAL add_lanes(vec v) {
    const union {
        vec whole;
        four parts[LANES / 4];
    } lanes = {v};
    four sum = lanes.parts[0];
    UNROLL for (int i = 1; i < LANES / 4; i++) sum += lanes.parts[i];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
#else
ALWAYS_INLINE LENET_REAL add_lanes(vec v) {
    LENET_REAL sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}
#endif

/* Subtracting zero, unlike adding it, keeps -0. */
ALWAYS_INLINE vec vec_of(LENET_REAL value) { return value - (vec){0}; }

/* a where the mask is set, else b. */
ALWAYS_INLINE vec select_vec(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

#endif
