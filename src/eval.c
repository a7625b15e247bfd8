/* eval.c - see eval.h. */
#include "lenet/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/device.h"
#include "lenet/json.h"
#include "lenet/run_dir.h"
#include "lenet/train.h"

enum { EVAL_BATCH = 128 };

void lenet_wilson_interval(uint64_t correct, uint64_t count, double interval[2]) {
    const double z = 1.959963984540054, n = (double)count, p = (double)correct / n;
    const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    interval[0] = fmax(centre - half, 0);
    interval[1] = fmin(centre + half, 1);
}

double lenet_precision(const struct lenet_evaluation *e, int class_index) {
    uint64_t predicted = 0;
    for (int c = 0; c < e->classes; c++) predicted += e->confusion[c][class_index];
    return predicted ? (double)e->confusion[class_index][class_index] / (double)predicted : NAN;
}

double lenet_recall(const struct lenet_evaluation *e, int class_index) {
    uint64_t truly = 0;
    for (int c = 0; c < e->classes; c++) truly += e->confusion[class_index][c];
    return truly ? (double)e->confusion[class_index][class_index] / (double)truly : NAN;
}

/* Runs the network over the test set; everything but data and device is the caller's. */
static enum lenet_status classify(const struct lenet_device *device, const struct lenet_model *model,
                                  const float *host_w, const struct lenet_dataset *data, struct lenet_tally *tally,
                                  uint8_t *predicted, struct lenet_error *err) {
    struct lenet_device_data device_data = {0};
    struct lenet_network net = {0};
    const struct lenet_network_options options = {
        .plan = &model->plan, .optimizer = LENET_SGD, .R = 1, .B = EVAL_BATCH};
    enum lenet_status status = lenet_device_data_create(device->backend, device->ctx, data, model->scaling,
                                                        model->plan.arch->field, &device_data, err);
    if (status == LENET_OK) status = lenet_network_create(device->backend, device->ctx, &options, &net, err);
    if (status == LENET_OK) status = lenet_network_put(&net, net.w, 0, host_w);
    if (status == LENET_OK)
        status = lenet_network_evaluate(&net, &device_data.test, NULL, 0, device_data.test.count, tally, predicted);
    if (net.backend) lenet_network_free(&net);
    lenet_device_data_free(device->backend, device->ctx, &device_data);
    return status;
}

static enum lenet_status evaluate_model(const struct lenet_config *config, const struct lenet_model *model,
                                        const float *host_w, const struct lenet_dataset *data,
                                        struct lenet_evaluation *e, struct lenet_error *err) {
    struct lenet_device device;
    struct lenet_tally tally = {0};
    if (data->classes > model->plan.classes)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: made for %d classes, %s has %d", config->weights,
                          model->plan.classes, config->data, data->classes);
    e->predicted = malloc(data->test.count);
    if (!e->predicted) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &device, err));
    if (err) err->text[0] = 0;
    const enum lenet_status status =
        lenet_device_explain(&device, classify(&device, model, host_w, data, &tally, e->predicted, err), err);
    lenet_device_close(&device);
    if (status != LENET_OK) return status;
    e->classes = model->plan.classes;
    e->count = tally.count;
    e->correct = tally.correct;
    e->loss = tally.loss / (double)tally.count;
    for (size_t i = 0; i < data->test.count; i++) e->confusion[data->test.labels[i]][e->predicted[i]]++;
    return LENET_OK;
}

/* Whose weights, and the data set they were trained on where none is named. */
static enum lenet_status choose_files(struct lenet_config *config, struct lenet_error *err) {
    if (!config->run[0] && !config->weights[0])
        return lenet_fail(err, LENET_ERR_ARG, "give --run DIR or --weights FILE");
    if (!config->run[0]) return LENET_OK;
    struct lenet_config trained = *config;
    char hash[65];
    LENET_TRY(lenet_run_read(config->run, &trained, hash, err));
    if (!config->data[0]) strcpy(config->data, trained.data);
    if (config->weights[0]) return LENET_OK;
    return lenet_run_path(config->run, "last.safetensors", config->weights, err);
}

enum lenet_status lenet_evaluate(struct lenet_config *config, struct lenet_evaluation *evaluation,
                                 struct lenet_dataset *data, struct lenet_error *err) {
    struct lenet_model model;
    float *host_w;
    *evaluation = (struct lenet_evaluation){0};
    *data = (struct lenet_dataset){0};
    LENET_TRY(choose_files(config, err));
    LENET_TRY(lenet_model_read(config->weights, &model, &host_w, err));
    enum lenet_status status = lenet_data_open(config, model.plan.arch->field, data, err);
    if (status == LENET_OK) status = evaluate_model(config, &model, host_w, data, evaluation, err);
    free(host_w);
    if (status != LENET_OK) lenet_dataset_free(data);
    return status;
}

/* ---- JSON ------------------------------------------------------------------------------- */

static cJSON *per_class(const struct lenet_evaluation *e, double (*value)(const struct lenet_evaluation *, int)) {
    cJSON *array = cJSON_CreateArray();
    for (int c = 0; c < e->classes; c++) cJSON_AddItemToArray(array, cJSON_CreateNumber(value(e, c))); /* NaN: null */
    return array;
}

static cJSON *confusion_json(const struct lenet_evaluation *e) {
    cJSON *rows = cJSON_CreateArray();
    for (int t = 0; t < e->classes; t++) {
        cJSON *row = cJSON_CreateArray();
        for (int p = 0; p < e->classes; p++) cJSON_AddItemToArray(row, cJSON_CreateNumber((double)e->confusion[t][p]));
        cJSON_AddItemToArray(rows, row);
    }
    return rows;
}

enum lenet_status lenet_evaluation_write(const char *path, const struct lenet_config *config,
                                         const struct lenet_evaluation *e, const struct lenet_dataset *data,
                                         struct lenet_error *err) {
    double interval[2];
    lenet_wilson_interval(e->correct, e->count, interval);
    cJSON *json = cJSON_CreateObject(), *predictions = cJSON_CreateArray();
    cJSON_AddStringToObject(json, "weights", config->weights);
    cJSON_AddItemToObject(json, "data", lenet_data_json(config->data, data));
    cJSON_AddNumberToObject(json, "count", (double)e->count);
    cJSON_AddNumberToObject(json, "correct", (double)e->correct);
    lenet_json_add_real(json, "accuracy", (double)e->correct / (double)e->count);
    cJSON_AddItemToObject(json, "interval", cJSON_CreateDoubleArray(interval, 2));
    lenet_json_add_real(json, "loss", e->loss);
    cJSON_AddItemToObject(json, "confusion", confusion_json(e));
    cJSON_AddItemToObject(json, "precision", per_class(e, lenet_precision));
    cJSON_AddItemToObject(json, "recall", per_class(e, lenet_recall));
    for (uint64_t i = 0; i < e->count; i++) cJSON_AddItemToArray(predictions, cJSON_CreateNumber(e->predicted[i]));
    cJSON_AddItemToObject(json, "predictions", predictions);
    return lenet_json_write(path, json, err);
}
