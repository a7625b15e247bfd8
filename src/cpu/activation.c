/* activation.c - tanh and ReLU on the CPU: twin of cuda/activation.cu. */
#include "ops_cpu.h"
#include "vector.h"

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
    const vec n = (z * (LENET_REAL)1.44269504088896340736 + ROUND_TO_INTEGER) - ROUND_TO_INTEGER;
    const vec s = (z - n * LN2_HIGH) - n * LN2_LOW;
    vec series = vec_of(1);
#pragma GCC unroll 16
    for (int k = SERIES; k >= 2; k--) series = 1 + series * s / (LENET_REAL)k;
    const vec power = (vec)((__builtin_convertvector(n, mask) + EXPONENT_BIAS) << MANTISSA_BITS);
    const vec e = power * (series * s) + (power - 1);
    return (vec)((mask)(-e / (2 + e)) | ((mask)x & sign));
}

ALWAYS_INLINE vec relu_vec(vec x) { return select_vec(x <= 0, (vec){0}, x); } /* NaN stays NaN */

static int sizes_ok(int R, int N, int F, enum lenet_activation activation) {
    return R > 0 && N > 0 && N % LANES == 0 && F > 0 && (activation == LENET_TANH || activation == LENET_RELU);
}

/* Vectors per item: some microseconds of work. */
enum { CHUNK = 4096 };

static ptrdiff_t vectors(int R, int N, int F) { return (ptrdiff_t)R * F * (N / LANES); }

static ptrdiff_t chunk_end(ptrdiff_t item, ptrdiff_t count) {
    return (item + 1) * CHUNK < count ? (item + 1) * CHUNK : count;
}

static void forward_item(const void *args, ptrdiff_t item) {
    const struct activation_forward *a = args;
    const ptrdiff_t end = chunk_end(item, vectors(a->R, a->N, a->F));
    const vec *x = (const vec *)a->x;
    vec *y = (vec *)a->y;
    if (a->activation == LENET_RELU)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) y[i] = relu_vec(x[i]);
    else
        for (ptrdiff_t i = item * CHUNK; i < end; i++) y[i] = tanh_vec(x[i]);
}

static void backward_item(const void *args, ptrdiff_t item) {
    const struct activation_backward_input *a = args;
    const ptrdiff_t end = chunk_end(item, vectors(a->R, a->N, a->F));
    const vec *y = (const vec *)a->y, *dy = (const vec *)a->dy;
    vec *dx = (vec *)a->dx;
    if (a->activation == LENET_RELU)
        for (ptrdiff_t i = item * CHUNK; i < end; i++) dx[i] = select_vec(y[i] > 0, dy[i], (vec){0});
    else
        for (ptrdiff_t i = item * CHUNK; i < end; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

enum lenet_status CPU_NAME(activation_forward)(struct lenet_ctx *ctx, const struct activation_forward *a) {
    if (!sizes_ok(a->R, a->N, a->F, a->activation)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (vectors(a->R, a->N, a->F) + CHUNK - 1) / CHUNK, forward_item, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(activation_backward_input)(struct lenet_ctx *ctx,
                                                      const struct activation_backward_input *a) {
    if (!sizes_ok(a->R, a->N, a->F, a->activation)) return LENET_ERR_ARG;
    parallel_for(ctx->pool, (vectors(a->R, a->N, a->F) + CHUNK - 1) / CHUNK, backward_item, a);
    return LENET_OK;
}
