/* vector_types.h - CUDA's small vectors, for C and C++.
 *
 * The alignments are CUDA's: UndefinedBehaviorSanitizer then reports a global
 * float4 that is read from an address that a GPU would refuse. */
#ifndef LENET_SIMT_VECTOR_TYPES_H
#define LENET_SIMT_VECTOR_TYPES_H

#define SIMT_VECTOR2(type, name)                                                                                       \
    struct __attribute__((aligned(2 * sizeof(type)))) name {                                                           \
        type x, y;                                                                                                     \
    };                                                                                                                 \
    typedef struct name name;                                                                                          \
    static inline name make_##name(type x, type y) {                                                                   \
        const name v = {x, y};                                                                                         \
        return v;                                                                                                      \
    }

#define SIMT_VECTOR3(type, name)                                                                                       \
    struct name {                                                                                                      \
        type x, y, z;                                                                                                  \
    };                                                                                                                 \
    typedef struct name name;                                                                                          \
    static inline name make_##name(type x, type y, type z) {                                                           \
        const name v = {x, y, z};                                                                                      \
        return v;                                                                                                      \
    }

#define SIMT_VECTOR4(type, name)                                                                                       \
    struct __attribute__((aligned(4 * sizeof(type)))) name {                                                           \
        type x, y, z, w;                                                                                               \
    };                                                                                                                 \
    typedef struct name name;                                                                                          \
    static inline name make_##name(type x, type y, type z, type w) {                                                   \
        const name v = {x, y, z, w};                                                                                   \
        return v;                                                                                                      \
    }

SIMT_VECTOR2(unsigned char, uchar2)
SIMT_VECTOR2(int, int2)
SIMT_VECTOR2(unsigned, uint2)
SIMT_VECTOR2(float, float2)
SIMT_VECTOR2(double, double2)
SIMT_VECTOR3(int, int3)
SIMT_VECTOR3(unsigned, uint3)
SIMT_VECTOR3(float, float3)
SIMT_VECTOR4(unsigned char, uchar4)
SIMT_VECTOR4(int, int4)
SIMT_VECTOR4(unsigned, uint4)
SIMT_VECTOR4(float, float4)

#undef SIMT_VECTOR2
#undef SIMT_VECTOR3
#undef SIMT_VECTOR4

struct dim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
#endif
};
typedef struct dim3 dim3;

#endif
