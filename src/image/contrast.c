/* contrast.c - tells what is drawn from what it is drawn on, in uneven light.
 *
 * Strokes have paper on both sides, within a bounded breadth; shadows and spots of light do not. So the paper's
 * brightness at each place is that of the picture in which all dark gaps are closed that no square of that breadth fits
 * into, be it partly beyond the rim: a grey-scale morphological closing. It leaves every edge of a shadow where it is.
 * Whether ink is darker or brighter than paper, a plane through the brightness along the rim gives a first guess. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    TILES = 16, /* along the longer side, at most */
    MIN_TILE = 3,
    WIDEST = 3,    /* strokes are narrower than this part of a picture              */
    LEAST_GAP = 9, /* or than so many pixels of a small one                         */
    DARKEST = 64   /* paper that is darker than this does not make contrasts larger */
};

struct tiles {
    int side, H, W;
    int pixels_H, pixels_W; /* of the picture */
    uint8_t median[TILES * TILES];
};

/* a + b x + c y + d xy, x and y from -1 to 1. */
struct plane {
    double a[4];
};

static double plane_at(const struct plane *plane, double y, double x) {
    return plane->a[0] + plane->a[1] * x + plane->a[2] * y + plane->a[3] * x * y;
}

/* ---- tiles -------------------------------------------------------------------------------------------- */

static uint8_t median_of_tile(const struct lenet_image *image, int side, int ty, int tx) {
    uint16_t histogram[256] = {0};
    const int y1 = (ty + 1) * side, x1 = (tx + 1) * side;
    const int bottom = y1 < image->H ? y1 : image->H, right = x1 < image->W ? x1 : image->W;
    int n = 0, v = 0;
    for (int y = ty * side; y < bottom; y++)
        for (int x = tx * side; x < right; x++, n++) histogram[image->grey[y * image->W + x]]++;
    for (int seen = histogram[0]; 2 * seen < n; seen += histogram[v]) v++;
    return (uint8_t)v;
}

static int is_at_rim(const struct tiles *tiles, int ty, int tx) {
    return !ty || !tx || ty == tiles->H - 1 || tx == tiles->W - 1;
}

static void make_tiles(const struct lenet_image *image, struct tiles *tiles) {
    const int longer = image->H > image->W ? image->H : image->W, side = (longer + TILES - 1) / TILES;
    tiles->pixels_H = image->H;
    tiles->pixels_W = image->W;
    tiles->side = side > MIN_TILE ? side : MIN_TILE;
    tiles->H = (image->H + tiles->side - 1) / tiles->side;
    tiles->W = (image->W + tiles->side - 1) / tiles->side;
    for (int ty = 0; ty < tiles->H; ty++)
        for (int tx = 0; tx < tiles->W; tx++)
            if (is_at_rim(tiles, ty, tx))
                tiles->median[ty * tiles->W + tx] = median_of_tile(image, tiles->side, ty, tx);
}

/* Where the middle of a tile is in a picture of n pixels, from -1 to 1. */
static double tile_centre(int t, int side, int n) {
    const int end = (t + 1) * side < n ? (t + 1) * side : n;
    return n > 1 ? (double)(t * side + end - 1) / (n - 1) - 1 : 0;
}

/* Solves m a = b by elimination; m is symmetric and has a positive diagonal. */
static void solve(double m[4][5], double a[4]) {
    for (int i = 0; i < 4; i++)
        for (int k = i + 1; k < 4; k++) {
            const double f = m[k][i] / m[i][i];
            for (int j = i; j < 5; j++) m[k][j] -= f * m[i][j];
        }
    for (int i = 3; i >= 0; i--) {
        a[i] = m[i][4];
        for (int j = i + 1; j < 4; j++) a[i] -= m[i][j] * a[j];
        a[i] /= m[i][i];
    }
}

/* The plane through the medians of the tiles at the rim that makes the sum of absolute differences least, by
 * reweighted least squares: what touches the rim at some places does not count. */
