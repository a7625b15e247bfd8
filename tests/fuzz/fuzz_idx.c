/* fuzz_idx.c - the files of a data set, raw, packed, and packed here so that what is inside varies, too.
 * Reads with: src/data/idx.c src/data/contents.c */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/contents.h"
#include "data/idx.h"
#include "fuzz.h"

/* Packed without being compressed, which is quick. To be freed. */
static uint8_t *pack(const uint8_t *bytes, size_t size, size_t *packed_size) {
    z_stream stream = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)size};
    const size_t room = size + size / 100 + 100;
    uint8_t *packed = malloc(room);
    FUZZ_CHECK(packed && deflateInit2(&stream, 0, Z_DEFLATED, 16 + MAX_WBITS, 1, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    FUZZ_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    *packed_size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static void read_and_check(const uint8_t *bytes, size_t size, int is_packed, int dimensions) {
    struct lenet_idx file = {.packed = is_packed};
    struct lenet_error err = {{0}};
    strcpy(file.path, fuzz_file(bytes, size));
    if (fuzz_ok(lenet_idx_read(&file, dimensions, &err), &err)) {
        FUZZ_CHECK(file.size == file.header + (size_t)file.count * file.H * file.W);
        volatile uint8_t last = file.bytes[file.size - 1];
        (void)last;
    }
    free(file.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const int kind = data[0] & 3, dimensions = data[0] & 4 ? LENET_IDX_LABELS : LENET_IDX_IMAGES;
    const uint8_t *bytes = data + 1;
    size--;
    if (kind < 2) {
        read_and_check(bytes, size, kind, dimensions);
        return 0;
    }
    size_t packed_size;
    uint8_t *packed = pack(bytes, size, &packed_size);
    read_and_check(packed, packed_size, 1, dimensions);
    free(packed);
    return 0;
}
