/* model.c - weights files: the metadata that say which network it is, and the networks' weights. */
#include "lenet/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/json.h"
#include "data/class_names.h"
#include "net/stack.h"

enum { MAX_METADATA = 16, VALUE = 32 };

/* ---- writing ------------------------------------------------------------------------ */

enum lenet_status lenet_model_write_tensors(const char *path, const struct lenet_model *model,
                                            const struct lenet_tensor *tensors, int n, const char *members,
                                            const struct lenet_metadata *more, int n_more, struct lenet_error *err) {
    const struct lenet_topology *topology = &model->topology;
    char activation[VALUE], pooling[VALUE], classes[VALUE], factor[VALUE], offset[VALUE], loss[VALUE], map_j[VALUE];
    lenet_choice_name(LENET_ACTIVATIONS, (int)topology->activation, activation, VALUE);
    lenet_choice_name(LENET_POOLINGS, (int)topology->pooling, pooling, VALUE);
    lenet_choice_name(LENET_LOSSES, (int)topology->loss, loss, VALUE);
    snprintf(classes, VALUE, "%d", topology->classes);
    snprintf(factor, VALUE, "%.9g", (double)model->scaling.factor);
    snprintf(offset, VALUE, "%.9g", (double)model->scaling.offset);
    snprintf(map_j, VALUE, "%.9g", topology->map_j);
    struct lenet_metadata metadata[MAX_METADATA] = {
        {"format", "lenet"},  {"arch", topology->arch->name}, {"activation", activation}, {"pooling", pooling},
        {"classes", classes}, {"input_factor", factor},       {"input_offset", offset},   {"loss", loss},
        {"map_j", map_j}};
    int count = 9;
    char *names = model->names.count ? lenet_class_names_text(&model->names) : NULL;
    if (members) metadata[count++] = (struct lenet_metadata){"members", members};
    if (names) metadata[count++] = (struct lenet_metadata){"classes.names", names};
    for (int i = 0; i < n_more; i++) metadata[count++] = more[i];
    const enum lenet_status status = names || !model->names.count
                                         ? lenet_tensors_write(path, tensors, n, metadata, count, err)
                                         : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    free(names);
    return status;
}

enum lenet_status lenet_model_write(const char *path, const struct lenet_model *model, const float *host_w,
                                    struct lenet_error *err) {
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    const int n = lenet_topology_tensors(&model->topology, "", (float *)host_w, tensors);
    return lenet_model_write_tensors(path, model, tensors, n, NULL, NULL, 0, err);
}

/* ---- reading ------------------------------------------------------------------------ */

static enum lenet_status metadata_text(const char *path, const struct lenet_tensor_file *file, const char *key,
                                       const char **text, struct lenet_error *err) {
    *text = lenet_metadata_find(file, key);
    if (*text) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: no '%s' in its metadata; not a weights file of this program, or one of an older version",
                      path, key);
}

static enum lenet_status metadata_number(const char *path, const struct lenet_tensor_file *file, const char *key,
                                         double min, double max, double *value, struct lenet_error *err) {
    const char *text;
    char *end;
    LENET_TRY(metadata_text(path, file, key, &text, err));
    *value = strtod(text, &end);
    if (end != text && !*end && *value >= min && *value <= max) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: metadata %s is '%s', wanted a number from %g to %g", path, key, text,
                      min, max);
}

static enum lenet_status metadata_choice(const char *path, const struct lenet_tensor_file *file, const char *key,
                                         const char *choices, int *value, struct lenet_error *err) {
    const char *text;
    LENET_TRY(metadata_text(path, file, key, &text, err));
    *value = lenet_choice_find(choices, text);
    if (*value >= 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: metadata %s is '%.100s', wanted one of %s", path, key, text, choices);
}

/* Of a data set that had them. */
static enum lenet_status names_from_file(const char *path, const struct lenet_tensor_file *file, int classes,
                                         struct lenet_class_names *names, struct lenet_error *err) {
    const char *text = lenet_metadata_find(file, "classes.names");
    names->count = 0;
    if (!text) return LENET_OK;
    LENET_TRY(lenet_class_names_parse(path, text, strlen(text), names, err));
    if (names->count == classes) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: metadata classes.names has %d, wanted %d; damaged?", path,
                      names->count, classes);
}

static enum lenet_status model_from_file(const char *path, const struct lenet_tensor_file *file,
                                         struct lenet_model *model, struct lenet_error *err) {
    const char *name;
    int activation, pooling, loss;
    double classes, factor, offset, map_j;
    struct lenet_error why = {{0}};
    LENET_TRY(metadata_text(path, file, "arch", &name, err));
    LENET_TRY(metadata_choice(path, file, "activation", LENET_ACTIVATIONS, &activation, err));
    LENET_TRY(metadata_choice(path, file, "pooling", LENET_POOLINGS, &pooling, err));
    LENET_TRY(metadata_number(path, file, "classes", 1, LENET_MAX_CLASSES, &classes, err));
    LENET_TRY(metadata_number(path, file, "input_factor", -1e6, 1e6, &factor, err));
    LENET_TRY(metadata_number(path, file, "input_offset", -1e6, 1e6, &offset, err));
    LENET_TRY(metadata_choice(path, file, "loss", LENET_LOSSES, &loss, err));
    LENET_TRY(metadata_number(path, file, "map_j", 0, 1e6, &map_j, err));
    const struct lenet_arch *arch = lenet_arch_find(name);
    if (!arch) return lenet_fail(err, LENET_ERR_FORMAT, "%s: unknown architecture '%.100s'", path, name);
    model->scaling = (struct lenet_scaling){(float)factor, (float)offset};
    if (lenet_topology_make(arch, (enum lenet_activation)activation, (enum lenet_pooling)pooling, (int)classes,
                            &model->topology, &why) != LENET_OK)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: %.900s", path, why.text);
    model->topology.loss = (enum lenet_loss)loss;
    model->topology.map_j = map_j;
    return names_from_file(path, file, (int)classes, &model->names, err);
}

