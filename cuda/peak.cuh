/* peak.cuh - what a thread does where the ceiling of benchmarks is measured: chains of fused multiply-adds, as many
 * side by side as keep the units busy. */
#ifndef LENET_PEAK_CUH
#define LENET_PEAK_CUH

enum {
    PEAK_CHAINS = 8,
    PEAK_ROUNDS = 1 << 14,
    PEAK_FLOPS = 2 * PEAK_CHAINS * PEAK_ROUNDS, /* of a thread; what adds the chains at last is nothing beside them */
};

/* Number is float; a test counts with one of its own. */
template <class Number> static __device__ __forceinline__ Number peak_sum(Number first) {
    Number chain[PEAK_CHAINS], sum = 0;
    for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = first + (float)i;
    for (int round = 0; round < PEAK_ROUNDS; round++)
#pragma unroll
        for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = fmaf(chain[i], 0.999f, 0.999f);
    for (int i = 0; i < PEAK_CHAINS; i++) sum += chain[i];
    return sum;
}

#endif
