/* run_dir.c - claims and locks a run directory, writes and reads run.json, says whether what is there belongs together,
 * and keeps metrics.jsonl. */
#include "train/run_dir.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "lenet/version.h"
#include "train/settings.h"

static const char RUN_FILE[] = "run.json", METRICS_FILE[] = "metrics.jsonl", LOCK_FILE[] = "lock";

enum lenet_status lenet_run_path(const char *directory, const char *name, char path[LENET_MAX_PATH],
                                 struct lenet_error *err) {
    if (snprintf(path, LENET_MAX_PATH, "%s/%s", directory, name) < LENET_MAX_PATH) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "%.80s...: a path longer than %d characters", directory, LENET_MAX_PATH - 1);
}

/* ---- run.json ------------------------------------------------------------------------- */

void lenet_option_add_json(struct lenet_json *json, const struct lenet_config *config,
                           const struct lenet_option *option) {
    char text[LENET_MAX_PATH];
    lenet_option_get(config, option, text, sizeof text);
    if (lenet_option_is_number(option) && strcmp(text, "auto") != 0)
        lenet_json_add_raw(json, option->name, text);
    else
        lenet_json_add_text(json, option->name, text);
}

void lenet_config_add_json(struct lenet_json *json, const char *name, const struct lenet_config *config) {
    lenet_json_open_object(json, name);
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (lenet_option_is_recorded(config, option)) lenet_option_add_json(json, config, option);
    lenet_json_close(json);
}

void lenet_data_add_json(struct lenet_json *json, const char *name, const char *directory,
                         const struct lenet_dataset *data) {
    lenet_json_open_object(json, name);
    lenet_json_add_text(json, "name", data->name);
    lenet_json_add_string(json, data->hash[0] ? "hash" : "test_hash", data->hash[0] ? data->hash : data->test_hash);
    lenet_json_add_path(json, "directory", directory);
    lenet_json_add_number(json, "train", (double)data->train.count);
    lenet_json_add_number(json, "test", (double)data->test.count);
    lenet_json_close(json);
}

void lenet_json_add_classes(struct lenet_json *json, const struct lenet_class_names *names) {
    if (!names->count) return;
    lenet_json_open_array(json, "classes");
    for (int c = 0; c < names->count; c++) lenet_json_add_string(json, NULL, names->text[c]);
    lenet_json_close(json);
}

/* ---- a new run, and a run at work ------------------------------------------------------ */

enum lenet_status lenet_run_lock(const char *directory, struct lenet_lock *lock, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(directory, METRICS_FILE, path, err));
    LENET_TRY(lenet_path_refuse_link(path, err)); /* at once, and not after the first epoch */
    LENET_TRY(lenet_run_path(directory, LOCK_FILE, path, err));
    LENET_TRY(lenet_lock_take(path, LENET_LOCK_AT_ONCE, lock, err));
    if (!lock->holder[0]) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO, "%s: %s is at work on this run; wait for it, or stop it", directory,
                      lock->holder);
}

/* Makes runs/ARCH-1, or the first after it that is not there: of several processes each makes another one. */
static enum lenet_status claim_directory(struct lenet_config *config, struct lenet_error *err) {
    int made = 0;
    for (int i = 1; !made; i++) {
        snprintf(config->run, sizeof config->run, "runs/%s-%d", config->arch, i);
        LENET_TRY(lenet_directory_claim(config->run, &made, err));
    }
    return LENET_OK;
}

/* The lock is taken first and run.json looked for then: whoever has the lock decides alone. */
static enum lenet_status begin_run(const char *directory, char path[LENET_MAX_PATH], struct lenet_lock *lock,
                                   struct lenet_error *err) {
    LENET_TRY(lenet_run_path(directory, RUN_FILE, path, err));
    LENET_TRY(lenet_directory_create(directory, err));
    LENET_TRY(lenet_run_lock(directory, lock, err));
    int is_sweep, is_run;
    LENET_TRY(lenet_directory_has(directory, "sweep.json", &is_sweep, err));
    LENET_TRY(lenet_directory_has(directory, RUN_FILE, &is_run, err));
    if (is_sweep)
        return lenet_fail(err, LENET_ERR_IO, "%s: this is a sweep's directory; give another --run", directory);
    if (!is_run) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO,
                      "%s: a run is there already; --resume %s goes on with it, or give another --run", directory,
                      directory);
}

