/* predictions.h - what networks answer for every image, and which training images each of them had: a file.
 *
 * A safetensors file with the tensors predictions and train_predictions, U8 [R][images], of the test and the training
 * half; loss and train_loss, F16 [R][images]; and training_images, U8 [R][images/8]: bit i%8 of byte i/8 where the
 * network had training image i. This tensor is missing where all had all of them, or it is not known: trained_on among
 * the metadata is then "all" or "unknown". */
#ifndef LENET_TRAIN_PREDICTIONS_H
#define LENET_TRAIN_PREDICTIONS_H

#include "lenet/network.h"
#include "train/settings.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_TEST, LENET_TRAIN, LENET_HALVES };

/* Of R networks; a half that is not wanted has no images. */
struct lenet_predictions {
    int R, known; /* of how many the training images are known */
    struct {
        size_t images;
        uint8_t *classes; /* [R][images]         */
        uint16_t *loss;   /* [R][images] or NULL */
    } half[LENET_HALVES];
    size_t bytes;      /* of a network's bits */
    uint8_t *training; /* [R][bytes]          */
};

/* LENET_ERR_ARG where --predictions-of or --predictions-loss was given, but nothing is to be kept. */
enum lenet_status lenet_predictions_check(const struct lenet_config *config, struct lenet_error *err);

/* Room for what config->predictions_of and predictions_loss want. To be freed, also on failure. LENET_ERR_MEMORY. */
enum lenet_status lenet_predictions_make(const struct lenet_config *config, int R, const struct lenet_dataset *data,
                                         struct lenet_predictions *predictions, struct lenet_error *err);
void lenet_predictions_free(struct lenet_predictions *predictions);

/* Where the answers of network r and of those after it go: NULL for those that are not wanted. */
struct lenet_answers lenet_predictions_answers(const struct lenet_predictions *predictions, int half, int r);

/* Notes which of `count` training images network r trains on. */
void lenet_predictions_add_training(struct lenet_predictions *predictions, int r, const struct lenet_hyper *hyper,
                                    size_t count);

/* Whether a file of predictions has all that is wanted. */
int lenet_predictions_suffice(const struct lenet_config *config, const struct lenet_tensor_file *file);

/* Writes the networks which[n], or where it is NULL all; members, JSON, says what they are. LENET_ERR_IO;
 * LENET_ERR_MEMORY. */
enum lenet_status lenet_predictions_write(const char *path, struct lenet_predictions *predictions, const int *which,
                                          int n, const char *members, const char *data_directory,
                                          const struct lenet_dataset *data, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
