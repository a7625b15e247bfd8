/* canvas.h - what the readers of picture files paint on, row by row: the sums of blocks of pixels. */
#ifndef LENET_IMAGE_CANVAS_H
#define LENET_IMAGE_CANVAS_H
#include <stddef.h>
#include <stdio.h>

#include "image/image.h"

struct lenet_canvas {
    const char *path; /* for messages                                              */
    int full_H, full_W;
    int channels; /* 1: grey, 2: with opacity, 3: red, green, blue, 4: with opacity */
    int step;     /* a pixel here is a block of step x step of the file's            */
    int H, W;
    uint32_t *sums;  /* [H][W][channels]; colours times opacity, where there is one     */
    int orientation; /* Exif's, 1 to 8 */
};

/* Holds a size against the limits, for libraries that allocate a row by themselves. LENET_ERR_FORMAT. */
enum lenet_status lenet_canvas_check(const struct lenet_canvas *canvas, uint64_t H, uint64_t W,
                                     struct lenet_error *err);
/* The same before it allocates. LENET_ERR_FORMAT; LENET_ERR_MEMORY. */
enum lenet_status lenet_canvas_begin(struct lenet_canvas *canvas, uint64_t H, uint64_t W, int channels,
                                     struct lenet_error *err);
/* Adds every dx-th pixel, from the first-th on, of row y; row has all of its pixels. */
void lenet_canvas_add(struct lenet_canvas *canvas, int y, const uint8_t *row, int first, int dx);

/* Notes how a camera was held, from the bytes of an Exif block, which begin with "Exif". */
void lenet_canvas_orient(struct lenet_canvas *canvas, const uint8_t *exif, size_t size);

/* Makes the plane of it. LENET_ERR_MEMORY. */
enum lenet_status lenet_canvas_finish(struct lenet_canvas *canvas, struct lenet_image *image, struct lenet_error *err);
void lenet_canvas_free(struct lenet_canvas *canvas);

/* The readers: each paints a whole file. LENET_ERR_FORMAT, LENET_ERR_MEMORY. */
enum lenet_status lenet_png_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err);
enum lenet_status lenet_jpeg_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err);
enum lenet_status lenet_pnm_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err);

#endif