enum lenet_status lenet_run_create(struct lenet_config *config, const char *device, const char *machine,
                                   const struct lenet_dataset *data, struct lenet_lock *lock, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    if (!config->run[0]) LENET_TRY(claim_directory(config, err));
    LENET_TRY(begin_run(config->run, path, lock, err));
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_json_add_string(&json, "command", "train");
    lenet_json_add_string(&json, "version", LENET_VERSION);
    lenet_json_add_string(&json, "compiler", LENET_COMPILER);
    lenet_json_add_string(&json, "device", device);
    lenet_json_add_string(&json, "machine", machine);
    lenet_config_add_json(&json, "config", config);
    lenet_data_add_json(&json, "data", config->data, data);
    if (config->from[0]) lenet_json_add_path(&json, "from", config->from);
    lenet_json_add_classes(&json, &data->names);
    return lenet_json_write(path, &json, err);
}

/* ---- reading run.json ------------------------------------------------------------------ */

enum { MOST_BYTES = 1 << 20 /* of paths, names of classes and a hundred options there are some 10,000 */ };

const char *lenet_option_from_json(const struct cJSON *values, const struct lenet_option *option, char number[32]) {
    const struct cJSON *value = lenet_json_get(values, option->name);
    double real;
    if (!value && option->later) return option->initial;
    if (option->type == LENET_OPTION_TEXT || option->type == LENET_OPTION_ARCH || !lenet_json_number(value, &real))
        return lenet_json_string(value);
    lenet_real_text(real, number);
    return number;
}

/* Sets one option from its text, or NULL. */
static enum lenet_status option_from_text(const char *path, const struct lenet_option *option, const char *text,
                                          struct lenet_config *config, struct lenet_error *err) {
    struct lenet_error why = {{0}};
    if (!text) return lenet_fail(err, LENET_ERR_FORMAT, "%s: no '%s' in it; of an older program?", path, option->name);
    if (lenet_option_set(config, option, text, &why) == LENET_OK) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: %.900s", path, why.text);
}

enum lenet_status lenet_config_from_json(const char *path, const struct cJSON *values, struct lenet_config *config,
                                         struct lenet_error *err) {
    char number[32];
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (option->identity)
            LENET_TRY(option_from_text(path, option, lenet_option_from_json(values, option, number), config, err));
    lenet_config_order_freeze(config);
    return LENET_OK;
}

static enum lenet_status run_from_json(const char *path, const struct cJSON *json, struct lenet_config *config,
                                       char hash[65], struct lenet_error *err) {
    const struct cJSON *values = lenet_json_get(json, "config");
    const struct cJSON *data = lenet_json_get(json, "data");
    const char *data_hash = lenet_json_text(data, "hash");
    char from[LENET_MAX_PATH] = "", directory[LENET_MAX_PATH];
    if (!values || !data_hash || strlen(data_hash) != 64)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: not a run.json: config or the data's hash is missing", path);
    strcpy(hash, data_hash);
    LENET_TRY(lenet_config_from_json(path, values, config, err));
    const int has_directory = lenet_json_path(data, "directory", directory, sizeof directory);
    lenet_json_path(json, "from", from, sizeof from);
    LENET_TRY(option_from_text(path, lenet_option_find("from"), from, config, err));
    LENET_TRY(option_from_text(path, lenet_option_find("data"), has_directory ? directory : NULL, config, err));
    return option_from_text(path, lenet_option_find("device"), lenet_json_text(json, "device"), config, err);
}

