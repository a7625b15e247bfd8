/* export.h - a trained network as one C99 file of small integers, for machines without floating point. */
#ifndef LENET_EXPORT_H
#define LENET_EXPORT_H
#include "lenet/model.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Of some images: how many there are, and how many the network of floats and that of integers get right. */
struct lenet_export_accuracy {
    uint64_t count, before, after;
};

/* Of the layer whose weights differ most in size, which share the bytes of what comes out of it. */
struct lenet_export_spread {
    char layer[16];
    int unit; /* with the largest, counted from 0 */
    float least, most;
    double median; /* of their sizes */
};

/* What is said of an exported file, in its head and on the screen. */
struct lenet_export {
    struct lenet_topology topology;
    int bits;                                       /* of a weight */
    char weights_hash[65];                          /* SHA-256 of the weights file */
    char data_name[32], data_hash[65];              /* of the data set */
    struct lenet_export_accuracy calibration, test; /* on training images, and on all test images */
    struct lenet_export_spread spread;
    double score_unit;     /* a score times this is an output of the network of floats: see the file's head */
    int32_t *scores;       /* [test.count][classes] */
    size_t constants, ram; /* bytes: at most so many, and exactly so many */
};

/* Writes the network of config->weights, which must be set, to config->out, with weights of 8 bits, or of 4 where
 * config->bits says so, calibrated on training images of config->data. *facts is to be freed. LENET_ERR_FORMAT where
 * the file has several networks, or one with a layer that is not supported; LENET_ERR_ARG; LENET_ERR_IO;
 * LENET_ERR_MEMORY. */
enum lenet_status lenet_export_c(struct lenet_config *config, struct lenet_export *facts, struct lenet_error *err);
void lenet_export_free(struct lenet_export *facts);

/* What costs the file more than half a point of accuracy, and what is likely to help; "" where it costs less. */
void lenet_export_loss_text(const struct lenet_export *facts, char *text, size_t size);

/* Writes all of this as JSON: with the scores an implementation of the file, on whatever machine, can be checked. */
enum lenet_status lenet_export_write(const char *path, const struct lenet_export *facts, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
