/* idx.c - reads one IDX file of unsigned bytes.
 *
 * No more of a file is read, or unpacked, than its header says that there is, and as much as padding may follow. What
 * has been read is then held against the header: one set of checks serves raw and packed files. */
#include "data/idx.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/files.h"
#include "data/contents.h"

enum { MOST_PACKED = 1 << 30, MOST_UNPACKED = 1 << 30, MOST_PADDING = 1 << 20, BEGINNING = 1 << 12 };

/* How many bytes are wanted of a file that begins so; by the last one a file is known that goes on. Of what is no IDX
 * file only the beginning is looked at. */
static size_t wanted_bytes(const uint8_t *bytes, size_t size) {
    struct lenet_idx_header header;
    if (!lenet_idx_header_read(bytes, size, &header)) return MOST_PADDING;
    return header.file_bytes < 0x1p62 ? (size_t)header.file_bytes + MOST_PADDING + 1 : (size_t)1 << 62;
}

/* The zeros that begin here, and fill the rest of a block or of a tape. */
static size_t padding(const uint8_t *bytes, size_t size) {
    size_t n = 0;
    while (n < size && n < MOST_PADDING && bytes[n] == 0) n++;
    return n;
}

/* Goes on to the next member of a gzip file, of which any number may follow one another, and then padding. Returns
 * Z_OK, or Z_STREAM_END where nothing or no gzip follows. */
static int next_member(z_stream *stream) {
    const size_t zeros = padding(stream->next_in, stream->avail_in);
    stream->next_in += zeros;
    stream->avail_in -= (uInt)zeros;
    return lenet_is_gzip(stream->next_in, stream->avail_in) ? inflateReset(stream) : Z_STREAM_END;
}

/* Gives the stream room for more bytes. Returns Z_BUF_ERROR where there are as many as are wanted already. The buffer
 * grows with what comes out: the length that gzip keeps at its end is nonsense in a file that was cut short. */
static int make_room(z_stream *stream, struct lenet_idx *file, size_t *most) {
    enum { FIRST_ROOM = 1 << 16 };
    if (file->size == FIRST_ROOM) *most = wanted_bytes(file->bytes, file->size);
    if (*most > MOST_UNPACKED) *most = MOST_UNPACKED;
    if (file->size == *most) return Z_BUF_ERROR;
    size_t room = file->size > 0 ? 2 * file->size : FIRST_ROOM;
    if (room > *most) room = *most;
    uint8_t *larger = realloc(file->bytes, room);
    if (!larger) return Z_MEM_ERROR;
    file->bytes = larger;
    stream->next_out = larger + file->size;
    stream->avail_out = (uInt)(room - file->size);
    return Z_OK;
}

/* Inflates gzip into file->bytes, as many as are wanted. Returns zlib's code; Z_BUF_ERROR also where there are more. */
static int inflate_all(z_stream *stream, struct lenet_idx *file) {
    enum { GZIP_ONLY = 16 + MAX_WBITS };
    size_t most = MOST_UNPACKED;
    int code = inflateInit2(stream, GZIP_ONLY);
    while (code == Z_OK) {
        if (stream->avail_out == 0 && (code = make_room(stream, file, &most)) != Z_OK) break;
        const uint8_t *begin = stream->next_out;
        code = inflate(stream, Z_NO_FLUSH);
        file->size += (size_t)(stream->next_out - begin);
        if (code == Z_STREAM_END) code = next_member(stream);
    }
    file->more = code == Z_BUF_ERROR && file->size == most;
    return code;
}

/* Puts the unpacked bytes into the file in place of the packed ones. */
static enum lenet_status unpack_gzip(struct lenet_idx *file, struct lenet_error *err) {
    z_stream stream = {.next_in = file->bytes, .avail_in = (uInt)file->size};
    uint8_t *packed = file->bytes;
    file->bytes = NULL;
    file->size = 0;
    const int code = inflate_all(&stream, file);
    const char *found = stream.msg ? stream.msg : code == Z_STREAM_END ? "bytes after its end" : "it ends too early";
    inflateEnd(&stream);
    free(packed);
    if (file->size == MOST_UNPACKED)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: unpacks to %d bytes or more, wanted fewer; likely no IDX data set", file->path,
                          MOST_UNPACKED);
    if (code == Z_MEM_ERROR)
        return lenet_fail(err, LENET_ERR_MEMORY,
                          "%s: no memory to unpack more than %zu bytes; likely too little is free", file->path,
                          file->size);
    if (file->more || (code == Z_STREAM_END && stream.avail_in == 0)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: corrupt gzip: %s; wanted whole gzip and nothing else; likely an interrupted or damaged "
                      "download",
                      file->path, found);
}