/* Refuses a file, and a sweep's directory, with what is likely to be meant. */
static enum lenet_status check_is_run(const char *directory, struct lenet_error *err) {
    enum lenet_path is;
    int is_sweep, is_run;
    LENET_TRY(lenet_path_look(directory, &is, err));
    if (is == LENET_FILE)
        return lenet_fail(err, LENET_ERR_IO, "%s: a file, wanted the directory of a run, which it may lie in",
                          directory);
    LENET_TRY(lenet_directory_has(directory, "sweep.json", &is_sweep, err));
    LENET_TRY(lenet_directory_has(directory, RUN_FILE, &is_run, err));
    if (is_sweep && !is_run)
        return lenet_fail(err, LENET_ERR_IO,
                          "%s: this is a sweep's directory, not a run's; the sweep's own command goes on with it",
                          directory);
    return LENET_OK;
}

enum lenet_status lenet_run_read(const char *directory, struct lenet_config *config, char hash[65],
                                 struct lenet_error *err) {
    char path[LENET_MAX_PATH], *text;
    size_t size;
    LENET_TRY(check_is_run(directory, err));
    LENET_TRY(lenet_run_path(directory, RUN_FILE, path, err));
    LENET_TRY(lenet_file_read(path, "a run.json", MOST_BYTES, &text, &size, err));
    struct cJSON *json;
    enum lenet_status status = lenet_json_parse(path, text, size, NULL, &json, err);
    if (status == LENET_OK) status = run_from_json(path, json, config, hash, err);
    lenet_json_free(json);
    free(text);
    return status;
}

/* ---- what belongs together ------------------------------------------------------------- */

enum lenet_status lenet_run_same(const struct lenet_config *was, const struct lenet_config *now,
                                 struct lenet_error *err) {
    if (lenet_option_is_given(now, lenet_option_find("recipe")))
        return lenet_fail(err, LENET_ERR_ARG, "--resume %s: --recipe has no effect on a run that goes on as it began",
                          now->resume);
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char before[LENET_MAX_PATH], after[LENET_MAX_PATH];
        if (!option->identity) continue;
        lenet_option_get(was, option, before, sizeof before);
        lenet_option_get(now, option, after, sizeof after);
        if (strcmp(before, after) != 0)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--resume %s: --%s is %.100s there and %.100s here; a run goes on as it began",
                              now->resume, option->name, before, after);
    }
    return LENET_OK;
}

enum lenet_status lenet_run_find_data(const char *directory, const char *was, const char *now,
                                      struct lenet_error *err) {
    enum lenet_path is;
    int is_data = 0;
    LENET_TRY(lenet_path_look(now, &is, err));
    if (is == LENET_NOTHING) LENET_TRY(lenet_dataset_is_in(now, &is_data, err)); /* by a prefix */
    if (is != LENET_NOTHING || is_data || strcmp(was, now) != 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO,
                      "%s: the run began with --data %s, which is not found from here; give --data DIR", directory,
                      was);
}

/* Weights that a run began from are known by their contents: another name may be that of the same file. */
static enum lenet_status check_from(const struct lenet_config *was, struct lenet_config *now, struct lenet_error *err) {
    struct lenet_start start;
    if (strcmp(now->from_sha256, "none") == 0 ||
        strncasecmp(now->from_sha256, was->from_sha256, strlen(now->from_sha256)) == 0)
        strcpy(now->from_sha256, was->from_sha256);
    if (strcmp(was->from, now->from) == 0) return LENET_OK;
    const enum lenet_status status = lenet_config_start(now, &start, err);
    lenet_start_close(&start);
    return status;
}

enum lenet_status lenet_run_check_options(struct lenet_run_origin *was, struct lenet_config *now,
                                          struct lenet_error *err) {
    was->config = *now;
    LENET_TRY(lenet_run_read(now->resume, &was->config, was->hash, err));
    if (now->warmup == LENET_AUTO) now->warmup = was->config.warmup;
    lenet_config_order_freeze(now);
    LENET_TRY(check_from(&was->config, now, err));
    LENET_TRY(lenet_run_same(&was->config, now, err));
    return lenet_run_find_data(now->resume, was->config.data, now->data, err);
}

