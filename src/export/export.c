/* export.c - reads a network and its data set, makes integers of it, measures both, and writes the C file. */
#include "lenet/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "export/c_source.h"
#include "export/quantize.h"
#include "export/reference.h"
#include "train/settings.h"

enum { CALIBRATION_IMAGES = 2048 };

/* At once, and not after the work: what would keep the file from being written. */
static enum lenet_status check_out(const char *out, struct lenet_error *err) {
    char parent[LENET_MAX_PATH];
    const char *slash = strrchr(out, '/');
    if (!out[0]) return lenet_fail(err, LENET_ERR_ARG, "give --out FILE.c, the file to write");
    if (lenet_path_is_directory(out))
        return lenet_fail(err, LENET_ERR_IO, "--out %s: a directory, wanted the name of a C file", out);
    snprintf(parent, sizeof parent, "%.*s", slash == out ? 1 : slash ? (int)(slash - out) : 1, slash ? out : ".");
    if (lenet_path_is_directory(parent)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO, "--out %s: there is no directory %s", out, parent);
}

static enum lenet_status hash_of(const char *path, char hash[65], struct lenet_error *err) {
    struct lenet_piece piece;
    char *bytes;
    LENET_TRY(lenet_file_read(path, &bytes, &piece.size, err));
    piece.bytes = bytes;
    const enum lenet_status status = lenet_sha256(&piece, 1, hash, err);
    free(bytes);
    return status;
}

static enum lenet_status read_network(const char *path, struct lenet_model *model, float **w, struct lenet_error *err) {
    cJSON *members;
    int R;
    LENET_TRY(lenet_weights_read(path, model, &R, w, &members, err));
    cJSON_Delete(members);
    if (R == 1) return LENET_OK;
    free(*w);
    *w = NULL;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: the weights of %d networks, of which a C file holds one; lenet train writes those of a "
                      "single network, lenet sweep does so with --population-max 1",
                      path, R);
}

/* A data set whose training half are some of the images, from all of it: its order may be that of the classes. */
static enum lenet_status take_some(const struct lenet_dataset *data, struct lenet_dataset *some,
                                   struct lenet_error *err) {
    const size_t pixels = (size_t)data->H * (size_t)data->W, all = data->train.count;
    const size_t count = all < CALIBRATION_IMAGES ? all : CALIBRATION_IMAGES;
    *some = *data;
    some->train = (struct lenet_samples){.count = count, .images = malloc(count * pixels), .labels = malloc(count)};
    if (!some->train.images || !some->train.labels) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const size_t from = i * all / count;
        memcpy(some->train.images + i * pixels, data->train.images + from * pixels, pixels);
        some->train.labels[i] = data->train.labels[from];
    }
    return LENET_OK;
}

static enum lenet_status measure(const struct lenet_integer_network *network, const struct lenet_dataset *data,
                                 const struct lenet_reference *reference, struct lenet_export *facts,
                                 struct lenet_error *err) {
    facts->score_unit = network->score_unit;
    facts->constants = lenet_constant_bytes(network);
    facts->ram = lenet_ram_bytes(network);
    facts->calibration = (struct lenet_export_accuracy){data->train.count, reference->train_correct, 0};
    facts->test = (struct lenet_export_accuracy){data->test.count, reference->test_correct, 0};
    facts->scores = malloc((data->test.count * (size_t)network->net.classes + 1) * sizeof *facts->scores);
    if (!facts->scores) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    LENET_TRY(lenet_integer_network_measure(network, &data->train, NULL, &facts->calibration.after, err));
    return lenet_integer_network_measure(network, &data->test, facts->scores, &facts->test.after, err);
}

static enum lenet_status write_network(const char *out, const struct lenet_integer_network *network,
                                       const struct lenet_export *facts, struct lenet_error *err) {
    char *text;
    size_t size;
    LENET_TRY(lenet_c_source(network, facts, &text, &size, err));
    const enum lenet_status status = lenet_file_replace(out, text, size, err);
    free(text);
    return status;
}

