/* sweep_worker.c - one population of a sweep: the trainer's sink keeps its checkpoint, its lines and its weights. */
#include "sweep/sweep_worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/stop.h"
#include "train/checkpoint.h"
#include "train/predictions.h"
#include "train/run_dir.h"

static const struct lenet_config *base_of(const struct worker *w) { return &w->ledger->jobs->plan->base; }
static const struct run *run_of(const struct worker *w, int r) { return &w->ledger->jobs->runs[w->job->runs[r]]; }
static const struct lenet_snapshot *snapshot_of(const struct worker *w) {
    return lenet_population_snapshot(w->trainer.pop);
}
static const struct lenet_member *member_of(const struct worker *w, int r) {
    return lenet_population_member(w->trainer.pop, r);
}

/* ---- opening -------------------------------------------------------------------------------------- */

static enum lenet_status open_population(struct worker *w, const struct lenet_config **pointers,
                                         struct lenet_error *err) {
    const struct jobs *jobs = w->ledger->jobs;
    for (int r = 0; r < w->job->R; r++) {
        pointers[r] = &w->configs[r];
        LENET_TRY(lenet_sweep_config(jobs->plan, run_of(w, r)->index, &w->configs[r], err));
        LENET_TRY(lenet_config_resolve(&w->configs[r], jobs->data->train.count, err));
    }
    struct lenet_config opened = w->configs[0];
    opened.threads = w->ledger->threads;
    LENET_TRY(lenet_trainer_open(&w->trainer, w->site->device.name, lenet_open_options_of(&opened), err));
    return lenet_trainer_populate(&w->trainer, pointers, w->job->R, jobs->data, &w->site->data, err);
}

enum lenet_status sweep_open_job(struct worker *w, const struct job *job, struct lenet_error *err) {
    w->job = job;
    w->configs = calloc((size_t)job->R, sizeof *w->configs);
    w->recorded = calloc((size_t)job->R, sizeof *w->recorded);
    w->which = calloc((size_t)job->R, sizeof *w->which);
    const struct lenet_config **pointers = calloc((size_t)job->R, sizeof *pointers);
    const enum lenet_status status = w->configs && w->recorded && w->which && pointers
                                         ? open_population(w, pointers, err)
                                         : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    free(pointers);
    return status;
}

