/* weights.c - reads and writes safetensors. A file is untrusted: a tensor's data points into
 * it only after its name, type, shape and offsets were checked against the file's size. */
#define _GNU_SOURCE
#include "lenet/weights.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they are; files are little-endian");
_Static_assert(LENET_MAX_RANK == 6 && LENET_MAX_TENSOR_NAME == 64, "messages below say so in figures");

enum {
    ALIGNMENT = 8,          /* the length word's size, and what the data's start is a multiple of */
    MAX_HEADER = 100000000, /* as in the reference implementation                                 */
    MAX_QUOTED = 200,       /* bytes of a foreign file in a message                               */
    BEGINNING = 256         /* bytes by which a foreign file is known                             */
};
static const char metadata_key[] = "__metadata__";

/* cJSON keeps a number as a double and prints a larger one as 1e+15, which other readers refuse. */
static const size_t max_integer = 999999999999999;

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[LENET_F32] = {"F32", 4},
              [LENET_F64] = {"F64", 8},
              [LENET_U8] = {"U8", 1},
              [LENET_I64] = {"I64", 8},
              [LENET_F16] = {"F16", 2}};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

size_t lenet_tensor_bytes(const struct lenet_tensor *tensor) {
    size_t bytes = dtypes[tensor->dtype].size;
    for (int i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(bytes, tensor->shape[i], &bytes)) return SIZE_MAX;
    return bytes;
}

static size_t round_up(size_t size) { return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* A ..._fault function returns what is wrong, and what is wanted, or NULL. */
static const char *name_fault(const char *name) {
    const size_t length = strnlen(name, LENET_MAX_TENSOR_NAME);
    if (length == 0) return "has an empty name";
    if (length == LENET_MAX_TENSOR_NAME) return "has a name of 64 bytes or more; at most 63 are wanted";
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) return "has a control character in its name";
    return NULL;
}

static int compare_keys(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Refuses a name that is among them twice, with the status `failure`. Sorting keeps this quick for the million names
 * that fit into a header. */
static enum lenet_status check_unique(const char **names, size_t n, const char *path, enum lenet_status failure,
                                      struct lenet_error *err) {
    qsort(names, n, sizeof *names, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return lenet_fail(err, failure, "%s: \"%.*s\" occurs twice in one object of the header; once is wanted",
                              path, MAX_QUOTED, names[i]);
    return LENET_OK;
}

static enum lenet_status alloc_names(size_t n, const char *path, const char ***names, struct lenet_error *err) {
    *names = calloc(n + 1, sizeof **names);
    return *names ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for %zu names", path, n);
}

/* ---- writing ---- */

static const char *tensor_fault(const struct lenet_tensor *tensor) {
    const char *fault = name_fault(tensor->name);
    if (fault) return fault;
    if (strcmp(tensor->name, metadata_key) == 0) return "has a name that is kept for the metadata";
    if ((unsigned)tensor->dtype >= DTYPES) return "has an unknown dtype; F32, F64, U8, I64 or F16 is wanted";
    if (tensor->rank < 0 || tensor->rank > LENET_MAX_RANK) return "has a bad rank; 0 to 6 is wanted";
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] > max_integer) return "has a dimension of 10^15 or more";
    if (lenet_tensor_bytes(tensor) > max_integer) return "has 10^15 bytes or more";
    return !tensor->data && lenet_tensor_bytes(tensor) > 0 ? "has no data (NULL)" : NULL;
}

static void add_tensor(struct lenet_json *json, const struct lenet_tensor *tensor, size_t begin) {
    lenet_json_open_object(json, tensor->name);
    lenet_json_add_string(json, "dtype", dtypes[tensor->dtype].name);
    lenet_json_open_array(json, "shape");
    for (int i = 0; i < tensor->rank; i++) lenet_json_add_number(json, NULL, (double)tensor->shape[i]);
    lenet_json_close(json);
    lenet_json_open_array(json, "data_offsets");
    lenet_json_add_number(json, NULL, (double)begin);
    lenet_json_add_number(json, NULL, (double)(begin + lenet_tensor_bytes(tensor)));
    lenet_json_close(json);
    lenet_json_close(json);
}

