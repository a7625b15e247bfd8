/* lines.c - erases the lines of ruled and squared paper: straight, thin, and from side to side of the picture. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    LEAST_PICTURE = 64, /* pixels: in smaller pictures lines are as wide as strokes          */
    STEEPEST = 20,      /* lines rise or fall by at most this part of their length            */
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

/* The part of a line's pixels that stand out, themselves or the ones below, as a line may lie between two; 0 where half
 * of it is outside of the picture. */
static double share(const struct view *v, int line, int tilt) {
    const int samples = v->length < SAMPLES ? v->length : SAMPLES;
    int above = 0, inside = 0;
    for (int i = 0; i < samples; i++) {
        const int16_t *p = pixel(v, line, (2 * i + 1) * v->length / (2 * samples), tilt);
        inside += p != NULL;
        const int16_t *below = pixel(v, line + 1, (2 * i + 1) * v->length / (2 * samples), tilt);
        above += (p && *p > v->least) || (below && *below > v->least);
    }
    return 2 * inside > samples ? (double)above / inside : 0;
}

/* The tilt at which a line stands out along most of its length and what is beside it does not; INT_MAX for none. */
static int tilt_of_line(const struct view *v, int line) {
    const int steepest = v->length / STEEPEST;
    double most = 0.8;
    int best = INT_MAX;
    for (int tilt = -steepest; tilt <= steepest; tilt++) {
        const double part = share(v, line, tilt);
        if (part <= most || share(v, line - v->beside, tilt) > 0.4 || share(v, line + v->beside, tilt) > 0.4) continue;
        most = part;
        best = tilt;
    }
    return best;
}

static int median_of_line(const struct view *v, int line, int tilt) {
    int histogram[256] = {0}, n = 0, median = 0;
    for (int at = 0; at < v->length; at++) {
        const int16_t *p = pixel(v, line, at, tilt);
        if (!p) continue;
        histogram[*p < 0 ? 0 : *p]++;
        n++;
    }
    for (int seen = histogram[0]; 2 * seen < n; seen += histogram[median]) median++;
    return median;
}

/* What is much darker than the line is ink that crosses it. */
static void erase(const struct view *v, int line, int tilt, int median) {
    for (int beside = 1 - v->beside; beside < v->beside; beside++)
        for (int at = 0; at < v->length; at++) {
            int16_t *p = pixel(v, line + beside, at, tilt);
            if (p && 2 * *p < 3 * median) *p = *p < 0 ? *p : 0;
        }
}

/* tilts[n] is room. All lines are found before any is erased. */
static void erase_along(const struct view *v, int *tilts) {
    for (int line = 0; line < v->n; line++) tilts[line] = tilt_of_line(v, line);
    for (int line = 0; line < v->n; line++)
        if (tilts[line] != INT_MAX) erase(v, line, tilts[line], median_of_line(v, line, tilts[line]));
}

enum lenet_status lenet_lines_erase(struct lenet_contrast *contrast, int level, struct lenet_error *err) {
    const int H = contrast->H, W = contrast->W, longer = H > W ? H : W, beside = 4 + longer / 200, least = level / 5;
    if (longer < LEAST_PICTURE || 3 * H < W || 3 * W < H) return LENET_OK;
    int *tilts = malloc((size_t)longer * sizeof *tilts);
    if (!tilts) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const struct view rows = {contrast->c, H, W, 1, W, beside, least},
                      columns = {contrast->c, W, H, W, 1, beside, least};
    erase_along(&rows, tilts);
    erase_along(&columns, tilts);
    free(tilts);
    return LENET_OK;
}
