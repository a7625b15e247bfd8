/* tile.h - the inner loops of every convolution and fully connected layer.
 *
 * Convolution forward, its input gradient, and the same two of a fully
 * connected layer are one sum: each output row of images is a weighted sum of
 * input rows of images,
 *
 *     y[t][n] = start[t] + sum over (i, j, k) of w[t][i][j][k] * x[i][j][k][n],
 *
 * where every index has its own step through memory. A tile is T outputs by V
 * vectors of images, held in registers: each weight is broadcast to V vectors
 * and each vector of x serves T outputs, so arithmetic, not loading, is the
 * limit. With gcc 12 C3's forward pass runs at 90 % of one core's FP32 peak. */
#ifndef LENET_CPU_TILE_H
#define LENET_CPU_TILE_H
#include <stddef.h>

#include "cpu/names.h"
#include "cpu/vector.h"

/* The largest tile: T*V sums, V vectors of x and one weight fit the registers. */
#if VECTOR_REGISTERS == 32
enum { TILE_T = 6, TILE_V = 4 };
#else
enum { TILE_T = 6, TILE_V = 2 };
#endif

/* The sum above: how many i, j and k, and how far apart they are, in elements of
 * x and y and in weights. w_step[3] is from one t to the next; y_step likewise. */
struct taps {
    int count[3];
    ptrdiff_t x_step[3], w_step[4], y_step;
};

/* Adds the taps for outputs t = 0 .. T-1 and images n = 0 .. n_count-1, a
 * multiple of LANES. start may be NULL: zero. Reads w and start for T outputs only. */
void tile_sum(const struct taps *taps, int T, int n_count, const LENET_REAL *x, const LENET_REAL *w,
              const LENET_REAL *start, LENET_REAL *y);

/* The gradient of weights is the other sum. It adds products of rows: of T rows of dy with those rows of x that begin
 * at J neighbouring columns. One vector of dy serves J sums, and one vector of x serves T sums. */
#if VECTOR_REGISTERS == 32
enum { PARAMS_T = 4 };
#else
enum { PARAMS_T = 2 };
#endif
enum { PARAMS_J = 5 };

/* Adds the products of count times SUM_LANES values to sum[t*sum_step + j]. x_column is from one j to the next. T is at
 * most PARAMS_T, and J PARAMS_J. */
void row_products(int T, int J, int count, const LENET_REAL *const *dy, const LENET_REAL *x, ptrdiff_t x_column,
                  struct sums *sum, ptrdiff_t sum_step);

#endif
