/* ink.c - finds among the connected strokes of a picture those that are a digit.
 *
 * Specks, shadows and frames along the rim, and lines from one side to the other are not; pieces beside the largest
 * stroke are. */
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "image/parts.h"

enum {
    MAX_CONTRAST = 255,
    LEAST_CONTRAST = 14, /* less cannot be told from a stain                                   */
    LEAST_SIDE = 6,      /* pixels of the digit's longer side                                  */
    LEAST_SHARE = 64,    /* the digit's longer side is at least this part of the picture's     */
    LEAST_PIECE = 50,    /* a piece has at least this part of the ink of the digit's main one  */
    NOISE_LOW = 3,       /* all of a stroke stands out by so many standard deviations of noise */
    NOISE_HIGH = 5       /* and some of it by so many                                          */
};

/* A connected stroke. */
struct stroke {
    struct lenet_box box;
    int area, rim; /* its pixels, and those of them along the picture's rim */
    double ink;    /* the sum of their contrasts                            */
    int is_kept;
};

struct strokes {
    const struct lenet_contrast *contrast;
    int level;  /* the contrast of most of the ink */
    int *label; /* [H][W]: the stroke's number plus 1, or 0 */
    int *stack; /* [H*W], for the search                     */
    struct stroke *all;
    size_t n;
};

static int height(const struct lenet_box *box) { return box->y1 - box->y0; }
static int width(const struct lenet_box *box) { return box->x1 - box->x0; }
static int longer(const struct lenet_box *box) { return height(box) > width(box) ? height(box) : width(box); }
static int smaller_of(int a, int b) { return a < b ? a : b; }
static int larger_of(int a, int b) { return a > b ? a : b; }

/* ---- what counts as ink --------------------------------------------------------------------------------- */

/* The median of what stands out from the noise, each pixel counting by the square of its contrast, so that faint lines
 * weigh little. Pixels that are labelled do not count. */
static int level_of(const struct lenet_contrast *contrast, const int *label) {
    const size_t n = (size_t)contrast->H * (size_t)contrast->W;
    const double least = NOISE_HIGH * contrast->noise > LEAST_CONTRAST ? NOISE_HIGH * contrast->noise : LEAST_CONTRAST;
    double weights[MAX_CONTRAST + 1] = {0}, total = 0, seen = 0;
    for (size_t i = 0; i < n; i++)
        if (contrast->c[i] > least && !(label && label[i])) weights[contrast->c[i]] += 1;
    for (int v = 0; v <= MAX_CONTRAST; v++) total += weights[v] *= (double)v * v;
    for (int v = 0; v <= MAX_CONTRAST && total > 0; v++)
        if ((seen += weights[v]) >= 0.5 * total) return v;
    return 0;
}

int lenet_ink_level(const struct lenet_contrast *contrast) { return level_of(contrast, NULL); }

/* ---- connected strokes ------------------------------------------------------------------------------------ */

static void add_pixel(struct stroke *stroke, const struct lenet_contrast *contrast, int y, int x) {
    struct lenet_box *box = &stroke->box;
    box->y0 = smaller_of(box->y0, y);
    box->x0 = smaller_of(box->x0, x);
    box->y1 = larger_of(box->y1, y + 1);
    box->x1 = larger_of(box->x1, x + 1);
    stroke->area++;
    stroke->ink += contrast->c[y * contrast->W + x];
    stroke->rim += (y == 0) + (y == contrast->H - 1) + (x == 0) + (x == contrast->W - 1);
}

/* Labels all pixels above `least` that are connected with pixel `first`, over corners too. */
static struct stroke trace(struct strokes *s, int first, int least, int label) {
    const int H = s->contrast->H, W = s->contrast->W;
    struct stroke stroke = {.box = {H, W, 0, 0}};
    int n = 0;
    s->label[first] = label;
    s->stack[n++] = first;
    while (n) {
        const int at = s->stack[--n], y = at / W, x = at % W;
        add_pixel(&stroke, s->contrast, y, x);
        for (int v = y ? y - 1 : 0; v <= y + 1 && v < H; v++)
            for (int u = x ? x - 1 : 0; u <= x + 1 && u < W; u++) {
                const int next = v * W + u;
                if (s->label[next] || s->contrast->c[next] <= least) continue;
                s->label[next] = label;
                s->stack[n++] = next;
            }
    }
    return stroke;
}

static enum lenet_status find_strokes(struct strokes *s, struct lenet_error *err) {
    const struct lenet_contrast *contrast = s->contrast;
    const int least = larger_of((int)(NOISE_LOW * contrast->noise), s->level * 35 / 100);
    const int peak = larger_of((int)(NOISE_HIGH * contrast->noise), s->level * 60 / 100);
    for (int i = 0; i < contrast->H * contrast->W; i++) {
        if (s->label[i] || contrast->c[i] <= peak) continue;
        LENET_TRY(lenet_grow(&s->all, s->n, sizeof *s->all, err));
        s->all[s->n] = trace(s, i, least, (int)s->n + 1);
        s->n++;
    }
    return LENET_OK;
}

/* ---- which of them is the digit ------------------------------------------------------------------------- */

