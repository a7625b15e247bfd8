/* elementary.c - the argument is brought close to zero, where a few terms of Taylor's series are enough. */
#include "base/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: any exponent times the first is exact. */
static const double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;

enum { BIAS = 1023, MANTISSA_BITS = 52 };

/* 2^n of a normal number. */
static double power_of_two(int n) {
    const uint64_t bits = (uint64_t)(n + BIAS) << MANTISSA_BITS;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x = n ln 2 + r with |r| <= ln 2 / 2, so exp(x) = 2^n exp(r). The first missing term is below 2^-57. */
double lenet_exp(double x) {
    static const double factor[] = {
        1,          1,           1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
        1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    if (!(x > -746)) return x != x ? x : 0;
    if (x > 710) return INFINITY;
    const int n = (int)(x * 1.44269504088896340736 + (x < 0 ? -0.5 : 0.5));
    const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double sum = factor[13];
    for (int k = 12; k >= 0; k--) sum = factor[k] + r * sum;
    return sum * power_of_two(n / 2) * power_of_two(n - n / 2); /* 2^n itself may be no normal number */
}

/* x = 2^n m with m between the square roots of 1/2 and 2. With s = (m - 1) / (m + 1), ln m = 2 (s + s^3/3 + s^5/5 +
 * ...), and the first missing term is below 2^-60 of it. */
double lenet_log(double x) {
    static const double factor[] = {1,        1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9, 1.0 / 11,
                                    1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};
    int n;
    if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    double m = frexp(x, &n); /* from 1/2 to 1, and exact */
    if (m < 0.70710678118654752) {
        m *= 2;
        n--;
    }
    const double s = (m - 1) / (m + 1), square = s * s;
    double sum = factor[10];
    for (int k = 9; k >= 0; k--) sum = factor[k] + square * sum;
    return n * LN2_HIGH + (2 * s * sum + n * LN2_LOW);
}

double lenet_pow(double x, double y) { return y == 0 ? 1 : lenet_exp(y * lenet_log(x)); }

/* Both for |x| <= pi/4, where the first missing term is below 2^-60. */
static double sine(double x) {
    double sum = 1;
    for (int k = 18; k >= 2; k -= 2) sum = 1 - x * x / (k * (k + 1)) * sum;
    return x * sum;
}
static double cosine(double x) {
    double sum = 1;
    for (int k = 18; k >= 2; k -= 2) sum = 1 - x * x / ((k - 1) * k) * sum;
    return sum;
}

/* Taking away whole turns, and then quarters of a turn, is exact. */
double lenet_cospi(double t) {
    const double pi = 3.14159265358979323846, rest = t - 2 * rint(t / 2), quarters = rint(2 * rest);
    const double x = pi * (rest - quarters / 2);
    return quarters == 0 ? cosine(x) : quarters == 1 ? -sine(x) : quarters == -1 ? sine(x) : -cosine(x);
}

double lenet_sinpi(double t) {
    const double pi = 3.14159265358979323846, rest = t - 2 * rint(t / 2), quarters = rint(2 * rest);
    const double x = pi * (rest - quarters / 2);
    return quarters == 0 ? sine(x) : quarters == 1 ? cosine(x) : quarters == -1 ? -cosine(x) : -sine(x);
}
