/* quantize.h - a network of floats as a network of small integers, calibrated on images. */
#ifndef LENET_EXPORT_QUANTIZE_H
#define LENET_EXPORT_QUANTIZE_H
#include "export/printed_runtime.h"
#include "export/reference.h"
#include "lenet/data.h"
#include "lenet/model.h"

enum { LENET_TABLE_ENTRIES = 256 };

struct lenet_integer_network {
    struct network net;
    struct layer layers[LENET_MAX_LAYERS];
    char names[LENET_MAX_LAYERS][16]; /* of the layer with the weights: "C1" */
    double score_unit; /* a score times this is the output of the network of floats; of RBF outputs: up to a
                          term that all classes share */
    uint8_t table[LENET_TABLE_ENTRIES]; /* of tanh */
    int memory_bytes, sums;             /* that classify needs */
    void *owned[LENET_MAX_LAYERS * 8];  /* what the layers point to */
    int owned_count;
};

/* Makes it of one network's weights, with weights of `bits` bits (8 or 4), on data's training images, of which
 * reference has the means. To be freed. LENET_ERR_FORMAT where a layer is not supported, naming it; LENET_ERR_MEMORY.
 */
enum lenet_status lenet_quantize(const struct lenet_model *model, const float *host_w, int bits,
                                 const struct lenet_dataset *data, const struct lenet_reference *reference,
                                 struct lenet_integer_network *out, struct lenet_error *err);
void lenet_integer_network_free(struct lenet_integer_network *network);

/* Bytes of the weights of a layer, as they are stored. */
size_t lenet_weight_bytes(const struct layer *layer);

/* Counts the images that it gets right. scores[samples->count][classes], or NULL. LENET_ERR_MEMORY. */
enum lenet_status lenet_integer_network_measure(const struct lenet_integer_network *network,
                                                const struct lenet_samples *samples, int32_t *scores, uint64_t *correct,
                                                struct lenet_error *err);

#endif
