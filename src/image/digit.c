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
    LONGEST = 32,      /* a picture that is longer than so many times its width is a bar            */
    SMOOTHINGS = 4,    /* that are tried                                                             */
    TAIL = 16,         /* contrast of noise alone, of which all that counts is just above the least */
    CLEAR = 10,        /* standard deviations of the noise, of which ink stands out by more          */
    BRIGHTEST = 200,   /* contrast that light alone does not reach                                      */
    FAINT = 60         /* contrast up to which noise, and shadows along the rim, are no ink          */
};

static const double LEAST_NOISE = 1.7; /* as of JPEG, where paper is all of one grey */
static const double MOST_RIM = 0.03;   /* of the picture's rim that faint ink touches                         */
static const double MOST_CUT = 0.5;    /* of the rim along which a picture of a digit was cut out              */

/* What a digit's strokes are like, of those in some 80 pictures of each kind of own_digits.py: by struct lenet_ink
 * their edges are above 0.65, they are thinner than 0.48, and edges + alike - thick is about 1.75, and 1.06 where the
 * light is at its worst. Spots of light and what JPEG puts beside edges reach 1.45. */
static const double LEAST_EDGES = 0.6;
static const double THICKEST = 0.48;
static const double THINNEST = 0.05; /* strokes so thin are also what JPEG puts beside edges               */
static const double MESH = 10;       /* times their own length the strokes of a digit are not wound           */
static const double LEAST_SCORE = 1; /* of edges + alike - thick                                           */
static const double SURE = 1.46;     /* the least score of what light and JPEG may have made               */
static const double PLAIN = 1.6;     /* from this score on, ink of the other brightness is not looked for  */
static const double DOUBT = 0.1;     /* by which that has to have a better score                           */

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

static int longer_side(const struct lenet_image *image) { return image->H > image->W ? image->H : image->W; }

/* By how much a picture is shrunk for the first look. */
static int first_step(const struct lenet_image *image) { return (longer_side(image) + FIRST_LOOK - 1) / FIRST_LOOK; }

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

static int is_clear(const struct lenet_contrast *contrast, const struct lenet_ink *ink) {
    return ink->level > CLEAR * fmax(contrast->noise, LEAST_NOISE);
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
    ink->found &= ink->level > FAINT * 2 / 3 || (ink->level > TAIL && is_clear(contrast, ink) && ink->rim <= MOST_RIM);
    return LENET_OK;
}

/* What was found, of ink that is darker or of ink that is brighter than the paper. */
struct finding {
    struct lenet_contrast contrast;
    struct lenet_ink ink;
};

/* How much like a digit's the strokes are; 0 where there are none. */
static double score(const struct finding *finding) {
    const struct lenet_ink *ink = &finding->ink;
    return ink->found ? ink->edges + ink->alike - ink->thick : 0;
}

/* As a spot of light is. */
static int is_blob(const struct lenet_ink *ink) {
    const int h = ink->box.y1 - ink->box.y0, w = ink->box.x1 - ink->box.x0;
    return ink->level < BRIGHTEST && ink->filled > 0.55 && ink->thick > 0.33 && 2 * h < 5 * w && 2 * w < 5 * h;
}

/* Light makes bright blobs, and JPEG faint strokes and thin ones: of those only what is surely a digit is one. */
static int is_digit(const struct finding *finding, int dark) {
    const struct lenet_ink *ink = &finding->ink;
    return ink->edges >= LEAST_EDGES && ink->thick <= THICKEST && ink->filled <= fmax(0.3, MESH * ink->thick) &&
           score(finding) >=
               ((!dark && is_blob(ink)) || ink->thick < THINNEST || ink->level <= FAINT ? SURE : LEAST_SCORE);
}

static enum lenet_status look_for(const struct lenet_image *image, int dark, struct finding *finding,
                                  struct lenet_error *err) {
    LENET_TRY(lenet_contrast_of(image, dark, &finding->contrast, err));
    LENET_TRY(find_ink(&finding->contrast, &finding->ink, err));
    if (!finding->ink.found) return LENET_OK;
    LENET_TRY(lenet_ink_measure(image, dark, &finding->ink, err));
    finding->ink.found = is_digit(finding, dark);
    return LENET_OK;
}

static void free_finding(struct finding *finding) {
    free(finding->ink.mask);
    free(finding->contrast.c);
}

/* Looks for ink that is as it most likely is, and where that is not clearly a digit also for the other. */
static enum lenet_status look(const struct lenet_image *image, int dark, struct finding *best,
                              struct lenet_error *err) {
    struct finding other = {.ink = {.found = 0}};
    *best = other;
    LENET_TRY(look_for(image, dark, best, err));
    if (score(best) >= PLAIN && best->ink.rim == 0) return LENET_OK;
    const enum lenet_status status = look_for(image, !dark, &other, err);
    if (status == LENET_OK && score(&other) > score(best) + DOUBT) {
        const struct finding swap = *best;
        *best = other;
        other = swap;
    }
    free_finding(&other);
    return status;
}

/* What there is in a picture. */
struct answer {
    uint8_t *digit;
    int found, is_large, is_at_rim;
};

