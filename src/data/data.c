/* data.c - reads the four IDX files of a data set.
 *
 * A file is taken whole into memory, unpacked if it is gzip, and only then
 * looked at: its true size is known before a count in its header is believed,
 * and one set of checks serves raw and packed files. */
#include "lenet/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/files.h"
#include "ops/draw.h"

enum { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS, FILES };
enum { MAX_SIDE = 256, MAX_PATH = 4096, MOST_UNPACKED = 1 << 30 };
static const uint32_t IMAGES_MAGIC = 0x00000803, LABELS_MAGIC = 0x00000801;

static const char *const FILE_NAMES[FILES] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                              "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

struct idx_file {
    char path[MAX_PATH];
    int packed;     /* path ends in .gz */
    uint8_t *bytes; /* [size], header included, unpacked */
    size_t size;
    size_t header; /* bytes before the first value */
    uint32_t count;
    uint32_t H, W; /* 1 x 1 for labels */
};

static uint32_t big_endian_32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Inflates one gzip stream into *unpacked, which is the caller's to free whatever
 * is returned: zlib's code, and Z_MEM_ERROR without memory or at MOST_UNPACKED bytes.
 * The buffer grows with what comes out: the length that gzip keeps at its end is
 * nonsense in a file that was cut short. */
static int inflate_all(z_stream *stream, uint8_t **unpacked) {
    enum { GZIP_ONLY = 16 + MAX_WBITS, FIRST_ROOM = 1 << 16 };
    size_t room = 0;
    int code = inflateInit2(stream, GZIP_ONLY);
    while (code == Z_OK) {
        if (stream->avail_out == 0) {
            room = room > 0 ? 2 * room : FIRST_ROOM;
            uint8_t *larger = room <= MOST_UNPACKED ? realloc(*unpacked, room) : NULL;
            if (!larger) return Z_MEM_ERROR;
            *unpacked = larger;
            stream->next_out = larger + stream->total_out;
            stream->avail_out = (uInt)(room - stream->total_out);
        }
        code = inflate(stream, Z_NO_FLUSH);
    }
    return code;
}

/* Puts the unpacked bytes into the file in place of the packed ones. */
static enum lenet_status unpack_gzip(struct idx_file *file, struct lenet_error *err) {
    if (file->size < 2 || file->bytes[0] != 0x1f || file->bytes[1] != 0x8b)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: does not begin with 1f 8b, wanted gzip as its name says; likely a raw IDX file whose "
                          "name should not end in .gz",
                          file->path);
    if (file->size > MOST_UNPACKED)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: has %zu bytes, wanted at most %d; likely no IDX data set",
                          file->path, file->size, MOST_UNPACKED);
    z_stream stream = {.next_in = file->bytes, .avail_in = (uInt)file->size};
    uint8_t *packed = file->bytes, *unpacked = NULL;
    const int code = inflate_all(&stream, &unpacked);
    const char *found = stream.msg ? stream.msg : code == Z_STREAM_END ? "bytes after its end" : "it ends too early";
    inflateEnd(&stream);
    file->bytes = unpacked;
    file->size = stream.total_out;
    free(packed);
    if (file->size == MOST_UNPACKED)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: unpacks to %d bytes or more, wanted fewer; likely no IDX data set", file->path,
                          MOST_UNPACKED);
    if (code == Z_MEM_ERROR)
        return lenet_fail(err, LENET_ERR_MEMORY,
                          "%s: no memory to unpack more than %zu bytes; likely too little is free", file->path,
                          file->size);
    if (code == Z_STREAM_END && stream.avail_in == 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: corrupt gzip: %s; wanted one whole stream; likely an interrupted or damaged download",
                      file->path, found);
}

/* Reads name or, where that is not there, name.gz from directory. */
static enum lenet_status read_file(const char *directory, const char *name, struct idx_file *file,
                                   struct lenet_error *err) {
    const int length = snprintf(file->path, sizeof file->path, "%s/%s.gz", directory, name);
    if (length < 0 || (size_t)length >= sizeof file->path)
        return lenet_fail(err, LENET_ERR_IO, "%.200s...: this path has %d bytes; wanted fewer than %d", directory,
                          length, MAX_PATH);
    const size_t raw_length = (size_t)length - strlen(".gz");
    file->path[raw_length] = '\0';
    file->packed = !lenet_path_exists(file->path);
    if (file->packed) file->path[raw_length] = '.';
    if (file->packed && !lenet_path_exists(file->path))
        return lenet_fail(err, LENET_ERR_IO,
                          "%s/%s: not found, nor with .gz; likely another data set's directory, or data not yet "
                          "downloaded (scripts/get_mnist.sh)",
                          directory, name);
    char *bytes = NULL;
    LENET_TRY(lenet_file_read(file->path, &bytes, &file->size, err));
    file->bytes = (uint8_t *)bytes;
    return file->packed ? unpack_gzip(file, err) : LENET_OK;
}

