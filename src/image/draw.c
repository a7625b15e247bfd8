/* draw.c - draws the strokes that were found as MNIST's digits are drawn.
 *
 * Those are 20 pixels at their longer side, each pixel as bright as the part of it that is ink, and lie so that the
 * centre of mass of the brightness is nearest to the middle of pixel 14, 14. Source: yann.lecun.com/exdb/mnist; the
 * pixel from the files themselves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

static const double MIDDLE = 14.5; /* of pixel 14 */
static const float FAINT = 0.4F;   /* brightness from which on a pixel counts for the size of a digit */

enum {
    BOX = 20,
    LEAST_CROP = 80, /* pixels: what is smaller is enlarged before its edges are looked at */
    THINNEST = 9     /* strokes thinner than this part of the digit become so thick       */
};

/* The digit and some paper around it. */
struct crop {
    int H, W;
    float *v;    /* [H][W]: 0 paper, 1 ink */
    float *next; /* [H][W]: room            */
};

/* ---- the crop ------------------------------------------------------------------------------------------- */

static int clamp(int value, int least, int most) { return value < least ? least : value > most ? most : value; }

/* Each of n values becomes the largest of itself and the other one. */
static void take_larger(float *values, const float *others, int n) {
    for (int i = 0; i < n; i++) values[i] = others[i] > values[i] ? others[i] : values[i];
}

/* The largest of the values up to r away, in both directions. */
static void widen(struct crop *crop, int r) {
    const int H = crop->H, W = crop->W;
    memcpy(crop->next, crop->v, (size_t)H * (size_t)W * sizeof *crop->v);
    for (int y = 0; y < H; y++)
        for (int k = 1; k <= r && k < W; k++) {
            take_larger(crop->next + y * W, crop->v + y * W + k, W - k);
            take_larger(crop->next + y * W + k, crop->v + y * W, W - k);
        }
    memcpy(crop->v, crop->next, (size_t)H * (size_t)W * sizeof *crop->v);
    for (int y = 0; y < H; y++)
        for (int k = y > r ? y - r : 0; k <= y + r && k < H; k++) take_larger(crop->v + y * W, crop->next + k * W, W);
}

/* A value between four pixels of the picture. */
static float value_at(const struct lenet_contrast *c, float y, float x) {
    const int i = clamp((int)floorf(y), 0, c->H - 1), j = clamp((int)floorf(x), 0, c->W - 1);
    const int below = i < c->H - 1 ? c->W : 0, right = j < c->W - 1;
    const float down = lenet_least(lenet_most(y - (float)i, 0), 1),
                across = lenet_least(lenet_most(x - (float)j, 0), 1);
    const int16_t *p = c->c + (size_t)i * (size_t)c->W + j;
    const float a = (float)p[0] + across * (float)(p[right] - p[0]);
    const float b = (float)p[below] + across * (float)(p[below + right] - p[below]);
    return a + down * (b - a);
}

/* How often a pixel of the picture is drawn, so that the digit is large enough. */
static int enlargement(const struct lenet_box *box) {
    const int h = box->y1 - box->y0, w = box->x1 - box->x0, side = h > w ? h : w;
    return side < LEAST_CROP ? (LEAST_CROP + side - 1) / side : 1;
}

/* Ink is what is near to the digit's strokes and stands out by a good part of their contrast. Where the strokes are
 * many pixels wide, the edge between both is sharpened. */
static enum lenet_status cut_out(const struct lenet_contrast *c, const struct lenet_ink *ink, struct crop *crop,
                                 struct lenet_error *err) {
    const int k = enlargement(&ink->box), h = ink->box.y1 - ink->box.y0, w = ink->box.x1 - ink->box.x0;
    const int near = 1 + (h > w ? h : w) / 40, margin = near + 1;
    const float low = (float)fmax(0.2 * ink->level, 2 * c->noise),
                high = lenet_most(0.85F * (float)ink->level, low + 1);
    crop->H = k * (h + 2 * margin);
    crop->W = k * (w + 2 * margin);
    crop->v = malloc((size_t)crop->H * (size_t)crop->W * sizeof *crop->v);
    crop->next = malloc((size_t)crop->H * (size_t)crop->W * sizeof *crop->next);
    if (!crop->v || !crop->next) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < crop->H; y++)
        for (int x = 0; x < crop->W; x++) {
            const int i = y / k + ink->box.y0 - margin, j = x / k + ink->box.x0 - margin;
            const int inside = i >= 0 && j >= 0 && i < c->H && j < c->W;
            crop->v[y * crop->W + x] = inside && ink->mask[i * c->W + j] ? 1 : 0;
        }
    widen(crop, near * k);
    for (int y = 0; y < crop->H; y++)
        for (int x = 0; x < crop->W; x++) {
            float *v = &crop->v[y * crop->W + x];
            if (*v == 0) continue;
            const float i = ((float)y + 0.5F) / (float)k - 0.5F + (float)(ink->box.y0 - margin);
            const float j = ((float)x + 0.5F) / (float)k - 0.5F + (float)(ink->box.x0 - margin);
            const int inside = i >= -0.5F && j >= -0.5F && i <= (float)c->H - 0.5F && j <= (float)c->W - 0.5F;
            *v = inside ? lenet_least(lenet_most((value_at(c, i, j) - low) / (high - low), 0), 1) : 0;
        }
    return LENET_OK;
}

