/* digit.c - from a picture to what a network is shown: as it is where it is in MNIST's form, else found and drawn. */
#include "image/digit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    MNIST_BOX = 20,
    LEAST_PICTURE = 8, /* pixels of a picture's longer side                                         */
    FIRST_LOOK = 128,  /* pixels that larger pictures are shrunk to at first                        */
    LARGE_ENOUGH = 48, /* pixels of a digit's longer side that no closer look would make any better */
    SHEETS = 2,        /* sheets on sheets that are looked at                                       */
    LONGEST = 32,      /* a picture that is longer than so many times its width is a bar            */
    SMOOTHINGS = 4,    /* that are tried                                                             */
    TAIL = 16,         /* contrast of noise alone, of which all that counts is just above the least */
    CLEAR = 10,        /* standard deviations of the noise, of which ink stands out by more          */
    FAINT = 42         /* contrast up to which noise, and shadows along the rim, are no ink          */
};

static const double MOST_RIM = 0.03; /* of the picture's rim that a digit away from it touches */

/* ---- what needs no finding --------------------------------------------------------------------------------- */

/* 1 for 28 x 28 pixels of which those that are not black lie as MNIST's: the longer side of their box is 20 (of 13 in
 * 60,000 it is 19), and their centre of mass rounds to pixel 14, 14. */
static int is_mnist_like(const uint8_t pixels[LENET_DIGIT_PIXELS], int flip) {
    int y0 = LENET_DIGIT_SIDE, x0 = LENET_DIGIT_SIDE, y1 = 0, x1 = 0;
    double mass = 0, y = 0, x = 0;
    for (int i = 0; i < LENET_DIGIT_SIDE; i++)
        for (int j = 0; j < LENET_DIGIT_SIDE; j++) {
            const int v = pixels[i * LENET_DIGIT_SIDE + j] ^ flip;
            if (v == 0) continue;
            y0 = i < y0 ? i : y0;
            x0 = j < x0 ? j : x0;
            y1 = i + 1;
            x1 = j >= x1 ? j + 1 : x1;
            mass += v;
            y += v * i;
            x += v * j;
        }
    const int side = y1 - y0 > x1 - x0 ? y1 - y0 : x1 - x0;
    return (side == MNIST_BOX || side == MNIST_BOX - 1) && fabs(y / mass - 14) < 0.55 && fabs(x / mass - 14) < 0.55;
}

enum lenet_status lenet_digit_as_is(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS],
                                    struct lenet_error *err) {
    const size_t pixels = (size_t)image->H * (size_t)image->W;
    const double scale[2] = {(double)image->H / LENET_DIGIT_SIDE, (double)image->W / LENET_DIGIT_SIDE};
    float *grey = malloc(pixels * sizeof *grey);
    if (!grey) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < pixels; i++) grey[i] = (float)image->grey[i] / 255;
    const enum lenet_status status = lenet_area_means(grey, image->H, image->W, 0, 0, scale, digit, err);
    free(grey);
    return status;
}

/* ---- finding ------------------------------------------------------------------------------------------------- */

/* Means over blocks of step x step pixels; what is left over at the right and lower edge is left out. */
static enum lenet_status shrink(const struct lenet_image *image, int step, struct lenet_image *small,
                                struct lenet_error *err) {
    *small = (struct lenet_image){.H = image->H / step, .W = image->W / step};
    if (!(small->grey = malloc((size_t)small->H * (size_t)small->W)))
        return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < small->H; y++)
        for (int x = 0; x < small->W; x++) {
            int sum = step * step / 2;
            for (int i = 0; i < step; i++)
                for (int j = 0; j < step; j++) sum += image->grey[(y * step + i) * image->W + x * step + j];
            small->grey[y * small->W + x] = (uint8_t)(sum / (step * step));
        }
    return LENET_OK;
}

/* Whether anything is in a box but its edge, which is cut off. */
static int has_inside(const struct lenet_box *box, int step) {
    return (box->y1 - box->y0) * step > 2 && (box->x1 - box->x0) * step > 2;
}

