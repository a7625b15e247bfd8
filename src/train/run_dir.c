/* run_dir.c - see run_dir.h. */
#include "train/run_dir.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "lenet/version.h"

static const char RUN_FILE[] = "run.json", METRICS_FILE[] = "metrics.jsonl";

enum lenet_status lenet_run_path(const char *directory, const char *name, char path[LENET_MAX_PATH],
                                 struct lenet_error *err) {
    if (snprintf(path, LENET_MAX_PATH, "%s/%s", directory, name) < LENET_MAX_PATH) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "%.80s...: a path longer than %d characters", directory, LENET_MAX_PATH - 1);
}

/* ---- run.json ------------------------------------------------------------------------- */

static int is_recorded(const struct lenet_option *option) {
    return (option->commands & LENET_CMD_TRAIN) && option->identity;
}

void lenet_option_add_json(cJSON *json, const struct lenet_config *config, const struct lenet_option *option) {
    char text[LENET_MAX_PATH];
    lenet_option_get(config, option, text, sizeof text);
    if (option->type == LENET_OPTION_INTEGER || option->type == LENET_OPTION_REAL)
        cJSON_AddRawToObject(json, option->name, text);
    else
        cJSON_AddStringToObject(json, option->name, text);
}

cJSON *lenet_config_json(const struct lenet_config *config) {
    cJSON *json = cJSON_CreateObject();
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (is_recorded(option)) lenet_option_add_json(json, config, option);
    return json;
}

cJSON *lenet_data_json(const char *directory, const struct lenet_dataset *data) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", data->name);
    cJSON_AddStringToObject(json, data->hash[0] ? "hash" : "test_hash", data->hash[0] ? data->hash : data->test_hash);
    cJSON_AddStringToObject(json, "directory", directory);
    cJSON_AddNumberToObject(json, "train", (double)data->train.count);
    cJSON_AddNumberToObject(json, "test", (double)data->test.count);
    return json;
}

/* Makes the run directory: the named one, or the first free of runs/ARCH-1, -2, ... */
static enum lenet_status choose_directory(struct lenet_config *config, char path[LENET_MAX_PATH],
                                          struct lenet_error *err) {
    const int named = config->run[0] != 0;
    for (int i = 1;; i++) {
        if (!named) snprintf(config->run, sizeof config->run, "runs/%s-%d", config->arch, i);
        LENET_TRY(lenet_run_path(config->run, RUN_FILE, path, err));
        if (!lenet_path_exists(path)) return lenet_directory_create(config->run, err);
        if (named)
            return lenet_fail(err, LENET_ERR_IO,
                              "%s: a run is there already; --resume %s goes on with it, or give "
                              "another --run",
                              config->run, config->run);
    }
}

enum lenet_status lenet_run_create(struct lenet_config *config, const char *backend, const struct lenet_dataset *data,
                                   struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(choose_directory(config, path, err));
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "command", "train");
    cJSON_AddStringToObject(json, "version", LENET_VERSION);
    cJSON_AddStringToObject(json, "compiler", LENET_COMPILER);
    cJSON_AddStringToObject(json, "device", backend);
    cJSON_AddItemToObject(json, "config", lenet_config_json(config));
    cJSON_AddItemToObject(json, "data", lenet_data_json(config->data, data));
    return lenet_json_write(path, json, err);
}

/* Sets one option from its JSON value. */
static enum lenet_status option_from_json(const char *path, const struct lenet_option *option, const cJSON *value,
                                          struct lenet_config *config, struct lenet_error *err) {
    char number[40];
    struct lenet_error why = {{0}};
    const char *text = cJSON_GetStringValue(value);
    if (!text && cJSON_IsNumber(value) && option->type != LENET_OPTION_TEXT && option->type != LENET_OPTION_ARCH) {
        snprintf(number, sizeof number, "%.17g", value->valuedouble);
        text = number;
    }
    if (!text) return lenet_fail(err, LENET_ERR_FORMAT, "%s: no '%s' in it; of an older program?", path, option->name);
    if (lenet_option_set(config, option, text, &why) == LENET_OK) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: %.900s", path, why.text);
}

enum lenet_status lenet_config_from_json(const char *path, const cJSON *values, struct lenet_config *config,
                                         struct lenet_error *err) {
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (is_recorded(option))
            LENET_TRY(
                option_from_json(path, option, cJSON_GetObjectItemCaseSensitive(values, option->name), config, err));
    return LENET_OK;
}

static enum lenet_status run_from_json(const char *path, const cJSON *json, struct lenet_config *config, char hash[65],
                                       struct lenet_error *err) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(json, "config");
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(json, "data");
    const char *data_hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "hash"));
    if (!values || !data_hash || strlen(data_hash) != 64)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: not a run.json: config or the data's hash is missing", path);
    strcpy(hash, data_hash);
    LENET_TRY(lenet_config_from_json(path, values, config, err));
    LENET_TRY(option_from_json(path, lenet_option_find("data"), cJSON_GetObjectItemCaseSensitive(data, "directory"),
                               config, err));
    return option_from_json(path, lenet_option_find("device"), cJSON_GetObjectItemCaseSensitive(json, "device"), config,
                            err);
}

