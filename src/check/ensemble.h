/* ensemble.h - networks that answer together: one, or all of a directory, and what they say of images. */
#ifndef LENET_CHECK_ENSEMBLE_H
#define LENET_CHECK_ENSEMBLE_H
#include "lenet/data.h"
#include "lenet/options.h"

struct lenet_ensemble;

/* Reads the networks of config->weights, a file or a directory of them, or of config->run, which sets config->weights
 * and, unless it was given, config->first_label; and opens config->device for them. To be closed. Fails as
 * lenet_evaluate does. */
enum lenet_status lenet_ensemble_open(struct lenet_config *config, struct lenet_ensemble **ensemble,
                                      struct lenet_error *err);
int lenet_ensemble_classes(const struct lenet_ensemble *ensemble);
const struct lenet_class_names *lenet_ensemble_names(const struct lenet_ensemble *ensemble);

/* The probability of each class for images[count][side][side]: probabilities[count][classes], the mean over all
 * networks. LENET_ERR_FORMAT where the images are larger than the networks' field; LENET_ERR_MEMORY; LENET_ERR_DEVICE.
 */
enum lenet_status lenet_ensemble_ask(struct lenet_ensemble *ensemble, uint8_t *images, size_t count, int side,
                                     double *probabilities, struct lenet_error *err);
/* NULL is fine. */
void lenet_ensemble_close(struct lenet_ensemble *ensemble);

#endif
