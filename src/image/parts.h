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

/* Returns 1 for a picture of dark and bright pixels and few between; kinds are their greys, bright the part that is. */
int lenet_has_two_kinds(const struct lenet_image *image, uint8_t kinds[2], double *bright);

/* Returns 1 where most of what stands out from a plane through the brightness of the rim is darker. */
int lenet_is_darker_than_rim(const struct lenet_image *image);

/* The contrast of what is darker, or brighter. contrast->c is the caller's to free. LENET_ERR_MEMORY. */
enum lenet_status lenet_contrast_of(const struct lenet_image *image, int dark, struct lenet_contrast *contrast,
                                    struct lenet_error *err);
/* Takes the mean of each pixel and its neighbours, of which the noise is less. LENET_ERR_MEMORY. */
enum lenet_status lenet_contrast_smooth(struct lenet_contrast *contrast, struct lenet_error *err);

/* The strokes of a digit. */
struct lenet_ink {
    int found; /* 0: there is none */
    struct lenet_box box;
    int level;     /* the contrast of its strokes               */
    double filled; /* the part of the box that is ink           */
    double rim;    /* the part of the picture's rim that is ink */
    double thick;  /* the side of the largest square of ink, as a part of the box's longer side */
    double edges;  /* the part of the rows and columns through it that begin and end at an edge */
    double alike;  /* the part of the short ones of these that begin and end at like paper      */
    uint8_t *mask; /* [H][W] of the picture: 1 on the digit     */
};

/* The contrast that most of the ink has; 0 where there is none. */
int lenet_ink_level(const struct lenet_contrast *contrast);
/* Erases the lines of ruled and squared paper, where ink has this level. LENET_ERR_MEMORY. */
enum lenet_status lenet_lines_erase(struct lenet_contrast *contrast, int level, struct lenet_error *err);

/* Finds the strokes. ink->mask is the caller's to free. LENET_ERR_MEMORY. */
enum lenet_status lenet_ink_find(const struct lenet_contrast *contrast, struct lenet_ink *ink, struct lenet_error *err);

/* Sets thick and edges of what was found. LENET_ERR_MEMORY. */
enum lenet_status lenet_ink_measure(const struct lenet_image *image, int dark, struct lenet_ink *ink,
                                    struct lenet_error *err);

/* Draws them as MNIST's digits are drawn. LENET_ERR_MEMORY. */
enum lenet_status lenet_ink_draw(const struct lenet_contrast *contrast, const struct lenet_ink *ink,
                                 uint8_t digit[LENET_DIGIT_PIXELS], struct lenet_error *err);

/* Means over the areas that the pixels of out cover: out[i][j] covers from (y + i*scale, x + j*scale) on, as far as
 * that is in the picture; 0 outside. LENET_ERR_MEMORY. */
enum lenet_status lenet_area_means(const float *in, int H, int W, double y, double x, const double scale[2],
                                   uint8_t out[LENET_DIGIT_PIXELS], struct lenet_error *err);

#endif
