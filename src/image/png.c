/* png.c - reads and writes PNG by libpng. */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "image/canvas.h"

enum { MAX_CHUNK = 1 << 23 }; /* bytes that text, profiles and the like may unpack to */

static void on_error(png_structp png, png_const_charp text) {
    struct lenet_error *why = png_get_error_ptr(png);
    lenet_fail(why, LENET_ERR_FORMAT, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}
static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* An image as 8 bits of grey or colours, with opacity where the file has it or names a transparent colour. */
static int choose_channels(png_structp png, png_infop info) {
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return png_get_channels(png, info);
}

/* Of an interlaced file's seven passes each brings other pixels, which are added as they come: nothing is kept. */
static void read_rows(png_structp png, png_infop info, uint8_t *row, struct lenet_canvas *canvas) {
    const int interlaced = png_get_interlace_type(png, info) == PNG_INTERLACE_ADAM7;
    for (int pass = 0; pass < (interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1); pass++)
        for (int y = 0; y < canvas->full_H; y++) {
            png_read_row(png, row, NULL);
            if (!interlaced)
                lenet_canvas_add(canvas, y, row, 0, 1);
            else if (PNG_ROW_IN_INTERLACE_PASS(y, pass))
                lenet_canvas_add(canvas, y, row, PNG_PASS_START_COL(pass), 1 << PNG_PASS_COL_SHIFT(pass));
        }
}

/* PNG leaves out the header that libexif wants. */
static enum lenet_status read_orientation(png_structp png, png_infop info, struct lenet_canvas *canvas,
                                          struct lenet_error *err) {
    static const uint8_t header[] = {'E', 'x', 'i', 'f', 0, 0};
    png_bytep exif;
    png_uint_32 size;
    if (!png_get_eXIf_1(png, info, &size, &exif)) return LENET_OK;
    uint8_t *block = malloc(sizeof header + size);
    if (!block) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memcpy(block, header, sizeof header);
    memcpy(block + sizeof header, exif, size);
    lenet_canvas_orient(canvas, block, sizeof header + size);
    free(block);
    return LENET_OK;
}

/* What libpng longjmps out of. *row is the caller's to free. */
static enum lenet_status read_image(png_structp png, png_infop info, FILE *file, uint8_t **row,
                                    struct lenet_canvas *canvas, const struct lenet_error *why,
                                    struct lenet_error *err) {
    if (setjmp(png_jmpbuf(png)))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: a damaged PNG, or one that was cut short: %.200s", canvas->path,
                          why->text);
    png_init_io(png, file);
    png_read_info(png, info);
    const uint32_t H = png_get_image_height(png, info), W = png_get_image_width(png, info);
    LENET_TRY(lenet_canvas_check(canvas, H, W, err));
    LENET_TRY(lenet_canvas_begin(canvas, H, W, choose_channels(png, info), err));
    if (!(*row = calloc(1, png_get_rowbytes(png, info)))) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    read_rows(png, info, *row, canvas);
    png_read_end(png, info);
    return read_orientation(png, info, canvas, err);
}

enum lenet_status lenet_png_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err) {
    struct lenet_error why = {{0}};
    uint8_t *row = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &why, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    enum lenet_status status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (info) {
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* the canvas has its own */
        png_set_chunk_malloc_max(png, MAX_CHUNK);
        status = read_image(png, info, file, &row, canvas, &why, err);
    }
    png_destroy_read_struct(&png, &info, NULL);
    free(row);
    return status;
}

enum lenet_status lenet_image_write_png(const char *path, const struct lenet_image *image, struct lenet_error *err) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)image->W,
                     .height = (png_uint_32)image->H,
                     .format = PNG_FORMAT_GRAY};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    void *bytes = malloc(size);
    if (!bytes) return lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for this picture", path);
    const enum lenet_status status =
        png_image_write_to_memory(&png, bytes, &size, 0, image->grey, 0, NULL)
            ? lenet_file_replace(path, bytes, size, err)
            : lenet_fail(err, LENET_ERR_MEMORY, "%s: the picture could not be made: %s", path, png.message);
    free(bytes);
    return status;
}
