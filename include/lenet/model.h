/* model.h - a weights file that says which network it belongs to. */
#ifndef LENET_MODEL_H
#define LENET_MODEL_H
#include "lenet/device_data.h"
#include "lenet/topology.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What eval needs to know besides the weights. */
struct lenet_model {
    struct lenet_topology topology;
    struct lenet_scaling scaling;
};

/* A model as a file's metadata. */
enum { LENET_MODEL_METADATA = 9, LENET_MODEL_VALUE = 32 };
struct lenet_model_text {
    struct lenet_metadata entries[LENET_MODEL_METADATA];
    char activation[LENET_MODEL_VALUE], pooling[LENET_MODEL_VALUE], classes[LENET_MODEL_VALUE],
        factor[LENET_MODEL_VALUE], offset[LENET_MODEL_VALUE], loss[LENET_MODEL_VALUE],
        map_j[LENET_MODEL_VALUE]; /* what the entries point to */
};
void lenet_model_describe(const struct lenet_model *model, struct lenet_model_text *text);

/* And back. LENET_ERR_FORMAT where the file, which path names in messages, is not of this program. */
enum lenet_status lenet_model_from_file(const char *path, const struct lenet_tensor_file *file,
                                        struct lenet_model *model, struct lenet_error *err);

/* Copies the file's tensor of this name, type and shape into wanted->data. LENET_ERR_FORMAT where there is none. */
enum lenet_status lenet_tensor_copy(const char *path, const struct lenet_tensor_file *file,
                                    const struct lenet_tensor *wanted, struct lenet_error *err);

/* Where a training run stands; kept beside the weights until the run has ended. */
struct lenet_checkpoint {
    uint64_t step;
    double seconds;           /* spent so far                    */
    struct lenet_tally tally; /* of the epoch that is under way  */
    const float *m, *v;       /* [stride] moments, NULL for none */
};

/* Writes the weights host_w[stride] as tensors C1.weight, C1.bias, ..., the model as
 * metadata, and the checkpoint (NULL for a run that has ended), as one atomic replacement. */
enum lenet_status lenet_model_write(const char *path, const struct lenet_model *model, const float *host_w,
                                    const struct lenet_checkpoint *checkpoint, struct lenet_error *err);

/* Reads what lenet_model_write wrote: *host_w (freed by the caller) is [stride].
 * LENET_ERR_FORMAT where the file is damaged, not of this program, or its tensors do not fit its
 * architecture. */
enum lenet_status lenet_model_read(const char *path, struct lenet_model *model, float **host_w,
                                   struct lenet_error *err);

/* Reads a checkpoint of the given topology, with `moments` of m and v: *host_state (freed by the caller)
 * holds weights, m and v, [3][stride], and checkpoint->m and v point into it.
 * *host_state is NULL where the run has ended and its file has the weights only. */
enum lenet_status lenet_checkpoint_read(const char *path, const struct lenet_topology *topology, int moments,
                                        float **host_state, struct lenet_checkpoint *checkpoint,
                                        struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
