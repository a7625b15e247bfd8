/* half.h - numbers of 16 bits: IEEE 754's binary16, which safetensors calls F16. Not every compiler has a type for it.
 */
#ifndef LENET_BASE_HALF_H
#define LENET_BASE_HALF_H
#include <math.h>
#include <stdint.h>

/* The nearest one's bits, of two the even one's: 65,520 and above become infinite, and below 2^-14 the steps are 2^-24.
 */
static inline uint16_t lenet_half(double value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    int exponent;
    if (isnan(value)) return sign | 0x7e00;
    if (size >= 65520) return sign | 0x7c00;
    if (size < 0x1p-14) return sign | (uint16_t)lrint(size * 0x1p24);
    const long digits = lrint(frexp(size, &exponent) * 0x1p11); /* 2^10 to 2^11: of 2^11, the carry is right below */
    return sign | (uint16_t)((exponent + 14) * 1024 + digits - 1024);
}

#endif
