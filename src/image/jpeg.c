/* jpeg.c - reads JPEG by libjpeg. */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "image/canvas.h"

enum {
    MAX_MEMORY = 192 << 20, /* bytes; a progressive file is kept whole, at up to 6 bytes a pixel */
    LARGE = 16 << 20,       /* pixels of a progressive file that no other is read beside             */
    MAX_SCANS = 100         /* a scan of a few bytes takes as long as a large one                */
};

struct reader {
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    char text[JMSG_LENGTH_MAX];
    int is_alone; /* it holds the lock */
};

/* Of large progressive files only one at a time is kept whole, however many threads read. */
static pthread_mutex_t one_large = PTHREAD_MUTEX_INITIALIZER;

static void on_error(j_common_ptr jpeg) {
    struct reader *reader = (struct reader *)jpeg->err;
    jpeg->err->format_message(jpeg, reader->text);
    if (jpeg->err->msg_code == JERR_NO_BACKING_STORE)
        snprintf(reader->text, sizeof reader->text, "progressive, and to be read it needs more than %d MB",
                 MAX_MEMORY >> 20);
    longjmp(reader->out, 1);
}

/* Of what libjpeg would rather guess than refuse, data that are missing or wrong are refused: a grey lower half is no
 * image. Bytes that are too many do no harm. */
static void on_message(j_common_ptr jpeg, int level) {
    const int code = jpeg->err->msg_code;
    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC))
        on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg) {
    struct reader *reader = (struct reader *)jpeg->err;
    if (((j_decompress_ptr)jpeg)->input_scan_number <= MAX_SCANS) return;
    snprintf(reader->text, sizeof reader->text, "more than %d scans", MAX_SCANS);
    longjmp(reader->out, 1);
}

/* Cyan, magenta, yellow and black to red, green and blue, in place. Adobe's programs store them inverted. */
static void cmyk_to_rgb(uint8_t *row, int W, int inverted) {
    for (int x = 0; x < W; x++) {
        const uint8_t flip = inverted ? 0 : 255, *ink = row + 4 * x;
        const int black = ink[3] ^ flip;
        for (int k = 0; k < 3; k++) row[3 * x + k] = (uint8_t)((ink[k] ^ flip) * black / 255);
    }
}

static void read_orientation(const struct jpeg_decompress_struct *jpeg, struct lenet_canvas *canvas) {
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->data_length > 6 && memcmp(marker->data, "Exif\0", 6) == 0)
            lenet_canvas_orient(canvas, marker->data, marker->data_length);
}

static enum lenet_status read_rows(struct jpeg_decompress_struct *jpeg, struct lenet_canvas *canvas,
                                   struct lenet_error *err) {
    const int is_grey = jpeg->jpeg_color_space == JCS_GRAYSCALE;
    const int is_cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = is_grey ? JCS_GRAYSCALE : is_cmyk ? JCS_CMYK : JCS_RGB;
    LENET_TRY(lenet_canvas_begin(canvas, jpeg->image_height, jpeg->image_width, is_grey ? 1 : 3, err));
    jpeg_start_decompress(jpeg);
    JSAMPARRAY row = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE,
                                             jpeg->output_width * (JDIMENSION)jpeg->output_components, 1);
    for (int y = 0; y < canvas->full_H; y++) {
        jpeg_read_scanlines(jpeg, row, 1);
        if (is_cmyk) cmyk_to_rgb(row[0], canvas->full_W, jpeg->saw_Adobe_marker);
        lenet_canvas_add(canvas, y, row[0], 0, 1);
    }
    read_orientation(jpeg, canvas);
    jpeg_finish_decompress(jpeg);
    return LENET_OK;
}

/* What libjpeg longjmps out of. */
static enum lenet_status read_image(struct jpeg_decompress_struct *jpeg, struct reader *reader, FILE *file,
                                    struct lenet_canvas *canvas, struct lenet_error *err) {
    if (setjmp(reader->out))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: a JPEG that is damaged, cut short or too large: %s", canvas->path,
                          reader->text);
    jpeg_create_decompress(jpeg);
    jpeg->progress = &reader->progress;
    jpeg->mem->max_memory_to_use = MAX_MEMORY;
    jpeg_stdio_src(jpeg, file);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg_has_multiple_scans(jpeg) && (uint64_t)jpeg->image_width * jpeg->image_height > LARGE) {
        pthread_mutex_lock(&one_large);
        reader->is_alone = 1;
    }
    return read_rows(jpeg, canvas, err);
}

enum lenet_status lenet_jpeg_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err) {
    struct reader reader = {.progress = {.progress_monitor = on_progress}};
    struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&reader.error)};
    reader.error.error_exit = on_error;
    reader.error.emit_message = on_message;
    const enum lenet_status status = read_image(&jpeg, &reader, file, canvas, err);
    jpeg_destroy_decompress(&jpeg);
    if (reader.is_alone) pthread_mutex_unlock(&one_large);
    return status;
}
