/* data.h - an image data set in IDX files (MNIST, Fashion-MNIST, KMNIST, ...). */
#ifndef LENET_DATA_H
#define LENET_DATA_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum {
    LENET_MAX_CLASSES = 62, /* digits, capital and small letters               */
    LENET_DIGITS = 10,      /* classes of MNIST, and where there is no data set */
    LENET_CLASS_NAME = 64   /* bytes of a class's name, its end included         */
};

/* One half of a data set: training or test. */
struct lenet_samples {
    size_t count;
    uint8_t *images; /* [count][H][W] */
    uint8_t *labels; /* [count], each below LENET_MAX_CLASSES */
};

/* What the classes are called, in the order of their labels; count is 0 where nobody says. */
struct lenet_class_names {
    int count;
    char text[LENET_MAX_CLASSES][LENET_CLASS_NAME];
};

struct lenet_dataset {
    int H, W;    /* of every image, in both halves       */
    int classes; /* largest label of both halves, plus 1 */
    struct lenet_samples train, test;
    struct lenet_class_names names; /* from classes.txt */
    char name[32];       /* "MNIST" or "MNIST sample" by its hash, else that of the files or of their directory */
    char hash[65];       /* SHA-256 of the decompressed training images, training labels, test images, test labels
                            files, in that order; "" where the training half was not read */
    char test_hash[65];  /* likewise, of the test images and test labels */
    char *test_files[2]; /* the paths of these two                       */
    char note[256];      /* what may not be meant so, such as labels that begin at 1; or "" */
};

/* How the files are to be understood. */
struct lenet_reading {
    int first_label; /* is subtracted from each label                */
    int transpose;   /* 1: rows and columns of each image are exchanged */
};

/* Reads the data set that data/data_dir.h finds in a directory: the four files train-images-idx3-ubyte,
 * train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte or names like these, each raw or gzip; and
 * classes.txt, if it is there. LENET_ERR_IO: a file is missing or unreadable. LENET_ERR_FORMAT: a file is something
 * else, of another type or number of dimensions, damaged or cut short; a label is out of range; the counts of a half or
 * the sizes of both differ; the test images are the training images. LENET_ERR_MEMORY. On failure *data is zero and
 * nothing stays allocated. */
enum lenet_status lenet_dataset_read(const char *directory, struct lenet_dataset *data, struct lenet_error *err);

/* Reads the data set in directory, a text of room bytes; where it is "", it becomes the first of the usual places that
 * is there (data/places.h). Where the test half is all that is needed and not both training files are there,
 * data->train has no samples and data->hash is "". Fails as above, with LENET_ERR_FORMAT also where images are larger
 * than field x field pixels. */
enum lenet_half { LENET_BOTH_HALVES, LENET_TEST_HALF };
enum lenet_status lenet_dataset_open(char *directory, size_t room, enum lenet_half needed,
                                     const struct lenet_reading *how, int field, struct lenet_dataset *data,
                                     struct lenet_error *err);

/* *is becomes 1 where a data set's test images are in directory, else 0. LENET_ERR_IO where it cannot be looked at. */
enum lenet_status lenet_dataset_is_in(const char *directory, int *is, struct lenet_error *err);

/* Training and test images of side x side pixels (8 and more), with labels 0 to LENET_DIGITS-1 in turn: random
 * but smooth, as digits are, and dark at the rim. For checks and benchmarks, in which the images' meaning plays no
 * part. LENET_ERR_MEMORY as above. */
enum lenet_status lenet_dataset_random(uint64_t seed, size_t count, int side, struct lenet_dataset *data);

/* Frees what was allocated for *data, and zeroes it. */
void lenet_dataset_free(struct lenet_dataset *data);

#ifdef __cplusplus
}
#endif
#endif
