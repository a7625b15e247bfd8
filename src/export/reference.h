/* reference.h - what the network of floats says of the images that an export is calibrated with. */
#ifndef LENET_EXPORT_REFERENCE_H
#define LENET_EXPORT_REFERENCE_H
#include "lenet/data.h"
#include "lenet/model.h"

struct lenet_reference {
    double
        *means[LENET_MAX_LAYERS]; /* [O] of each layer with weights: of its sums over the training images, else NULL */
    uint64_t train_correct, test_correct;
};

/* Computes on the CPU, and in the same order whatever its threads. To be freed. LENET_ERR_MEMORY. */
enum lenet_status lenet_reference_measure(const struct lenet_model *model, const float *host_w,
                                          const struct lenet_dataset *data, struct lenet_reference *reference,
                                          struct lenet_error *err);
void lenet_reference_free(struct lenet_reference *reference);

#endif