enum lenet_status lenet_tensor_copy(const char *path, const struct lenet_tensor_file *file,
                                    const struct lenet_tensor *wanted, struct lenet_error *err) {
    const struct lenet_tensor *found = lenet_tensors_find(file, wanted->name);
    if (!found)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: no tensor '%s'; weights of another architecture?", path,
                          wanted->name);
    int same = found->dtype == wanted->dtype && found->rank == wanted->rank;
    for (int i = 0; same && i < wanted->rank; i++) same = found->shape[i] == wanted->shape[i];
    if (!same)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: tensor '%s' has another type or shape than its architecture; weights of another one?",
                          path, wanted->name);
    memcpy(wanted->data, found->data, lenet_tensor_bytes(wanted));
    return LENET_OK;
}

enum lenet_status lenet_members_from_file(const char *path, const struct lenet_tensor_file *file,
                                          struct cJSON **members, struct lenet_error *err) {
    const char *text = lenet_metadata_find(file, "members");
    *members = NULL;
    if (!text) return LENET_OK;
    const enum lenet_status status = lenet_json_parse(path, text, strlen(text), NULL, members, err);
    if (lenet_json_is_array(*members) && lenet_json_count(*members) > 0) return LENET_OK;
    lenet_json_free(*members);
    *members = NULL;
    if (status == LENET_ERR_MEMORY) return status;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: its metadata have no list of 'members'; damaged?", path);
}

static enum lenet_status read_weights(const char *path, const struct lenet_tensor_file *file,
                                      const struct lenet_topology *topology, int R, int single, float **host_w,
                                      struct lenet_error *err) {
    const size_t values = (size_t)R * topology->stride;
    struct lenet_stack stack;
    *host_w = calloc(values, sizeof **host_w);
    if (!*host_w) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    enum lenet_status status = lenet_stack_make(topology, R, single, 1, &stack, err);
    if (status == LENET_OK) status = lenet_stack_read(&stack, path, file, err);
    for (int r = 0; r < R && status == LENET_OK; r++)
        lenet_stack_copy(&stack, r, *host_w + (size_t)r * topology->stride, LENET_STACK_OUT);
    for (size_t i = 0; i < values && status == LENET_OK; i++)
        if (!isfinite((*host_w)[i]))
            status = lenet_fail(err, LENET_ERR_FORMAT, "%s: a weight is NaN or infinite; a run that diverged?", path);
    free(stack.memory);
    return status;
}

static enum lenet_status read_file(const char *path, const struct lenet_tensor_file *file, struct lenet_model *model,
                                   int *R, float **host_w, struct cJSON **members, struct lenet_error *err) {
    LENET_TRY(model_from_file(path, file, model, err));
    LENET_TRY(lenet_members_from_file(path, file, members, err));
    *R = *members ? lenet_json_count(*members) : 1;
    return read_weights(path, file, &model->topology, *R, !*members, host_w, err);
}

enum lenet_status lenet_weights_read(const char *path, struct lenet_model *model, int *R, float **host_w,
                                     struct cJSON **members, struct lenet_error *err) {
    char *bytes;
    size_t size;
    *host_w = NULL;
    *members = NULL;
    LENET_TRY(lenet_tensors_bytes(path, &bytes, &size, err));
    return lenet_weights_parse(path, bytes, size, model, R, host_w, members, err);
}

enum lenet_status lenet_weights_parse(const char *path, char *bytes, size_t size, struct lenet_model *model, int *R,
                                      float **host_w, struct cJSON **members, struct lenet_error *err) {
    struct lenet_tensor_file file;
    *host_w = NULL;
    *members = NULL;
    LENET_TRY(lenet_tensors_parse(path, bytes, size, &file, err));
    const enum lenet_status status = read_file(path, &file, model, R, host_w, members, err);
    lenet_tensors_free(&file);
    if (status == LENET_OK) return LENET_OK;
    lenet_json_free(*members);
    free(*host_w);
    *members = NULL;
    *host_w = NULL;
    return status;
}

enum lenet_status lenet_model_read(const char *path, struct lenet_model *model, float **host_w,
                                   struct lenet_error *err) {
    struct cJSON *members;
    int R;
    LENET_TRY(lenet_weights_read(path, model, &R, host_w, &members, err));
    const int single = members == NULL;
    lenet_json_free(members);
    if (single) return LENET_OK;
    free(*host_w);
    *host_w = NULL;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: weights of a population of %d networks; wanted those of one", path,
                      R);
}
