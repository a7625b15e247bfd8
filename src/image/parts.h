/* parts.h - the steps from a picture to a digit: contrast, ink, drawing. */
#ifndef LENET_IMAGE_PARTS_H
#define LENET_IMAGE_PARTS_H
#include <stddef.h>

#include "image/digit.h"

/* fminf and fmaxf that a compiler can make one instruction of: nothing here is NaN. */
static inline float lenet_least(float a, float b) { return a < b ? a : b; }
static inline float lenet_most(float a, float b) { return a > b ? a : b; }

/* A rectangle of pixels; y1 and x1 are behind its last ones. */
struct lenet_box {
    int y0, x0, y1, x1;
};

/* How far each pixel of a picture stands out from what is around it, whatever the light: about 0 where there is nothing
 * but paper, 255 where black is on white or white on black. */
struct lenet_contrast {
    int H, W;
    int16_t *c;   /* [H][W] */
    double noise; /* standard deviation of the paper's */
};

/* c->c is the caller's to free. LENET_ERR_MEMORY. */
enum lenet_status lenet_contrast_of(const struct lenet_image *image, struct lenet_contrast *contrast,
                                    struct lenet_error *err);
/* Takes the mean of each pixel and its neighbours, of which the noise is less. LENET_ERR_MEMORY. */
enum lenet_status lenet_contrast_smooth(struct lenet_contrast *contrast, struct lenet_error *err);

/* What was found in a picture. */
struct lenet_ink {
    enum {
        LENET_NOTHING,
        LENET_DIGIT,
        LENET_SHEET
    } what; /* a sheet: a bright or dark surface to look at more closely */
    struct lenet_box box;
    int level;     /* the contrast of its strokes               */
    uint8_t *mask; /* [H][W] of the picture: 1 on the digit      */
};

/* Finds the strokes. ink->mask is the caller's to free. LENET_ERR_MEMORY. */
enum lenet_status lenet_ink_find(const struct lenet_contrast *contrast, struct lenet_ink *ink, struct lenet_error *err);

/* Draws them as MNIST's digits are drawn. LENET_ERR_MEMORY. */
enum lenet_status lenet_ink_draw(const struct lenet_contrast *contrast, const struct lenet_ink *ink,
                                 uint8_t digit[LENET_DIGIT_PIXELS], struct lenet_error *err);

/* Means over the areas that the pixels of out cover: out[i][j] covers from (y + i*scale, x + j*scale) on, as far as
 * that is in the picture; 0 outside. LENET_ERR_MEMORY. */
enum lenet_status lenet_area_means(const float *in, int H, int W, double y, double x, const double scale[2],
                                   uint8_t out[LENET_DIGIT_PIXELS], struct lenet_error *err);

#endif
