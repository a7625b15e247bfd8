/* data.h - an image data set in IDX files (MNIST, Fashion-MNIST, KMNIST, ...).
 *
 * The IDX format: a big-endian header (two zero bytes, 0x08 for unsigned bytes,
 * the number of dimensions, then each dimension as 32 bits), then the values.
 * Source: yann.lecun.com/exdb/mnist, "file formats for the MNIST database". */
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
    char name[32]; /* "MNIST" or "MNIST sample" by its hash, else the directory's name */
    char hash[65]; /* SHA-256 of the decompressed training images, training
                      labels, test images, test labels files, in that order */
};

/* Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte
 * and t10k-labels-idx1-ubyte from directory, each raw or with .gz (raw first).
 * LENET_ERR_IO: a file is missing or unreadable. LENET_ERR_FORMAT: bad magic,
 * dimensions, counts or length, a corrupt .gz, a label out of range, images
 * where labels are wanted, test images equal to the training images. LENET_ERR_MEMORY.
 * On failure *data is zero and nothing stays allocated. */
enum lenet_status lenet_dataset_read(const char *directory, struct lenet_dataset *data, struct lenet_error *err);

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