/* What is in a box of the picture, which has an inside, without its edge. */
static enum lenet_status cut_sheet(const struct lenet_image *image, struct lenet_box box, struct lenet_image *sheet,
                                   struct lenet_error *err) {
    const int h = box.y1 - box.y0, w = box.x1 - box.x0, edge = 1 + (h < w ? h : w) / 50;
    *sheet = (struct lenet_image){.H = h - 2 * edge, .W = w - 2 * edge};
    if (!(sheet->grey = malloc((size_t)sheet->H * (size_t)sheet->W)))
        return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < sheet->H; y++)
        memcpy(sheet->grey + y * sheet->W, image->grey + (box.y0 + edge + y) * image->W + box.x0 + edge,
               (size_t)sheet->W);
    return LENET_OK;
}

static int is_clear(const struct lenet_contrast *contrast, const struct lenet_ink *ink) {
    return ink->level > CLEAR * contrast->noise;
}

/* Smooths where the noise would make strokes of paper or paper of strokes, and looks again. */
static enum lenet_status find_ink(struct lenet_contrast *contrast, struct lenet_ink *ink, struct lenet_error *err) {
    const int side = contrast->H > contrast->W ? contrast->H : contrast->W;
    LENET_TRY(lenet_lines_erase(contrast, lenet_ink_level(contrast), err));
    LENET_TRY(lenet_ink_find(contrast, ink, err));
    for (int i = 1; i <= SMOOTHINGS && 64 * i <= side; i++) {
        if (contrast->noise == 0 || (ink->found && is_clear(contrast, ink))) break;
        free(ink->mask);
        ink->mask = NULL;
        LENET_TRY(lenet_contrast_smooth(contrast, err));
        LENET_TRY(lenet_ink_find(contrast, ink, err));
    }
    ink->found &= ink->level > FAINT || (ink->level > TAIL && is_clear(contrast, ink) && ink->rim <= MOST_RIM);
    return LENET_OK;
}

/* What was found, of ink that is darker or of ink that is brighter than the paper. */
struct finding {
    struct lenet_contrast contrast;
    struct lenet_ink ink;
};

static enum lenet_status look_for(const struct lenet_image *image, int dark, struct finding *finding,
                                  struct lenet_error *err) {
    LENET_TRY(lenet_contrast_of(image, dark, &finding->contrast, err));
    return find_ink(&finding->contrast, &finding->ink, err);
}

/* A blob, such as the hole of a 0. */
static int is_blob(const struct lenet_ink *ink) {
    const int h = ink->box.y1 - ink->box.y0, w = ink->box.x1 - ink->box.x0;
    return ink->filled > 0.55 && 2 * h < 5 * w && 2 * w < 5 * h;
}

/* Whether the second is rather a digit than the first, which is likelier to have the ink's brightness unless they are
 * equals. Paper between shadows or black borders fills its box and lies along much of the rim; a digit lies on it, away
 * from the rim. */
static int is_rather(const struct lenet_ink *first, const struct lenet_ink *second, int are_equals) {
    if (!second->found || second->rim > MOST_RIM) return 0;
    if (!first->found || (first->filled > 0.5 && first->rim > 0.12)) return 1;
    if (!are_equals || is_blob(second)) return 0;
    /* Strokes away from the rim, whose holes are as far from them as they are from the paper. */
    return !(first->rim == 0 && first->filled < 0.6 && second->level < 1.3 * first->level);
}