/* Draws a digit that is found. What is clear ink in an earlier look stays where a nearer one finds nothing. */
static enum lenet_status look_and_draw(const struct lenet_image *image, int dark, int step, struct answer *answer,
                                       struct lenet_error *err) {
    struct finding best;
    enum lenet_status status = look(image, dark, &best, err);
    if (status == LENET_OK && best.ink.found) {
        const struct lenet_box *box = &best.ink.box;
        answer->is_large = box->y1 - box->y0 >= LARGE_ENOUGH || box->x1 - box->x0 >= LARGE_ENOUGH;
        answer->found = step == 1 || answer->is_large || best.ink.level > FAINT;
        answer->is_at_rim = best.ink.rim > 0;
        status = lenet_ink_draw(&best.contrast, &best.ink, answer->digit, err);
    }
    free_finding(&best);
    return status;
}

/* Looks at the whole first, shrunk, and more closely while nothing large is found. */
static enum lenet_status find(const struct lenet_image *image, struct answer *answer, struct lenet_error *err) {
    struct lenet_image nearer;
    const int first = first_step(image);
    int dark = 1;
    enum lenet_status status = LENET_OK;
    for (int step = first; step >= 1 && status == LENET_OK && !answer->is_large; step /= 2) {
        LENET_TRY(shrink(image, step, &nearer, err));
        if (step == first) dark = lenet_is_darker_than_rim(&nearer);
        status = look_and_draw(&nearer, dark, step, answer, err);
        free(nearer.grey);
    }
    return status;
}

/* The picture with an edge of one grey around it. */
static enum lenet_status widen(const struct lenet_image *image, int edge, uint8_t grey, struct lenet_image *wider,
                               struct lenet_error *err) {
    const int H = image->H + 2 * edge, W = image->W + 2 * edge;
    *wider = (struct lenet_image){.H = H, .W = W, .grey = malloc((size_t)H * (size_t)W)};
    if (!wider->grey) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memset(wider->grey, grey, (size_t)H * (size_t)W);
    for (int y = 0; y < image->H; y++)
        memcpy(wider->grey + (edge + y) * W + edge, image->grey + y * image->W, (size_t)image->W);
    return LENET_OK;
}

/* The part of the rim of a picture that is ink, where an edge of paper was put around it. */
static double rim_within(const struct lenet_ink *ink, int H, int W, int edge) {
    const int stride = W + 2 * edge;
    const uint8_t *first = ink->mask + edge * stride + edge;
    int rim = 0;
    for (int x = 0; x < W; x++) rim += first[x] + first[(H - 1) * stride + x];
    for (int y = 0; y < H; y++) rim += first[y * stride] + first[y * stride + W - 1];
    return rim / (2.0 * (H + W));
}

/* Looks with paper of this grey around the picture for a digit that reaches from side to side, both ways, and is no
 * frame. */
static enum lenet_status look_wider(const struct lenet_image *image, uint8_t paper, int dark, struct finding *finding,
                                    struct lenet_error *err) {
    const int H = image->H, W = image->W, edge = longer_side(image) / 4;
    struct lenet_ink *ink = &finding->ink;
    struct lenet_image wider;
    LENET_TRY(widen(image, edge, paper, &wider, err));
    const enum lenet_status status = look_for(&wider, dark, finding, err);
    free(wider.grey);
    ink->found = ink->found && 8 * (ink->box.y1 - ink->box.y0) >= 7 * H && 8 * (ink->box.x1 - ink->box.x0) >= 7 * W &&
                 rim_within(ink, H, W, edge) <= MOST_CUT;
    return status;
}

/* In a picture that was cut out along the digit, what is along the rim is ink and no shadow. */
static enum lenet_status find_cut_out(const struct lenet_image *image, struct answer *answer, struct lenet_error *err) {
    struct finding findings[2] = {{.ink = {.found = 0}}, {.ink = {.found = 0}}};
    uint8_t kinds[2];
    double bright;
    struct lenet_image small;
    LENET_TRY(shrink(image, first_step(image), &small, err));
    enum lenet_status status = LENET_OK;
    if (lenet_has_two_kinds(&small, kinds, &bright)) {
        const int is_bar = 2 * image->H >= 3 * image->W;
        for (int dark = 0; dark < 2 && status == LENET_OK; dark++)
            if (!is_bar || dark == (bright < 0.5)) status = look_wider(&small, kinds[dark], dark, &findings[dark], err);
    }
    struct finding *best = &findings[score(&findings[1]) > score(&findings[0])];
    if (status == LENET_OK && best->ink.found) {
        answer->found = 1;
        status = lenet_ink_draw(&best->contrast, &best->ink, answer->digit, err);
    }
    free_finding(&findings[0]);
    free_finding(&findings[1]);
    free(small.grey);
    return status;
}

enum lenet_status lenet_digit_find(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS], int *found,
                                   struct lenet_error *err) {
    struct answer answer = {.digit = digit};
    const int longer = longer_side(image);
    memset(digit, 0, LENET_DIGIT_PIXELS);
    if (image->H == LENET_DIGIT_SIDE && image->W == LENET_DIGIT_SIDE)
        for (int flip = 0; flip <= 255; flip += 255)
            if (is_mnist_like(image->grey, flip)) {
                for (int i = 0; i < LENET_DIGIT_PIXELS; i++) digit[i] = (uint8_t)(image->grey[i] ^ flip);
                *found = 1;
                return LENET_OK;
            }
    *found = 0;
    if (longer < LEAST_PICTURE || longer > LONGEST * image->H || longer > LONGEST * image->W) return LENET_OK;
    enum lenet_status status = find(image, &answer, err);
    if (status == LENET_OK && (!answer.found || answer.is_at_rim)) status = find_cut_out(image, &answer, err);
    *found = answer.found;
    return status;
}