static struct plane rim_plane(const struct tiles *tiles) {
    struct plane plane = {{0}};
    for (int round = 0; round < 20; round++) {
        double m[4][5] = {{0}};
        for (int i = 0; i < 4; i++) m[i][i] = 1e-6;
        for (int ty = 0; ty < tiles->H; ty++)
            for (int tx = 0; tx < tiles->W; tx++) {
                if (!is_at_rim(tiles, ty, tx)) continue;
                const double y = tile_centre(ty, tiles->side, tiles->pixels_H),
                             x = tile_centre(tx, tiles->side, tiles->pixels_W);
                const double v = tiles->median[ty * tiles->W + tx], basis[5] = {1, x, y, x * y, v};
                const double weight = round ? 1 / fmax(fabs(v - plane_at(&plane, y, x)), 1) : 1;
                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 5; j++) m[i][j] += weight * basis[i] * basis[j];
            }
        solve(m, plane.a);
    }
    return plane;
}

/* ---- dark on light, or light on dark --------------------------------------------------------------------- */

/* The cubes let what stands out far count for more than wide areas that differ little. */
int lenet_is_darker_than_rim(const struct lenet_image *image) {
    struct tiles tiles;
    make_tiles(image, &tiles);
    const struct plane plane = rim_plane(&tiles);
    const int step = 1 + (image->H > image->W ? image->H : image->W) / 256;
    const double dy = image->H > 1 ? 2.0 / (image->H - 1) : 0, dx = image->W > 1 ? 2.0 / (image->W - 1) : 0;
    double sum = 0;
    for (int y = 0; y < image->H; y += step)
        for (int x = 0; x < image->W; x += step) {
            const double r = image->grey[y * image->W + x] - plane_at(&plane, y * dy - 1, x * dx - 1);
            sum += r * r * r;
        }
    return sum < 0;
}

/* ---- the paper --------------------------------------------------------------------------------------------- */

/* A picture with a margin of black, and room for another. */
struct field {
    int margin, stride; /* of pixels on each side; from one row to the next */
    size_t size;        /* pixels, with margins                             */
    uint8_t *v, *next;
};

static void swap(struct field *f) {
    uint8_t *v = f->v;
    f->v = f->next;
    f->next = v;
}

/* Replaces each value by the middle one of itself and its neighbours, which takes off noise and leaves edges. */
static void take_medians(struct field *f, int stride) {
    const uint8_t *restrict v = f->v;
    uint8_t *restrict next = f->next;
    memcpy(next, v, f->size);
    for (size_t i = (size_t)stride; i + (size_t)stride < f->size; i++) {
        const uint8_t a = v[i - (size_t)stride], b = v[i], c = v[i + (size_t)stride];
        const uint8_t low = a < b ? a : b, high = a < b ? b : a, upper = high < c ? high : c;
        next[i] = low > upper ? low : upper;
    }
    swap(f);
}

/* Each value becomes the largest (flip 0) or smallest (flip 255) of itself and those up to margin behind it, by
 * doubling how many are in each. */
static void take_extremes(struct field *f, int stride, uint8_t flip) {
    const int all = f->margin + 1;
    for (int have = 1, more; have < all; have += more) {
        more = have < all - have ? have : all - have;
        const size_t shift = (size_t)more * (size_t)stride;
        const uint8_t *restrict v = f->v;
        uint8_t *restrict next = f->next;
        for (size_t i = 0; i + shift < f->size; i++) {
            const uint8_t a = v[i] ^ flip, b = v[i + shift] ^ flip;
            next[i] = (a > b ? a : b) ^ flip;
        }
        memcpy(next + f->size - shift, v + f->size - shift, shift);
        swap(f);
    }
}