/* Says what the file is instead of gzip or, unpacked or raw, of IDX. */
static enum lenet_status fail_contents(const struct lenet_idx *file, int dimensions, int wants_gzip,
                                       struct lenet_error *err) {
    struct lenet_contents found;
    struct lenet_idx_header header;
    lenet_contents_describe(file->bytes, file->size, file->more, dimensions, &found);
    if (wants_gzip) {
        if (lenet_idx_header_read(file->bytes, file->size, &header))
            found.cause = "a raw IDX file whose name should not end in .gz";
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: is %s, wanted gzip (1f 8b at the beginning), as its name says; likely %s", file->path,
                          found.what, found.cause);
    }
    if (!file->packed && lenet_is_gzip(file->bytes, file->size))
        found.cause = "it is gzip, and its name should end in .gz";
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: %s %s, wanted %s: an IDX file of unsigned bytes in %d dimension%s (magic 0x0000080%d); "
                      "likely %s",
                      file->path, file->packed ? "unpacks to" : "is", found.what,
                      dimensions == LENET_IDX_IMAGES ? "images" : "labels", dimensions, dimensions == 1 ? "" : "s",
                      dimensions, found.cause);
}

/* Fills in count, H and W, and holds them against the file's true size. */
static enum lenet_status parse_header(struct lenet_idx *file, int dimensions, struct lenet_error *err) {
    struct lenet_idx_header header;
    if (!lenet_idx_header_read(file->bytes, file->size, &header) || header.reversed || header.type != LENET_IDX_BYTES ||
        header.dimensions != dimensions)
        return fail_contents(file, dimensions, 0, err);
    file->header = header.bytes;
    if (file->size < file->header)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: has %zu bytes, wanted a header of %zu; likely an interrupted download", file->path,
                          file->size, file->header);
    file->count = header.size[0];
    file->H = dimensions == LENET_IDX_IMAGES ? header.size[1] : 1;
    file->W = dimensions == LENET_IDX_IMAGES ? header.size[2] : 1;
    if (file->count == 0)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: its header says 0 samples, wanted at least 1; likely an empty set", file->path);
    if (file->H < 1 || file->H > LENET_IDX_MAX_SIDE || file->W < 1 || file->W > LENET_IDX_MAX_SIDE)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: images of %" PRIu32 "x%" PRIu32 ", wanted 1 to %d a side; likely a damaged header",
                          file->path, file->H, file->W, LENET_IDX_MAX_SIDE);
    const uint64_t wanted = file->header + (uint64_t)file->count * file->H * file->W; /* below 2^49 */
    if (file->size > wanted && padding(file->bytes + wanted, file->size - wanted) == file->size - wanted)
        file->size = (size_t)wanted;
    if (file->size != wanted)
        return lenet_fail(
            err, LENET_ERR_FORMAT,
            "%s: has %s%zu bytes%s, wanted %" PRIu64 " for the %" PRIu32 " samples of its header; likely %s",
            file->path, file->more ? "at least " : "", file->size, file->packed ? " unpacked" : "", wanted, file->count,
            file->size < wanted ? "cut short by an interrupted download"
                                : "a damaged header, or bytes added at the end");
    return LENET_OK;
}

static enum lenet_status read_packed(struct lenet_idx *file, int dimensions, struct lenet_error *err) {
    char *bytes;
    LENET_TRY(lenet_file_read(file->path, "a packed file of a data set", MOST_PACKED, &bytes, &file->size, err));
    file->bytes = (uint8_t *)bytes;
    if (!lenet_is_gzip(file->bytes, file->size)) return fail_contents(file, dimensions, 1, err);
    return unpack_gzip(file, err);
}

static enum lenet_status read_raw(struct lenet_idx *file, struct lenet_error *err) {
    struct lenet_input input;
    size_t most = BEGINNING;
    enum lenet_status status = lenet_input_open(file->path, &input, err);
    if (status == LENET_OK) status = lenet_input_read(&input, most, err);
    if (status == LENET_OK && input.used == most)
        status = lenet_input_read(&input, most = wanted_bytes((uint8_t *)input.bytes, most), err);
    lenet_input_close(&input);
    file->bytes = (uint8_t *)input.bytes;
    file->size = input.used;
    file->more = input.used == most;
    return status;
}

enum lenet_status lenet_idx_read(struct lenet_idx *file, int dimensions, struct lenet_error *err) {
    file->more = 0;
    LENET_TRY(file->packed ? read_packed(file, dimensions, err) : read_raw(file, err));
    return parse_header(file, dimensions, err);
}
