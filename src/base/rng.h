/* rng.h - randomness as a function, not a state: Philox4x32-10.
 *
 * A random number is a pure function of a network's seed and of what it is for:
 * (purpose, epoch, index). Nothing has to be stored, skipped or restored, a run
 * resumes from its step number alone, and the CPU and the GPU draw the same
 * numbers because they compile these same lines.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC11; the constants are the paper's. */
#ifndef LENET_BASE_RNG_H
#define LENET_BASE_RNG_H
#include <stdint.h>

#ifdef __CUDACC__
#define LENET_HOST_DEVICE __host__ __device__
#else
#define LENET_HOST_DEVICE
#endif

/* What a number is for. The values are part of every run's identity: append
 * only, never renumber. */
enum lenet_purpose {
    LENET_RNG_INIT = 1,    /* initial weights;   index = parameter / 4           */
    LENET_RNG_SPLIT = 2,   /* the training set's subsets; keys of the bijection  */
    LENET_RNG_ORDER = 3,   /* the order of an epoch;      keys of the bijection  */
    LENET_RNG_AUGMENT = 4, /* distortions; index = (sample << 8) + draw        */
    LENET_RNG_CHECK = 5,   /* test data and sampled entries of gradient checks   */
    LENET_RNG_LABEL = 6,   /* wrong labels; index = sample                       */
    LENET_RNG_SWEEP = 7,   /* a sweep's random search; epoch = the option, index = the sample */
};

struct lenet_random {
    uint32_t v[4];
};

static LENET_HOST_DEVICE inline uint32_t lenet_mulhi32(uint32_t a, uint32_t b) {
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

/* Four independent uniform 32-bit words. */
static LENET_HOST_DEVICE inline struct lenet_random lenet_philox(uint64_t seed, uint32_t purpose, uint32_t epoch,
                                                                 uint64_t index) {
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = epoch, c3 = purpose;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint32_t hi0 = lenet_mulhi32(0xD2511F53u, c0), lo0 = 0xD2511F53u * c0;
        const uint32_t hi1 = lenet_mulhi32(0xCD9E8D57u, c2), lo1 = 0xCD9E8D57u * c2;
        c0 = hi1 ^ c1 ^ k0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ k1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    struct lenet_random r;
    r.v[0] = c0;
    r.v[1] = c1;
    r.v[2] = c2;
    r.v[3] = c3;
    return r;
}

/* Uniform on [0, 1), a multiple of 2^-24: exact in float, the same everywhere. */
static LENET_HOST_DEVICE inline float lenet_unit(uint32_t word) { return (float)(word >> 8) * (1.0f / 16777216.0f); }

/* Uniform on [-1, 1), a multiple of 2^-23. */
static LENET_HOST_DEVICE inline float lenet_signed_unit(uint32_t word) { return 2.0f * lenet_unit(word) - 1.0f; }

/* The round keys of one bijection; the same for every index of an epoch. */
struct lenet_bijection {
    uint32_t key[8];
    uint32_t size;     /* of the range [0, size)                          */
    uint32_t low_bits; /* the range is walked inside 2^(low+high) >= size */
    uint32_t high_bits;
};

/* The exponent of the smallest power of two that is not below size, 2 to 2^31. */
static LENET_HOST_DEVICE inline uint32_t lenet_bits_of(uint32_t size) {
    uint32_t bits = 0;
    for (uint32_t half = 16; half > 0; half /= 2)
        if ((size - 1) >> (bits + half) != 0) bits += half;
    return bits + 1;
}

/* A random permutation of [0, size), as a function: an 8-round Feistel network
 * on the smallest power of two that holds the range (see lenet_permute).
 * size is 1 to 2^31. */
static LENET_HOST_DEVICE inline struct lenet_bijection lenet_bijection_make(uint64_t seed, uint32_t purpose,
                                                                            uint32_t epoch, uint32_t size) {
    struct lenet_bijection b;
    const uint32_t bits = size > 4 ? lenet_bits_of(size) : 2;
    b.size = size;
    b.low_bits = bits / 2;
    b.high_bits = bits - bits / 2;
    for (int half = 0; half < 2; half++) {
        const struct lenet_random r = lenet_philox(seed, purpose, epoch, (uint64_t)half);
        for (int i = 0; i < 4; i++) b.key[4 * half + i] = r.v[i];
    }
    return b;
}

/* murmur3's finaliser: every input bit reaches every output bit. */
static LENET_HOST_DEVICE inline uint32_t lenet_mix32(uint32_t h) {
    h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
    h = (h ^ (h >> 13)) * 0xC2B2AE35u;
    return h ^ (h >> 16);
}

/* Where index goes. Values that leave [0, size) are permuted again until they
 * return ("cycle walking"): at most twice on average, and still a bijection. */
static LENET_HOST_DEVICE inline uint32_t lenet_permute(const struct lenet_bijection *b, uint32_t index) {
    const uint32_t low_mask = (1u << b->low_bits) - 1, high_mask = (1u << b->high_bits) - 1;
    do {
        uint32_t low = index & low_mask, high = index >> b->low_bits;
        for (int i = 0; i < 8; i += 2) {
            low ^= lenet_mix32(high ^ b->key[i]) & low_mask;
            high ^= lenet_mix32(low ^ b->key[i + 1]) & high_mask;
        }
        index = (high << b->low_bits) | low;
    } while (index >= b->size);
    return index;
}

#endif
