/* elementary.h - exp, log, pow, and cosine and sine of half turns, with the same bits everywhere.
 *
 * A C library's own differ in the last bit from version to version, and with what the processor has. What training
 * computes with is here instead, of operations that IEEE 754 defines, in one order. Errors are below 4 units in the
 * last place, where nothing else is said. */
#ifndef LENET_BASE_ELEMENTARY_H
#define LENET_BASE_ELEMENTARY_H
#ifdef __cplusplus
extern "C" {
#endif

double lenet_exp(double x);
double lenet_log(double x);

/* x to the power y, for finite numbers and x >= 0. The error grows with the result's logarithm: to 2^-43 of it. */
double lenet_pow(double x, double y);

/* cos(pi t) and sin(pi t). */
double lenet_cospi(double t);
double lenet_sinpi(double t);

#ifdef __cplusplus
}
#endif
#endif
