/* shape.c - tells strokes of ink from the rest of light and shadow: strokes are thin, and end at edges. */
#include <stdlib.h>

#include "image/parts.h"

enum {
    EDGE = 12,   /* part of the digit's longer side within which ink becomes paper */
    DARKEST = 64 /* as in contrast.c                                               */
};

static int larger_of(int a, int b) { return a > b ? a : b; }
static int smaller_of(int a, int b) { return a < b ? a : b; }

/* The side of the largest square of ink. */
static enum lenet_status largest_square(const struct lenet_ink *ink, int W, int *largest, struct lenet_error *err) {
    const struct lenet_box *box = &ink->box;
    int *sides = calloc((size_t)(box->x1 - box->x0 + 1), sizeof *sides); /* of those that end here, in this row */
    if (!sides) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int y = box->y0; y < box->y1; y++) {
        int corner = 0; /* of the row above and the column before */
        for (int x = box->x0; x < box->x1; x++) {
            int *side = &sides[x - box->x0 + 1];
            const int above = *side;
            *side = ink->mask[y * W + x] ? 1 + smaller_of(corner, smaller_of(above, side[-1])) : 0;
            *largest = larger_of(*largest, *side);
            corner = above;
        }
    }
    free(sides);
    return LENET_OK;
}

/* A row or a column of a picture. */
struct line {
    const uint8_t *grey, *mask;
    int n, stride, flip;
    int reach; /* pixels within which ink becomes paper          */
    int brief; /* pixels that the breadth of a stroke has at most */
};

/* The extreme grey of up to `reach` pixels from one on, of those with this mask: the darkest or, of paper, brightest.
 */
static int extreme(const struct line *line, int from, int direction, int ink) {
    int best = ink ? 255 : 0;
    for (int i = from; i >= 0 && i < line->n && (i - from) * direction < line->reach; i += direction) {
        const int grey = line->grey[i * line->stride] ^ line->flip;
        if (line->mask[i * line->stride] != ink) break;
        best = ink ? smaller_of(best, grey) : larger_of(best, grey);
    }
    return best;
}

static int are_alike(int a, int b, int rise) {
    const int low = smaller_of(a, b), high = larger_of(a, b);
    return high - low <= rise * 15 / 100 || 4 * (low + 16) >= 3 * (high + 16);
}

/* Rows and columns through ink: all, those that begin and end at an edge, short ones, those between like paper. */
struct crossings {
    int all, edged, brief, alike;
};

/* Adds the crossing of the ink from `begin` to `end`. */
static void add_crossing(const struct line *line, int begin, int end, const struct lenet_ink *ink,
                         struct crossings *crossings) {
    const int before = extreme(line, begin - 1, -1, 0), behind = extreme(line, end, 1, 0);
    const int rise1 = before - extreme(line, begin, 1, 1), rise2 = behind - extreme(line, end - 1, -1, 1);
    const int is_brief = end - begin <= line->brief;
    crossings->all++;
    crossings->edged += 2 * 255 * rise1 > ink->level * larger_of(before, DARKEST) &&
                        2 * 255 * rise2 > ink->level * larger_of(behind, DARKEST);
    crossings->brief += is_brief;
    crossings->alike += is_brief && are_alike(before ^ line->flip, behind ^ line->flip, smaller_of(rise1, rise2));
}

static void add_crossings(const struct line *line, const struct lenet_ink *ink, struct crossings *crossings) {
    for (int begin = 0, end; begin < line->n; begin = end) {
        end = begin + 1;
        if (!line->mask[begin * line->stride]) continue;
        while (end < line->n && line->mask[end * line->stride]) end++;
        if (begin > 0 && end < line->n) add_crossing(line, begin, end, ink, crossings);
    }
}

static void find_edges(const struct lenet_image *image, int flip, struct lenet_ink *ink) {
    const struct lenet_box *box = &ink->box;
    const int longer = larger_of(box->y1 - box->y0, box->x1 - box->x0), W = image->W;
    struct line row = {.n = W, .stride = 1, .flip = flip, .reach = 1 + longer / EDGE, .brief = longer * 2 / 5};
    struct line column = row;
    struct crossings crossings = {0};
    column.n = image->H;
    column.stride = W;
    for (int y = box->y0; y < box->y1; y++) {
        row.grey = image->grey + y * W;
        row.mask = ink->mask + y * W;
        add_crossings(&row, ink, &crossings);
    }
    for (int x = box->x0; x < box->x1; x++) {
        column.grey = image->grey + x;
        column.mask = ink->mask + x;
        add_crossings(&column, ink, &crossings);
    }
    ink->edges = crossings.all ? (double)crossings.edged / crossings.all : 0;
    ink->alike = crossings.brief ? (double)crossings.alike / crossings.brief : 0;
}

enum lenet_status lenet_ink_measure(const struct lenet_image *image, int dark, struct lenet_ink *ink,
                                    struct lenet_error *err) {
    int square = 0;
    LENET_TRY(largest_square(ink, image->W, &square, err));
    ink->thick = (double)square / larger_of(ink->box.y1 - ink->box.y0, ink->box.x1 - ink->box.x0);
    find_edges(image, dark ? 0 : 255, ink);
    return LENET_OK;
}
