/* survey.c - a first look at a whole picture: is it of a sheet on something else, and is ink dark on light? */
#include <math.h>
#include <stdlib.h>

#include "image/parts.h"

/* ---- a sheet on a table, or between the black borders of a scan ----------------------------------------- */

/* The grey above which the brighter of two kinds of pixels begins, and the means of both. Source: Otsu 1979. */
static int threshold(const struct lenet_image *image, double means[2]) {
    const int n = image->H * image->W;
    double histogram[256] = {0}, all = 0, below = 0, sum = 0, most = -1;
    int best = 0;
    for (int i = 0; i < n; i++) histogram[image->grey[i]]++;
    for (int v = 0; v < 256; v++) all += v * histogram[v];
    for (int v = 0; v < 255; v++) {
        below += histogram[v];
        sum += v * histogram[v];
        if (below == 0 || below == n) continue;
        const double low = sum / below, high = (all - sum) / (n - below);
        const double between = below * (n - below) * (high - low) * (high - low);
        if (between <= most) continue;
        most = between;
        best = v;
        means[0] = low;
        means[1] = high;
    }
    return best;
}

/* The pixels of the rim that are above the threshold, as a part of all of them. */
static double bright_rim(const struct lenet_image *image, int limit) {
    const int H = image->H, W = image->W;
    int bright = 0;
    for (int x = 0; x < W; x++) bright += (image->grey[x] > limit) + (image->grey[(H - 1) * W + x] > limit);
    for (int y = 0; y < H; y++) bright += (image->grey[y * W] > limit) + (image->grey[y * W + W - 1] > limit);
    return bright / (2.0 * (H + W));
}

/* The pixels of one kind in a picture, by row and by column. */
struct counts {
    int *rows, *columns;
    int all;
};

static struct counts count(const struct lenet_image *image, int limit, int bright, int *room) {
    struct counts counts = {room, room + image->H, 0};
    for (int i = 0; i < image->H + image->W; i++) room[i] = 0;
    for (int i = 0; i < image->H * image->W; i++) {
        const int is_one = (image->grey[i] > limit) == bright;
        counts.rows[i / image->W] += is_one;
        counts.columns[i % image->W] += is_one;
        counts.all += is_one;
    }
    return counts;
}

/* Cuts off from both ends the rows (or columns) of which less than this share is of the kind, or less than this share
 * of what the fullest one has. */
static void extent(const int *counts, int n, int across, double share, double of_most, int *begin, int *end) {
    double least = share * across;
    for (int i = 0; i < n; i++) least = fmax(least, of_most * counts[i]);
    *begin = 0;
    *end = n;
    while (*begin < n && counts[*begin] < least) ++*begin;
    while (*end > *begin && counts[*end - 1] < least) --*end;
}

static void bounds(const struct counts *counts, int H, int W, double share, double of_most, struct lenet_box *box) {
    extent(counts->rows, H, W, share, of_most, &box->y0, &box->y1);
    extent(counts->columns, W, H, share, of_most, &box->x0, &box->x1);
}

/* Black borders: what most of the picture is is not along some of its sides. They are thin, as the bar of a 7 that a
 * picture was cut out along is not. */
static int has_borders(const struct lenet_box *box, int H, int W) {
    const int upper = box->y0, lower = H - box->y1, left = box->x0, right = W - box->x1;
    const int is_thin = 8 * upper <= H && 8 * lower <= H && 8 * left <= W && 8 * right <= W;
    return is_thin && upper + lower + left + right > 0;
}

/* Light that changes gradually has many pixels between two kinds, a sheet few. */
static int has_two_kinds(const struct lenet_image *image, const double means[2]) {
    const int n = image->H * image->W;
    int between = 0;
    for (int i = 0; i < n; i++) {
        const double part = (image->grey[i] - means[0]) / (means[1] - means[0]);
        between += part > 1 / 3.0 && part < 2 / 3.0;
    }
    return means[1] - means[0] > 40 && between < 0.1 * n;
}

/* How many of a box's corners are of a sheet, a tenth of the sides inside: those of a sheet that lies a little askew
 * are, those around a 0 or an 8 are not. */
static int corners_of(const struct lenet_image *image, const struct lenet_box *box, int limit, int bright) {
    const int h = (box->y1 - box->y0) / 10, w = (box->x1 - box->x0) / 10;
    const int y[2] = {box->y0 + h, box->y1 - 1 - h}, x[2] = {box->x0 + w, box->x1 - 1 - w};
    int corners = 0;
    for (int i = 0; i < 4; i++) corners += (image->grey[y[i / 2] * image->W + x[i % 2]] > limit) == bright;
    return corners;
}

/* The sheet nearly fills a rectangle, which is not small and not a bar, and in which almost all pixels of its kind are.
 */
