/* shown.c - keeps what networks were shown: as a sheet of pictures to look at, or as an IDX file to read again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "image/digit.h"
#include "lenet/predict.h"

enum { SIDE = LENET_DIGIT_SIDE, PIXELS = LENET_DIGIT_PIXELS, GAP = 2, GAP_GREY = 96, MAX_ON_SHEET = 128 * 128 };

static int ends_in(const char *path, const char *end) {
    const size_t length = strlen(path), n = strlen(end);
    return length >= n && strcmp(path + length - n, end) == 0;
}

enum lenet_status lenet_shown_check(const char *path, size_t pictures, struct lenet_error *err) {
    if (ends_in(path, ".png") && pictures > MAX_ON_SHEET)
        return lenet_fail(
            err, LENET_ERR_ARG,
            "--show %.400s: %zu pictures, wanted at most %d on a sheet; a name that ends in -ubyte is for "
            "an IDX file, which takes any number",
            path, pictures, MAX_ON_SHEET);
    if (ends_in(path, ".png") || ends_in(path, "-ubyte") || ends_in(path, ".idx3")) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG,
                      "--show %.400s: wanted a name that ends in .png, for a sheet of pictures, or in -ubyte or .idx3, "
                      "for an IDX file",
                      path);
}

enum lenet_status lenet_shown_add(struct lenet_shown *shown, const struct lenet_prediction *prediction,
                                  struct lenet_error *err) {
    LENET_TRY(lenet_grow(&shown->images, shown->n, PIXELS, err));
    memcpy(shown->images + shown->n++ * PIXELS, prediction->shown, PIXELS);
    return LENET_OK;
}

static enum lenet_status write_sheet(const char *path, const struct lenet_shown *shown, struct lenet_error *err) {
    const int columns = (int)ceil(sqrt((double)shown->n)), rows = ((int)shown->n + columns - 1) / columns;
    struct lenet_image sheet = {.H = rows * (SIDE + GAP) + GAP, .W = columns * (SIDE + GAP) + GAP};
    if (!(sheet.grey = malloc((size_t)sheet.H * (size_t)sheet.W)))
        return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memset(sheet.grey, GAP_GREY, (size_t)sheet.H * (size_t)sheet.W);
    for (int i = 0; i < (int)shown->n; i++)
        for (int y = 0; y < SIDE; y++) {
            const int row = i / columns * (SIDE + GAP) + GAP + y, column = i % columns * (SIDE + GAP) + GAP;
            memcpy(sheet.grey + row * sheet.W + column, shown->images + i * PIXELS + y * SIDE, SIDE);
        }
    const enum lenet_status status = lenet_image_write_png(path, &sheet, err);
    free(sheet.grey);
    return status;
}

static enum lenet_status write_idx(const char *path, const struct lenet_shown *shown, struct lenet_error *err) {
    const size_t size = 16 + shown->n * PIXELS;
    const uint32_t header[4] = {0x803, (uint32_t)shown->n, SIDE, SIDE};
    uint8_t *bytes = malloc(size);
    if (!bytes) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)(header[i / 4] >> (24 - 8 * (i % 4)));
    memcpy(bytes + 16, shown->images, size - 16);
    const enum lenet_status status = lenet_file_replace(path, bytes, size, err);
    free(bytes);
    return status;
}

enum lenet_status lenet_shown_write(const char *path, const struct lenet_shown *shown, struct lenet_error *err) {
    if (!shown->n) return lenet_fail(err, LENET_ERR_IO, "--show %.400s: no picture to show", path);
    return ends_in(path, ".png") ? write_sheet(path, shown, err) : write_idx(path, shown, err);
}
