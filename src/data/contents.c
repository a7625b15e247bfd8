/* contents.c - says in words what the bytes of a file are: IDX of any kind, or what lies in its place after a failed
 * download (a web page, a pointer of Git LFS), an unusual way of packing, or an export from another program. */
#include "data/contents.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void lenet_copy_harmless(char *to, size_t room, const char *text, size_t length) {
    size_t n = 0;
    for (; n < length && n + 1 < room; n++) {
        const unsigned char c = (unsigned char)text[n], before = n ? (unsigned char)text[n - 1] : 0;
        to[n] = text[n];
        if (c < ' ' || c == 127 || (before == 0xC2 && c < 0xA0)) to[n] = '?'; /* the last: U+0080 to U+009F */
    }
    while (n < length && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--; /* no half of a character */
    to[n] = '\0';
}

/* ---- IDX -------------------------------------------------------------------------------------------- */

static const struct idx_type {
    int type;
    unsigned bytes;
    const char *name;
} IDX_TYPES[] = {{LENET_IDX_BYTES, 1, "unsigned bytes"},
                 {0x09, 1, "signed bytes"},
                 {0x0B, 2, "int16 values"},
                 {0x0C, 4, "int32 values"},
                 {0x0D, 4, "float32 values"},
                 {0x0E, 8, "float64 values"}};

static const struct idx_type *idx_type(int type) {
    for (size_t i = 0; i < sizeof IDX_TYPES / sizeof *IDX_TYPES; i++)
        if (IDX_TYPES[i].type == type) return &IDX_TYPES[i];
    return NULL;
}

static uint64_t number(const uint8_t *bytes, unsigned n, int reversed) {
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++) value = value << 8 | bytes[reversed ? n - 1 - i : i];
    return value;
}

/* Sets the sizes, of elements of `width` bytes, from bytes of this order. Returns 1 where they give the size of the
 * file. */
static int read_sizes(const uint8_t *bytes, size_t size, unsigned width, int reversed, struct lenet_idx_header *h) {
    double wanted = width; /* a product of nine numbers may be beyond 64 bits */
    for (int d = 0; d < h->dimensions; d++) {
        const size_t at = 4 + 4 * (size_t)d;
        h->size[d] = at + 4 <= size ? (uint32_t)number(bytes + at, 4, reversed) : 0;
        wanted *= h->size[d];
    }
    wanted += (double)h->bytes;
    if (!h->file_bytes || wanted < h->file_bytes) h->file_bytes = wanted;
    return wanted == (double)size;
}

int lenet_idx_header_read(const uint8_t *bytes, size_t size, struct lenet_idx_header *h) {
    *h = (struct lenet_idx_header){0};
    if (size < 4) return 0;
    h->magic = (uint32_t)number(bytes, 4, 0);
    h->reversed = (h->magic & 0xffff) == 0;
    h->type = bytes[h->reversed ? 1 : 2];
    h->dimensions = bytes[h->reversed ? 0 : 3];
    h->bytes = 4 + 4 * (size_t)h->dimensions;
    const struct idx_type *type = idx_type(h->type);
    if ((!h->reversed && h->magic >> 16 != 0) || !type) return 0;
    if (h->dimensions < 1 || h->dimensions > LENET_IDX_MOST_DIMENSIONS) return 0;
    /* Some programs write the sizes as the machine has them, and only the first four bytes as they should be. */
    if (read_sizes(bytes, size, type->bytes, h->reversed, h)) return 1;
    if (read_sizes(bytes, size, type->bytes, !h->reversed, h))
        h->reversed = 1;
    else
        read_sizes(bytes, size, type->bytes, h->reversed, h);
    return 1;
}

static double idx_value(const uint8_t *bytes, int type) {
    const uint64_t bits = number(bytes, idx_type(type)->bytes, 0);
    const uint32_t low = (uint32_t)bits;
    float single;
    double value;
    switch (type) {
    case 0x09: return (int8_t)bits;
    case 0x0B: return (int16_t)bits;
    case 0x0C: return (int32_t)low;
    case 0x0D: memcpy(&single, &low, sizeof single); return single;
    case 0x0E: memcpy(&value, &bits, sizeof value); return value;
    default: return (double)bits;
    }
}