void sweep_close_job(struct worker *w) {
    lenet_trainer_empty(&w->trainer);
    free(w->configs);
    free(w->recorded);
    free(w->which);
    *w = (struct worker){.ledger = w->ledger, .site = w->site, .trainer = w->trainer};
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

static enum lenet_status checkpoint_path(const struct worker *w, char path[LENET_MAX_PATH], struct lenet_error *err) {
    return lenet_sweep_dir_file(w->ledger->dir, "progress", w->job->name, path, err);
}

static void add_history(struct lenet_json *json, const struct lenet_member *member) {
    lenet_json_open_array(json, "metrics");
    for (int i = 0; i < member->measured; i++) lenet_metrics_add_json(json, &member->metrics[i]);
    lenet_json_close(json);
}

/* Describes the members in a checkpoint; the text is the caller's to free. */
static enum lenet_status members_text(const struct worker *w, char **text, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_array(&json, NULL);
    for (int r = 0; r < w->job->R; r++) {
        lenet_json_open_object(&json, NULL);
        lenet_json_add_string(&json, "id", run_of(w, r)->id);
        lenet_json_add_bool(&json, "diverged", snapshot_of(w)->diverged[r]);
        add_history(&json, member_of(w, r));
        lenet_json_close(&json);
    }
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

static enum lenet_status keep(void *self, struct lenet_error *err) {
    struct worker *w = self;
    char path[LENET_MAX_PATH], machine[LENET_MACHINE], *members;
    if (snapshot_of(w)->step == 0) return LENET_OK;
    lenet_device_machine(&w->trainer.device, machine);
    LENET_TRY(checkpoint_path(w, path, err));
    LENET_TRY(members_text(w, &members, err));
    const struct lenet_checkpoint_labels labels = {
        .device = w->trainer.device.backend->name, .machine = machine, .members = members};
    const enum lenet_status status =
        lenet_checkpoint_write(path, lenet_population_model(w->trainer.pop), snapshot_of(w), &labels, err);
    free(members);
    return status;
}

static enum lenet_status restore_history(struct worker *w, const char *path, const struct cJSON *json, int r,
                                         struct lenet_error *err) {
    const struct cJSON *item = lenet_json_first(lenet_json_get(json, "metrics"));
    int good = 1;
    for (; item; item = lenet_json_next(item)) {
        struct lenet_metrics metrics;
        good = good && lenet_metrics_from_json(item, &metrics);
        if (good) LENET_TRY(lenet_population_append(w->trainer.pop, r, &metrics));
    }
    if (good && lenet_population_history_fits(w->trainer.pop, r)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: its metrics do not fit its runs; damaged?", path);
}

static enum lenet_status restore(struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    struct lenet_checkpoint_origin origin;
    struct cJSON *members;
    int ended = 0;
    LENET_TRY(checkpoint_path(w, path, err));
    LENET_TRY(lenet_checkpoint_read_origin(path, &origin, &members, err));
    enum lenet_status status = lenet_trainer_restore(&w->trainer, path, NULL, &ended, err);
    if (status == LENET_OK && ended)
        status = lenet_fail(err, LENET_ERR_FORMAT, "%s: weights alone; wanted a checkpoint", path);
    for (int r = 0; r < w->job->R && status == LENET_OK; r++) {
        status = restore_history(w, path, lenet_json_at(members, r), r, err);
        w->recorded[r] = snapshot_of(w)->diverged[r] || run_of(w, r)->missing != RESUMED;
    }
    lenet_json_free(members);
    return status;
}

/* ---- lines ------------------------------------------------------------------------------------------ */

static void add_divergence(struct lenet_json *json, const struct lenet_divergence *divergence) {
    lenet_json_open_object(json, "divergence");
    if (divergence->step) lenet_json_add_number(json, "step", (double)divergence->step);
    if (divergence->step) lenet_json_add_string(json, "tensor", divergence->tensor);
    if (divergence->loss_step) lenet_json_add_number(json, "loss_step", (double)divergence->loss_step);
    lenet_json_close(json);
}

/* Appends a run's line to *text, which has *size bytes. */
static enum lenet_status add_line(const struct worker *w, int r, char **text, size_t *size, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    char *line;
    const int diverged = snapshot_of(w)->diverged[r];
    const uint64_t step = diverged ? lenet_population_interval_end(w->trainer.pop, r) : snapshot_of(w)->step;
    lenet_json_open_object(&json, NULL);
    lenet_json_add_string(&json, "id", run_of(w, r)->id);
    lenet_json_add_string(&json, "status", diverged ? "diverged" : "done");
    lenet_config_add_json(&json, "config", &w->configs[r]);
    lenet_data_add_json(&json, "data", base_of(w)->data, w->ledger->jobs->data);
    lenet_json_add_string(&json, "device", w->trainer.device.backend->name);
    lenet_json_add_number(&json, "step", (double)step);
    lenet_json_add_real(&json, "seconds", snapshot_of(w)->seconds);
    if (diverged) add_divergence(&json, &member_of(w, r)->divergence);
    add_history(&json, member_of(w, r));
    LENET_TRY(lenet_json_print(&json, LENET_JSON_LINE, &line, err));
    const size_t length = strlen(line);
    char *longer = realloc(*text, *size + length + 1);
    if (longer) {
        memcpy(longer + *size, line, length); /* NOLINT(bugprone-not-null-terminated-result): lines have no 0 */
        longer[*size + length] = '\n';
        *text = longer;
        *size += length + 1;
    }
    free(line);
    return longer ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

/* One append for all that have ended together: a crash leaves all of their lines, or some and a torn one. */
static enum lenet_status append_lines(const struct worker *w, int n, struct lenet_error *err) {
    char *text = NULL;
    size_t size = 0;
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < n && status == LENET_OK; i++) status = add_line(w, w->which[i], &text, &size, err);
    if (status == LENET_OK) status = lenet_file_append(w->ledger->dir->runs, text, size, err);
    free(text);
    return status;
}

static struct lenet_sweep_progress progress_of(const struct ledger *ledger) {
    const double seconds = lenet_now() - ledger->began;
    const double left = fmax(0, ledger->flops - ledger->flops_done); /* it is rounded */
    return (struct lenet_sweep_progress){.ended = ledger->ended,
                                         .missing = ledger->jobs->n_missing,
                                         .images_per_s = ledger->images_done / seconds,
                                         .seconds_left =
                                             ledger->flops_done > 0 ? seconds * left / ledger->flops_done : 0};
}

/* The mutex is held. */
static void announce(struct worker *w, int r) {
    struct ledger *ledger = w->ledger;
    const struct lenet_member *member = member_of(w, r);
    const int diverged = snapshot_of(w)->diverged[r];
    char divergence[LENET_DIVERGENCE_TEXT];
    w->recorded[r] = 1;
    ledger->ended++;
    ledger->result->done += !diverged;
    ledger->result->diverged += (size_t)diverged;
    const struct lenet_sweep_progress progress = progress_of(ledger);
    lenet_divergence_text(&member->divergence, divergence);
    const struct lenet_sweep_run run = {.id = run_of(w, r)->id,
                                        .config = &w->configs[r],
                                        .last = diverged ? NULL : &member->metrics[member->measured - 1],
                                        .divergence = divergence};
    if (ledger->jobs->observer->run)
        ledger->jobs->observer->run(ledger->jobs->observer->self, ledger->jobs->plan, &run, &progress);
}

/* Records members that have diverged or, where training has ended, every one. */
static enum lenet_status record(struct worker *w, int ended, struct lenet_error *err) {
    struct ledger *ledger = w->ledger;
    int n = 0;
    for (int r = 0; r < w->job->R; r++)
        if (!w->recorded[r] && (ended || snapshot_of(w)->diverged[r])) w->which[n++] = r;
    pthread_mutex_lock(&ledger->mutex);
    const enum lenet_status status = n ? append_lines(w, n, err) : LENET_OK;
    for (int i = 0; i < n && status == LENET_OK; i++) announce(w, w->which[i]);
    pthread_mutex_unlock(&ledger->mutex);
    return status;
}

static enum lenet_status observe(void *self, struct lenet_error *err) { return record(self, 0, err); }

/* ---- the end ------------------------------------------------------------------------------------------- */

/* Lists the members that have not diverged in w->which, and describes them, as the files of weights and of predictions
 * do: those of weights with their configurations. The text is the caller's to free. */
static enum lenet_status survivors(const struct worker *w, int with_config, int *n, char **text,
                                   struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    *n = 0;
    lenet_json_open_array(&json, NULL);
    for (int r = 0; r < w->job->R; r++) {
        if (snapshot_of(w)->diverged[r]) continue;
        lenet_json_open_object(&json, NULL);
        lenet_json_add_string(&json, "id", run_of(w, r)->id);
        if (with_config) lenet_config_add_json(&json, "config", &w->configs[r]);
        lenet_json_close(&json);
        w->which[(*n)++] = r;
    }
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

static enum lenet_status keep_weights(const struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH], *members;
    int n;
    LENET_TRY(lenet_sweep_dir_file(w->ledger->dir, "weights", w->job->name, path, err));
    LENET_TRY(survivors(w, 1, &n, &members, err));
    const enum lenet_status status = n ? lenet_checkpoint_write_weights(path, lenet_population_model(w->trainer.pop),
                                                                        snapshot_of(w), w->which, n, members, err)
                                       : LENET_OK;
    free(members);
    return status;
}

/* Of all members, those that have diverged included. */
static enum lenet_status predict(const struct worker *w, struct lenet_predictions *predictions) {
    const size_t train_images = w->ledger->jobs->data->train.count;
    for (int half = 0; half < LENET_HALVES; half++) {
        const struct lenet_answers answers = lenet_predictions_answers(predictions, half, 0);
        if (predictions->half[half].images)
            LENET_TRY(lenet_population_answer(w->trainer.pop, half == LENET_TRAIN, &answers));
    }
    for (int r = 0; r < w->job->R; r++)
        lenet_predictions_add_training(predictions, r, &member_of(w, r)->settings.hyper, train_images);
    return LENET_OK;
}

static enum lenet_status keep_predictions(const struct worker *w, struct lenet_error *err) {
    const struct lenet_dataset *data = w->ledger->jobs->data;
    char path[LENET_MAX_PATH], *members;
    struct lenet_predictions predictions;
    enum lenet_status status = LENET_OK;
    int n;
    LENET_TRY(lenet_sweep_dir_file(w->ledger->dir, "predictions", w->job->name, path, err));
    LENET_TRY(survivors(w, 0, &n, &members, err));
    if (n) {
        status = lenet_predictions_make(base_of(w), w->job->R, data, &predictions, err);
        if (status == LENET_OK) status = predict(w, &predictions);
        if (status == LENET_OK)
            status = lenet_predictions_write(path, &predictions, w->which, n, members, base_of(w)->data, data, err);
        lenet_predictions_free(&predictions);
    }
    free(members);
    return status;
}

/* Runs that were trained before, in other populations, are then in this one's files alone. */
static enum lenet_status drop_kept(const struct worker *w, struct lenet_error *err) {
    struct ledger *ledger = w->ledger;
    char(*ids)[LENET_RUN_ID] = calloc((size_t)w->job->R, sizeof *ids);
    if (!ids) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < w->job->R; r++) strcpy(ids[r], run_of(w, r)->id);
    pthread_mutex_lock(&ledger->mutex);
    const enum lenet_status status =
        sweep_drop_kept(&ledger->jobs->kept, ledger->dir, w->job->name, ids, (size_t)w->job->R, err);
    pthread_mutex_unlock(&ledger->mutex);
    free(ids);
    return status;
}

/* Weights and predictions come first: a line says that all of a run is there, and once. */
static enum lenet_status end(void *self, struct lenet_error *err) {
    struct worker *w = self;
    char path[LENET_MAX_PATH];
    if (base_of(w)->keep_weights) LENET_TRY(keep_weights(w, err));
    if (base_of(w)->keep_predictions) LENET_TRY(keep_predictions(w, err));
    LENET_TRY(drop_kept(w, err));
    LENET_TRY(record(w, 1, err));
    LENET_TRY(checkpoint_path(w, path, err));
    unlink(path); /* there is none where it took no time */
    return LENET_OK;
}

/* ---- training --------------------------------------------------------------------------------------- */

static int is_stopped(void *self) {
    const struct ledger *ledger = ((const struct worker *)self)->ledger;
    return lenet_stop_get(ledger->jobs->stop) || atomic_load(&ledger->failed);
}

/* Floating-point operations of the job's missing runs up to a step. */
static double flops_by(const struct worker *w, uint64_t step) {
    return w->job->flops * (double)step / (double)lenet_population_total_steps(w->trainer.pop);
}

/* Adds what was done since the last report to what the sweep knows. */
static enum lenet_status report_progress(void *self, struct lenet_error *err) {
    struct worker *w = self;
    struct ledger *ledger = w->ledger;
    const uint64_t step = snapshot_of(w)->step;
    const double time = lenet_now();
    (void)err;
    pthread_mutex_lock(&ledger->mutex);
    ledger->flops_done += flops_by(w, step) - flops_by(w, w->reported);
    ledger->images_done += (double)(step - w->reported) * (double)member_of(w, 0)->settings.B * w->job->R;
    if (ledger->jobs->observer->progress && time - ledger->last_progress >= 0.1) {
        const struct lenet_sweep_progress progress = progress_of(ledger);
        ledger->last_progress = time;
        ledger->jobs->observer->progress(ledger->jobs->observer->self, &progress);
    }
    pthread_mutex_unlock(&ledger->mutex);
    w->reported = step;
    return LENET_OK;
}

enum lenet_status sweep_begin_job(struct worker *w, struct lenet_error *err) {
    return w->job->resumed ? restore(w, err) : lenet_population_init(w->trainer.pop, w->ledger->jobs->start, err);
}

enum lenet_status sweep_train_job(struct worker *w, struct lenet_error *err) {
    const struct lenet_sink sink = {.self = w,
                                    .checkpoint_seconds = base_of(w)->checkpoint_seconds,
                                    .is_stopped = is_stopped,
                                    .observe = observe,
                                    .keep = keep,
                                    .end = end,
                                    .progress = report_progress};
    int ended;
    w->reported = snapshot_of(w)->step;
    pthread_mutex_lock(&w->ledger->mutex);
    w->ledger->flops -= flops_by(w, w->reported); /* done before */
    pthread_mutex_unlock(&w->ledger->mutex);
    LENET_TRY(lenet_trainer_run(&w->trainer, &sink, &ended, err));
    return report_progress(w, err);
}
