/* weights.h - named tensors in a safetensors file.
 *
 * Layout: 8 bytes little-endian length of the header, the header as JSON
 * ({"name": {"dtype", "shape", "data_offsets"}, ..., "__metadata__": {string:
 * string}}), then the tensors' bytes, little-endian, without gaps.
 * Source: github.com/huggingface/safetensors, "Format". */
#ifndef LENET_WEIGHTS_H
#define LENET_WEIGHTS_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_RANK = 6, LENET_MAX_TENSOR_NAME = 64 };

enum lenet_dtype { LENET_F32, LENET_F64, LENET_U8, LENET_I64, LENET_F16 }; /* F16: uint16_t, base/half.h */

struct lenet_tensor {
    char name[LENET_MAX_TENSOR_NAME];
    enum lenet_dtype dtype;
    int rank;
    size_t shape[LENET_MAX_RANK];
    void *data; /* borrowed when writing; inside the file's buffer when read, aligned for dtype */
};

/* Bytes of a tensor's data; SIZE_MAX where they are more than a size_t can say. */
size_t lenet_tensor_bytes(const struct lenet_tensor *tensor);

/* One entry of __metadata__. */
struct lenet_metadata {
    const char *key, *value;
};

/* Writes the tensors, in this order, with the metadata, as lenet_file_replace
 * does. The same input gives the same bytes. The data begins at a multiple of 8;
 * that each tensor begins at a multiple of its own size is up to the order (wider
 * types first). Names and metadata should be UTF-8, as JSON wants; it is not checked.
 * LENET_ERR_ARG where a tensor has a bad name (empty, 64 bytes or more, a control
 * character, "__metadata__"), dtype, rank or size, or a name or key occurs twice;
 * LENET_ERR_MEMORY; LENET_ERR_IO. */
enum lenet_status lenet_tensors_write(const char *path, const struct lenet_tensor *tensors, int n,
                                      const struct lenet_metadata *metadata, int n_metadata, struct lenet_error *err);

/* The SHA-256 of the tensors' bytes, in this order. Under this key in a file's metadata it is checked when the file is
 * read. LENET_ERR_MEMORY. */
#define LENET_TENSORS_SHA256 "tensors_sha256"
enum lenet_status lenet_tensors_sha256(const struct lenet_tensor *tensors, int n, char hex[65],
                                       struct lenet_error *err);

/* A file in memory. */
struct lenet_tensor_file {
    int n;
    struct lenet_tensor *tensors; /* in the order of their offsets */
    int n_metadata;
    struct lenet_metadata *metadata;
    char *buffer; /* what tensors[].data points into                                  */
    void *header; /* the parsed header, which the metadata's text is in (private)     */
};

/* Reads a safetensors file, to be freed with lenet_tensors_free. LENET_ERR_IO;
 * LENET_ERR_MEMORY; LENET_ERR_FORMAT where the header is not JSON or names anything
 * twice, a tensor is of another type or rank than those above, does not fill its
 * bytes exactly, lies outside the file, overlaps another or leaves a gap, where
 * bytes follow the last one, or do not fit the checksum. On failure *file is zero. */
enum lenet_status lenet_tensors_read(const char *path, struct lenet_tensor_file *file, struct lenet_error *err);

/* The bytes of such a file, which the caller frees: no more than its header says that there are, and one. Fails so,
 * too, but where the header is damaged, which is found when it is parsed. */
enum lenet_status lenet_tensors_bytes(const char *path, char **bytes, size_t *size, struct lenet_error *err);

/* The same of a file's bytes, which malloc gave: they are the caller's no more, also on failure. */
enum lenet_status lenet_tensors_parse(const char *path, char *bytes, size_t size, struct lenet_tensor_file *file,
                                      struct lenet_error *err);

/* NULL where there is none of that name. */
const struct lenet_tensor *lenet_tensors_find(const struct lenet_tensor_file *file, const char *name);
const char *lenet_metadata_find(const struct lenet_tensor_file *file, const char *key);

/* Frees what lenet_tensors_read allocated, and zeroes *file. */
void lenet_tensors_free(struct lenet_tensor_file *file);

#ifdef __cplusplus
}
#endif
#endif