static enum lenet_status check_magic(const struct idx_file *file, uint32_t wanted, struct lenet_error *err) {
    const uint32_t found = big_endian_32(file->bytes);
    if (found == wanted) return LENET_OK;
    const char *cause = "not an IDX file of unsigned bytes";
    if (found == IMAGES_MAGIC) cause = "it holds images: the images and labels files are swapped";
    if (found == LABELS_MAGIC) cause = "it holds labels: the images and labels files are swapped";
    if (found >> 16 == 0x1f8b) cause = "it is gzip, and its name should end in .gz";
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: begins with magic 0x%08" PRIx32 ", wanted 0x%08" PRIx32 " (%s); likely %s", file->path,
                      found, wanted, wanted == IMAGES_MAGIC ? "images" : "labels", cause);
}

/* Fills in count, H and W, and holds them against the file's true size. */
static enum lenet_status parse_header(struct idx_file *file, uint32_t magic, struct lenet_error *err) {
    file->header = magic == IMAGES_MAGIC ? 16 : 8;
    if (file->size >= 4) LENET_TRY(check_magic(file, magic, err));
    if (file->size < file->header)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: has %zu bytes, wanted a header of %zu; likely an empty or interrupted download",
                          file->path, file->size, file->header);
    file->count = big_endian_32(file->bytes + 4);
    file->H = magic == IMAGES_MAGIC ? big_endian_32(file->bytes + 8) : 1;
    file->W = magic == IMAGES_MAGIC ? big_endian_32(file->bytes + 12) : 1;
    if (file->count == 0)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: its header says 0 samples, wanted at least 1; likely an empty set", file->path);
    if (file->H < 1 || file->H > MAX_SIDE || file->W < 1 || file->W > MAX_SIDE)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: images of %" PRIu32 "x%" PRIu32 ", wanted 1 to %d a side; likely a damaged header",
                          file->path, file->H, file->W, MAX_SIDE);
    const uint64_t wanted = file->header + (uint64_t)file->count * file->H * file->W; /* below 2^49 */
    if (file->size != wanted)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: has %zu bytes%s, wanted %" PRIu64 " for the %" PRIu32
                          " samples of its header; likely %s",
                          file->path, file->size, file->packed ? " unpacked" : "", wanted, file->count,
                          file->size < wanted ? "cut short by an interrupted download"
                                              : "a damaged header, or bytes added at the end");
    return LENET_OK;
}

/* Raises *classes to the file's largest label plus 1. */
static enum lenet_status check_labels(const struct idx_file *file, int *classes, struct lenet_error *err) {
    for (size_t i = 0; i < file->count; i++) {
        const int label = file->bytes[file->header + i];
        if (label >= LENET_MAX_CLASSES)
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: label %d at index %zu, wanted 0 to %d; likely a damaged file, or a data set of "
                              "more than %d classes",
                              file->path, label, i, LENET_MAX_CLASSES - 1, LENET_MAX_CLASSES);
        if (label >= *classes) *classes = label + 1;
    }
    return LENET_OK;
}

static enum lenet_status check_counts(const struct idx_file *images, const struct idx_file *labels,
                                      struct lenet_error *err) {
    if (images->count == labels->count) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: %" PRIu32 " labels, wanted one for each of the %" PRIu32 " images of %s; likely files of "
                      "two data sets or of both halves mixed up",
                      labels->path, labels->count, images->count, images->path);
}

static enum lenet_status check_halves(const struct idx_file *train, const struct idx_file *test,
                                      struct lenet_error *err) {
    if (train->H != test->H || train->W != test->W)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: images of %" PRIu32 "x%" PRIu32 ", wanted %" PRIu32 "x%" PRIu32
                          " as in %s; likely files of two data sets mixed up",
                          test->path, test->H, test->W, train->H, train->W, train->path);
    if (train->size == test->size && memcmp(train->bytes, test->bytes, train->size) == 0)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: the same images as in %s, wanted images not trained on; likely one file copied over "
                          "the other",
                          test->path, train->path);
    return LENET_OK;
}

static enum lenet_status hash_files(const struct idx_file files[FILES], char hash[65], struct lenet_error *err) {
    struct lenet_piece pieces[FILES];
    for (int i = 0; i < FILES; i++) pieces[i] = (struct lenet_piece){files[i].bytes, files[i].size};
    return lenet_sha256(pieces, FILES, hash, err);
}

static const char *name_by_hash(const char *hash) {
    static const char *const KNOWN[][2] = {
        {"b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a", "MNIST"},
        {"16c983f0a2bf823dab3039e91560840eb0e3ce548aacc2297a7d4e2ca4c1b9f5", "MNIST sample"}, /* data/sample */
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (strcmp(hash, KNOWN[i][0]) == 0) return KNOWN[i][1];
    return NULL;
}

/* The last component of path, cut between UTF-8 characters to fit into name. */
static void name_by_directory(const char *path, char *name, size_t name_size) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t length = end - begin;
    if (length >= name_size) {
        length = name_size - 1;
        while (length > 0 && ((unsigned char)path[begin + length] & 0xC0) == 0x80) length--;
    }
    snprintf(name, name_size, "%.*s", (int)length, path + begin);
    if (length == 0) snprintf(name, name_size, "unknown");
}

