/* model.h - a weights file that says which network, or networks, it belongs to.
 *
 * A file of one network has tensors C1.weight [O][C][K][K], C1.bias [O], ... A population's has one more dimension in
 * front, the network, and among its metadata "members", a JSON array with an object of each. */
#ifndef LENET_MODEL_H
#define LENET_MODEL_H
#include "lenet/device_data.h"
#include "lenet/topology.h"
#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

/* What a network is besides its weights. */
struct lenet_model {
    struct lenet_topology topology;
    struct lenet_scaling scaling;
    struct lenet_class_names names; /* of the data set that it was trained on, where it has them */
};

/* Writes the weights host_w[stride] of one network, as one atomic replacement. LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_model_write(const char *path, const struct lenet_model *model, const float *host_w,
                                    struct lenet_error *err);

/* Reads the weights of a file of either kind: *host_w[*R][stride] is the caller's to free. *members is the array of
 * members, the caller's to delete, or NULL for a single network. LENET_ERR_FORMAT where the file is damaged, not of
 * this program, or its tensors do not fit its architecture; LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_weights_read(const char *path, struct lenet_model *model, int *R, float **host_w,
                                     struct cJSON **members, struct lenet_error *err);

/* The same of a file's bytes, as lenet_tensors_parse takes them. */
enum lenet_status lenet_weights_parse(const char *path, char *bytes, size_t size, struct lenet_model *model, int *R,
                                      float **host_w, struct cJSON **members, struct lenet_error *err);

/* The same of a file that must be of one network. */
enum lenet_status lenet_model_read(const char *path, struct lenet_model *model, float **host_w,
                                   struct lenet_error *err);

/* Parses a file's members: NULL for a single network. LENET_ERR_FORMAT where they are no array of objects. */
enum lenet_status lenet_members_from_file(const char *path, const struct lenet_tensor_file *file,
                                          struct cJSON **members, struct lenet_error *err);

/* Copies the file's tensor of this name, type and shape into wanted->data. LENET_ERR_FORMAT where there is none. */
enum lenet_status lenet_tensor_copy(const char *path, const struct lenet_tensor_file *file,
                                    const struct lenet_tensor *wanted, struct lenet_error *err);

/* Writes tensors as the file of a model: its metadata come first, then `more`. members: the array as JSON, or NULL. */
enum lenet_status lenet_model_write_tensors(const char *path, const struct lenet_model *model,
                                            const struct lenet_tensor *tensors, int n, const char *members,
                                            const struct lenet_metadata *more, int n_more, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
