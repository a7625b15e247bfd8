/* printed_runtime.h - the arithmetic of a network of small integers, in C99. The program compiles it, to measure with
 * it, and prints it into every C file that it exports: so both compute the same. */
#ifndef LENET_EXPORT_PRINTED_RUNTIME_H
#define LENET_EXPORT_PRINTED_RUNTIME_H
#include <stddef.h>
#include <stdint.h>

/* What becomes of a sum in map o: sum * factor[o] / 2^shift, rounded, plus bias[o], kept within low and high; and of
 * this, where there is a table, its entry for the value without sign, with that sign. */
struct rescaling {
    const int32_t *factor, *bias; /* bias may be NULL */
    int shift;                    /* 1 to 61          */
    int32_t low, high;
    const uint8_t *table;
};

/* A layer with all that follows until the next layer with weights. Its input is inputs maps of rows x columns bytes.
 * The weights of an output map are [inputs][kernel_rows][kernel_columns], without those that the connection table
 * leaves out. A weight w is a byte, w + 128, or half of one, w + 8, in the lower half first. */
struct layer {
    int inputs, rows, columns;
    int maps, kernel_rows, kernel_columns;
    const uint32_t *connections; /* bit c of connections[o] where map c feeds map o; NULL: all do */
    int bits;                    /* of a weight: 8 or 4 */
    const uint8_t *weights;
    const int32_t *bias;     /* of each map's sums, in which an input byte counts as 0 to 255 */
    struct rescaling first;  /* of each sum                                          */
    int window, adds;        /* then the largest of window x window pixels, or their sum */
    struct rescaling second; /* of that; without factors where nothing follows       */
    int zero;                /* the output byte that stands for 0                    */
};

struct network {
    int rows, columns; /* of an image                                */
    int field;         /* it stands in the middle of field x field pixels, which are 0 around it */
    int first_bytes;   /* of the inputs of the first, third, ... layer */
    int layer_count, classes;
    const struct layer *layers;
};

static inline int32_t rescaled(const struct rescaling *r, int o, int32_t sum) {
    const int64_t product = (int64_t)sum * r->factor[o], half = (int64_t)1 << (r->shift - 1);
    /* C99 leaves open what the right shift of a negative number is. */
    int64_t value = product < 0 ? -((half - product) >> r->shift) : (half + product) >> r->shift;
    if (r->bias) value += r->bias[o];
    if (value < r->low) value = r->low;
    if (value > r->high) value = r->high;
    if (!r->table) return (int32_t)value;
    return value < 0 ? -r->table[-value] : r->table[value];
}

static inline int32_t weight_at(const struct layer *l, int32_t at) {
    return l->bits == 8 ? l->weights[at] - 128 : (l->weights[at / 2] >> at % 2 * 4 & 15) - 8;
}

/* The sum of the products of `count` weights, from `at` on, with bytes. */
static inline int32_t product(const struct layer *l, int32_t at, const uint8_t *x, int count) {
    int32_t sum = 0;
    if (l->bits == 8)
        for (int i = 0; i < count; i++) sum += (int16_t)(l->weights[at + i] - 128) * (int16_t)x[i];
    else
        for (int i = 0; i < count; i++) sum += weight_at(l, at + i) * x[i];
    return sum;
}

/* The sums of the windows' rows of map o, the first of which is `row`: the next one's begin at sums[columns]. What lies
 * between them has no meaning. The map's weights begin at `at`; returns where those of the next one do. */
static inline int32_t convolve(const struct layer *l, const uint8_t *restrict x, int o, int row, int32_t at,
                               int32_t *restrict sums) {
    const int count = l->window * l->columns - l->kernel_columns + 1;
    for (int i = 0; i < count; i++) sums[i] = l->bias[o];
    for (int c = 0; c < l->inputs; c++) {
        if (l->connections && !(l->connections[o] >> c & 1)) continue;
        for (int i = 0; i < l->kernel_rows; i++, at += l->kernel_columns) {
            const uint8_t *from = x + (c * l->rows + row + i) * l->columns;
            if (count == 1) sums[0] += product(l, at, from, l->kernel_columns);
            for (int j = 0; count > 1 && j < l->kernel_columns; j++) {
                const int16_t weight = (int16_t)weight_at(l, at + j);
                for (int k = 0; k < count; k++) sums[k] += weight * (int16_t)from[j + k];
            }
        }
    }
    return at;
}

/* The output of the window that begins at sums[0]. */
static inline int32_t pooled(const struct layer *l, int o, const int32_t *sums) {
    int32_t result = rescaled(&l->first, o, sums[0]);
    for (int i = 1; i < l->window * l->window; i++) {
        const int32_t value = rescaled(&l->first, o, sums[i / l->window * l->columns + i % l->window]);
        if (l->adds)
            result += value;
        else if (value > result)
            result = value;
    }
    return l->second.factor ? rescaled(&l->second, o, result) : result;
}

/* Writes the outputs as bytes to y, or where y is NULL as they are to wide. */
static inline void run_layer(const struct layer *l, const uint8_t *x, int32_t *sums, uint8_t *y, int32_t *wide) {
    const int height = l->rows - l->kernel_rows + 1, width = l->columns - l->kernel_columns + 1;
    int32_t at = 0, next = 0;
    for (int o = 0; o < l->maps; o++, at = next)
        for (int row = 0; row < height; row += l->window) {
            next = convolve(l, x, o, row, at, sums);
            for (int column = 0; column < width; column += l->window) {
                const int32_t value = pooled(l, o, sums + column);
                if (y)
                    *y++ = (uint8_t)(value + l->zero);
                else
                    *wide++ = value;
            }
        }
}

static inline void place_image(const struct network *net, const uint8_t *image, uint8_t *x) {
    const int top = (net->field - net->rows) / 2, left = (net->field - net->columns) / 2;
    for (int i = 0; i < net->field * net->field; i++) x[i] = 0;
    for (int i = 0; i < net->rows; i++)
        for (int j = 0; j < net->columns; j++) x[(top + i) * net->field + left + j] = image[i * net->columns + j];
}

/* The class with the largest score. memory is for what goes into and comes out of a layer, in turn. */
static inline int classify(const struct network *net, const uint8_t *image, uint8_t *memory, int32_t *sums,
                           int32_t *scores) {
    uint8_t *x = memory, *y = memory + net->first_bytes;
    int best = 0;
    place_image(net, image, x);
    for (int l = 0; l < net->layer_count; l++) {
        uint8_t *const output = y;
        run_layer(&net->layers[l], x, sums, l + 1 < net->layer_count ? output : NULL, scores);
        y = x;
        x = output;
    }
    for (int c = 1; c < net->classes; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

#endif