/* *size becomes the bytes of all tensors. */
static enum lenet_status check_tensors(const char *path, const struct lenet_tensor *tensors, int n, size_t *size,
                                       struct lenet_error *err) {
    *size = 0;
    for (int i = 0; i < n; i++) {
        const char *fault = tensor_fault(&tensors[i]);
        if (!fault && *size + lenet_tensor_bytes(&tensors[i]) > max_integer) fault = "ends beyond 10^15 bytes";
        if (fault)
            return lenet_fail(err, LENET_ERR_ARG, "%s: tensor %d (\"%.*s\") %s", path, i, LENET_MAX_TENSOR_NAME,
                              tensors[i].name, fault);
        *size += lenet_tensor_bytes(&tensors[i]);
    }
    return LENET_OK;
}

/* The header's text is the caller's to free. */
static enum lenet_status make_header(const struct lenet_tensor *tensors, int n, const struct lenet_metadata *metadata,
                                     int n_metadata, char **text, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    size_t begin = 0;
    lenet_json_open_object(&json, NULL);
    if (n_metadata > 0) {
        lenet_json_open_object(&json, metadata_key);
        for (int i = 0; i < n_metadata; i++) lenet_json_add_string(&json, metadata[i].key, metadata[i].value);
        lenet_json_close(&json);
    }
    for (int i = 0; i < n; i++) {
        add_tensor(&json, &tensors[i], begin);
        begin += lenet_tensor_bytes(&tensors[i]);
    }
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

/* Neither tensors nor keys may have a name twice. */
static enum lenet_status check_names(const char *path, const struct lenet_tensor *tensors, int n,
                                     const struct lenet_metadata *metadata, int n_metadata, struct lenet_error *err) {
    const char **names;
    LENET_TRY(alloc_names((size_t)(n > n_metadata ? n : n_metadata), path, &names, err));
    for (int i = 0; i < n_metadata; i++) names[i] = metadata[i].key;
    enum lenet_status status = check_unique(names, (size_t)n_metadata, path, LENET_ERR_ARG, err);
    for (int i = 0; i < n; i++) names[i] = tensors[i].name;
    if (status == LENET_OK) status = check_unique(names, (size_t)n, path, LENET_ERR_ARG, err);
    free(names);
    return status;
}

static enum lenet_status write_file(const char *path, const char *header, const struct lenet_tensor *tensors, int n,
                                    size_t data_size, struct lenet_error *err) {
    const size_t length = strlen(header), padded = round_up(length), size = ALIGNMENT + padded + data_size;
    if (padded > MAX_HEADER)
        return lenet_fail(err, LENET_ERR_ARG, "%s: its header has %zu bytes; at most %d are wanted (long metadata?)",
                          path, padded, MAX_HEADER);
    char *bytes = malloc(size);
    if (!bytes) return lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for its %zu bytes", path, size);
    const uint64_t word = padded;
    memcpy(bytes, &word, ALIGNMENT);
    memcpy(bytes + ALIGNMENT, header, length); /* NOLINT(bugprone-not-null-terminated-result): the file has no 0 */
    memset(bytes + ALIGNMENT + length, ' ', padded - length);
    char *next = bytes + ALIGNMENT + padded;
    for (int i = 0; i < n; i++) {
        const size_t tensor_size = lenet_tensor_bytes(&tensors[i]);
        if (tensor_size > 0) memcpy(next, tensors[i].data, tensor_size);
        next += tensor_size;
    }
    const enum lenet_status status = lenet_file_replace(path, bytes, size, err);
    free(bytes);
    return status;
}

enum lenet_status lenet_tensors_write(const char *path, const struct lenet_tensor *tensors, int n,
                                      const struct lenet_metadata *metadata, int n_metadata, struct lenet_error *err) {
    size_t size;
    char *header;
    LENET_TRY(check_tensors(path, tensors, n, &size, err));
    LENET_TRY(check_names(path, tensors, n, metadata, n_metadata, err));
    LENET_TRY(make_header(tensors, n, metadata, n_metadata, &header, err));
    const enum lenet_status status = write_file(path, header, tensors, n, size, err);
    free(header);
    return status;
}

enum lenet_status lenet_tensors_sha256(const struct lenet_tensor *tensors, int n, char hex[65],
                                       struct lenet_error *err) {
    struct lenet_piece *pieces = calloc((size_t)n + 1, sizeof *pieces);
    if (!pieces) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) pieces[i] = (struct lenet_piece){tensors[i].data, lenet_tensor_bytes(&tensors[i])};
    const enum lenet_status status = lenet_sha256(pieces, n, hex, err);
    free(pieces);
    return status;
}

