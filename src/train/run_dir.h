/* run_dir.h - a run directory: run.json, metrics.jsonl and the weights. */
#ifndef LENET_TRAIN_RUN_DIR_H
#define LENET_TRAIN_RUN_DIR_H
#include "lenet/data.h"
#include "lenet/metrics.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

/* path = directory/name. LENET_ERR_ARG where it is too long. */
enum lenet_status lenet_run_path(const char *directory, const char *name, char path[LENET_MAX_PATH],
                                 struct lenet_error *err);

/* Makes config->run a new directory (where it is "": the first free runs/ARCH-n)
 * with a run.json of the whole configuration, the backend that was chosen and
 * the data set. LENET_ERR_IO where a run is there already or nothing can be written. */
enum lenet_status lenet_run_create(struct lenet_config *config, const char *backend, const struct lenet_dataset *data,
                                   struct lenet_error *err);

/* Sets *config from the directory's run.json: every option that makes the run what it is, and
 * its data directory and device. hash: the data set it was trained on. */
enum lenet_status lenet_run_read(const char *directory, struct lenet_config *config, char hash[65],
                                 struct lenet_error *err);

/* Adds an option's value: a number or a string. */
void lenet_option_add_json(struct cJSON *json, const struct lenet_config *config, const struct lenet_option *option);

/* Every option that makes a run what it is, by name, as a new cJSON object to be printed. */
struct cJSON *lenet_config_json(const struct lenet_config *config);

/* Sets those options of *config from one that was parsed. LENET_ERR_FORMAT, beginning with path (which may be followed
 * by a line's number), where one is missing or is no value of its option. */
enum lenet_status lenet_config_from_json(const char *path, const struct cJSON *values, struct lenet_config *config,
                                         struct lenet_error *err);

/* LENET_ERR_ARG, naming the first option whose value differs. */
enum lenet_status lenet_run_same(const struct lenet_config *was, const struct lenet_config *now,
                                 struct lenet_error *err);

/* {"name", "hash", "directory", "train", "test"} of a data set, as a new cJSON object; "test_hash" in place of "hash"
 * where the training half was not read. */
struct cJSON *lenet_data_json(const char *directory, const struct lenet_dataset *data);

/* An epoch as a new cJSON object to be printed, and back from one that was parsed. Non-finite numbers are null, which
 * comes back as NaN. lenet_metrics_from_json returns 0 where *json is not such an object. */
struct cJSON *lenet_metrics_json(const struct lenet_metrics *metrics);
int lenet_metrics_from_json(const struct cJSON *json, struct lenet_metrics *metrics);

/* Appends one line. */
enum lenet_status lenet_metrics_append(const char *directory, const struct lenet_metrics *metrics,
                                       struct lenet_error *err);

/* Reads metrics.jsonl and drops from it (and from the file) lines past the given step and a torn last line: what
 * was recorded after the checkpoint is recorded again. *metrics is freed by the caller. */
enum lenet_status lenet_metrics_rewind(const char *directory, uint64_t step, struct lenet_metrics **metrics, int *n,
                                       struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