/* A line of the paper: from side to side of the picture, and narrow. */
static int is_line(const struct stroke *stroke, int H, int W) {
    const int h = height(&stroke->box), w = width(&stroke->box);
    return (20 * w >= 19 * W && 100 * h <= 15 * H && 3 * H >= W) ||
           (20 * h >= 19 * H && 100 * w <= 15 * W && 3 * W >= H);
}

/* How much of a stroke lies along the rim of the picture, to its own length. */
static double share_at_rim(const struct stroke *stroke) { return stroke->rim / (double)longer(&stroke->box); }

/* A stroke's claim to be the digit. One that touches the rim is more likely a shadow or a frame, unless nothing else is
 * there, as in a picture that was cut out along the digit. */
static double claim_of(const struct stroke *stroke, int H, int W) {
    const double share = share_at_rim(stroke);
    return is_line(stroke, H, W) ? 0 : stroke->ink * (share == 0 ? 1 : share < 0.15 ? 0.5 : share < 0.5 ? 0.1 : 0.02);
}

static struct stroke *main_stroke(struct strokes *s) {
    struct stroke *best = NULL;
    double most = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double claim = claim_of(&s->all[i], s->contrast->H, s->contrast->W);
        if (claim > most) most = claim, best = &s->all[i];
    }
    return best;
}

/* The distance from one interval to another, 0 where they overlap. */
static int gap(int a0, int a1, int b0, int b1) { return larger_of(0, larger_of(b0 - a1, a0 - b1)); }

/* A bar of a 5 that does not touch the rest, or a part of a stroke that broke: near, and not too small. Beside a digit
 * another digit may stand, above it hardly, so above and below pieces may be further away. What touches the rim is a
 * piece only where the digit does, too. */
static int is_piece(const struct stroke *piece, const struct stroke *of, int H, int W) {
    const struct lenet_box *a = &piece->box, *b = &of->box;
    const int dy = gap(a->y0, a->y1, b->y0, b->y1), dx = gap(a->x0, a->x1, b->x0, b->x1), side = longer(b);
    if (piece->ink * LEAST_PIECE < of->ink || is_line(piece, H, W)) return 0;
    if (share_at_rim(piece) > 0 && share_at_rim(of) == 0) return 0;
    return 5 * dy <= side && 10 * dx <= side;
}

/* Keeps the digit's strokes, if there is one. Noise is many strokes of which none is most of the ink. */
static int keep_digit(struct strokes *s, struct lenet_ink *ink) {
    struct lenet_box *box = &ink->box;
    const int H = s->contrast->H, W = s->contrast->W;
    struct stroke *main = main_stroke(s);
    double kept = 0, all = 0, area = 0, rim = 0;
    if (!main) return 0;
    *box = main->box;
    for (size_t i = 0; i < s->n; i++) {
        struct stroke *stroke = &s->all[i];
        stroke->is_kept = stroke == main || is_piece(stroke, main, H, W);
        if (claim_of(stroke, H, W) >= stroke->ink) all += stroke->ink;
        if (!stroke->is_kept) continue;
        kept += stroke->ink;
        area += stroke->area;
        rim += stroke->rim;
        *box = (struct lenet_box){smaller_of(box->y0, stroke->box.y0), smaller_of(box->x0, stroke->box.x0),
                                  larger_of(box->y1, stroke->box.y1), larger_of(box->x1, stroke->box.x1)};
    }
    ink->filled = area / ((double)height(box) * width(box));
    ink->rim = rim / (2.0 * (H + W));
    return longer(box) >= LEAST_SIDE && longer(box) * LEAST_SHARE >= larger_of(H, W) && kept >= 0.1 * all;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static enum lenet_status look(struct strokes *s, struct lenet_ink *ink, struct lenet_error *err) {
    const size_t pixels = (size_t)s->contrast->H * (size_t)s->contrast->W;
    ink->level = s->level = level_of(s->contrast, NULL);
    if (s->level == 0) return LENET_OK;
    LENET_TRY(find_strokes(s, err));
    const struct stroke *main = main_stroke(s);
    const int level = main && share_at_rim(main) > 0.5 ? level_of(s->contrast, s->label) : 0;
    if (level > s->level * 35 / 100) { /* beside a black border there may be ink that is fainter */
        ink->level = s->level = level;
        LENET_TRY(find_strokes(s, err));
    }
    ink->found = keep_digit(s, ink);
    for (size_t i = 0; i < pixels && ink->found; i++) ink->mask[i] = s->label[i] && s->all[s->label[i] - 1].is_kept;
    return LENET_OK;
}

enum lenet_status lenet_ink_find(const struct lenet_contrast *contrast, struct lenet_ink *ink,
                                 struct lenet_error *err) {
    const size_t pixels = (size_t)contrast->H * (size_t)contrast->W;
    struct strokes s = {.contrast = contrast, .label = calloc(pixels, sizeof *s.label)};
    s.stack = malloc(pixels * sizeof *s.stack);
    *ink = (struct lenet_ink){.mask = calloc(pixels, 1)};
    enum lenet_status status = LENET_OK;
    if (!s.label || !s.stack || !ink->mask)
        status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    else
        status = look(&s, ink, err);
    free(s.label);
    free(s.stack);
    free(s.all);
    return status;
}