/* ---- reading ---- */

/* The part of the file that offsets count from, and where to say what is wrong with it. */
struct source {
    char *data;
    size_t size;
    const char *path;
    struct lenet_error *err;
};

/* Shows the entry as one line: short, and with control characters escaped. */
static enum lenet_status refuse(const struct source *from, const struct cJSON *entry, const char *fault) {
    char *found = lenet_json_line_of(entry);
    lenet_fail(from->err, LENET_ERR_FORMAT, "%s: \"%.*s\" %s; found %.*s in a file with %zu bytes of data", from->path,
               LENET_MAX_TENSOR_NAME, lenet_json_name(entry), fault, MAX_QUOTED, found ? found : "?", from->size);
    free(found);
    return LENET_ERR_FORMAT;
}

static enum lenet_status check_object(const struct source *from, const struct cJSON *object) {
    const char **names;
    size_t n = 0;
    LENET_TRY(alloc_names((size_t)lenet_json_count(object), from->path, &names, from->err));
    for (const struct cJSON *item = lenet_json_first(object); item; item = lenet_json_next(item))
        names[n++] = lenet_json_name(item);
    const enum lenet_status status = check_unique(names, n, from->path, LENET_ERR_FORMAT, from->err);
    free(names);
    return status;
}

static bool read_size(const struct cJSON *item, size_t *size) {
    double number;
    if (!lenet_json_number(item, &number) || !(number >= 0 && number <= (double)max_integer)) return false;
    *size = (size_t)number;
    return (double)*size == number;
}

/* Reads at most max sizes; the number of them, or -1 where it is not an array of sizes or has more. */
static int read_sizes(const struct cJSON *array, size_t *sizes, int max) {
    int n = 0;
    if (!lenet_json_is_array(array)) return -1;
    for (const struct cJSON *item = lenet_json_first(array); item; item = lenet_json_next(item))
        if (n == max || !read_size(item, &sizes[n++])) return -1;
    return n;
}

static const char *entry_fault(const struct cJSON *entry, const struct source *from, struct lenet_tensor *tensor) {
    const char *name = lenet_json_name(entry), *fault = name_fault(name);
    if (fault) return fault;
    memcpy(tensor->name, name, strlen(name) + 1);

    const char *dtype = lenet_json_text(entry, "dtype");
    int type = 0;
    while (type < DTYPES && !(dtype && strcmp(dtype, dtypes[type].name) == 0)) type++;
    if (type == DTYPES) return "is not of dtype F32, F64, U8, I64 or F16 (to be converted first?)";
    tensor->dtype = (enum lenet_dtype)type;

    tensor->rank = read_sizes(lenet_json_get(entry, "shape"), tensor->shape, LENET_MAX_RANK);
    if (tensor->rank < 0) return "has a bad shape; at most 6 integers from 0 up are wanted (damaged header?)";

    size_t at[2];
    if (read_sizes(lenet_json_get(entry, "data_offsets"), at, 2) != 2 || at[0] > at[1])
        return "has bad data_offsets; [begin, end] is wanted (damaged header?)";
    if (at[1] > from->size) return "ends outside the file (truncated download?)";
    if (at[1] - at[0] != lenet_tensor_bytes(tensor))
        return "has a shape and a dtype that do not make the bytes between its data_offsets (damaged header?)";
    tensor->data = from->data + at[0];
    return NULL;
}

