/* lines.c - erases the lines of ruled and squared paper: straight, thin, and from side to side of the picture. */
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"

enum {
    LEAST_PICTURE = 64, /* pixels: in smaller pictures lines are as wide as strokes             */
    TILTS = 12,         /* lines rise or fall by at most this many steps of 1/256 of their length */
    BESIDE = 4          /* pixels: so far from a line's middle there is paper                     */
};

/* Rows to follow, or columns as if they were rows. */
struct view {
    int16_t *c;
    int n, length, step, stride; /* lines, their pixels, from one pixel to the next, from one line to the next */
};

static int16_t *pixel(const struct view *v, int line, int at, int tilt, int beside) {
    const int y = line + beside + tilt * (2 * at - v->length) / 512;
    return y < 0 || y >= v->n ? NULL : v->c + y * v->stride + at * v->step;
}

/* How many pixels of a line stand out, and its median contrast. */
static int trace(const struct view *v, int line, int tilt, int beside, int least, int *median) {
    int histogram[256] = {0}, above = 0, seen = 0, inside = 0;
    for (int at = 0; at < v->length; at++) {
        const int16_t *p = pixel(v, line, at, tilt, beside);
        const int c = !p || *p < 0 ? 0 : *p;
        inside += p != NULL;
        above += c > least;
        histogram[c]++;
    }
    for (*median = 0; *median < 255 && 2 * (seen += histogram[*median]) < v->length;) ++*median;
    return inside == v->length ? above : 0;
}

/* Whether a line stands out along nearly all its length, and what is beside it does not. */
static int is_line(const struct view *v, int line, int tilt, int least, int *median) {
    int other;
    return 10 * trace(v, line, tilt, 0, least, median) >= 8 * v->length &&
           10 * trace(v, line, tilt, -BESIDE, least, &other) < 4 * v->length &&
           10 * trace(v, line, tilt, BESIDE, least, &other) < 4 * v->length;
}

/* What is much darker than the line is ink that crosses it. */
static void erase(const struct view *v, int line, int tilt, int median) {
    for (int beside = 1 - BESIDE; beside < BESIDE; beside++)
        for (int at = 0; at < v->length; at++) {
            int16_t *p = pixel(v, line, at, tilt, beside);
            if (p && 2 * *p < 3 * median) *p = *p < 0 ? *p : 0;
        }
}

/* found[line]: 1 + the tilt and the median of a line through its middle, as they are before any is erased. */
static void erase_along(const struct view *v, int least, int (*found)[2]) {
    int median;
    for (int line = 0; line < v->n; line++) {
        found[line][0] = TILTS + 1;
        for (int tilt = -TILTS; tilt <= TILTS && found[line][0] > TILTS; tilt++)
            if (is_line(v, line, tilt, least, &median)) found[line][0] = tilt, found[line][1] = median;
    }
    for (int line = 0; line < v->n; line++)
        if (found[line][0] <= TILTS) erase(v, line, found[line][0], found[line][1]);
}

enum lenet_status lenet_lines_erase(struct lenet_contrast *contrast, int level, struct lenet_error *err) {
    const int H = contrast->H, W = contrast->W, longer = H > W ? H : W, least = level / 5;
    if (longer < LEAST_PICTURE || 3 * H < W || 3 * W < H) return LENET_OK;
    int(*found)[2] = malloc((size_t)longer * sizeof *found);
    if (!found) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const struct view rows = {contrast->c, H, W, 1, W}, columns = {contrast->c, W, H, W, 1};
    erase_along(&rows, least, found);
    erase_along(&columns, least, found);
    free(found);
    return LENET_OK;
}
