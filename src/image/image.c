/* image.c - opens a picture file, finds out its format from its first bytes, and hands it to the reader of that. */
#include "image/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "image/canvas.h"

enum { BEGINNING = 16, MAX_PIPED = 1 << 28 /* bytes of standard input */ };

/* Bytes of a file: the most pixels in three colours, each as text of up to six characters, are fewer. */
static const uint64_t MAX_FILE = 2000000000;

/* ---- what a file is --------------------------------------------------------------------------------- */

static const struct format {
    const char *name, *bytes; /* with which its files begin, from `at` on */
    size_t length;
    int at;
    enum lenet_status (*read)(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err); /* or NULL */
} formats[] = {
    {"PNG", "\x89PNG\r\n\x1a\n", 8, 0, lenet_png_read},
    {"JPEG", "\xff\xd8\xff", 3, 0, lenet_jpeg_read},
    {"PGM or PPM", "P2", 2, 0, lenet_pnm_read},
    {"PGM or PPM", "P3", 2, 0, lenet_pnm_read},
    {"PGM or PPM", "P5", 2, 0, lenet_pnm_read},
    {"PGM or PPM", "P6", 2, 0, lenet_pnm_read},
    {"a PBM picture", "P1\n", 3, 0, NULL},
    {"a PBM picture", "P4\n", 3, 0, NULL},
    {"a PAM picture", "P7\n", 3, 0, NULL},
    {"a GIF picture", "GIF8", 4, 0, NULL},
    {"a WebP picture", "WEBP", 4, 8, NULL},
    {"a TIFF picture", "II*\0", 4, 0, NULL},
    {"a TIFF picture", "MM\0*", 4, 0, NULL},
    {"a HEIF or AVIF picture", "ftyp", 4, 4, NULL},
    {"a BMP picture", "BM", 2, 0, NULL},
    {"a PDF document", "%PDF", 4, 0, NULL},
    {"gzip", "\x1f\x8b", 2, 0, NULL},
    {"a zip archive", "PK\3\4", 4, 0, NULL},
    {"IDX images, which lenet eval --data reads", "\0\0\x8\x3", 4, 0, NULL},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static int is_text(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < ' ' && !strchr("\t\r\n\f", bytes[i])) || bytes[i] == 0) return 0;
    return 1;
}

/* Two characters may begin a text as well: of BMP zeros follow, of PGM and PPM white space or a comment. */
static int goes_on(const struct format *format, const uint8_t *bytes, size_t size) {
    if (format->length > 2) return 1;
    return format->read ? size == 2 || strchr("\t\r\n\f #", bytes[2]) : !is_text(bytes, size);
}

static const struct format *format_of(const uint8_t *bytes, size_t size) {
    for (const struct format *f = formats; f < formats + FORMATS; f++)
        if (size >= (size_t)f->at + f->length && memcmp(bytes + f->at, f->bytes, f->length) == 0 &&
            goes_on(f, bytes, size))
            return f;
    return NULL;
}

static enum lenet_status read_file(FILE *file, struct lenet_canvas *canvas, struct lenet_image *image,
                                   struct lenet_error *err) {
    uint8_t bytes[BEGINNING];
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    const struct format *format = format_of(bytes, size);
    if (ferror(file)) return lenet_fail(err, LENET_ERR_IO, "%s: cannot read: %s", canvas->path, strerror(errno));
    if (!format || !format->read)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: %s, wanted an image in PNG, JPEG, PGM or PPM", canvas->path,
                          size == 0              ? "an empty file"
                          : format               ? format->name
                          : is_text(bytes, size) ? "a text"
                                                 : "no image that is known here");
    image->format = format->name;
    rewind(file);
    LENET_TRY(format->read(file, canvas, err));
    return lenet_canvas_finish(canvas, image, err);
}

/* ---- where it comes from --------------------------------------------------------------------------- */

/* An ordinary file: of a pipe nothing could be read again. */
static enum lenet_status open_file(const char *path, FILE **file, struct lenet_error *err) {
    enum lenet_opened kind;
    uint64_t size;
    int fd;
    LENET_TRY(lenet_file_open(path, &fd, &kind, &size, err));
    const int is_file = kind == LENET_OPENED_FILE, is_large = is_file && size != UINT64_MAX && size > MAX_FILE;
    if (is_file && !is_large && (*file = fdopen(fd, "rb"))) return LENET_OK;
    close(fd);
    if (is_large)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: %" PRIu64 " bytes, wanted at most %" PRIu64 " of an image", path,
                          size, MAX_FILE);
    if (is_file) return lenet_fail(err, LENET_ERR_MEMORY, "%s: out of memory", path);
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: a %s, wanted the file of an image%s", path,
                      kind == LENET_OPENED_DIRECTORY ? "directory"
                      : kind == LENET_OPENED_PIPE    ? "pipe"
                                                     : "device",
                      kind == LENET_OPENED_PIPE ? "; of a pipe, name - and let it be standard input" : "");
}

/* Takes in all of standard input, of which a pipe cannot be rewound: *bytes is the caller's to free. */
static enum lenet_status open_input(FILE **file, char **bytes, struct lenet_error *err) {
    size_t room = 1 << 16, used = 0, got = 1;
    if (isatty(STDIN_FILENO))
        return lenet_fail(err, LENET_ERR_ARG, "-: standard input is a terminal, wanted an image, as in ... - < FILE");
    for (*bytes = malloc(room); *bytes && got && used < MAX_PIPED;) {
        got = fread(*bytes + used, 1, room - used, stdin);
        used += got;
        if (used < room) continue;
        char *larger = realloc(*bytes, room *= 2);
        if (!larger) return lenet_fail(err, LENET_ERR_MEMORY, "-: out of memory");
        *bytes = larger;
    }
    if (ferror(stdin)) return lenet_fail(err, LENET_ERR_IO, "-: cannot read: %s", strerror(errno));
    if (used >= MAX_PIPED)
        return lenet_fail(err, LENET_ERR_FORMAT, "-: more than %d MB, wanted an image", MAX_PIPED >> 20);
    *file = *bytes ? fmemopen(*bytes, used ? used : 1, "rb") : NULL;
    if (*file && !used) (void)getc(*file); /* no bytes, which fmemopen refuses, are an end already reached */
    return *file ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "-: out of memory");
}

enum lenet_status lenet_image_read(const char *path, struct lenet_image *image, struct lenet_error *err) {
    struct lenet_canvas canvas = {.path = path};
    FILE *file = NULL;
    char *bytes = NULL;
    *image = (struct lenet_image){.H = 0};
    enum lenet_status status = strcmp(path, "-") == 0 ? open_input(&file, &bytes, err) : open_file(path, &file, err);
    if (status == LENET_OK) status = read_file(file, &canvas, image, err);
    if (file) (void)fclose(file);
    free(bytes);
    lenet_canvas_free(&canvas);
    if (status != LENET_OK) {
        free(image->grey);
        image->grey = NULL;
    }
    return status;
}

void lenet_image_free(struct lenet_image *image) {
    free(image->grey);
    *image = (struct lenet_image){.H = 0};
}