static enum lenet_status read_metadata(const struct source *from, const struct cJSON *map,
                                       struct lenet_tensor_file *file) {
    file->metadata = calloc((size_t)lenet_json_count(map) + 1, sizeof *file->metadata);
    if (!file->metadata) return lenet_fail(from->err, LENET_ERR_MEMORY, "%s: no memory for its metadata", from->path);
    for (const struct cJSON *item = lenet_json_first(map); item; item = lenet_json_next(item)) {
        const char *text = lenet_json_string(item);
        if (!text) return refuse(from, item, "is not a string, as all of __metadata__ has to be");
        file->metadata[file->n_metadata++] = (struct lenet_metadata){lenet_json_name(item), text};
    }
    return LENET_OK;
}

static enum lenet_status read_entries(const struct source *from, struct lenet_tensor_file *file) {
    const struct cJSON *root = file->header;
    LENET_TRY(check_object(from, root));
    file->tensors = calloc((size_t)lenet_json_count(root) + 1, sizeof *file->tensors);
    if (!file->tensors) return lenet_fail(from->err, LENET_ERR_MEMORY, "%s: no memory for its tensors", from->path);
    for (const struct cJSON *entry = lenet_json_first(root); entry; entry = lenet_json_next(entry)) {
        if (!lenet_json_is_object(entry)) return refuse(from, entry, "is not an object, as all of a header is");
        LENET_TRY(check_object(from, entry));
        if (strcmp(lenet_json_name(entry), metadata_key) == 0) {
            LENET_TRY(read_metadata(from, entry, file));
            continue;
        }
        const char *fault = entry_fault(entry, from, &file->tensors[file->n]);
        if (fault) return refuse(from, entry, fault);
        file->n++;
    }
    return LENET_OK;
}

/* Tensors without bytes come first where several begin at one place, so that each begins where the last ended. */
static int compare_places(const void *a, const void *b) {
    const struct lenet_tensor *x = a, *y = b;
    if (x->data != y->data) return (char *)x->data < (char *)y->data ? -1 : 1;
    const size_t x_bytes = lenet_tensor_bytes(x), y_bytes = lenet_tensor_bytes(y);
    return x_bytes != y_bytes ? (x_bytes < y_bytes ? -1 : 1) : strcmp(x->name, y->name);
}

static enum lenet_status check_places(const struct source *from, struct lenet_tensor_file *file) {
    size_t end = 0;
    qsort(file->tensors, (size_t)file->n, sizeof *file->tensors, compare_places);
    for (int i = 0; i < file->n; i++) {
        const size_t begin = (size_t)((char *)file->tensors[i].data - from->data);
        if (begin != end)
            return lenet_fail(
                from->err, LENET_ERR_FORMAT,
                "%s: tensor \"%s\" begins at byte %zu of the data; %zu is wanted, where the one before it "
                "ends: they %s (damaged header?)",
                from->path, file->tensors[i].name, begin, end, begin < end ? "overlap" : "leave a gap");
        end += lenet_tensor_bytes(&file->tensors[i]);
    }
    if (end == from->size) return LENET_OK;
    return lenet_fail(from->err, LENET_ERR_FORMAT,
                      "%s: has %zu bytes of data or more, but its last tensor ends at byte %zu (a longer file "
                      "overwritten?)",
                      from->path, from->size, end);
}

/* Other programs may begin the data, or a tensor, at any byte; a float must be at a
 * multiple of 4. Then all tensors move to a buffer with each at a multiple of 8. */
