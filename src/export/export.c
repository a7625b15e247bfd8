/* export.c - reads a network and its data set, makes integers of it, measures both, and writes the C file. */
#include "lenet/export.h"

#include <math.h>
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
    enum lenet_path is;
    LENET_TRY(lenet_path_look(out, &is, err));
    if (is == LENET_DIRECTORY)
        return lenet_fail(err, LENET_ERR_IO, "--out %s: a directory, wanted the name of a C file", out);
    snprintf(parent, sizeof parent, "%.*s", slash == out ? 1 : slash ? (int)(slash - out) : 1, slash ? out : ".");
    LENET_TRY(lenet_path_look(parent, &is, err));
    if (is == LENET_DIRECTORY) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO, "--out %s: there is no directory %s", out, parent);
}

/* Reads the file once, for it may be a pipe. */
static enum lenet_status read_network(const char *path, struct lenet_model *model, float **w, char hash[65],
                                      struct lenet_error *err) {
    struct lenet_piece piece;
    struct cJSON *members;
    char *bytes;
    int R;
    LENET_TRY(lenet_tensors_bytes(path, &bytes, &piece.size, err));
    piece.bytes = bytes;
    const enum lenet_status status = lenet_sha256(&piece, 1, hash, err);
    if (status != LENET_OK) free(bytes);
    LENET_TRY(status);
    LENET_TRY(lenet_weights_parse(path, bytes, piece.size, model, &R, w, &members, err));
    lenet_json_free(members);
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
    struct lenet_text text;
    LENET_TRY(lenet_c_source(network, facts, &text, err));
    const enum lenet_status status = lenet_file_replace(out, text.bytes, text.size, err);
    free(text.bytes);
    return status;
}

/* ---- what it costs ----------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double size_of(const struct lenet_export_spread *spread) { return fmax(-spread->least, spread->most); }

/* sizes: room for the layer's weights. */
static struct lenet_export_spread spread_of(const struct lenet_topology *topology, const struct lenet_layer *layer,
                                            const float *w, double *sizes) {
    struct lenet_export_spread spread = {.unit = 0};
    size_t n = 0;
    snprintf(spread.layer, sizeof spread.layer, "%s", layer->spec.name);
    for (size_t i = layer->w; i < layer->w + layer->w_count; i++) {
        if (!lenet_parameter_exists(topology, i)) continue;
        if (fabsf(w[i]) > size_of(&spread)) spread.unit = (int)((i - layer->w) / (layer->w_count / (size_t)layer->O));
        spread.least = fminf(spread.least, w[i]);
        spread.most = fmaxf(spread.most, w[i]);
        sizes[n++] = fabs((double)w[i]);
    }
    qsort(sizes, n, sizeof *sizes, by_size);
    spread.median = sizes[n / 2];
    return spread;
}

static enum lenet_status find_spread(const struct lenet_topology *topology, const float *w,
                                     struct lenet_export_spread *widest, struct lenet_error *err) {
    double *sizes = malloc(topology->stride * sizeof *sizes);
    if (!sizes) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int l = 0; l < topology->layer_count; l++) {
        if (!topology->layers[l].w_count) continue;
        const struct lenet_export_spread spread = spread_of(topology, &topology->layers[l], w, sizes);
        if (!widest->layer[0] || size_of(&spread) * widest->median > size_of(widest) * spread.median) *widest = spread;
    }
    free(sizes);
    return LENET_OK;
}

void lenet_export_loss_text(const struct lenet_export *facts, char *text, size_t size) {
    const struct lenet_export_accuracy *a = &facts->calibration, *b = &facts->test;
    const struct lenet_export_spread *spread = &facts->spread;
    const double before = (double)(a->before + b->before), after = (double)(a->after + b->after);
    const double lost = 100 * (before - after) / (double)(a->count + b->count);
    const int most = facts->bits == 4 ? 7 : 127; /* the largest integer */
    text[0] = 0;
    if (!(lost > 0.5)) return;
    const int used = snprintf(text, size, "%.2f points of accuracy are lost", lost);
    if (size_of(spread) > 2 * most * spread->median) /* then half of the weights become 0 beside it */
        snprintf(text + used, size - (size_t)used,
                 ": the weights of %s reach from %.3g to %.3g (in unit %d), where half of them are below %.3g in size, "
                 "and integers of %d bits cannot hold both; clip those that stand out, or train again with more "
                 "--weight-decay or a smaller --lr%s",
                 spread->layer, (double)spread->least, (double)spread->most, spread->unit, spread->median, facts->bits,
                 facts->bits == 4 ? "; --bits 8 may do" : "");
    else
        snprintf(text + used, size - (size_t)used, "; %s",
                 facts->bits == 4 ? "--bits 8 may help" : "is --data what it was trained on?");
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
    LENET_TRY(read_network(config->weights, &model, &w, facts->weights_hash, err));
    facts->topology = model.topology;
    enum lenet_status status = find_spread(&model.topology, w, &facts->spread, err);
    if (status == LENET_OK) status = export_model(config, &model, w, facts, err);
    free(w);
    return status;
}

void lenet_export_free(struct lenet_export *facts) {
    free(facts->scores);
    facts->scores = NULL;
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void add_accuracy(struct lenet_json *json, const char *name, const struct lenet_export_accuracy *accuracy) {
    lenet_json_open_object(json, name);
    lenet_json_add_number(json, "count", (double)accuracy->count);
    lenet_json_add_number(json, "correct_before", (double)accuracy->before);
    lenet_json_add_number(json, "correct", (double)accuracy->after);
    lenet_json_close(json);
}

enum lenet_status lenet_export_write(const char *path, const struct lenet_export *facts, struct lenet_error *err) {
    const int classes = facts->topology.classes;
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_json_add_string(&json, "arch", facts->topology.arch->name);
    lenet_json_add_string(&json, "weights_hash", facts->weights_hash);
    lenet_json_add_string(&json, "data_hash", facts->data_hash);
    lenet_json_add_number(&json, "bits", facts->bits);
    lenet_json_add_number(&json, "constants", (double)facts->constants);
    lenet_json_add_number(&json, "ram", (double)facts->ram);
    add_accuracy(&json, "calibration", &facts->calibration);
    add_accuracy(&json, "test", &facts->test);
    lenet_json_add_real(&json, "score_unit", facts->score_unit);
    lenet_json_open_array(&json, "scores");
    for (uint64_t i = 0; i < facts->test.count; i++)
        lenet_json_add_ints(&json, NULL, facts->scores + i * (uint64_t)classes, classes);
    lenet_json_close(&json);
    return lenet_json_write(path, &json, err);
}
