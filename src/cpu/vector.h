/* vector.h - the CPU's lanes: one image of the batch per lane, or one network of the population.
 *
 * The compilers' own vector types (gcc and clang) as wide as this machine's
 * registers. Every twin under src/cpu is compiled three times: with LENET_REAL
 * float for training, double for gradient checks, and float with
 * LENET_BY_NETWORK for populations that train with batches of one image, where
 * all lanes but one would pad the batch.
 *
 * By network, NETWORKS = LANES of them are a group whose tensors are interleaved:
 * activations are [R/NETWORKS][C][H][W][N][NETWORKS], parameters likewise. To a
 * twin this is a population of R/NETWORKS networks with batches of N*NETWORKS
 * images, whose weights are vectors; most of the code knows no more than that. */
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

/* A parameter, or its gradient or moment, of the NETWORKS that share a vector: w of group g is
 * (weight *)w + g*stride. A weight times a vec is a vec. Lane = image * NETWORKS + network, with
 * IMAGES images of each network in a vector. */
#ifdef LENET_BY_NETWORK
typedef vec weight;
enum { NETWORKS = LANES, IMAGES = 1 };
#else
typedef LENET_REAL weight;
enum { NETWORKS = 1, IMAGES = LANES };
#endif

/* Adds the images of each network. The sum starts at 0, so it is never -0: where the other lanes are padding, whose
 * gradients are 0, that is all they change, and the bits are the same by network. */
ALWAYS_INLINE weight add_images(vec v) {
    weight sum = (weight){0};
#ifdef LENET_BY_NETWORK
    sum += v;
#else
    for (int i = 0; i < LANES; i++) sum += v[i];
#endif
    return sum;
}

/* One network's part of a weight. */
ALWAYS_INLINE void set_weight(weight *w, int network, LENET_REAL value) { ((LENET_REAL *)w)[network] = value; }

/* Subtracting zero, unlike adding it, keeps -0. */
ALWAYS_INLINE vec vec_of(LENET_REAL value) { return value - (vec){0}; }

/* a where the mask is set, else b. */
ALWAYS_INLINE vec select_vec(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

#endif