static enum lenet_status align_tensors(const char *path, struct lenet_tensor_file *file, struct lenet_error *err) {
    bool aligned = true;
    size_t size = 1, at = 0;
    for (int i = 0; i < file->n; i++) {
        aligned = aligned && (uintptr_t)file->tensors[i].data % dtypes[file->tensors[i].dtype].size == 0;
        size += round_up(lenet_tensor_bytes(&file->tensors[i]));
    }
    if (aligned) return LENET_OK;
    char *buffer = malloc(size);
    if (!buffer) return lenet_fail(err, LENET_ERR_MEMORY, "%s: no memory for %zu bytes", path, size);
    for (int i = 0; i < file->n; i++) {
        const size_t bytes = lenet_tensor_bytes(&file->tensors[i]);
        memcpy(buffer + at, file->tensors[i].data, bytes);
        file->tensors[i].data = buffer + at;
        at += round_up(bytes);
    }
    free(file->buffer);
    file->buffer = buffer;
    return LENET_OK;
}

/* Files that weights are often kept in, told by their first bytes. */
static enum lenet_status check_foreign(const char *path, const char *bytes, size_t size, struct lenet_error *err) {
    if (size > ALIGNMENT && bytes[ALIGNMENT] == '{') return LENET_OK;
    const int is_zip = size > 4 && memcmp(bytes, "PK\3\4", 4) == 0;
    const int is_pickle = size > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
    if (is_pickle || (is_zip && memmem(bytes, size < BEGINNING ? size : BEGINNING, "data.pkl", strlen("data.pkl"))))
        return lenet_fail(
            err, LENET_ERR_FORMAT,
            "%.300s: PyTorch's own format, which only PyTorch reads; convert it: python3 -c \"import torch, "
            "safetensors.torch as s; s.save_file(torch.load('%.300s'), 'weights.safetensors')\"",
            path, path);
    if (is_zip || (size > 4 && memcmp(bytes, "\x89HDF", 4) == 0))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: %s; wanted a safetensors file", path,
                          is_zip ? "a zip file (numpy's npz, or Keras's?)" : "an HDF5 file (Keras's?)");
    return LENET_OK;
}

static enum lenet_status read_prefix(const char *path, const char *bytes, size_t size, size_t *header_size,
                                     struct lenet_error *err) {
    uint64_t word;
    if (size < sizeof word)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: has %zu bytes; a safetensors file has 8 or more (truncated?)",
                          path, size);
    memcpy(&word, bytes, sizeof word);
    if (word > MAX_HEADER)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: its first 8 bytes announce a header of %" PRIu64 " bytes; at most %d are wanted (not a "
                          "safetensors file? a web page in its place?)",
                          path, word, MAX_HEADER);
    if (word > size - sizeof word)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: announces a header of %" PRIu64 " bytes, but %zu follow (truncated download?)", path,
                          word, size - sizeof word);
    *header_size = (size_t)word;
    return LENET_OK;
}

static enum lenet_status parse_file(const char *path, size_t size, struct lenet_tensor_file *file,
                                    struct lenet_error *err) {
    size_t header_size = 0;
    LENET_TRY(check_foreign(path, file->buffer, size, err));
    LENET_TRY(read_prefix(path, file->buffer, size, &header_size, err));
    char *text = file->buffer + ALIGNMENT, *data = text + header_size;
    if (header_size == 0 || *text != '{')
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: its header does not begin with '{' (not a safetensors file?)",
                          path);
    size_t used;
    struct cJSON *header;
    const enum lenet_status status = lenet_json_parse(path, text, header_size, &used, &header, err);
    file->header = header;
    if (status == LENET_ERR_MEMORY) return status;
    /* Only white space may follow; the data may begin with some, hence < and not !=. */
    if (!header || text + used + strspn(text + used, " \t\r\n") < data)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: its header is not JSON from byte %zu on (damaged?)", path,
                          ALIGNMENT + used);
    const struct source from = {data, size - ALIGNMENT - header_size, path, err};
    LENET_TRY(read_entries(&from, file));
    LENET_TRY(check_places(&from, file));
    return align_tensors(path, file, err);
}

