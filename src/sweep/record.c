/* record.c - reads the lines of a sweep's runs*.jsonl, one run that has ended each. All who read such files do so here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "lenet/summary.h"
#include "lenet/sweep_plan.h"
#include "lenet/topology.h"
#include "train/run_dir.h"

static enum lenet_status status_from_json(const char *where, const struct cJSON *json, int *diverged,
                                          struct lenet_error *err) {
    const char *status = lenet_json_text(json, "status");
    *diverged = status && strcmp(status, "diverged") == 0;
    if (*diverged || (status && strcmp(status, "done") == 0)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: status is %.40s; wanted done or diverged", where,
                      status ? status : "missing");
}

/* Every epoch must be one; the last is kept. */
static enum lenet_status last_epoch_from_json(const char *where, const struct cJSON *json, struct lenet_record *record,
                                              struct lenet_error *err) {
    const struct cJSON *epochs = lenet_json_get(json, "metrics");
    int n = 0;
    if (!lenet_json_is_array(epochs))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: metrics is not a list of epochs", where);
    for (const struct cJSON *epoch = lenet_json_first(epochs); epoch; epoch = lenet_json_next(epoch)) {
        if (!lenet_metrics_from_json(epoch, &record->last))
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: element %d of metrics lacks some of an epoch's numbers, or has impossible ones; "
                              "damaged, or edited by hand?",
                              where, n);
        n++;
    }
    if (n || record->diverged) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: the run is done, but has no epoch in its metrics", where);
}

static enum lenet_status config_of_record(const char *where, const struct cJSON *json, struct lenet_config *config,
                                          struct lenet_error *err) {
    lenet_config_init(config);
    LENET_TRY(lenet_config_from_json(where, lenet_json_get(json, "config"), config, err));
    if (lenet_arch_find(config->arch)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: arch '%s' is not known", where, config->arch);
}

static enum lenet_status data_of_record(const char *where, const struct cJSON *json, struct lenet_record *record,
                                        struct lenet_error *err) {
    const struct cJSON *data = lenet_json_get(json, "data");
    const char *hash = lenet_json_text(data, "hash");
    if (!hash || strlen(hash) != 64)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: the data's hash is missing or has not 64 digits", where);
    strcpy(record->hash, hash);
    record->config.data[0] = 0;
    lenet_json_path(data, "directory", record->config.data, sizeof record->config.data);
    return LENET_OK;
}

/* 1 for an id in the form that this program gives; records that something else has written have others. */
static int is_own_id(const char *id) { return strlen(id) == LENET_RUN_ID - 1 && strspn(id, "0123456789abcdef") == 16; }

/* A run is known by its id: one that is not its configuration's was edited, or its configuration was. */
static enum lenet_status check_id(const char *where, const struct lenet_record *record, struct lenet_error *err) {
    int fits = 1;
    if (is_own_id(record->id)) LENET_TRY(lenet_run_id_fits(&record->config, record->hash, record->id, &fits, err));
    if (fits) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: its id %s is not that of its configuration and data; edited by hand? Without this line the "
                      "sweep does the run again",
                      where, record->id);
}

static enum lenet_status record_from_json(const char *where, const struct cJSON *json, struct lenet_record *record,
                                          struct lenet_error *err) {
    const char *id = lenet_json_text(json, "id");
    if (!id || !id[0] || strlen(id) >= sizeof record->id)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: id is missing, empty or longer than %d characters", where,
                          LENET_MAX_ID - 1);
    strcpy(record->id, id);
    LENET_TRY(status_from_json(where, json, &record->diverged, err));
    LENET_TRY(config_of_record(where, json, &record->config, err));
    LENET_TRY(data_of_record(where, json, record, err));
    LENET_TRY(last_epoch_from_json(where, json, record, err));
    return check_id(where, record, err);
}

enum { MOST_BYTES = 400 << 20 /* of a run: a million epochs, which --epochs allows, of 400 bytes */ };

/* Whom records go to. */
struct taker {
    lenet_take_record *take;
    void *self;
};

static enum lenet_status take_line(void *self, const struct lenet_json_line *line, struct lenet_error *err) {
    const struct taker *taker = self;
    struct lenet_record record = {.order = 0};
    LENET_TRY(record_from_json(line->where, line->json, &record, err));
    return taker->take(taker->self, line->where, &record, err);
}

enum lenet_status lenet_records_each(const char *path, lenet_take_record *take, void *self, size_t *torn,
                                     struct lenet_error *err) {
    struct taker taker = {take, self};
    return lenet_json_lines(path, MOST_BYTES, take_line, &taker, torn, err);
}