enum lenet_status lenet_run_check_machine(const struct lenet_run_origin *was, const struct lenet_config *now,
                                          const char *data_hash, const char *backend, struct lenet_error *err) {
    const char *data = was->config.data, *device = was->config.device;
    const int is_there = strcmp(data, now->data) == 0;
    if (strcmp(data_hash, was->hash) != 0)
        return lenet_fail(err, LENET_ERR_ARG,
                          "--resume %s: the data set in %s is not the one the run began with, which was %s%s",
                          now->resume, now->data, is_there ? "another one there" : "in ",
                          is_there ? "; were files exchanged, or run.json edited?" : data);
    const size_t length = strcspn(device, ":");
    if (strlen(backend) == length && strncmp(device, backend, length) == 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "--resume %s: the run began on %s, this would be %s", now->resume, device,
                      backend);
}

enum lenet_status lenet_run_identity(const struct lenet_config *config, const char *data_hash, char **text,
                                     struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_config_add_json(&json, "config", config);
    lenet_json_add_string(&json, "data", data_hash);
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

/* Options that one of them does not have, of another program's version, are left out. */
static enum lenet_status compare_identities(const char *path, const struct cJSON *was, const struct cJSON *now,
                                            struct lenet_error *err) {
    const struct cJSON *values = lenet_json_get(was, "config");
    const struct cJSON *values_now = lenet_json_get(now, "config");
    const char *hash = lenet_json_text(was, "data");
    const char *data = lenet_json_text(now, "data");
    if (!lenet_json_is_object(values) || !hash)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: does not say which run it is of; damaged?", path);
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char number[32], number_now[32];
        const char *before = lenet_option_from_json(values, option, number);
        const char *after = lenet_option_from_json(values_now, option, number_now);
        if (before && after && strcmp(before, after) != 0)
            return lenet_fail(
                err, LENET_ERR_FORMAT,
                "%s: was trained with --%s %.100s, but run.json says %.100s; was it edited? A run goes on "
                "as it began",
                path, option->name, before, after);
    }
    if (data && strcmp(hash, data) == 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: was trained on another data set (%.12s...) than run.json says", path,
                      hash);
}

enum lenet_status lenet_run_check_identity(const char *path, const char *was, const char *now,
                                           struct lenet_error *err) {
    if (!was || strcmp(was, now) == 0) return LENET_OK;
    struct cJSON *before, *after = NULL;
    enum lenet_status status = lenet_json_parse(path, was, strlen(was), NULL, &before, err);
    if (status != LENET_ERR_MEMORY) status = lenet_json_parse(path, now, strlen(now), NULL, &after, err);
    if (status == LENET_OK) status = compare_identities(path, before, after, err);
    lenet_json_free(before);
    lenet_json_free(after);
    return status;
}

/* ---- metrics.jsonl -------------------------------------------------------------------- */

void lenet_metrics_add_json(struct lenet_json *json, const struct lenet_metrics *metrics) {
    lenet_json_open_object(json, NULL);
    lenet_json_add_number(json, "epoch", (double)metrics->epoch);
    lenet_json_add_number(json, "step", (double)metrics->step);
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
    lenet_json_close(json);
}

enum lenet_status lenet_metrics_append(const char *directory, const struct lenet_metrics *metrics,
                                       struct lenet_error *err) {
    char path[LENET_MAX_PATH], *text;
    struct lenet_json json = {.whole = NULL};
    LENET_TRY(lenet_run_path(directory, METRICS_FILE, path, err));
    lenet_metrics_add_json(&json, metrics);
    LENET_TRY(lenet_json_print(&json, LENET_JSON_LINE, &text, err));
    const size_t length = strlen(text);
    text[length] = '\n'; /* in place of the zero byte */
    const enum lenet_status status = lenet_file_append(path, text, length + 1, err);
    free(text);
    return status;
}

/* Sets *value: NaN of null, as lenet_json_add_real writes it. 0 where it is neither a number nor null. */
static int real_from_json(const struct cJSON *json, const char *name, double *value) {
    const struct cJSON *item = lenet_json_get(json, name);
    *value = NAN;
    return lenet_json_number(item, value) || lenet_json_is_null(item);
}