/* ---- its measures ------------------------------------------------------------------------------------------ */

static struct lenet_box bounds(const struct crop *crop) {
    struct lenet_box box = {crop->H, crop->W, 0, 0};
    for (int y = 0; y < crop->H; y++)
        for (int x = 0; x < crop->W; x++) {
            if (crop->v[y * crop->W + x] < FAINT) continue;
            if (y < box.y0) box.y0 = y;
            if (x < box.x0) box.x0 = x;
            if (x >= box.x1) box.x1 = x + 1;
            box.y1 = y + 1;
        }
    return box;
}

/* The mean width of the strokes: their area to half of their outline. An outline along pixels is longer than the true
 * one by 4/pi on average over all directions. */
static double stroke_width(const struct crop *crop) {
    const double pi = 3.14159265358979;
    size_t area = 0, outline = 0;
    for (int y = 1; y < crop->H; y++)
        for (int x = 1; x < crop->W; x++) {
            const float *v = &crop->v[y * crop->W + x];
            area += *v >= 0.5F;
            outline += (*v >= 0.5F) != (v[-1] >= 0.5F);
            outline += (*v >= 0.5F) != (v[-crop->W] >= 0.5F);
        }
    return outline ? 2.0 * (double)area / ((double)outline * pi / 4) : 0;
}

static void thicken(struct crop *crop, const struct lenet_box *box) {
    const int h = box->y1 - box->y0, w = box->x1 - box->x0;
    const double wanted = (double)(h > w ? h : w) / THINNEST, is = stroke_width(crop);
    const int r = (int)((wanted - is) / 2);
    if (r > 0) widen(crop, r);
}

/* The first pixel, of 28, of a box whose centre of mass is to be in the middle of pixel 14. */
static int first_pixel(double centre_in_box) { return (int)floor(MIDDLE - centre_in_box + 0.5); }

static void centre_of_mass(const struct crop *crop, double *y, double *x) {
    double mass = 0, my = 0, mx = 0;
    for (int i = 0; i < crop->H; i++)
        for (int j = 0; j < crop->W; j++) {
            const double v = crop->v[i * crop->W + j];
            mass += v;
            my += v * (i + 0.5);
            mx += v * (j + 0.5);
        }
    *y = mass > 0 ? my / mass : 0;
    *x = mass > 0 ? mx / mass : 0;
}

/* ---- areas ------------------------------------------------------------------------------------------------- */

/* The sum over [from, to) of values with a stride, the first and the last one as far as they are covered. */
static float covered(const float *values, int n, int stride, double from, double to) {
    float sum = 0;
    if (from < 0) from = 0;
    if (to > n) to = n;
    for (int i = (int)from; i < to; i++) sum += values[i * stride] * (float)(fmin(to, i + 1) - fmax(from, i));
    return sum;
}

enum lenet_status lenet_area_means(const float *in, int H, int W, double y, double x, const double scale[2],
                                   uint8_t out[LENET_DIGIT_PIXELS], struct lenet_error *err) {
    enum { SIDE = LENET_DIGIT_SIDE };
    float *rows = malloc((size_t)H * SIDE * sizeof *rows);
    if (!rows) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int i = 0; i < H; i++)
        for (int j = 0; j < SIDE; j++)
            rows[i * SIDE + j] = covered(in + i * W, W, 1, x + j * scale[1], x + (j + 1) * scale[1]);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const float sum = covered(rows + j, H, SIDE, y + i * scale[0], y + (i + 1) * scale[0]);
            out[i * SIDE + j] = (uint8_t)(255 * lenet_least(sum / (float)(scale[0] * scale[1]), 1) + 0.5F);
        }
    free(rows);
    return LENET_OK;
}

static enum lenet_status draw(struct crop *crop, uint8_t digit[LENET_DIGIT_PIXELS], struct lenet_error *err) {
    struct lenet_box box = bounds(crop);
    thicken(crop, &box);
    box = bounds(crop);
    const int h = box.y1 - box.y0, w = box.x1 - box.x0;
    const double scale = (double)(h > w ? h : w) / BOX;
    double y, x;
    memset(digit, 0, LENET_DIGIT_PIXELS);
    if (h < 1) return LENET_OK; /* strokes so fine that nothing is left of them */
    centre_of_mass(crop, &y, &x);
    const int top = first_pixel((y - box.y0) / scale), left = first_pixel((x - box.x0) / scale);
    return lenet_area_means(crop->v, crop->H, crop->W, box.y0 - top * scale, box.x0 - left * scale,
                            (double[]){scale, scale}, digit, err);
}

enum lenet_status lenet_ink_draw(const struct lenet_contrast *contrast, const struct lenet_ink *ink,
                                 uint8_t digit[LENET_DIGIT_PIXELS], struct lenet_error *err) {
    struct crop crop = {.v = NULL};
    enum lenet_status status = cut_out(contrast, ink, &crop, err);
    if (status == LENET_OK) status = draw(&crop, digit, err);
    free(crop.v);
    free(crop.next);
    return status;
}
