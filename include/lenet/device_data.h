/* device_data.h - a data set on a backend. */
#ifndef LENET_DEVICE_DATA_H
#define LENET_DEVICE_DATA_H
#include "lenet/backend.h"
#include "lenet/data.h"
#ifdef __cplusplus
extern "C" {
#endif

/* All of it, as bytes. */
struct lenet_device_data {
    struct lenet_source train, test;
    void *memory;
};

/* How bytes become inputs: x = factor*byte + offset. */
struct lenet_scaling {
    float factor, offset;
};

/* The scaling that gives these images' bytes mean 0 and variance 1. */
struct lenet_scaling lenet_scaling_of(const struct lenet_samples *samples, int H, int W);

/* Copies a data set to the backend, for inputs of field x field pixels.
 * LENET_ERR_FORMAT where its images are larger; LENET_ERR_MEMORY. */
enum lenet_status lenet_device_data_create(const struct lenet_backend *backend, struct lenet_ctx *ctx,
                                           const struct lenet_dataset *data, struct lenet_scaling scaling, int field,
                                           struct lenet_device_data *out, struct lenet_error *err);
void lenet_device_data_free(const struct lenet_backend *backend, struct lenet_ctx *ctx, struct lenet_device_data *data);

#ifdef __cplusplus
}
#endif
#endif