enum lenet_status lenet_run_read(const char *directory, struct lenet_config *config, char hash[65],
                                 struct lenet_error *err) {
    char path[LENET_MAX_PATH], *text;
    size_t size;
    LENET_TRY(lenet_run_path(directory, RUN_FILE, path, err));
    LENET_TRY(lenet_file_read(path, &text, &size, err));
    cJSON *json = cJSON_ParseWithLength(text, size);
    const enum lenet_status status =
        json ? run_from_json(path, json, config, hash, err)
             : lenet_fail(err, LENET_ERR_FORMAT, "%s: not JSON; damaged, or not a run.json", path);
    cJSON_Delete(json);
    free(text);
    return status;
}

enum lenet_status lenet_run_same(const struct lenet_config *was, const struct lenet_config *now,
                                 struct lenet_error *err) {
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char before[LENET_MAX_PATH], after[LENET_MAX_PATH];
        if (!is_recorded(option)) continue;
        lenet_option_get(was, option, before, sizeof before);
        lenet_option_get(now, option, after, sizeof after);
        if (strcmp(before, after) != 0)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--resume %s: --%s is %.100s there and %.100s here; a run goes on as it began",
                              now->resume, option->name, before, after);
    }
    return LENET_OK;
}

/* ---- metrics.jsonl -------------------------------------------------------------------- */

cJSON *lenet_metrics_json(const struct lenet_metrics *metrics) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "epoch", (double)metrics->epoch);
    cJSON_AddNumberToObject(json, "step", (double)metrics->step);
    lenet_json_add_real(json, "train_loss", metrics->train_loss);
    lenet_json_add_real(json, "train_accuracy", metrics->train_accuracy);
    if (metrics->has_validation) {
        lenet_json_add_real(json, "validation_loss", metrics->validation_loss);
        lenet_json_add_real(json, "validation_accuracy", metrics->validation_accuracy);
    }
    lenet_json_add_real(json, "test_loss", metrics->test_loss);
    lenet_json_add_real(json, "test_accuracy", metrics->test_accuracy);
    lenet_json_add_real(json, "images_per_s", metrics->images_per_s);
    lenet_json_add_real(json, "seconds", metrics->seconds);
    return json;
}

enum lenet_status lenet_metrics_append(const char *directory, const struct lenet_metrics *metrics,
                                       struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(directory, METRICS_FILE, path, err));
    cJSON *json = lenet_metrics_json(metrics);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    if (!text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const size_t length = strlen(text);
    text[length] = '\n'; /* in place of the zero byte */
    const enum lenet_status status = lenet_file_append(path, text, length + 1, err);
    free(text);
    return status;
}

/* Sets *value: NaN of null, as lenet_json_add_real writes it. 0 where it is neither a number nor null. */
static int real_from_json(const cJSON *json, const char *name, double *value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    *value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    return cJSON_IsNumber(item) || cJSON_IsNull(item);
}

static int count_from_json(const cJSON *json, const char *name, uint64_t *value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53)) return 0;
    *value = (uint64_t)item->valuedouble;
    return 1;
}

int lenet_metrics_from_json(const cJSON *json, struct lenet_metrics *m) {
    *m = (struct lenet_metrics){
        .has_validation = cJSON_GetObjectItemCaseSensitive(json, "validation_accuracy") != NULL,
    };
    if (m->has_validation && !(real_from_json(json, "validation_loss", &m->validation_loss) &&
                               real_from_json(json, "validation_accuracy", &m->validation_accuracy)))
        return 0;
    return count_from_json(json, "epoch", &m->epoch) && count_from_json(json, "step", &m->step) &&
           real_from_json(json, "train_loss", &m->train_loss) &&
           real_from_json(json, "train_accuracy", &m->train_accuracy) &&
           real_from_json(json, "test_loss", &m->test_loss) &&
           real_from_json(json, "test_accuracy", &m->test_accuracy) &&
           real_from_json(json, "images_per_s", &m->images_per_s) && real_from_json(json, "seconds", &m->seconds);
}

/* Reads one line of the given length; 0 where it is not a record. */
static int parse_metrics(const char *line, size_t length, struct lenet_metrics *m) {
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(line, length, &end, 0);
    const int good = end == line + length && lenet_metrics_from_json(json, m);
    cJSON_Delete(json);
    return good;
}

enum lenet_status lenet_metrics_rewind(const char *directory, uint64_t step, struct lenet_metrics **metrics, int *n,
                                       struct lenet_error *err) {
    char path[LENET_MAX_PATH], *text;
    size_t size, kept = 0;
    *metrics = NULL;
    *n = 0;
    LENET_TRY(lenet_run_path(directory, METRICS_FILE, path, err));
    if (!lenet_path_exists(path)) return LENET_OK;
    LENET_TRY(lenet_file_read(path, &text, &size, err));
    int lines = 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    *metrics = calloc((size_t)lines + 1, sizeof **metrics);
    enum lenet_status status = *metrics ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    while (status == LENET_OK && *n < lines) {
        const size_t length = (size_t)((char *)memchr(text + kept, '\n', size - kept) - (text + kept));
        struct lenet_metrics *m = &(*metrics)[*n];
        if (!parse_metrics(text + kept, length, m) || m->step > step) break;
        kept += length + 1;
        ++*n;
    }
    if (status == LENET_OK && kept < size) status = lenet_file_replace(path, text, kept, err);
    free(text);
    return status;
}
