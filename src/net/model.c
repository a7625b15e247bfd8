/* model.c - see model.h. */
#include "lenet/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"

enum { MAX_TENSORS = 2 * LENET_MAX_LAYERS, MAX_CHECKPOINT = 2 * MAX_TENSORS + 2 };

/* ---- writing ------------------------------------------------------------------------ */

static int checkpoint_tensors(const struct lenet_topology *topology, const struct lenet_checkpoint *c, double reals[2],
                              int64_t integers[4], struct lenet_tensor *tensors) {
    int n = 0;
    if (c->m) n += lenet_topology_tensors(topology, "checkpoint.m.", (float *)c->m, tensors + n);
    if (c->v) n += lenet_topology_tensors(topology, "checkpoint.v.", (float *)c->v, tensors + n);
    reals[0] = c->tally.loss;
    reals[1] = c->seconds;
    integers[0] = (int64_t)c->step;
    integers[1] = (int64_t)c->tally.count;
    integers[2] = (int64_t)c->tally.correct;
    integers[3] = (int64_t)c->tally.nonfinite;
    tensors[n++] = (struct lenet_tensor){"checkpoint.loss_seconds", LENET_F64, 1, {2}, reals};
    tensors[n++] = (struct lenet_tensor){"checkpoint.step_count_correct_nonfinite", LENET_I64, 1, {4}, integers};
    return n;
}

void lenet_model_describe(const struct lenet_model *model, struct lenet_model_text *text) {
    const struct lenet_topology *topology = &model->topology;
    snprintf(text->classes, sizeof text->classes, "%d", topology->classes);
    snprintf(text->factor, sizeof text->factor, "%.9g", (double)model->scaling.factor);
    snprintf(text->offset, sizeof text->offset, "%.9g", (double)model->scaling.offset);
    snprintf(text->map_j, sizeof text->map_j, "%.9g", topology->map_j);
    lenet_choice_name(LENET_ACTIVATIONS, (int)topology->activation, text->activation, sizeof text->activation);
    lenet_choice_name(LENET_POOLINGS, (int)topology->pooling, text->pooling, sizeof text->pooling);
    lenet_choice_name(LENET_LOSSES, (int)topology->loss, text->loss, sizeof text->loss);
    const struct lenet_metadata entries[LENET_MODEL_METADATA] = {{"format", "lenet"},
                                                                 {"arch", topology->arch->name},
                                                                 {"activation", text->activation},
                                                                 {"pooling", text->pooling},
                                                                 {"classes", text->classes},
                                                                 {"input_factor", text->factor},
                                                                 {"input_offset", text->offset},
                                                                 {"loss", text->loss},
                                                                 {"map_j", text->map_j}};
    memcpy(text->entries, entries, sizeof entries);
}

enum lenet_status lenet_model_write(const char *path, const struct lenet_model *model, const float *host_w,
                                    const struct lenet_checkpoint *checkpoint, struct lenet_error *err) {
    struct lenet_tensor tensors[MAX_TENSORS + MAX_CHECKPOINT];
    struct lenet_model_text text;
    double reals[2];
    int64_t integers[4];
    int n = lenet_topology_tensors(&model->topology, "", (float *)host_w, tensors);
    if (checkpoint) n += checkpoint_tensors(&model->topology, checkpoint, reals, integers, tensors + n);
    lenet_model_describe(model, &text);
    return lenet_tensors_write(path, tensors, n, text.entries, LENET_MODEL_METADATA, err);
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

enum lenet_status lenet_model_from_file(const char *path, const struct lenet_tensor_file *file,
                                        struct lenet_model *model, struct lenet_error *err) {
    const char *name;
    int activation, pooling, loss;
    double classes, factor, offset, map_j;
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
    LENET_TRY(lenet_topology_make(arch, (enum lenet_activation)activation, (enum lenet_pooling)pooling, (int)classes,
                                  &model->topology, err));
    model->topology.loss = (enum lenet_loss)loss;
    model->topology.map_j = map_j;
    return LENET_OK;
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

static enum lenet_status copy_parameters(const char *path, const struct lenet_tensor_file *file,
                                         const struct lenet_topology *topology, const char *prefix, float *host_w,
                                         struct lenet_error *err) {
    struct lenet_tensor tensors[MAX_TENSORS];
    const int n = lenet_topology_tensors(topology, prefix, host_w, tensors);
    for (int i = 0; i < n; i++) LENET_TRY(lenet_tensor_copy(path, file, &tensors[i], err));
    for (size_t i = 0; i < topology->stride; i++)
        if (!isfinite(host_w[i]))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: a weight is NaN or infinite; a run that diverged?", path);
    return LENET_OK;
}

enum lenet_status lenet_model_read(const char *path, struct lenet_model *model, float **host_w,
                                   struct lenet_error *err) {
    struct lenet_tensor_file file;
    *host_w = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = lenet_model_from_file(path, &file, model, err);
    if (status == LENET_OK) {
        *host_w = calloc(model->topology.stride, sizeof **host_w);
        status = *host_w ? copy_parameters(path, &file, &model->topology, "", *host_w, err)
                         : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    lenet_tensors_free(&file);
    if (status != LENET_OK) {
        free(*host_w);
        *host_w = NULL;
    }
    return status;
}

static enum lenet_status copy_checkpoint(const char *path, const struct lenet_tensor_file *file,
                                         const struct lenet_topology *topology, int moments, float *state,
                                         struct lenet_checkpoint *c, struct lenet_error *err) {
    double reals[2];
    int64_t integers[4];
    struct lenet_tensor tensors[MAX_CHECKPOINT];
    float *m = state + topology->stride, *v = m + topology->stride;
    LENET_TRY(copy_parameters(path, file, topology, "", state, err));
    if (moments > 0) LENET_TRY(copy_parameters(path, file, topology, "checkpoint.m.", m, err));
    if (moments > 1) LENET_TRY(copy_parameters(path, file, topology, "checkpoint.v.", v, err));
    const int n = checkpoint_tensors(topology, &(struct lenet_checkpoint){0}, reals, integers, tensors);
    for (int i = 0; i < n; i++) LENET_TRY(lenet_tensor_copy(path, file, &tensors[i], err));
    *c = (struct lenet_checkpoint){
        .step = (uint64_t)integers[0],
        .seconds = reals[1],
        .tally = {reals[0], (uint64_t)integers[1], (uint64_t)integers[2], (uint64_t)integers[3]},
        .m = moments > 0 ? m : NULL,
        .v = moments > 1 ? v : NULL};
    return LENET_OK;
}

enum lenet_status lenet_checkpoint_read(const char *path, const struct lenet_topology *topology, int moments,
                                        float **host_state, struct lenet_checkpoint *checkpoint,
                                        struct lenet_error *err) {
    struct lenet_tensor_file file;
    enum lenet_status status = LENET_OK;
    *host_state = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    if (lenet_tensors_find(&file, "checkpoint.loss_seconds")) {
        *host_state = calloc(3 * topology->stride, sizeof **host_state);
        status = *host_state ? copy_checkpoint(path, &file, topology, moments, *host_state, checkpoint, err)
                             : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    lenet_tensors_free(&file);
    if (status != LENET_OK) {
        free(*host_state);
        *host_state = NULL;
    }
    return status;
}
