/* decimal.h - where a decimal number ends in a text. */
#ifndef LENET_BASE_DECIMAL_H
#define LENET_BASE_DECIMAL_H

/* The end of the decimal number at the beginning of a text, which strtod reads to the same end: -1, .5, 2e-3; of 1..5
 * it is the 1. NULL where there is none: strtod also takes 0x10, inf, nan, a plus and spaces before it. */
const char *lenet_decimal_end(const char *text);

#endif
