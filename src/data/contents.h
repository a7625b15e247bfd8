/* contents.h - what the bytes of a file are, whatever its name says.
 *
 * The IDX format: a big-endian header (two zero bytes, the type of the values, the number of dimensions, then each
 * dimension's size as 32 bits), then the values. Source: yann.lecun.com/exdb/mnist, "file formats for the MNIST
 * database". */
#ifndef LENET_DATA_CONTENTS_H
#define LENET_DATA_CONTENTS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_IDX_BYTES = 8, LENET_IDX_MOST_DIMENSIONS = 8 };

struct lenet_idx_header {
    uint32_t magic; /* the first four bytes */
    int type;       /* LENET_IDX_BYTES: unsigned bytes */
    int dimensions;
    int reversed;                             /* 1: its numbers have their lowest byte first, where IDX wants it last */
    size_t bytes;                             /* that the header takes */
    uint32_t size[LENET_IDX_MOST_DIMENSIONS]; /* 0 where the file ends before */
    double file_bytes; /* that the file has by these sizes, or by those in the other order where these are fewer */
};

/* Returns 1 where the file begins as IDX does, of any known type, in either order of bytes. */
int lenet_idx_header_read(const uint8_t *bytes, size_t size, struct lenet_idx_header *header);

struct lenet_contents {
    char what[256];    /* "a web page (HTML) that begins with ...": what the bytes are            */
    const char *cause; /* what may have put them in the place of an IDX file, or what is to be done */
};

/* Says what a file is that should have been IDX of so many dimensions (3: images, 1: labels), from its first bytes;
 * more: it has others. */
void lenet_contents_describe(const uint8_t *bytes, size_t size, int more, int dimensions,
                             struct lenet_contents *contents);

int lenet_is_gzip(const uint8_t *bytes, size_t size);

/* Copies text, cut to fit, with a question mark for each control character. */
void lenet_copy_harmless(char *to, size_t room, const char *text, size_t length);

#ifdef __cplusplus
}
#endif
#endif