/* Adds ", from LEAST to LARGEST" to the text, and what is no number. */
static void add_range(const uint8_t *bytes, size_t size, const struct lenet_idx_header *h, char *text, size_t room) {
    double least = DBL_MAX, largest = -DBL_MAX;
    size_t not_numbers = 0;
    const unsigned width = idx_type(h->type)->bytes;
    for (size_t at = h->bytes; at + width <= size; at += width) {
        const double value = idx_value(bytes + at, h->type);
        not_numbers += isnan(value) != 0;
        least = fmin(least, value);
        largest = fmax(largest, value);
    }
    int used = 0;
    if (least <= largest) used = snprintf(text, room, " from %g to %g", least, largest);
    if (not_numbers) snprintf(text + used, room - (size_t)used, ", %zu of them NaN", not_numbers);
}

static const char *idx_cause(const struct lenet_idx_header *h, int wanted) {
    const int d = h->dimensions, channels = d == 4 && h->size[1] != 3 && h->size[3] != 3 ? 1 : 3;
    if (h->reversed) return "a program that wrote the numbers of the header in the order of its machine's memory";
    if (wanted == 1 && h->type == 0x0C && d == 2 && h->size[1] == 8)
        return "QMNIST's table of eight numbers for each image: store the first, its class, as one unsigned byte";
    if (h->type != LENET_IDX_BYTES)
        return wanted == 1 ? "an export that kept the labels' type: store each class as one unsigned byte"
                           : "an export of pixels that were converted or scaled: store them as bytes from 0 to 255";
    if (wanted == 3 && d == 1) return "it holds labels: the images and labels files are swapped";
    if (wanted == 1 && d == 3) return "it holds images: the images and labels files are swapped";
    if (wanted == 1 && d == 2 && h->size[1] > 1)
        return "one-hot labels, a row of zeros and a one for each image: store the number of its class";
    if (wanted == 1 && d == 2) return "labels as a column: leave the second dimension out";
    if (wanted == 3 && d == 2) return "images that were flattened to a row each: give their height and width";
    if (wanted == 3 && d == 4 && channels == 1) return "a dimension of channels, which grey images go without";
    if (wanted == 3 && d == 4) return "colour images: convert them to grey";
    return "an array of another kind";
}

static void describe_idx(const uint8_t *bytes, size_t size, const struct lenet_idx_header *h, int wanted,
                         struct lenet_contents *c) {
    char sizes[LENET_IDX_MOST_DIMENSIONS * 13 + 1] = "", range[80] = "";
    size_t used = 0;
    for (int d = 0; d < h->dimensions; d++)
        used += (size_t)snprintf(sizes + used, sizeof sizes - used, "%s%" PRIu32, d ? " x " : "", h->size[d]);
    if (h->type != LENET_IDX_BYTES) add_range(bytes, size, h, range, sizeof range);
    snprintf(c->what, sizeof c->what, "an IDX file%s of %s %s%s in %d dimension%s (magic 0x%08" PRIx32 ")",
             h->reversed ? " in reversed byte order" : "", sizes, idx_type(h->type)->name, range, h->dimensions,
             h->dimensions == 1 ? "" : "s", h->magic);
    c->cause = idx_cause(h, wanted);
}

/* ---- other files -------------------------------------------------------------------------------------- */

static const struct signature {
    size_t at, length;
    const char *bytes, *what, *cause;
} SIGNATURES[] = {
#define UNPACK "it is packed in another way than wanted: unpack it"
#define EXPORT "data in another program's format: convert it to IDX (scripts/to_idx.py)"
    {0, 4, "PK\3\4", "a zip archive", UNPACK},
    {0, 6, "\xfd\x37zXZ\0", "an xz archive", UNPACK},
    {0, 3, "BZh", "a bzip2 archive", UNPACK},
    {0, 4, "\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK},
    {0, 2, "\x1f\x9d", "a compress archive (.Z)", UNPACK},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK},
    {257, 5, "ustar", "a tar archive", UNPACK},
    {0, 6, "\x93NUMPY", "a NumPy array (.npy)", EXPORT},
    {0, 4, "PAR1", "a Parquet table", EXPORT},
    {0, 8, "\x89PNG\r\n\x1a\n", "a PNG picture", "a single picture in the place of all of them"},
    {0, 3, "\xff\xd8\xff", "a JPEG picture", "a single picture in the place of all of them"},
    {0, 4,
     "\x7f"
     "ELF",
     "a program", "another file under this name"},
};

