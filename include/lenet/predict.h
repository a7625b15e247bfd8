/* predict.h - what networks say of picture files. */
#ifndef LENET_PREDICT_H
#define LENET_PREDICT_H
#include "lenet/data.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_json;

enum lenet_outcome {
    LENET_ANSWERED,   /* or, without a network, only shown                            */
    LENET_NO_DIGIT,   /* there is none in the picture                                 */
    LENET_NOT_READ,   /* no picture, or a damaged one                                 */
    LENET_PASSED_OVER /* no picture either, but it was not named: it lies in a directory */
};

struct lenet_prediction {
    const char *path;
    enum lenet_outcome outcome;
    const char *why;             /* it was not read or passed over                      */
    const uint8_t *shown;        /* [28][28] what the networks were shown, or black     */
    int classes;                 /* 0 where it was not answered                         */
    const double *probabilities; /* [classes]                                           */
    const struct lenet_class_names *names;
    int first_label; /* of the data set: that of class 0 */
};

/* Asks the networks of config->weights or config->run, which are the mean of their probabilities, about the pictures at
 * paths: files, directories of them and of directories of them, "-" for standard input. Without either, pictures are
 * only shown. Calls take(self, prediction) for each in turn, until it fails. Fails at once where the networks cannot be
 * had; *unread counts the pictures that were not read. */
typedef enum lenet_status lenet_take_prediction(void *self, const struct lenet_prediction *prediction,
                                                struct lenet_error *err);
enum lenet_status lenet_predict(struct lenet_config *config, char **paths, int n, lenet_take_prediction *take,
                                void *self, size_t *unread, struct lenet_error *err);

/* The n likeliest classes, the likeliest first; returns how many there are. */
int lenet_prediction_best(const struct lenet_prediction *prediction, int n, int *classes);

/* Adds, of a prediction that was not passed over: file, status ("ok", "no digit", "error"), and classes with
 * probabilities (and names, where they have any), the likeliest first, or the error. */
void lenet_prediction_add_json(struct lenet_json *json, const struct lenet_prediction *prediction);

/* ---- what the networks were shown, in a file ---- */

struct lenet_shown {
    uint8_t *images; /* [n][28][28] */
    size_t n;
};

/* Refuses a name that says of no format which: .png for a sheet of all pictures, -ubyte or .idx3 for IDX; and more
 * than fit on a sheet. */
enum lenet_status lenet_shown_check(const char *path, size_t pictures, struct lenet_error *err);
/* LENET_ERR_MEMORY. */
enum lenet_status lenet_shown_add(struct lenet_shown *shown, const struct lenet_prediction *prediction,
                                  struct lenet_error *err);
/* As lenet_file_replace does. */
enum lenet_status lenet_shown_write(const char *path, const struct lenet_shown *shown, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
