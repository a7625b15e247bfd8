/* pnm.c - reads PGM and PPM: a header of words, then grey levels or colours, as words or as bytes.
 *
 * Source: netpbm.sourceforge.net/doc/pgm.html and ppm.html. */
#include <ctype.h>
#include <stdlib.h>

#include "image/canvas.h"

static enum lenet_status fail_damaged(const struct lenet_canvas *canvas, const char *what, struct lenet_error *err) {
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: a damaged PGM or PPM, or one that was cut short: %s", canvas->path,
                      what);
}

/* The next number, after white space and comments; -1 where there is none. Takes one character behind it. */
static long read_number(FILE *file) {
    int c = getc(file);
    while (isspace(c) || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(file);
        else
            c = getc(file);
    }
    long number = isdigit(c) ? 0 : -1;
    for (; isdigit(c); c = getc(file)) number = number < 100000000 ? 10 * number + (c - '0') : number;
    return number;
}

/* The next value, or -1. Values of more than 255 have two bytes, the higher one first. */
static long read_value(FILE *file, int in_words, long most) {
    if (in_words) return read_number(file);
    const int high = most > 255 ? getc(file) : 0, low = getc(file);
    return high == EOF || low == EOF ? -1 : 256L * high + low;
}

static enum lenet_status read_rows(FILE *file, int in_words, long most, uint8_t *row, struct lenet_canvas *canvas,
                                   struct lenet_error *err) {
    for (int y = 0; y < canvas->full_H; y++) {
        for (int i = 0; i < canvas->full_W * canvas->channels; i++) {
            const long value = read_value(file, in_words, most);
            if (value < 0) return fail_damaged(canvas, "it ends too early", err);
            if (value > most) return fail_damaged(canvas, "a value above the most that its header names", err);
            row[i] = (uint8_t)((255 * value + most / 2) / most);
        }
        lenet_canvas_add(canvas, y, row, 0, 1);
    }
    return LENET_OK;
}

enum lenet_status lenet_pnm_read(FILE *file, struct lenet_canvas *canvas, struct lenet_error *err) {
    getc(file); /* P */
    const int kind = getc(file) - '0';
    const long W = read_number(file), H = read_number(file), most = read_number(file);
    if (W < 0 || H < 0 || most < 1 || most > 65535)
        return fail_damaged(canvas, "wanted width, height and a largest value of 1 to 65535", err);
    LENET_TRY(lenet_canvas_begin(canvas, (uint64_t)H, (uint64_t)W, kind == 3 || kind == 6 ? 3 : 1, err));
    uint8_t *row = malloc((size_t)W * (size_t)canvas->channels);
    if (!row) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const enum lenet_status status = read_rows(file, kind < 4, most, row, canvas, err);
    free(row);
    return status;
}
