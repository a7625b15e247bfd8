/* device_data.c - copies the bytes of a data set to a backend, and works out how they become inputs. */
#include "lenet/device_data.h"

#include <math.h>

struct lenet_scaling lenet_scaling_of(const struct lenet_samples *samples, int H, int W) {
    const size_t bytes = samples->count * (size_t)H * (size_t)W;
    uint64_t histogram[256] = {0};
    for (size_t i = 0; i < bytes; i++) histogram[samples->images[i]]++;
    double sum = 0, squares = 0;
    for (int byte = 0; byte < 256; byte++) {
        sum += (double)histogram[byte] * byte;
        squares += (double)histogram[byte] * byte * byte;
    }
    const double mean = sum / (double)bytes, variance = squares / (double)bytes - mean * mean;
    const double deviation = variance > 0 ? sqrt(variance) : 255; /* pixels all alike: any scale will do */
    return (struct lenet_scaling){.factor = (float)(1 / deviation), .offset = (float)(-mean / deviation)};
}

enum lenet_status lenet_device_data_create(const struct lenet_backend *backend, struct lenet_ctx *ctx,
                                           const struct lenet_dataset *data, struct lenet_scaling scaling, int field,
                                           struct lenet_device_data *out, struct lenet_error *err) {
    *out = (struct lenet_device_data){0};
    if (data->H > field || data->W > field)
        return lenet_fail(err, LENET_ERR_FORMAT, "images of %d x %d pixels do not fit the network's %d x %d field",
                          data->H, data->W, field, field);
    const size_t pixels = (size_t)data->H * data->W;
    const struct lenet_samples *halves[] = {&data->train, &data->test};
    struct lenet_source *sources[] = {&out->train, &out->test};
    size_t bytes = 0;
    for (int h = 0; h < 2; h++) bytes += lenet_padded(halves[h]->count * pixels) + lenet_padded(halves[h]->count);
    const enum lenet_status status = backend->alloc(ctx, &out->memory, bytes);
    if (status != LENET_OK)
        return lenet_fail(err, status, "%s: no %zu MB for the data set%s%s", backend->name, (bytes >> 20) + 1,
                          backend->message(ctx)[0] ? ": " : "", backend->message(ctx));
    uint8_t *at = out->memory;
    for (int h = 0; h < 2; h++) {
        if (halves[h]->count == 0) continue; /* a test half alone */
        const size_t image_bytes = halves[h]->count * pixels;
        uint8_t *images = at, *labels = at + lenet_padded(image_bytes);
        at = labels + lenet_padded(halves[h]->count);
        LENET_TRY(backend->upload(ctx, images, halves[h]->images, image_bytes));
        LENET_TRY(backend->upload(ctx, labels, halves[h]->labels, halves[h]->count));
        *sources[h] = (struct lenet_source){.count = (uint32_t)halves[h]->count,
                                            .H = data->H,
                                            .W = data->W,
                                            .classes = data->classes,
                                            .images = images,
                                            .labels = labels,
                                            .OH = field,
                                            .OW = field,
                                            .factor = scaling.factor,
                                            .offset = scaling.offset};
    }
    return LENET_OK;
}

void lenet_device_data_free(const struct lenet_backend *backend, struct lenet_ctx *ctx,
                            struct lenet_device_data *data) {
    if (data->memory) backend->release(ctx, data->memory);
    *data = (struct lenet_device_data){0};
}
