/* canvas.c - adds up the pixels of a picture file in blocks, and makes one plane of grey bytes of them. */
#include "image/canvas.h"

#include <libexif/exif-data.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum lenet_status lenet_canvas_check(const struct lenet_canvas *canvas, uint64_t H, uint64_t W,
                                     struct lenet_error *err) {
    if (H >= 1 && W >= 1 && H <= LENET_MAX_IMAGE_SIDE && W <= LENET_MAX_IMAGE_SIDE && H * W <= LENET_MAX_IMAGE_PIXELS)
        return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: an image of %llu x %llu pixels, wanted 1 to %d a side and at most %d million in all; "
                      "damaged, or to be scaled down first?",
                      canvas->path, (unsigned long long)W, (unsigned long long)H, LENET_MAX_IMAGE_SIDE,
                      LENET_MAX_IMAGE_PIXELS / 1000000);
}

enum lenet_status lenet_canvas_begin(struct lenet_canvas *canvas, uint64_t H, uint64_t W, int channels,
                                     struct lenet_error *err) {
    LENET_TRY(lenet_canvas_check(canvas, H, W, err));
    const int side = (int)(H > W ? H : W), step = (side + LENET_MAX_PLANE_SIDE - 1) / LENET_MAX_PLANE_SIDE;
    canvas->full_H = (int)H;
    canvas->full_W = (int)W;
    canvas->channels = channels;
    canvas->step = step;
    canvas->H = ((int)H + step - 1) / step;
    canvas->W = ((int)W + step - 1) / step;
    canvas->sums = calloc((size_t)canvas->H * (size_t)canvas->W * (size_t)channels, sizeof *canvas->sums);
    return canvas->sums ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for this image", canvas->path);
}

void lenet_canvas_add(struct lenet_canvas *canvas, int y, const uint8_t *row, int first, int dx) {
    const int n = canvas->channels, step = canvas->step, colours = n < 3 ? 1 : 3, has_opacity = n % 2 == 0;
    uint32_t *sum = canvas->sums + ((size_t)(y / step) * (size_t)canvas->W + (size_t)(first / step)) * (size_t)n;
    int at = first % step;                      /* in the block */
    if (step == 1 && dx == 1 && !has_opacity) { /* the same in one loop that is fast */
        for (int i = 0; i < canvas->full_W * n; i++) sum[i] = row[i];
        return;
    }
    for (int x = first; x < canvas->full_W; x += dx) {
        const uint8_t *pixel = row + (size_t)x * (size_t)n;
        const uint32_t opacity = has_opacity ? pixel[colours] : 1;
        for (int k = 0; k < colours; k++) sum[k] += opacity * pixel[k];
        if (has_opacity) sum[colours] += opacity;
        for (at += dx; at >= step; at -= step) sum += n;
    }
}

