/* tile.c - the two inner loops of convolution and fully connected layers, for every size of a tile of registers.
 *
 * A tile keeps its sums in registers only where its size is known when it is compiled. So macros make one function for
 * each size, and a table picks that of the size at hand. Written out, TILE(2, 1) - two outputs by one vector of images
 * - is this, where `count`, the steps and the pointers are those of struct taps:
 *
 *     static void tile_2_1(const struct taps *taps, const float *x, const float *w, const float *start, float *y) {
 *         vec sum_0 = start[0], sum_1 = start[1];                 (in every lane; 0 where start is NULL)
 *         for (int i = 0; i < taps->count[0]; i++)
 *             for (int j = 0; j < taps->count[1]; j++) {
 *                 const float *x_tap = x + i * x_step[0] + j * x_step[1], *w_tap = w + i * w_step[0] + j * w_step[1];
 *                 for (int k = 0; k < taps->count[2]; k++, x_tap += x_step[2], w_tap += w_step[2]) {
 *                     sum_0 += w_tap[0] * *(const vec *)x_tap;    (one weight, times a vector of images; fused)
 *                     sum_1 += w_tap[w_step[3]] * *(const vec *)x_tap;
 *                 }
 *             }
 *         *(vec *)y = sum_0;
 *         *(vec *)(y + y_step) = sum_1;
 *     }
 *
 * TILES(1) makes tile_1_1 to tile_6_1, and TILE_NAMES(1) lists them for the table. */
#include "cpu/tile.h"

typedef void tile_function(const struct taps *, const LENET_REAL *x, const LENET_REAL *w, const LENET_REAL *start,
                           LENET_REAL *y);

/* It is a macro, because clang keeps acc in registers only where T and V are literals in the source. */
#define TILE(T, V)                                                                                                     \
    static void tile_##T##_##V(const struct taps *taps, const LENET_REAL *x, const LENET_REAL *w,                      \
                               const LENET_REAL *start, LENET_REAL *y) {                                               \
        vec acc[T][V];                                                                                                 \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++) acc[t][v] =                              \
            (vec){0} + (start ? start[t] : 0);                                                                         \
        for (int i = 0; i < taps->count[0]; i++)                                                                       \
            for (int j = 0; j < taps->count[1]; j++) {                                                                 \
                const LENET_REAL *x_tap = x + i * taps->x_step[0] + j * taps->x_step[1];                               \
                const LENET_REAL *w_tap = w + i * taps->w_step[0] + j * taps->w_step[1];                               \
                for (int k = 0; k < taps->count[2]; k++, x_tap += taps->x_step[2], w_tap += taps->w_step[2])           \
                    UNROLL for (int t = 0; t < T; t++) {                                                               \
                        const vec factor = vec_of(w_tap[t * taps->w_step[3]]);                                         \
                        UNROLL for (int v = 0; v < V; v++) acc[t][v] =                                                 \
                            FMA(factor, ((const vec *)x_tap)[v], acc[t][v]);                                           \
                    }                                                                                                  \
            }                                                                                                          \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++)((vec *)(y + t * taps->y_step))[v] =      \
            acc[t][v];                                                                                                 \
    }

#define TILES(V) TILE(1, V) TILE(2, V) TILE(3, V) TILE(4, V) TILE(5, V) TILE(6, V)
#define TILE_NAMES(V)                                                                                                  \
    { tile_1_##V, tile_2_##V, tile_3_##V, tile_4_##V, tile_5_##V, tile_6_##V }

TILES(1)
TILES(2)
#if VECTOR_REGISTERS == 32
TILES(3)
TILES(4)
#endif

static tile_function *const tiles[TILE_V][TILE_T] = {
    TILE_NAMES(1),
    TILE_NAMES(2),
#if VECTOR_REGISTERS == 32
    TILE_NAMES(3),
    TILE_NAMES(4),
#endif
};

void tile_sum(const struct taps *taps, int T, int n_count, const LENET_REAL *x, const LENET_REAL *w,
              const LENET_REAL *start, LENET_REAL *y) {
    for (int n = 0; n < n_count; n += TILE_V * LANES) {
        const int V = n_count - n < TILE_V * LANES ? (n_count - n) / LANES : TILE_V;
        for (int t = 0; t < T; t += TILE_T)
            tiles[V - 1][(T - t < TILE_T ? T - t : TILE_T) - 1](taps, x + n, w + t * taps->w_step[3],
                                                                start ? start + t : NULL, y + t * taps->y_step + n);
    }
}

/* ---- products of rows -------------------------------------------------------------
 *
 * Likewise: ROW(2, 1) is a function row_2_1 that adds dy[0][n] * x[n] to one sum and dy[1][n] * x[n] to another. It
 * does so for one part of the sums: registers have no room for more. The loop is unrolled, for after a hundred rounds
 * of it the processor would not foresee its end, and a call took a fifth longer. */

typedef void row_function(int count, int part, const LENET_REAL *const *dy, const LENET_REAL *x, ptrdiff_t x_column,
                          struct sums *sum, ptrdiff_t sum_step);

#define ROW(T, J)                                                                                                      \
    static void row_##T##_##J(int count, int part, const LENET_REAL *const *dy, const LENET_REAL *x,                   \
                              ptrdiff_t x_column, struct sums *sum, ptrdiff_t sum_step) {                              \
        vec acc[T][J];                                                                                                 \
        const vec *dy_row[T];                                                                                          \
        UNROLL for (int t = 0; t < T; t++) dy_row[t] = (const vec *)dy[t] + part;                                      \
        x += part * LANES;                                                                                             \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) acc[t][j] = (vec){0};                    \
        _Pragma("GCC unroll 4") for (int n = 0; n < count; n++) UNROLL for (int j = 0; j < J; j++) {                   \
            const vec x_j = *(const vec *)(x + n * SUM_LANES + j * x_column);                                          \
            UNROLL for (int t = 0; t < T; t++) acc[t][j] = FMA(dy_row[t][n * PARTS], x_j, acc[t][j]);                  \
        }                                                                                                              \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int j = 0; j < J; j++) sum[t * sum_step + j].part[part] +=      \
            acc[t][j];                                                                                                 \
    }
#define ROWS(T) ROW(T, 1) ROW(T, 2) ROW(T, 3) ROW(T, 4) ROW(T, 5)
#define ROW_NAMES(T)                                                                                                   \
    { row_##T##_1, row_##T##_2, row_##T##_3, row_##T##_4, row_##T##_5 }

ROWS(1)
ROWS(2)
#if VECTOR_REGISTERS == 32
ROWS(3)
ROWS(4)
#endif

static row_function *const rows[PARAMS_T][PARAMS_J] = {
    ROW_NAMES(1),
    ROW_NAMES(2),
#if VECTOR_REGISTERS == 32
    ROW_NAMES(3),
    ROW_NAMES(4),
#endif
};

void row_products(int T, int J, int count, const LENET_REAL *const *dy, const LENET_REAL *x, ptrdiff_t x_column,
                  struct sums *sum, ptrdiff_t sum_step) {
    for (int part = 0; part < PARTS; part++) rows[T - 1][J - 1](count, part, dy, x, x_column, sum, sum_step);
}