/* Puts the brightness of the paper at each place into field->v, which the caller frees as it does field->next. */
static enum lenet_status find_paper(const struct lenet_image *image, int flip, struct field *field,
                                    struct lenet_error *err) {
    const int longer = image->H > image->W ? image->H : image->W;
    field->margin = longer / WIDEST > LEAST_GAP ? longer / WIDEST : LEAST_GAP;
    field->stride = image->W + 2 * field->margin;
    field->size = (size_t)field->stride * (size_t)(image->H + 2 * field->margin);
    field->v = calloc(field->size, 1);
    field->next = malloc(field->size);
    if (!field->v || !field->next) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < image->H; y++)
        for (int x = 0; x < image->W; x++)
            field->v[(y + field->margin) * field->stride + x + field->margin] =
                (uint8_t)(image->grey[y * image->W + x] ^ flip);
    take_medians(field, 1);
    take_medians(field, field->stride);
    for (int round = 0; round < 2; round++) {
        take_extremes(field, 1, round ? 255 : 0);
        take_extremes(field, field->stride, round ? 255 : 0);
    }
    return LENET_OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

/* Moves contrasts so that the paper's are about 0, and estimates their noise. Only the lower ones are looked at: they
 * are the paper's alone. Of a normal distribution 5 % are below -1.645, and 30 % below -0.524 standard deviations. */
static void level(struct lenet_contrast *contrast) {
    enum { MOST = 255 };
    const size_t n = (size_t)contrast->H * (size_t)contrast->W;
    uint32_t histogram[2 * MOST + 1] = {0}, seen = 0;
    int v = 0;
    for (size_t i = 0; i < n; i++) histogram[contrast->c[i] + MOST]++;
    while ((double)(seen += histogram[v]) < 0.05 * (double)n) v++;
    const int low = v++;
    for (; (double)seen < 0.3 * (double)n; v++) seen += histogram[v];
    const int middle = v - 1;
    contrast->noise = (middle - low) / (1.645 - 0.524);
    const int zero = (int)lrint(middle - MOST + 0.4 * contrast->noise);
    for (size_t i = 0; i < n; i++) {
        const int c = contrast->c[i] - zero;
        contrast->c[i] = (int16_t)(c < -MOST ? -MOST : c > MOST ? MOST : c);
    }
}

enum lenet_status lenet_contrast_of(const struct lenet_image *image, int dark, struct lenet_contrast *contrast,
                                    struct lenet_error *err) {
    const int H = image->H, W = image->W, flip = dark ? 0 : 255, least = dark ? DARKEST : 2 * DARKEST;
    struct field paper = {.margin = 0};
    *contrast = (struct lenet_contrast){.H = H, .W = W};
    enum lenet_status status = find_paper(image, flip, &paper, err);
    if (status == LENET_OK && !(contrast->c = malloc((size_t)H * (size_t)W * sizeof *contrast->c)))
        status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < H && status == LENET_OK; y++)
        for (int x = 0; x < W; x++) {
            const int white = paper.v[y * paper.stride + x], c = white - (image->grey[y * W + x] ^ flip);
            const int share = 255 * c / (white > least ? white : least); /* far below 0 beside black paper */
            contrast->c[y * W + x] = (int16_t)(share < -255 ? -255 : share);
        }
    free(paper.v);
    free(paper.next);
    if (status == LENET_OK) level(contrast);
    return status;
}

/* The sum of each value and its neighbours in one direction; at the ends, of the last one twice. */
static void sum_of_three(const int16_t *in, int16_t *out, int n, int stride) {
    for (int i = 0; i < n; i++)
        out[i * stride] =
            (int16_t)(in[(i ? i - 1 : 0) * stride] + in[i * stride] + in[(i < n - 1 ? i + 1 : i) * stride]);
}

enum lenet_status lenet_contrast_smooth(struct lenet_contrast *contrast, struct lenet_error *err) {
    const int H = contrast->H, W = contrast->W;
    int16_t *rows = malloc((size_t)H * (size_t)W * sizeof *rows);
    if (!rows) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = 0; y < H; y++) sum_of_three(contrast->c + (size_t)y * (size_t)W, rows + (size_t)y * (size_t)W, W, 1);
    for (int x = 0; x < W; x++) sum_of_three(rows + x, contrast->c + x, H, W);
    for (size_t i = 0; i < (size_t)H * (size_t)W; i++)
        contrast->c[i] = (int16_t)((contrast->c[i] + (contrast->c[i] < 0 ? -4 : 4)) / 9);
    free(rows);
    level(contrast);
    return LENET_OK;
}
