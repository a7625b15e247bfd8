/* contrast.c - tells what is drawn from what it is drawn on, in uneven light.
 *
 * The rim of a picture is mostly paper. A plane through the brightness along the rim tells whether what is drawn is
 * darker or brighter. The paper's brightness at each place is then that of the brighter pixels around (were it drawn in
 * a darker colour), where dark gaps narrower than some tiles are closed: a grey-scale morphological closing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    TILES = 16, /* along the longer side, at most */
    MIN_TILE = 3,
    GAP = 2,     /* tiles to each side that a closing bridges: strokes are narrower than 5/16 of a picture */
    DARKEST = 64 /* paper that is darker than this does not make contrasts larger */
};

/* Of a tile's pixels a quarter, half and three quarters are not above these. */
struct tiles {
    int side, H, W;
    int pixels_H, pixels_W; /* of the picture */
    uint8_t quartile[3][TILES * TILES];
    float paper[TILES * TILES]; /* brightness, less the plane's */
};

/* a + b x + c y + d xy, x and y from -1 to 1. */
struct plane {
    double a[4];
};

static double plane_at(const struct plane *plane, double y, double x) {
    return plane->a[0] + plane->a[1] * x + plane->a[2] * y + plane->a[3] * x * y;
}

/* ---- tiles -------------------------------------------------------------------------------------------- */

static void tile_quartiles(const struct lenet_image *image, struct tiles *tiles, int ty, int tx) {
    uint16_t histogram[256] = {0};
    const int y1 = (ty + 1) * tiles->side, x1 = (tx + 1) * tiles->side;
    const int bottom = y1 < image->H ? y1 : image->H, right = x1 < image->W ? x1 : image->W;
    int n = 0, seen = 0, q = 0;
    for (int y = ty * tiles->side; y < bottom; y++)
        for (int x = tx * tiles->side; x < right; x++, n++) histogram[image->grey[y * image->W + x]]++;
    for (int v = 0; v < 256 && q < 3; v++)
        for (seen += histogram[v]; q < 3 && 4 * seen >= (q + 1) * n; q++)
            tiles->quartile[q][ty * tiles->W + tx] = (uint8_t)v;
}

static void make_tiles(const struct lenet_image *image, struct tiles *tiles) {
    const int longer = image->H > image->W ? image->H : image->W, side = (longer + TILES - 1) / TILES;
    tiles->pixels_H = image->H;
    tiles->pixels_W = image->W;
    tiles->side = side > MIN_TILE ? side : MIN_TILE;
    tiles->H = (image->H + tiles->side - 1) / tiles->side;
    tiles->W = (image->W + tiles->side - 1) / tiles->side;
    for (int ty = 0; ty < tiles->H; ty++)
        for (int tx = 0; tx < tiles->W; tx++) tile_quartiles(image, tiles, ty, tx);
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
                if (ty && tx && ty < tiles->H - 1 && tx < tiles->W - 1) continue;
                const double y = tile_centre(ty, tiles->side, tiles->pixels_H),
                             x = tile_centre(tx, tiles->side, tiles->pixels_W);
                const double v = tiles->quartile[1][ty * tiles->W + tx], basis[5] = {1, x, y, x * y, v};
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

/* Each value becomes the largest (sign 1) or smallest (sign -1) of those up to GAP away in one direction. */
static void extreme(float *values, int n, int stride, float sign) {
    float was[TILES];
    for (int i = 0; i < n; i++) was[i] = sign * values[i * stride];
    for (int i = 0; i < n; i++) {
        float best = was[i];
        for (int k = i > GAP ? i - GAP : 0; k <= i + GAP && k < n; k++) best = lenet_most(best, was[k]);
        values[i * stride] = sign * best;
    }
}

static void close_gaps(struct tiles *tiles) {
    for (int round = 0; round < 2; round++) {
        const float sign = round ? -1 : 1;
        for (int ty = 0; ty < tiles->H; ty++) extreme(tiles->paper + ty * tiles->W, tiles->W, 1, sign);
        for (int tx = 0; tx < tiles->W; tx++) extreme(tiles->paper + tx, tiles->H, tiles->W, sign);
    }
}

/* Where a pixel lies between the centres of tiles: after which one, and how far on the way to the next. */
struct place {
    int tile, next;
    float part;
};

static struct place place_of(int pixel, int side, int n) {
    const float at = ((float)pixel + 0.5F) / (float)side - 0.5F;
    const int tile = at <= 0 ? 0 : (int)at < n - 1 ? (int)at : n - 1;
    return (struct place){tile, tile < n - 1 ? tile + 1 : tile, lenet_least(lenet_most(at - (float)tile, 0), 1)};
}

/* The brightness of the paper along row y. */
static void paper_row(const struct tiles *tiles, const struct plane *plane, int H, int W, int y,
                      const struct place *places, float *row) {
    const struct place down = place_of(y, tiles->side, tiles->H);
    const double v = H > 1 ? 2.0 * y / (H - 1) - 1 : 0, dx = W > 1 ? 2.0 / (W - 1) : 0;
    const float left = (float)plane_at(plane, v, -1), slope = (float)((plane->a[1] + plane->a[3] * v) * dx);
    float line[TILES]; /* of tiles, at the height of the row */
    for (int tx = 0; tx < tiles->W; tx++) {
        const float above = tiles->paper[down.tile * tiles->W + tx], below = tiles->paper[down.next * tiles->W + tx];
        line[tx] = above + down.part * (below - above) + left;
    }
    for (int x = 0; x < W; x++) {
        const struct place across = places[x];
        row[x] = line[across.tile] + across.part * (line[across.next] - line[across.tile]) + slope * (float)x;
    }
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
    const int H = image->H, W = image->W, flip = dark ? 0 : 255;
    struct tiles tiles;
    *contrast = (struct lenet_contrast){.H = H, .W = W};
    contrast->c = malloc((size_t)H * (size_t)W * sizeof *contrast->c);
    float *row = malloc((size_t)W * sizeof *row);
    struct place *places = malloc((size_t)W * sizeof *places);
    if (!contrast->c || !row || !places) {
        free(row);
        free(places);
        return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    make_tiles(image, &tiles);
    struct plane plane = rim_plane(&tiles);
    if (!dark) {
        for (int i = 0; i < 4; i++) plane.a[i] = -plane.a[i];
        plane.a[0] += 255;
    }
    for (int t = 0; t < tiles.H * tiles.W; t++)
        tiles.paper[t] =
            (float)((tiles.quartile[dark ? 2 : 0][t] ^ flip) -
                    plane_at(&plane, tile_centre(t / tiles.W, tiles.side, H), tile_centre(t % tiles.W, tiles.side, W)));
    close_gaps(&tiles);
    for (int x = 0; x < W; x++) places[x] = place_of(x, tiles.side, tiles.W);
    for (int y = 0; y < H; y++) {
        paper_row(&tiles, &plane, H, W, y, places, row);
        for (int x = 0; x < W; x++) {
            const float c = 255 * (row[x] - (float)(image->grey[y * W + x] ^ flip)) / lenet_most(row[x], DARKEST);
            contrast->c[y * W + x] = (int16_t)lenet_least(lenet_most(c, -255), 255);
        }
    }
    free(row);
    free(places);
    level(contrast);
    return LENET_OK;
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
