/* run_dir.h - a run directory: run.json, metrics.jsonl and the weights; and, while a process is at work on it, a lock.
 */
#ifndef LENET_TRAIN_RUN_DIR_H
#define LENET_TRAIN_RUN_DIR_H
#include "base/json.h"
#include "base/lock.h"
#include "lenet/data.h"
#include "lenet/metrics.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

/* path = directory/name. LENET_ERR_ARG where it is too long. */
enum lenet_status lenet_run_path(const char *directory, const char *name, char path[LENET_MAX_PATH],
                                 struct lenet_error *err);

/* Locks the directory for the process that works on it. LENET_ERR_IO where another one does, naming it. */
enum lenet_status lenet_run_lock(const char *directory, struct lenet_lock *lock, struct lenet_error *err);

/* Makes config->run a new run: a directory, which is locked, with a run.json of the whole configuration, the device
 * that was chosen, as --device takes it, what lenet_device_machine says of it, and the data set. Where config->run is
 * "", it becomes the first of runs/ARCH-1, -2, ... that is not there. LENET_ERR_IO where a run is there already,
 * another process makes one there, or nothing can be written. The lock is the caller's to release, also on failure. */
enum lenet_status lenet_run_create(struct lenet_config *config, const char *device, const char *machine,
                                   const struct lenet_dataset *data, struct lenet_lock *lock, struct lenet_error *err);

/* Sets *config from the directory's run.json: every option that makes the run what it is, and its data directory and
 * device. hash: the data set it was trained on. */
enum lenet_status lenet_run_read(const char *directory, struct lenet_config *config, char hash[65],
                                 struct lenet_error *err);

/* Adds an option's value: a number or a string. */
void lenet_option_add_json(struct lenet_json *json, const struct lenet_config *config,
                           const struct lenet_option *option);

/* Adds an object of every option that makes a run what it is, by name. */
void lenet_config_add_json(struct lenet_json *json, const char *name, const struct lenet_config *config);

/* An option's text as such an object has it; where it has none, the initial value of one that is younger than some
 * records, otherwise NULL. */
const char *lenet_option_from_json(const struct cJSON *values, const struct lenet_option *option, char number[32]);

/* Sets those options of *config from one that was parsed. LENET_ERR_FORMAT, beginning with path (which may be followed
 * by a line's number), where one is missing or is no value of its option. */
enum lenet_status lenet_config_from_json(const char *path, const struct cJSON *values, struct lenet_config *config,
                                         struct lenet_error *err);

/* LENET_ERR_ARG, naming the first option whose value differs. */
enum lenet_status lenet_run_same(const struct lenet_config *was, const struct lenet_config *now,
                                 struct lenet_error *err);

/* What run.json says of a run that is to go on. */
struct lenet_run_origin {
    struct lenet_config config;
    char hash[65];
};

/* Whether the run in now->resume may go on so. Before anything is opened, with these options, of which those left open
 * become the run's, and data that is found from here; *was is read for it. Once it is: on this data and this backend;
 * the GPU's index may be another. LENET_ERR_ARG; LENET_ERR_IO. */
enum lenet_status lenet_run_check_options(struct lenet_run_origin *was, struct lenet_config *now,
                                          struct lenet_error *err);
enum lenet_status lenet_run_check_machine(const struct lenet_run_origin *was, const struct lenet_config *now,
                                          const char *data_hash, const char *backend, struct lenet_error *err);

/* LENET_ERR_IO where the data is not there and is what the run in this directory recorded: a relative path means
 * another place when it is read elsewhere. */
enum lenet_status lenet_run_find_data(const char *directory, const char *was, const char *now, struct lenet_error *err);

/* What a checkpoint keeps of the run it belongs to, so that run.json cannot become another's: a text of the
 * configuration and the data set, which the caller frees. LENET_ERR_MEMORY. */
enum lenet_status lenet_run_identity(const struct lenet_config *config, const char *data_hash, char **text,
                                     struct lenet_error *err);
/* Holds the text in the checkpoint at path against that of the run which is to go on; NULL, of an older program, fits
 * all. LENET_ERR_FORMAT, naming the first option whose value differs. */
enum lenet_status lenet_run_check_identity(const char *path, const char *was, const char *now, struct lenet_error *err);

/* Adds {"name", "hash", "directory", "train", "test"} of a data set; "test_hash" in place of "hash" where the training
 * half was not read. */
void lenet_data_add_json(struct lenet_json *json, const char *name, const char *directory,
                         const struct lenet_dataset *data);

/* Adds "classes", an array of the names of a data set that has them. */
void lenet_json_add_classes(struct lenet_json *json, const struct lenet_class_names *names);

/* Adds an epoch as an object without a name, and takes it back from one that was read. Non-finite numbers are null,
 * which comes back as NaN. lenet_metrics_from_json returns 0 where *json is not such an object. */
void lenet_metrics_add_json(struct lenet_json *json, const struct lenet_metrics *metrics);
int lenet_metrics_from_json(const struct cJSON *json, struct lenet_metrics *metrics);

/* Appends one line. */
enum lenet_status lenet_metrics_append(const char *directory, const struct lenet_metrics *metrics,
                                       struct lenet_error *err);

/* Reads metrics.jsonl and drops from it (and from the file) lines past the given step and a torn last line: what
 * was recorded after the checkpoint is recorded again. *metrics is freed by the caller. LENET_ERR_FORMAT, naming the
 * line, where one before the last is damaged, or of an epoch that does not follow the one before it. */
enum lenet_status lenet_metrics_rewind(const char *directory, uint64_t step, struct lenet_metrics **metrics, int *n,
                                       struct lenet_error *err);

/* Whether a run whose checkpoint is not there may begin again: where it was killed before it had written one, when at
 * most one epoch is recorded, for an epoch is recorded just before its checkpoint is written. LENET_ERR_FORMAT. */
enum lenet_status lenet_run_may_begin_again(const char *directory, const char *checkpoint, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