/* Hands over the file's buffer with its values moved to the front: a second
 * buffer would double the peak memory of reading. */
static uint8_t *take_values(struct idx_file *file) {
    uint8_t *values = file->bytes;
    memmove(values, values + file->header, file->size - file->header);
    file->bytes = NULL;
    return values;
}

static struct lenet_samples take_samples(struct idx_file *images, struct idx_file *labels) {
    return (struct lenet_samples){images->count, take_values(images), take_values(labels)};
}

/* What is in files stays the caller's to free, on success too. */
static enum lenet_status read_dataset(const char *directory, struct idx_file files[FILES], struct lenet_dataset *data,
                                      struct lenet_error *err) {
    if (!lenet_path_exists(directory))
        return lenet_fail(err, LENET_ERR_IO,
                          "%s: no such data directory; likely a mistyped --data, or data not yet downloaded "
                          "(scripts/get_mnist.sh)",
                          directory);
    for (int i = 0; i < FILES; i++) {
        const int is_images = i == TRAIN_IMAGES || i == TEST_IMAGES;
        LENET_TRY(read_file(directory, FILE_NAMES[i], &files[i], err));
        LENET_TRY(parse_header(&files[i], is_images ? IMAGES_MAGIC : LABELS_MAGIC, err));
        if (!is_images) LENET_TRY(check_labels(&files[i], &data->classes, err));
        if (!is_images) LENET_TRY(check_counts(&files[i - 1], &files[i], err));
    }
    LENET_TRY(check_halves(&files[TRAIN_IMAGES], &files[TEST_IMAGES], err));
    LENET_TRY(hash_files(files, data->hash, err));
    if (name_by_hash(data->hash))
        snprintf(data->name, sizeof data->name, "%s", name_by_hash(data->hash));
    else
        name_by_directory(directory, data->name, sizeof data->name);
    data->H = (int)files[TRAIN_IMAGES].H;
    data->W = (int)files[TRAIN_IMAGES].W;
    data->train = take_samples(&files[TRAIN_IMAGES], &files[TRAIN_LABELS]);
    data->test = take_samples(&files[TEST_IMAGES], &files[TEST_LABELS]);
    return LENET_OK;
}

enum lenet_status lenet_dataset_read(const char *directory, struct lenet_dataset *data, struct lenet_error *err) {
    struct idx_file files[FILES] = {0};
    *data = (struct lenet_dataset){0};
    const enum lenet_status status = read_dataset(directory, files, data, err);
    for (int i = 0; i < FILES; i++) free(files[i].bytes);
    if (status != LENET_OK) lenet_dataset_free(data);
    return status;
}

/* Random values at GRID x GRID nodes, zero along the rim, and bilinear between them. */
static void smooth_image(uint64_t seed, uint32_t half, uint64_t image, int side, uint8_t *pixels) {
    enum { GRID = 8 };
    uint8_t node[GRID * GRID];
    const float step = (float)(GRID - 1) / (float)(side - 1);
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            const uint64_t index = image * GRID * GRID + (uint64_t)(i * GRID + j);
            const int on_rim = i == 0 || j == 0 || i == GRID - 1 || j == GRID - 1;
            node[i * GRID + j] =
                on_rim ? 0 : (uint8_t)lenet_philox(seed, LENET_RNG_CHECK, half, index / 4).v[index % 4];
        }
    for (int h = 0; h < side; h++)
        for (int w = 0; w < side; w++)
            pixels[h * side + w] = (uint8_t)lenet_bilinear(node, GRID, GRID, step * (float)w, step * (float)h);
}

enum lenet_status lenet_dataset_random(uint64_t seed, size_t count, int side, struct lenet_dataset *data) {
    const size_t pixels = (size_t)side * (size_t)side;
    *data = (struct lenet_dataset){.H = side, .W = side, .classes = LENET_MAX_CLASSES, .name = "random"};
    struct lenet_samples *halves[] = {&data->train, &data->test};
    for (uint32_t h = 0; h < 2; h++) {
        *halves[h] = (struct lenet_samples){count, malloc(count * pixels), malloc(count)};
        if (!halves[h]->images || !halves[h]->labels) {
            lenet_dataset_free(data);
            return LENET_ERR_MEMORY;
        }
        for (size_t i = 0; i < count; i++) {
            smooth_image(seed, h, i, side, halves[h]->images + i * pixels);
            halves[h]->labels[i] = (uint8_t)(i % LENET_MAX_CLASSES);
        }
    }
    return LENET_OK;
}

void lenet_dataset_free(struct lenet_dataset *data) {
    free(data->train.images);
    free(data->train.labels);
    free(data->test.images);
    free(data->test.labels);
    *data = (struct lenet_dataset){0};
}
