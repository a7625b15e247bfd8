/* lines.c - erases the lines of ruled and squared paper: straight, thin, and from side to side of the picture. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    LEAST_PICTURE = 64, /* pixels: in smaller pictures lines are as wide as strokes          */
    STEEPEST = 20,      /* lines rise or fall by at most this part of their length            */
    MOST_BESIDE = 16,   /* pixels to each side of a line's middle that are looked at          */
    SAMPLES = 64        /* of a line's pixels so many tell whether it is one                  */
};

/* Rows to follow, or columns as if they were rows. */
struct view {
    int16_t *c;
    int n, length, step, stride; /* lines, their pixels, from one pixel to the next, from one line to the next */
    int beside;                  /* so far from a line's middle there is paper */
    int least;                   /* the contrast of what stands out            */
};

/* A pixel of a line that rises by `tilt` pixels in all and is at `line` in its middle; NULL outside. */
static int16_t *pixel(const struct view *v, int line, int at, int tilt) {
    const int y = line + tilt * (2 * at - v->length) / (2 * v->length);
    return y < 0 || y >= v->n ? NULL : v->c + y * v->stride + at * v->step;
}

/* Where the samples of a line are that has this tilt: their numbers along it, and how far beside its middle. */
struct samples {
    int n, at[SAMPLES], beside[SAMPLES];
};

static struct samples samples_of(const struct view *v, int tilt) {
    struct samples s = {.n = v->length < SAMPLES ? v->length : SAMPLES};
    for (int i = 0; i < s.n; i++) {
        s.at[i] = (2 * i + 1) * v->length / (2 * s.n) * v->step;
        s.beside[i] = tilt * (2 * i + 1 - s.n) / (2 * s.n);
    }
    return s;
}

/* The part of a line's samples that stand out, themselves or the pixels below, as a line may lie between two; 0 where
 * more than these are missing, or half of the line is outside of the picture. */
static double share(const struct view *v, const struct samples *s, int line, int missing) {
    int inside = 0, above = 0;
    for (int i = 0; i < s->n && inside - above <= missing; i++) {
        const int y = line + s->beside[i];
        if (y < 0 || y >= v->n - 1) continue;
        const int16_t *p = v->c + y * v->stride + s->at[i];
        inside++;
        above += p[0] > v->least || p[v->stride] > v->least;
    }
    return 2 * inside > s->n && inside - above <= missing ? (double)above / inside : 0;
}

/* Sets tilts[line] to the tilt at which a line stands out along most of its length and what is beside it does not;
 * INT_MAX for none. */
static void find_lines(const struct view *v, int *tilts, double *shares) {
    for (int line = 0; line < v->n; line++) tilts[line] = INT_MAX, shares[line] = 0.8;
    for (int tilt = -v->length / STEEPEST; tilt <= v->length / STEEPEST; tilt++) {
        const struct samples s = samples_of(v, tilt);
        for (int line = 0; line < v->n; line++) {
            const double part = share(v, &s, line, s.n / 5);
            if (part <= shares[line] || share(v, &s, line - v->beside, s.n) > 0.4 ||
                share(v, &s, line + v->beside, s.n) > 0.4)
                continue;
            shares[line] = part;
            tilts[line] = tilt;
        }
    }
}

static int stands_out(const struct view *v, int line, int at, int tilt) {
    const int16_t *p = pixel(v, line, at, tilt);
    return p && *p > v->least;
}

/* How many pixels across a line stand out at one place along it, from *first beside its middle on; 0 where none does.
 */
static int breadth(const struct view *v, int line, int at, int tilt, int *first) {
    static const int near[] = {0, 1, -1, 2, -2};
    int k = 0, end;
    while (k < 5 && !stands_out(v, line + near[k], at, tilt)) k++;
    if (k == 5) return 0;
    for (*first = near[k]; *first > -v->beside && stands_out(v, line + *first - 1, at, tilt);) --*first;
    for (end = near[k] + 1; end < v->beside && stands_out(v, line + end, at, tilt);) end++;
    return end - *first;
}

/* The median breadth of a line, and of its pixels' contrasts. */
static void measure(const struct view *v, int line, int tilt, int *breadths, int *contrast) {
    int of_breadth[2 * MOST_BESIDE + 2] = {0}, of_contrast[256] = {0}, n = 0, first = 0;
    for (int at = 0; at < v->length; at++) {
        const int16_t *p = pixel(v, line, at, tilt);
        if (!p) continue;
        of_breadth[breadth(v, line, at, tilt, &first)]++;
        of_contrast[*p < 0 ? 0 : *p]++;
        n++;
    }
    *breadths = *contrast = 0;
    for (int seen = of_breadth[0]; 2 * seen < n; seen += of_breadth[*breadths]) ++*breadths;
    for (int seen = of_contrast[0]; 2 * seen < n; seen += of_contrast[*contrast]) ++*contrast;
}

/* What is much broader or darker than the line is ink that crosses it. */
static void erase(const struct view *v, int line, int tilt) {
    int usual, contrast, first = 0;
    measure(v, line, tilt, &usual, &contrast);
    for (int at = 0; at < v->length; at++) {
        const int n = breadth(v, line, at, tilt, &first);
        if (n == 0 || n > usual + 1 + usual / 2) continue;
        for (int beside = first - 1; beside <= first + n; beside++) {
            int16_t *p = pixel(v, line + beside, at, tilt);
            if (p && *p > 0 && 2 * *p < 3 * contrast) *p = 0;
        }
    }
}

/* All lines are found before any is erased. tilts and shares are room for n. */
static void erase_along(const struct view *v, int *tilts, double *shares) {
    find_lines(v, tilts, shares);
    for (int line = 0; line < v->n; line++)
        if (tilts[line] != INT_MAX) erase(v, line, tilts[line]);
}

enum lenet_status lenet_lines_erase(struct lenet_contrast *contrast, int level, struct lenet_error *err) {
    const int H = contrast->H, W = contrast->W, longer = H > W ? H : W, beside = 4 + longer / 200, least = level / 5;
    if (longer < LEAST_PICTURE || 3 * H < W || 3 * W < H) return LENET_OK;
    const struct view rows = {contrast->c, H, W, 1, W, beside, least},
                      columns = {contrast->c, W, H, W, 1, beside, least};
    int *tilts = malloc((size_t)longer * sizeof *tilts);
    double *shares = malloc((size_t)longer * sizeof *shares);
    if (tilts && shares) {
        erase_along(&rows, tilts, shares);
        erase_along(&columns, tilts, shares);
    }
    const int had_room = tilts && shares;
    free(tilts);
    free(shares);
    return had_room ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}
