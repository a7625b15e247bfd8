/* data.h - an image data set in IDX files (MNIST, Fashion-MNIST, KMNIST, ...). */
#ifndef LENET_DATA_H
#define LENET_DATA_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_CLASSES = 10 };

/* One half of a data set: training or test. */
struct lenet_samples {
    size_t count;
    uint8_t *images; /* [count][H][W] */
    uint8_t *labels; /* [count], each below LENET_MAX_CLASSES */
};

struct lenet_dataset {
    int H, W;    /* of every image, in both halves       */
    int classes; /* largest label of both halves, plus 1 */
    struct lenet_samples train, test;
    char name[32];      /* "MNIST" or "MNIST sample" by its hash, else the directory's name */
    char hash[65];      /* SHA-256 of the decompressed training images, training labels, test images, test labels
                           files, in that order; "" where the training half was not read */
    char test_hash[65]; /* likewise, of the test images and test labels */
};

/* Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or
 * train-images.idx3-ubyte, and so on) from directory, each raw or with .gz: the first that is there and not empty.
 * LENET_ERR_IO: a file is missing or unreadable. LENET_ERR_FORMAT: a file is something else, of another type or number
 * of dimensions, damaged or cut short; a label is out of range; the counts of a half or the sizes of both differ; the
 * test images are the training images. LENET_ERR_MEMORY. On failure *data is zero and nothing stays allocated. */
enum lenet_status lenet_dataset_read(const char *directory, struct lenet_dataset *data, struct lenet_error *err);

/* Reads the data set in directory, a text of room bytes; where it is "", it becomes data/mnist or, where that is not
 * there, data/sample. Where the test half is all that is needed and not both training files are there, data->train has
 * no samples and data->hash is "". Fails as above, with LENET_ERR_FORMAT also where images are larger than field x
 * field pixels. */
enum lenet_half { LENET_BOTH_HALVES, LENET_TEST_HALF };
enum lenet_status lenet_dataset_open(char *directory, size_t room, enum lenet_half needed, int field,
                                     struct lenet_dataset *data, struct lenet_error *err);

/* Returns 1 where a data set's test images are in directory. */
int lenet_dataset_is_in(const char *directory);

/* Training and test images of side x side pixels (8 and more), with labels 0 to LENET_MAX_CLASSES-1 in turn: random
 * but smooth, as digits are, and dark at the rim. For checks and benchmarks, in which the images' meaning plays no
 * part. LENET_ERR_MEMORY as above. */
enum lenet_status lenet_dataset_random(uint64_t seed, size_t count, int side, struct lenet_dataset *data);

/* Frees what was allocated for *data, and zeroes it. */
void lenet_dataset_free(struct lenet_dataset *data);

#ifdef __cplusplus
}
#endif
#endif