void lenet_canvas_orient(struct lenet_canvas *canvas, const uint8_t *exif, size_t size) {
    ExifData *data = exif_data_new();
    if (!data) return;
    exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_load_data(data, exif, (unsigned)size);
    ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (entry && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
        canvas->orientation = exif_get_short(entry->data, exif_data_get_byte_order(data));
    exif_data_unref(data);
}

void lenet_canvas_free(struct lenet_canvas *canvas) {
    free(canvas->sums);
    canvas->sums = NULL;
}

/* ---- sums to colours ------------------------------------------------------------------------------ */

/* The pixels of the file in a block; those at the right and lower edge may be smaller. */
static uint32_t pixels_of(const struct lenet_canvas *c, int y, int x) {
    const int h = c->full_H - y * c->step, w = c->full_W - x * c->step;
    return (uint32_t)((h < c->step ? h : c->step) * (w < c->step ? w : c->step));
}

/* The smallest value that at least this share of the histogram's entries do not exceed. */
static int quantile(const uint32_t histogram[256], double share) {
    uint64_t total = 0, seen = 0;
    for (int v = 0; v < 256; v++) total += histogram[v];
    for (int v = 0; v < 256; v++)
        if ((double)(seen += histogram[v]) >= share * (double)total) return v;
    return 255;
}

/* What a transparent picture lies on. Most often its opacity is the drawing, in one colour, and white or black lets it
 * stand out. Where most of it is opaque, and not of one colour, that is a picture with its own background, which the
 * transparent rest then continues. */
static void choose_background(const struct lenet_canvas *c, int colours, uint8_t background[3]) {
    enum { ONE_COLOUR = 64 }; /* greatest difference of what counts as one */
    uint32_t histogram[3][256] = {{0}};
    const size_t blocks = (size_t)c->H * (size_t)c->W;
    size_t opaque = 0;
    double colour = 0, opacity = 0;
    int spread = 0;
    for (size_t i = 0; i < blocks; i++) {
        const uint32_t *sum = c->sums + i * (size_t)c->channels,
                       n = pixels_of(c, (int)(i / (size_t)c->W), (int)(i % (size_t)c->W));
        const uint32_t alpha = sum[colours];
        opacity += alpha;
        for (int k = 0; k < colours; k++) colour += (double)sum[k] / colours;
        if (alpha < 250 * n) continue;
        opaque++;
        for (int k = 0; k < colours; k++) histogram[k][sum[k] / alpha]++;
    }
    for (int k = 0; k < colours; k++) {
        const int difference = quantile(histogram[k], 0.98) - quantile(histogram[k], 0.02);
        if (difference > spread) spread = difference;
    }
    const int has_own = 2 * opaque >= blocks && spread > ONE_COLOUR;
    for (int k = 0; k < colours; k++)
        background[k] = (uint8_t)(has_own ? quantile(histogram[k], 0.5) : colour < 128 * opacity ? 255 : 0);
}

/* Replaces the sums by colours of 0 to 255, in place: [H][W][colours]. */
static void average(struct lenet_canvas *c) {
    const int colours = c->channels;
    for (int y = 0; y < c->H && c->step > 1; y++)
        for (int x = 0; x < c->W; x++) {
            uint32_t *sum = c->sums + ((size_t)y * (size_t)c->W + (size_t)x) * (size_t)colours;
            const uint32_t n = pixels_of(c, y, x);
            for (int k = 0; k < colours; k++) sum[k] = (sum[k] + n / 2) / n;
        }
}

/* The same of sums with opacity, on a background. */
static void average_on_background(struct lenet_canvas *c) {
    const int colours = c->channels - 1;
    uint8_t background[3] = {0};
    uint32_t *to = c->sums;
    choose_background(c, colours, background);
    for (int y = 0; y < c->H; y++)
        for (int x = 0; x < c->W; x++) {
            const uint32_t *sum = c->sums + ((size_t)y * (size_t)c->W + (size_t)x) * (size_t)c->channels;
            const uint32_t n = pixels_of(c, y, x), alpha = sum[colours];
            for (int k = 0; k < colours; k++)
                *to++ = (sum[k] + (255 * n - alpha) * background[k] + 255 * n / 2) / (255 * n);
        }
}

/* ---- colours to grey -------------------------------------------------------------------------------- */

/* The direction of colours' greatest variance, by the power method; brighter counts as more. A picture without
 * variance keeps the direction of brightness. */
static void main_axis(const uint32_t *colours, size_t n, double axis[3]) {
    double mean[3] = {0}, product[3][3] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            mean[k] += colours[3 * i + (size_t)k];
            for (int l = 0; l <= k; l++) product[k][l] += colours[3 * i + (size_t)k] * colours[3 * i + (size_t)l];
        }
    for (int k = 0; k < 3; k++) {
        mean[k] /= (double)n;
        for (int l = 0; l <= k; l++) product[k][l] /= (double)n;
    }
    axis[0] = 0.299, axis[1] = 0.587, axis[2] = 0.114; /* ITU-R BT.601 */
    for (int round = 0; round < 32; round++) {
        double next[3] = {0}, length = 0;
        for (int k = 0; k < 3; k++) {
            for (int l = 0; l < 3; l++)
                next[k] += (product[k > l ? k : l][k > l ? l : k] - mean[k] * mean[l]) * axis[l];
            length += fabs(next[k]);
        }
        if (length < 1e-3) break;
        for (int k = 0; k < 3; k++) axis[k] = next[k] / length;
    }
    if (axis[0] + axis[1] + axis[2] < 0)
        for (int k = 0; k < 3; k++) axis[k] = -axis[k];
}

static void colours_to_grey(const uint32_t *colours, size_t n, uint8_t *grey) {
    double axis[3], least = 0, sum = 0;
    main_axis(colours, n, axis);
    for (int k = 0; k < 3; k++) {
        sum += fabs(axis[k]);
        least += axis[k] < 0 ? 255 * axis[k] : 0;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *v = colours + 3 * i;
        grey[i] = (uint8_t)((axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2] - least) / sum + 0.5);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* Turns and mirrors as Exif's orientation says: where the first row and the first column of the file belong. */
static enum lenet_status turn(int orientation, struct lenet_image *image, struct lenet_error *err) {
    const int H = image->H, W = image->W, turned = orientation >= 5;
    const int flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    const int flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    if (orientation < 2 || orientation > 8) return LENET_OK;
    uint8_t *grey = malloc((size_t)H * (size_t)W);
    if (!grey) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    image->H = turned ? W : H;
    image->W = turned ? H : W;
    for (int y = 0; y < image->H; y++)
        for (int x = 0; x < image->W; x++) {
            const int v = flip_y ? image->H - 1 - y : y, u = flip_x ? image->W - 1 - x : x;
            grey[y * image->W + x] = image->grey[turned ? u * W + v : v * W + u];
        }
    free(image->grey);
    image->grey = grey;
    return LENET_OK;
}

enum lenet_status lenet_canvas_finish(struct lenet_canvas *canvas, struct lenet_image *image, struct lenet_error *err) {
    const size_t pixels = (size_t)canvas->H * (size_t)canvas->W;
    const int colours = canvas->channels < 3 ? 1 : 3;
    image->H = canvas->H;
    image->W = canvas->W;
    if (!(image->grey = malloc(pixels))) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (canvas->channels % 2)
        average(canvas);
    else
        average_on_background(canvas);
    if (colours == 3)
        colours_to_grey(canvas->sums, pixels, image->grey);
    else
        for (size_t i = 0; i < pixels; i++) image->grey[i] = (uint8_t)canvas->sums[i];
    return turn(canvas->orientation, image, err);
}
