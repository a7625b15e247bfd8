/* image.h - picture files as planes of grey bytes: PNG, JPEG and PGM or PPM, whatever their names say. */
#ifndef LENET_IMAGE_IMAGE_H
#define LENET_IMAGE_IMAGE_H
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum {
    LENET_MAX_IMAGE_PIXELS = 1 << 26, /* of a file: 64 megapixels, more than cameras have */
    LENET_MAX_IMAGE_SIDE = 65535,
    LENET_MAX_PLANE_SIDE = 1024 /* larger ones are shrunk while they are read, so that memory stays modest */
};

struct lenet_image {
    int H, W;
    uint8_t *grey;      /* [H][W] */
    const char *format; /* "PNG", "JPEG", "PGM or PPM"; NULL where the file is none of these */
};

/* Reads a file, or standard input where path is "-"; to be freed. Colours become the grey along which they differ most,
 * transparency a background that the picture stands out from, and pictures that a camera has noted to be on their side
 * are turned. LENET_ERR_IO: not there or unreadable. LENET_ERR_FORMAT: no picture, a directory or a pipe (format is
 * NULL), a damaged one, one that was cut short, or one above the limits, for which nothing has been allocated.
 * LENET_ERR_MEMORY. */
enum lenet_status lenet_image_read(const char *path, struct lenet_image *image, struct lenet_error *err);

void lenet_image_free(struct lenet_image *image);

/* Writes a grey PNG, as lenet_file_replace does. */
enum lenet_status lenet_image_write_png(const char *path, const struct lenet_image *image, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