int lenet_is_gzip(const uint8_t *bytes, size_t size) { return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b; }

/* Reads the beginning of a text, without what may stand before its first word. Returns 0 where the bytes are no text.
 * Of UTF-16 the zero bytes are left out, which is enough to tell what kind of text it is. */
static int read_text(const uint8_t *bytes, size_t size, char *text, size_t room) {
    static const char spaces[] = " \t\r\n\v\f";
    const int wide = size >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff));
    const size_t mark = wide ? 2 : size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    size_t used = 0;
    for (size_t i = mark; i < size && used + 1 < room; i++) {
        const char c = (char)bytes[i];
        if (wide && c == 0) continue;
        if ((bytes[i] < ' ' && !strchr(spaces, c)) || c == 0 || c == 127) return 0;
        if (used == 0 && strchr(spaces, c)) continue;
        text[used++] = c;
    }
    text[used] = '\0';
    return 1;
}

static int begins(const char *text, const char *with) { return strncasecmp(text, with, strlen(with)) == 0; }

static int is_web_page(const char *text) {
    static const char *const beginnings[] = {"<!doctype html", "<html", "<head", "<body", "<title", "<script", "<meta"};
    for (const char *c = strchr(text, '<'); *text == '<' && c; c = strchr(c + 1, '<'))
        for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
            if (begins(c, beginnings[i])) return 1;
    return 0;
}

static void describe_text(const char *text, struct lenet_contents *c) {
    char start[48];
    const char *what = "a text";
    c->cause = "a note, or numbers as text, in the place of the file";
    if (is_web_page(text)) {
        what = "a web page (HTML)";
        c->cause = "a download that got a server's message, or a page about the file, instead of the file itself";
    } else if (begins(text, "version https://git-lfs")) {
        what = "a Git LFS pointer";
        c->cause = "a repository that was fetched without its large files: git lfs pull gets them";
    } else if (*text == '<' || *text == '{' || *text == '[') {
        what = *text == '<' ? "XML" : "JSON";
        c->cause = "a server's message, or a description of the data, in the place of the file";
    } else if (!*text) {
        what = "a text of nothing but spaces";
    }
    lenet_copy_harmless(start, sizeof start, text, strcspn(text, "\r\n"));
    snprintf(c->what, sizeof c->what, "%s%s%s%s", what, *start ? " that begins with '" : "", start, *start ? "'" : "");
}

void lenet_contents_describe(const uint8_t *bytes, size_t size, int more, int dimensions, struct lenet_contents *c) {
    struct lenet_idx_header header;
    char text[1024];
    if (lenet_idx_header_read(bytes, size, &header)) {
        describe_idx(bytes, size, &header, dimensions, c);
        return;
    }
    *c = (struct lenet_contents){.cause = size < 4 ? "an interrupted download"
                                                   : "a damaged file, or another one under this name"};
    for (size_t i = 0; i < sizeof SIGNATURES / sizeof *SIGNATURES; i++) {
        const struct signature *s = &SIGNATURES[i];
        if (size < s->at + s->length || memcmp(bytes + s->at, s->bytes, s->length) != 0) continue;
        snprintf(c->what, sizeof c->what, "%s", s->what);
        c->cause = s->cause;
        return;
    }
    if (size == 0) {
        snprintf(c->what, sizeof c->what, "an empty file (0 bytes)");
        c->cause = "an interrupted download, or a full disk";
    } else if (lenet_is_gzip(bytes, size)) {
        snprintf(c->what, sizeof c->what, "gzip");
        c->cause = "it was packed twice: unpack it once, with gunzip";
    } else if (read_text(bytes, size, text, sizeof text)) {
        describe_text(text, c);
    } else {
        int used = snprintf(c->what, sizeof c->what, "%s%zu bytes of no known kind that begin with",
                            more ? "at least " : "", size);
        for (size_t i = 0; i < size && i < 4; i++)
            used += snprintf(c->what + used, sizeof c->what - (size_t)used, " %02x", bytes[i]);
    }
}
