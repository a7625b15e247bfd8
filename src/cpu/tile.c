/* tile.c - see tile.h. */
#include "tile.h"

typedef void tile_function(const struct taps *, const LENET_REAL *x, const weight *w, const weight *start,
                           LENET_REAL *y);

/* A macro, because clang keeps acc in registers only where T and V are literals in the source. */
#define TILE(T, V)                                                                                                     \
    static void tile_##T##_##V(const struct taps *taps, const LENET_REAL *x, const weight *w, const weight *start,     \
                               LENET_REAL *y) {                                                                        \
        vec acc[T][V];                                                                                                 \
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++) acc[t][v] =                              \
            (vec){0} + (start ? start[t] : (weight){0});                                                               \
        for (int i = 0; i < taps->count[0]; i++)                                                                       \
            for (int j = 0; j < taps->count[1]; j++) {                                                                 \
                const LENET_REAL *x_tap = x + i * taps->x_step[0] + j * taps->x_step[1];                               \
                const weight *w_tap = w + i * taps->w_step[0] + j * taps->w_step[1];                                   \
                for (int k = 0; k < taps->count[2]; k++, x_tap += taps->x_step[2], w_tap += taps->w_step[2])           \
                    UNROLL for (int t = 0; t < T; t++) {                                                               \
                        const weight factor = w_tap[t * taps->w_step[3]];                                              \
                        UNROLL for (int v = 0; v < V; v++) acc[t][v] += factor * ((const vec *)x_tap)[v];              \
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

void tile_sum(const struct taps *taps, int T, int n_count, const LENET_REAL *x, const weight *w, const weight *start,
              LENET_REAL *y) {
    for (int n = 0; n < n_count; n += TILE_V * LANES) {
        const int V = n_count - n < TILE_V * LANES ? (n_count - n) / LANES : TILE_V;
        for (int t = 0; t < T; t += TILE_T)
            tiles[V - 1][(T - t < TILE_T ? T - t : TILE_T) - 1](taps, x + n, w + t * taps->w_step[3],
                                                                start ? start + t : NULL, y + t * taps->y_step + n);
    }
}
