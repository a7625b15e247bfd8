/* activation.h - the nonlinearities and their gradients, a vector at a time. */
#ifndef LENET_CPU_ACTIVATION_H
#define LENET_CPU_ACTIVATION_H
#include "cpu/vector.h"
#include "lenet/ops.h"

/* tanh by way of e = exp(-2|x|) - 1, which keeps small values exact: tanh|x| = -e / (2 + e).
 * With -2|x| = n ln 2 + s and |s| <= ln 2 / 2, e = 2^n (exp(s) - 1) + (2^n - 1), and exp(s) - 1 is
 * its Taylor series, whose first missing term is below half a unit in the last place. The error
 * against libm is at most 3 units in the last place (tests/ops/test_activation.cc). */
#ifdef LENET_CPU64
enum { SERIES = 13, EXPONENT_BIAS = 1023, MANTISSA_BITS = 52 };
static const LENET_REAL LARGEST = 20, ROUND_TO_INTEGER = 0x1.8p52, LN2_HIGH = 0x1.62e42feep-1,
                        LN2_LOW = 0x1.a39ef35793c76p-33;
#else
enum { SERIES = 7, EXPONENT_BIAS = 127, MANTISSA_BITS = 23 };
static const LENET_REAL LARGEST = 10, ROUND_TO_INTEGER = 0x1.8p23f, LN2_HIGH = 0x1.62ep-1f, LN2_LOW = 0x1.0bfbe8p-15f;
#endif

ALWAYS_INLINE vec tanh_vec(vec x) {
    const mask sign = (mask)vec_of((LENET_REAL)-0.0);
    const vec largest = vec_of(LARGEST);
    vec size = (vec)((mask)x & ~sign);
    size = select_vec(size > largest, largest, size); /* NaN stays NaN */
    const vec z = -2 * size;
    /* Adding and subtracting 1.5 * 2^mantissa rounds to an integer. */
    const vec n = FMA(z, vec_of((LENET_REAL)1.44269504088896340736), vec_of(ROUND_TO_INTEGER)) - ROUND_TO_INTEGER;
    const vec s = FMA(n, vec_of(-LN2_LOW), FMA(n, vec_of(-LN2_HIGH), z));
    vec series = vec_of(1);
#pragma GCC unroll 16
    for (int k = SERIES; k >= 2; k--)
        series = FMA(series, s * (1 / (LENET_REAL)k), vec_of(1)); /* a division takes ten times as long */
    const vec power = (vec)((__builtin_convertvector(n, mask) + EXPONENT_BIAS) << MANTISSA_BITS);
    const vec e = FMA(power, series * s, power - 1);
    return (vec)((mask)(-e / (2 + e)) | ((mask)x & sign));
}

ALWAYS_INLINE vec relu_vec(vec x) { return select_vec(x <= 0, (vec){0}, x); } /* NaN stays NaN */

static const LENET_REAL SQUASH_HEIGHT = (LENET_REAL)1.7159, SQUASH_SLOPE = (LENET_REAL)(2.0 / 3);

/* f(x), for an f that the compiler knows. */
ALWAYS_INLINE vec activated(vec x, enum lenet_activation f) {
    return f == LENET_TANH     ? tanh_vec(x)
           : f == LENET_RELU   ? relu_vec(x)
           : f == LENET_SQUASH ? SQUASH_HEIGHT * tanh_vec(SQUASH_SLOPE * x)
                               : x;
}

/* The gradient by x, from the gradient by y = f(x). */
ALWAYS_INLINE vec activation_gradient(vec y, vec dy, enum lenet_activation f) {
    return f == LENET_TANH     ? dy * FMA(-y, y, vec_of(1))
           : f == LENET_RELU   ? select_vec(y > 0, dy, (vec){0})
           : f == LENET_SQUASH ? dy * (SQUASH_SLOPE * FMA(y, y * (-1 / SQUASH_HEIGHT), vec_of(SQUASH_HEIGHT)))
                               : dy;
}

#endif
