/* vector_types.h - CUDA's small vectors, for C and C++.
 *
 * The alignments are CUDA's: UndefinedBehaviorSanitizer then reports a global
 * float4 or float2 that is read from an address that a GPU would refuse. */
#ifndef LENET_SIMT_VECTOR_TYPES_H
#define LENET_SIMT_VECTOR_TYPES_H

typedef struct uint3 {
    unsigned x, y, z;
} uint3;
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
    const uint3 v = {x, y, z};
    return v;
}

typedef struct __attribute__((aligned(8))) float2 {
    float x, y;
} float2;
static inline float2 make_float2(float x, float y) {
    const float2 v = {x, y};
    return v;
}

typedef struct __attribute__((aligned(16))) float4 {
    float x, y, z, w;
} float4;
static inline float4 make_float4(float x, float y, float z, float w) {
    const float4 v = {x, y, z, w};
    return v;
}

struct dim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
#endif
};
typedef struct dim3 dim3;

#endif