/* data: with the calibration images as its training half. */
static enum lenet_status export_network(const char *out, const struct lenet_model *model, const float *w,
                                        const struct lenet_dataset *data, struct lenet_export *facts,
                                        struct lenet_error *err) {
    struct lenet_reference reference;
    struct lenet_integer_network network;
    enum lenet_status status = lenet_reference_measure(model, w, data, &reference, err);
    if (status == LENET_OK) status = lenet_quantize(model, w, facts->bits, data, &reference, &network, err);
    if (status == LENET_OK) {
        status = measure(&network, data, &reference, facts, err);
        if (status == LENET_OK) status = write_network(out, &network, facts, err);
        lenet_integer_network_free(&network);
    }
    lenet_reference_free(&reference);
    return status;
}

static enum lenet_status export_model(struct lenet_config *config, const struct lenet_model *model, const float *w,
                                      struct lenet_export *facts, struct lenet_error *err) {
    struct lenet_dataset data, some = {.H = 0};
    LENET_TRY(lenet_config_dataset(config, LENET_BOTH_HALVES, model->topology.arch->field, &data, err));
    strcpy(facts->data_name, data.name);
    strcpy(facts->data_hash, data.hash);
    enum lenet_status status = LENET_OK;
    if (data.classes > model->topology.classes)
        status =
            lenet_fail(err, LENET_ERR_FORMAT, "%s: made for %d class%s, %s has %d", config->weights,
                       model->topology.classes, model->topology.classes == 1 ? "" : "es", config->data, data.classes);
    if (status == LENET_OK) status = take_some(&data, &some, err);
    if (status == LENET_OK) status = export_network(config->out, model, w, &some, facts, err);
    free(some.train.images);
    free(some.train.labels);
    lenet_dataset_free(&data);
    return status;
}

enum lenet_status lenet_export_c(struct lenet_config *config, struct lenet_export *facts, struct lenet_error *err) {
    struct lenet_model model;
    float *w;
    *facts = (struct lenet_export){.bits = config->bits ? 4 : 8};
    LENET_TRY(check_out(config->out, err));
    LENET_TRY(read_network(config->weights, &model, &w, err));
    facts->topology = model.topology;
    enum lenet_status status = hash_of(config->weights, facts->weights_hash, err);
    if (status == LENET_OK) status = export_model(config, &model, w, facts, err);
    free(w);
    return status;
}

void lenet_export_free(struct lenet_export *facts) {
    free(facts->scores);
    facts->scores = NULL;
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void add_accuracy(cJSON *json, const char *name, const struct lenet_export_accuracy *accuracy) {
    cJSON *object = cJSON_AddObjectToObject(json, name);
    cJSON_AddNumberToObject(object, "count", (double)accuracy->count);
    cJSON_AddNumberToObject(object, "correct_before", (double)accuracy->before);
    cJSON_AddNumberToObject(object, "correct", (double)accuracy->after);
}

enum lenet_status lenet_export_write(const char *path, const struct lenet_export *facts, struct lenet_error *err) {
    const int classes = facts->topology.classes;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "arch", facts->topology.arch->name);
    cJSON_AddStringToObject(json, "weights_hash", facts->weights_hash);
    cJSON_AddStringToObject(json, "data_hash", facts->data_hash);
    cJSON_AddNumberToObject(json, "bits", facts->bits);
    cJSON_AddNumberToObject(json, "constants", (double)facts->constants);
    cJSON_AddNumberToObject(json, "ram", (double)facts->ram);
    add_accuracy(json, "calibration", &facts->calibration);
    add_accuracy(json, "test", &facts->test);
    lenet_json_add_real(json, "score_unit", facts->score_unit);
    cJSON *scores = cJSON_AddArrayToObject(json, "scores");
    for (uint64_t i = 0; i < facts->test.count; i++)
        cJSON_AddItemToArray(scores, cJSON_CreateIntArray(facts->scores + i * (uint64_t)classes, classes));
    return lenet_json_write(path, json, err);
}