static int is_sheet(const struct lenet_image *image, const struct lenet_box *box, int limit, int bright, int kind) {
    const int h = box->y1 - box->y0, w = box->x1 - box->x0;
    const double all = (double)h * w;
    double area = 0, filled = 0;
    for (int y = box->y0; y < box->y1; y++) {
        int first = -1, last = -1;
        for (int x = box->x0; x < box->x1; x++) {
            if ((image->grey[y * image->W + x] > limit) != bright) continue;
            if (first < 0) first = x;
            last = x;
            area++;
        }
        if (first >= 0) filled += last - first + 1;
    }
    return all >= 0.04 * image->H * image->W && area >= 0.75 * all && area >= 0.9 * kind && filled >= 0.86 * all &&
           5 * h >= 2 * w && 5 * w >= 2 * h && corners_of(image, box, limit, bright) == 4;
}

enum lenet_status lenet_sheet_find(const struct lenet_image *image, struct lenet_box *box, int *found,
                                   struct lenet_error *err) {
    const int H = image->H, W = image->W;
    double means[2] = {0};
    const int limit = threshold(image, means);
    *found = 0;
    if (!has_two_kinds(image, means)) return LENET_OK;
    int *room = malloc((size_t)(H + W) * sizeof *room);
    if (!room) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    struct counts counts = count(image, limit, 1, room);
    if (2 * counts.all < H * W) counts = count(image, limit, 0, room);
    bounds(&counts, H, W, 0.03, 0, box);
    *found = has_borders(box, H, W);
    const double rim = bright_rim(image, limit);
    const int bright = rim < 0.5; /* the sheet is what the rim is not */
    if (!*found && fmin(rim, 1 - rim) <= 0.25) {
        counts = count(image, limit, bright, room);
        bounds(&counts, H, W, 0, 0.5, box);
        *found = is_sheet(image, box, limit, bright, counts.all);
    }
    free(room);
    return LENET_OK;
}

int lenet_is_bar(const struct lenet_image *image, uint8_t *paper) {
    double means[2] = {0};
    int bright = 0;
    const int limit = threshold(image, means), n = image->H * image->W;
    if (2 * image->H < 3 * image->W || !has_two_kinds(image, means)) return 0;
    for (int i = 0; i < n; i++) bright += image->grey[i] > limit;
    *paper = (uint8_t)means[2 * bright < n];
    return 1;
}

/* ---- dark on light, or light on dark --------------------------------------------------------------------- */

/* How far pixels differ from the mean of a square around them, as one number from -1, where all that differ much are
 * darker, to 1. Edges of shadows, which are as much brighter on one side as darker on the other, cancel out. */
static double skewness(const struct lenet_image *image, int r, uint32_t *sums, float *differences) {
    const int H = image->H, W = image->W, stride = W + 1;
    uint32_t histogram[256] = {0};
    for (int x = 0; x <= W; x++) sums[x] = 0;
    for (int y = 0; y < H; y++) {
        uint32_t row = sums[(y + 1) * stride] = 0;
        for (int x = 0; x < W; x++)
            sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + (row += image->grey[y * W + x]);
    }
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const int y0 = y > r ? y - r : 0, y1 = y + r < H ? y + r + 1 : H;
            const int x0 = x > r ? x - r : 0, x1 = x + r < W ? x + r + 1 : W;
            const uint32_t sum =
                sums[y1 * stride + x1] - sums[y0 * stride + x1] - sums[y1 * stride + x0] + sums[y0 * stride + x0];
            const float d = (float)image->grey[y * W + x] - (float)sum / (float)((y1 - y0) * (x1 - x0));
            differences[y * W + x] = d;
            histogram[(int)fabsf(d)]++;
        }
    int median = 0;
    for (uint32_t seen = histogram[0]; 2 * seen < (uint32_t)(H * W); seen += histogram[median]) median++;
    double sum = 0, total = 1e-9;
    for (int i = 0; i < H * W; i++) {
        const double much = fabs(differences[i]) - 2 * median, cube = much > 0 ? much * much * much : 0;
        sum += differences[i] > 0 ? cube : -cube;
        total += cube;
    }
    return sum / total;
}

enum lenet_status lenet_ink_brightness(const struct lenet_image *image, enum lenet_brightness *brightness,
                                       struct lenet_error *err) {
    const int dark = lenet_is_darker_than_rim(image);
    const int longer = image->H > image->W ? image->H : image->W;
    uint32_t *sums = malloc((size_t)(image->H + 1) * (size_t)(image->W + 1) * sizeof *sums);
    float *differences = malloc((size_t)image->H * (size_t)image->W * sizeof *differences);
    enum lenet_status status = LENET_OK;
    if (sums && differences) {
        const double wide = skewness(image, longer / 4, sums, differences);
        const int is_contrary = fabs(wide) > 0.9 && dark != (wide < 0);
        const int is_unsure = is_contrary && wide * skewness(image, longer / 8, sums, differences) > 0;
        *brightness = dark        ? is_unsure ? LENET_DARK_OR_LIGHT : LENET_DARK
                      : is_unsure ? LENET_LIGHT_OR_DARK
                                  : LENET_LIGHT;
    } else {
        status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    free(sums);
    free(differences);
    return status;
}