/* A fraction from 0 to 1. */
static int share_from_json(const struct cJSON *json, const char *name, double *value) {
    return real_from_json(json, name, value) && (isnan(*value) || (*value >= 0 && *value <= 1));
}

static int count_from_json(const struct cJSON *json, const char *name, uint64_t *value) {
    double number;
    if (!lenet_json_number(lenet_json_get(json, name), &number) || !(number >= 0 && number <= 0x1p53)) return 0;
    *value = (uint64_t)number;
    return 1;
}

int lenet_metrics_from_json(const struct cJSON *json, struct lenet_metrics *m) {
    *m = (struct lenet_metrics){
        .has_validation = lenet_json_get(json, "validation_accuracy") != NULL,
    };
    if (m->has_validation && !(real_from_json(json, "validation_loss", &m->validation_loss) &&
                               share_from_json(json, "validation_accuracy", &m->validation_accuracy)))
        return 0;
    return count_from_json(json, "epoch", &m->epoch) && count_from_json(json, "step", &m->step) &&
           real_from_json(json, "train_loss", &m->train_loss) &&
           share_from_json(json, "train_accuracy", &m->train_accuracy) &&
           real_from_json(json, "test_loss", &m->test_loss) &&
           share_from_json(json, "test_accuracy", &m->test_accuracy) &&
           real_from_json(json, "images_per_s", &m->images_per_s) && real_from_json(json, "seconds", &m->seconds);
}

enum { MOST_OF_EPOCH = 1 << 16 /* bytes; ten numbers with their names are 400 */ };

/* The epochs up to a step. */
struct history {
    uint64_t step;
    struct lenet_metrics *metrics;
    size_t n, kept; /* how many, and in how many bytes */
    uint64_t last;  /* the step of the line before, of whatever epoch */
    int past;       /* 1: a line was of a later step */
};

static enum lenet_status take_epoch(void *self, const struct lenet_json_line *line, struct lenet_error *err) {
    struct history *history = self;
    struct lenet_metrics epoch;
    if (!lenet_metrics_from_json(line->json, &epoch))
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: lacks some of an epoch's numbers, or has impossible ones; damaged, or edited by hand?",
                          line->where);
    if (epoch.step <= history->last)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: step %llu does not follow step %llu; two runs mixed?",
                          line->where, (unsigned long long)epoch.step, (unsigned long long)history->last);
    history->last = epoch.step;
    if (epoch.step > history->step && !history->past) {
        history->past = 1;
        history->kept = line->begin;
    }
    if (history->past) return LENET_OK;
    LENET_TRY(lenet_grow(&history->metrics, history->n, sizeof *history->metrics, err));
    history->metrics[history->n++] = epoch;
    return LENET_OK;
}

enum lenet_status lenet_metrics_rewind(const char *directory, uint64_t step, struct lenet_metrics **metrics, int *n,
                                       struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    struct history history = {.step = step};
    size_t torn;
    *metrics = NULL;
    *n = 0;
    LENET_TRY(lenet_run_path(directory, METRICS_FILE, path, err));
    enum lenet_path is;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING) return LENET_OK;
    enum lenet_status status = lenet_json_lines(path, MOST_OF_EPOCH, take_epoch, &history, &torn, err);
    if (status == LENET_OK && (history.past || torn != SIZE_MAX))
        status = lenet_file_cut(path, history.past ? history.kept : torn, err);
    if (status != LENET_OK) {
        free(history.metrics);
        return status;
    }
    *metrics = history.metrics;
    *n = (int)history.n;
    return LENET_OK;
}

enum lenet_status lenet_run_may_begin_again(const char *directory, const char *checkpoint, struct lenet_error *err) {
    struct lenet_metrics *metrics;
    int n;
    LENET_TRY(lenet_metrics_rewind(directory, UINT64_MAX, &metrics, &n, err));
    free(metrics);
    if (n <= 1) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: %s is missing, of which %d epochs are recorded; put it back, or begin again with another "
                      "--run",
                      directory, checkpoint, n);
}