/* Files without a checksum are taken as they are. */
static enum lenet_status check_sum(const char *path, const struct lenet_tensor_file *file, struct lenet_error *err) {
    const char *wanted = lenet_metadata_find(file, LENET_TENSORS_SHA256);
    char found[65];
    if (!wanted) return LENET_OK;
    LENET_TRY(lenet_tensors_sha256(file->tensors, file->n, found, err));
    if (strcmp(found, wanted) == 0) return LENET_OK;
    return lenet_fail(
        err, LENET_ERR_FORMAT,
        "%s: its tensors have the checksum %.12s..., but it was written with %.12s...: bytes have changed "
        "on the disk, or were edited",
        path, found, wanted);
}

enum lenet_status lenet_tensors_parse(const char *path, char *bytes, size_t size, struct lenet_tensor_file *file,
                                      struct lenet_error *err) {
    *file = (struct lenet_tensor_file){.buffer = bytes};
    enum lenet_status status = parse_file(path, size, file, err);
    if (status == LENET_OK) status = check_sum(path, file, err);
    if (status != LENET_OK) lenet_tensors_free(file);
    return status;
}

/* Where the last tensor ends, in bytes of the data; 0 where the header is damaged. */
static enum lenet_status find_end(const char *path, const char *header, size_t size, size_t *end,
                                  struct lenet_error *err) {
    struct cJSON *root;
    *end = 0;
    if (lenet_json_parse(path, header, size, NULL, &root, err) == LENET_ERR_MEMORY) return LENET_ERR_MEMORY;
    for (const struct cJSON *entry = lenet_json_first(root); entry; entry = lenet_json_next(entry)) {
        size_t at[2];
        if (read_sizes(lenet_json_get(entry, "data_offsets"), at, 2) == 2 && at[1] > *end) *end = at[1];
    }
    lenet_json_free(root);
    return LENET_OK;
}

/* Reads no more than the header says that there is, and a byte by which a file that goes on is known. */
static enum lenet_status read_input(struct lenet_input *input, struct lenet_error *err) {
    uint64_t header = 0;
    LENET_TRY(lenet_input_open(input->path, input, err));
    LENET_TRY(lenet_input_read(input, BEGINNING, err));
    if (input->used >= ALIGNMENT) memcpy(&header, input->bytes, sizeof header);
    if (header == 0 || header > MAX_HEADER) return LENET_OK; /* what is wrong is said when it is parsed */
    const size_t data = ALIGNMENT + (size_t)header;
    LENET_TRY(lenet_input_read(input, data, err));
    if (input->used < data) return LENET_OK;
    size_t end;
    LENET_TRY(find_end(input->path, input->bytes + ALIGNMENT, (size_t)header, &end, err));
    return lenet_input_read(input, data + end + 1, err);
}

enum lenet_status lenet_tensors_bytes(const char *path, char **bytes, size_t *size, struct lenet_error *err) {
    struct lenet_input input = {.path = path};
    const enum lenet_status status = read_input(&input, err);
    lenet_input_close(&input);
    *bytes = input.bytes;
    *size = input.used;
    if (status == LENET_OK) return LENET_OK;
    free(input.bytes);
    *bytes = NULL;
    return status;
}

enum lenet_status lenet_tensors_read(const char *path, struct lenet_tensor_file *file, struct lenet_error *err) {
    char *bytes;
    size_t size;
    memset(file, 0, sizeof *file);
    LENET_TRY(lenet_tensors_bytes(path, &bytes, &size, err));
    return lenet_tensors_parse(path, bytes, size, file, err);
}

const struct lenet_tensor *lenet_tensors_find(const struct lenet_tensor_file *file, const char *name) {
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

const char *lenet_metadata_find(const struct lenet_tensor_file *file, const char *key) {
    for (int i = 0; i < file->n_metadata; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}

void lenet_tensors_free(struct lenet_tensor_file *file) {
    free(file->tensors);
    free(file->metadata);
    free(file->buffer);
    lenet_json_free(file->header);
    memset(file, 0, sizeof *file);
}