/* Looks at a picture that has been shrunk by step, and draws a digit that is large enough or cannot be larger. */
static enum lenet_status look(const struct lenet_image *image, enum lenet_brightness brightness, int step,
                              uint8_t digit[LENET_DIGIT_PIXELS], int *found, struct lenet_error *err) {
    struct finding one = {.ink = {.found = 0}}, other = one, *best = &one;
    const int dark = brightness == LENET_DARK || brightness == LENET_DARK_OR_LIGHT;
    const int is_unsure = brightness == LENET_DARK_OR_LIGHT || brightness == LENET_LIGHT_OR_DARK;
    enum lenet_status status = look_for(image, dark, &one, err);
    if (status == LENET_OK && (is_unsure || !one.ink.found || one.ink.rim > 0.05))
        status = look_for(image, !dark, &other, err);
    if (is_rather(&one.ink, &other.ink, is_unsure)) best = &other;
    const struct lenet_box *box = &best->ink.box;
    const int is_large = box->y1 - box->y0 >= LARGE_ENOUGH || box->x1 - box->x0 >= LARGE_ENOUGH;
    *found = status == LENET_OK && best->ink.found && (step == 1 || is_large);
    if (*found) status = lenet_ink_draw(&best->contrast, &best->ink, digit, err);
    free(one.ink.mask);
    free(one.contrast.c);
    free(other.ink.mask);
    free(other.contrast.c);
    return status;
}

/* Looks at the whole first, shrunk, and more closely while nothing large is found. */
static enum lenet_status find(const struct lenet_image *image, int sheets, uint8_t digit[LENET_DIGIT_PIXELS],
                              int *found, struct lenet_error *err) {
    struct lenet_image nearer;
    struct lenet_box box;
    const int longer = image->H > image->W ? image->H : image->W, first = (longer + FIRST_LOOK - 1) / FIRST_LOOK;
    enum lenet_brightness brightness = LENET_DARK;
    int is_sheet = 0;
    enum lenet_status status = LENET_OK;
    if (longer < LEAST_PICTURE || longer > LONGEST * image->H || longer > LONGEST * image->W) return LENET_OK;
    for (int step = first; step >= 1 && status == LENET_OK && !*found && !is_sheet; step /= 2) {
        status = shrink(image, step, &nearer, err);
        if (status == LENET_OK && step == first && sheets) status = lenet_sheet_find(&nearer, &box, &is_sheet, err);
        is_sheet = is_sheet && has_inside(&box, first);
        if (status == LENET_OK && step == first) status = lenet_ink_brightness(&nearer, &brightness, err);
        if (status == LENET_OK && !is_sheet) status = look(&nearer, brightness, step, digit, found, err);
        free(nearer.grey);
    }
    if (status != LENET_OK || !is_sheet) return status;
    status = cut_sheet(image, (struct lenet_box){box.y0 * first, box.x0 * first, box.y1 * first, box.x1 * first},
                       &nearer, err);
    if (status == LENET_OK) status = find(&nearer, sheets - 1, digit, found, err);
    free(nearer.grey);
    return status;
}

/* Looks again with paper around the picture, where a 1 may fill it. */
static enum lenet_status find_bar(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS], int *found,
                                  struct lenet_error *err) {
    const int edge = image->H / 4, W = image->W + 2 * edge;
    uint8_t paper;
    if (image->H < LEAST_PICTURE || !lenet_is_bar(image, &paper)) return LENET_OK;
    struct lenet_image wider = {.H = image->H + 2 * edge, .W = W};
    if (!(wider.grey = malloc((size_t)wider.H * (size_t)W))) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memset(wider.grey, paper, (size_t)wider.H * (size_t)W);
    for (int y = 0; y < image->H; y++)
        memcpy(wider.grey + (edge + y) * W + edge, image->grey + y * image->W, (size_t)image->W);
    const enum lenet_status status = find(&wider, 0, digit, found, err);
    free(wider.grey);
    return status;
}

enum lenet_status lenet_digit_find(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS], int *found,
                                   struct lenet_error *err) {
    *found = 0;
    memset(digit, 0, LENET_DIGIT_PIXELS);
    if (image->H == LENET_DIGIT_SIDE && image->W == LENET_DIGIT_SIDE)
        for (int flip = 0; flip <= 255; flip += 255)
            if (is_mnist_like(image->grey, flip)) {
                for (int i = 0; i < LENET_DIGIT_PIXELS; i++) digit[i] = (uint8_t)(image->grey[i] ^ flip);
                *found = 1;
                return LENET_OK;
            }
    LENET_TRY(find(image, SHEETS, digit, found, err));
    return *found ? LENET_OK : find_bar(image, digit, found, err);
}
