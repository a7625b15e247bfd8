/* sweep_worker.c - one population of a sweep: trained, checkpointed, recorded. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sweep/sweep_parts.h"
#include "train/population_file.h"

/* ---- one population ---------------------------------------------------------------------------- */

static enum lenet_status open_device(struct worker *w, int tf32, struct lenet_error *err) {
    if (w->device.backend && w->tf32 == tf32) return LENET_OK;
    lenet_device_close(&w->device);
    w->tf32 = tf32;
    return lenet_device_open(base_of(w->sweep)->device,
                             (struct lenet_open_options){.threads = w->sweep->threads, .tf32 = tf32}, &w->device, err);
}

enum lenet_status sweep_open_population(struct worker *w, struct job *job, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    struct lenet_model model = {.topology = {.arch = NULL}};
    w->job = job;
    w->configs = calloc((size_t)job->R, sizeof *w->configs);
    w->recorded = calloc((size_t)job->R, sizeof *w->recorded);
    const struct lenet_config **pointers = calloc((size_t)job->R, sizeof *pointers);
    enum lenet_status status =
        w->configs && w->recorded && pointers ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < job->R && status == LENET_OK; r++) {
        pointers[r] = &w->configs[r];
        status = lenet_sweep_config(s->plan, s->runs[job->runs[r]].index, &w->configs[r], err);
    }
    if (status == LENET_OK) status = lenet_config_topology(w->configs, s->data.classes, &model.topology, err);
    if (status == LENET_OK) model.scaling = lenet_config_scaling(w->configs, &s->data);
    if (status == LENET_OK) status = open_device(w, w->configs->tf32, err);
    if (status == LENET_OK)
        status = lenet_population_create(&w->device, &s->device_data, &model, pointers, job->R, &w->pop, err);
    free(pointers);
    return status;
}

void sweep_close_population(struct worker *w) {
    lenet_population_free(&w->pop);
    free(w->configs);
    free(w->recorded);
    w->configs = NULL;
    w->recorded = NULL;
}

static const char *id_of(const struct worker *w, int r) { return w->sweep->runs[w->job->runs[r]].id; }

static cJSON *history_json(const struct lenet_member *member) {
    cJSON *array = cJSON_CreateArray();
    for (int i = 0; i < member->measured; i++) cJSON_AddItemToArray(array, lenet_metrics_json(&member->metrics[i]));
    return array;
}

/* A measurement at the end of each interval up to the checkpoint's step; of one that has diverged, up to then. */
static enum lenet_status restore_history(const char *path, const cJSON *json, uint64_t step,
                                         struct lenet_member *member, struct lenet_error *err) {
    const cJSON *item;
    const uint64_t last = step / member->interval;
    int good = 1;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "metrics")) {
        struct lenet_metrics metrics;
        good = good && lenet_metrics_from_json(item, &metrics) &&
               metrics.step == (uint64_t)(member->measured + 1) * member->interval;
        if (good) LENET_TRY(lenet_member_append(member, &metrics));
    }
    good = good && (member->diverged ? (uint64_t)member->measured <= last : (uint64_t)member->measured == last);
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_FORMAT, "%s: its metrics do not fit its runs; damaged?", path);
}

static enum lenet_status restore(struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH], device[32];
    cJSON *members;
    LENET_TRY(lenet_sweep_dir_file(&w->sweep->dir, "progress", w->job->name, path, err));
    LENET_TRY(lenet_population_read_members(path, &members, device, err));
    enum lenet_status status = lenet_population_read_checkpoint(path, &w->pop, err);
    for (int r = 0; r < w->pop.R && status == LENET_OK; r++) {
        status = restore_history(path, cJSON_GetArrayItem(members, r), w->pop.step, &w->pop.members[r], err);
        w->recorded[r] = w->pop.members[r].diverged || w->sweep->runs[w->job->runs[r]].missing != RESUMED;
    }
    cJSON_Delete(members);
    return status;
}

static enum lenet_status save_checkpoint(struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    cJSON *members = cJSON_CreateArray();
    for (int r = 0; r < w->pop.R; r++) {
        cJSON *member = cJSON_CreateObject();
        cJSON_AddStringToObject(member, "id", id_of(w, r));
        cJSON_AddBoolToObject(member, "diverged", w->pop.members[r].diverged);
        cJSON_AddItemToObject(member, "metrics", history_json(&w->pop.members[r]));
        cJSON_AddItemToArray(members, member);
    }
    enum lenet_status status = lenet_sweep_dir_file(&w->sweep->dir, "progress", w->job->name, path, err);
    if (status == LENET_OK)
        status = lenet_population_write_checkpoint(path, &w->pop, w->device.backend->name, members, err);
    cJSON_Delete(members);
    w->last_checkpoint = lenet_now();
    return status;
}

/* ---- recording ---------------------------------------------------------------------------------- */

static cJSON *run_json(const struct worker *w, int r) {
    const struct sweep *s = w->sweep;
    const struct lenet_member *member = &w->pop.members[r];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", id_of(w, r));
    cJSON_AddStringToObject(json, "status", member->diverged ? "diverged" : "done");
    cJSON_AddItemToObject(json, "config", lenet_config_json(&w->configs[r]));
    cJSON_AddItemToObject(json, "data", lenet_data_json(base_of(s)->data, &s->data));
    cJSON_AddStringToObject(json, "device", w->device.backend->name);
    cJSON_AddNumberToObject(json, "step", (double)w->pop.step);
    lenet_json_add_real(json, "seconds", lenet_population_seconds(&w->pop));
    cJSON_AddItemToObject(json, "metrics", history_json(member));
    return json;
}

static struct lenet_sweep_progress progress_of(const struct sweep *s) {
    const double seconds = lenet_now() - s->began, left = fmax(0, s->work - s->work_done); /* it is rounded */
    return (struct lenet_sweep_progress){.ended = s->ended,
                                         .missing = s->n_missing,
                                         .images_per_s = s->images_done / seconds,
                                         .seconds_left = s->work_done > 0 ? seconds * left / s->work_done : 0};
}

static enum lenet_status write_line(FILE *lines, const struct worker *w, int r, struct lenet_error *err) {
    cJSON *json = run_json(w, r);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    const int written = text ? fprintf(lines, "%s\n", text) : -1;
    free(text);
    return written > 0 ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

/* One append for all that have ended together: a crash leaves all of their lines, or some and a torn one. */
static enum lenet_status append_lines(struct worker *w, const int *which, int n, struct lenet_error *err) {
    char *text = NULL;
    size_t size;
    FILE *lines = open_memstream(&text, &size);
    if (!lines) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < n && status == LENET_OK; i++) status = write_line(lines, w, which[i], err);
    if (fclose(lines) != 0 && status == LENET_OK) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK) status = lenet_sweep_dir_append(&w->sweep->dir, text, err);
    free(text);
    return status;
}

static enum lenet_status write_weights(const struct worker *w, const int *which, int n, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    cJSON *members = cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        cJSON *member = cJSON_CreateObject();
        cJSON_AddStringToObject(member, "id", id_of(w, which[i]));
        cJSON_AddItemToObject(member, "config", lenet_config_json(&w->configs[which[i]]));
        cJSON_AddItemToArray(members, member);
    }
    enum lenet_status status = lenet_sweep_dir_file(&w->sweep->dir, "weights", w->job->name, path, err);
    if (status == LENET_OK) status = lenet_population_write_weights(path, &w->pop, which, n, members, err);
    cJSON_Delete(members);
    return status;
}

/* Records members that have diverged or, where all steps are done, every one. */
static enum lenet_status record(struct worker *w, int done, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    int n = 0, *which = calloc((size_t)w->pop.R, sizeof *which);
    if (!which) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < w->pop.R; r++)
        if (!w->recorded[r] && (w->pop.members[r].diverged || done)) which[n++] = r;
    enum lenet_status status = LENET_OK;
    pthread_mutex_lock(&s->mutex);
    if (n) status = append_lines(w, which, n, err);
    for (int i = 0; i < n && status == LENET_OK; i++) {
        const struct lenet_member *member = &w->pop.members[which[i]];
        w->recorded[which[i]] = 1;
        s->ended++;
        s->result->done += !member->diverged;
        s->result->diverged += (size_t)member->diverged;
        const struct lenet_sweep_progress progress = progress_of(s);
        if (s->observer->run) s->observer->run(s->observer->self, s->plan, &w->configs[which[i]], member, &progress);
    }
    pthread_mutex_unlock(&s->mutex);
    free(which);
    return status;
}

/* The weights come first: a line says that all of a run is there. */
static enum lenet_status keep_weights(const struct worker *w, struct lenet_error *err) {
    int n = 0, *which = calloc((size_t)w->pop.R, sizeof *which);
    if (!which) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < w->pop.R; r++)
        if (!w->pop.members[r].diverged) which[n++] = r;
    const enum lenet_status status = n ? write_weights(w, which, n, err) : LENET_OK;
    free(which);
    return status;
}

static enum lenet_status end_population(struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    if (base_of(w->sweep)->keep_weights) LENET_TRY(keep_weights(w, err));
    LENET_TRY(record(w, 1, err));
    LENET_TRY(lenet_sweep_dir_file(&w->sweep->dir, "progress", w->job->name, path, err));
    unlink(path); /* there is none where it took no time */
    return LENET_OK;
}

/* ---- training --------------------------------------------------------------------------------------- */

/* Adds what was done since the last report to what the sweep knows. */
static void report_progress(struct worker *w) {
    struct sweep *s = w->sweep;
    const double time = lenet_now();
    const double work = w->job->work * (double)w->pop.step / (double)w->pop.total_steps;
    pthread_mutex_lock(&s->mutex);
    s->work_done += work - w->work_reported;
    s->images_done += (double)(w->pop.step - w->step_reported) * (double)w->pop.net.B * w->pop.R;
    if (s->observer->progress && time - s->last_progress >= 0.1) {
        const struct lenet_sweep_progress progress = progress_of(s);
        s->last_progress = time;
        s->observer->progress(s->observer->self, &progress);
    }
    pthread_mutex_unlock(&s->mutex);
    w->work_reported = work;
    w->step_reported = w->pop.step;
    w->last_report = time;
}

static enum lenet_status checkpoint_now(struct worker *w, struct lenet_error *err) {
    if (w->pop.step == 0) return LENET_OK;
    LENET_TRY(lenet_population_look(&w->pop));
    LENET_TRY(record(w, 0, err));
    return lenet_population_has_ended(&w->pop) ? LENET_OK : save_checkpoint(w, err);
}

static enum lenet_status train_population(struct worker *w, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    struct lenet_population *pop = &w->pop;
    LENET_TRY(w->job->resumed ? restore(w, err) : lenet_population_init(pop));
    lenet_population_begin(pop);
    w->work_reported = 0;
    w->step_reported = pop->step;
    w->last_checkpoint = w->last_report = pop->began;
    while (!lenet_population_has_ended(pop)) {
        if (*s->stop || atomic_load(&s->failed)) return checkpoint_now(w, err);
        LENET_TRY(lenet_population_advance(pop));
        if (lenet_population_measures_any(pop)) {
            LENET_TRY(lenet_population_measure(pop));
            LENET_TRY(record(w, 0, err));
        }
        if (lenet_now() - w->last_checkpoint >= base_of(s)->checkpoint_seconds) LENET_TRY(checkpoint_now(w, err));
        if (lenet_now() - w->last_report >= 0.1) report_progress(w);
    }
    report_progress(w);
    return end_population(w, err);
}

/* Puts the two halves of a job that memory does not suffice for into the queue. The mutex is held. */
static enum lenet_status halve_job(struct sweep *s, const struct job *job, struct lenet_error *err) {
    LENET_TRY(sweep_add_job(s, job->runs, job->R / 2, 0, err));
    return sweep_add_job(s, job->runs + job->R / 2, job->R - job->R / 2, 0, err);
}

enum lenet_status sweep_run_job(struct worker *w, struct job job, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    enum lenet_status status = sweep_open_population(w, &job, err);
    if (status == LENET_ERR_MEMORY && job.R > 1 && !job.resumed) {
        pthread_mutex_lock(&s->mutex);
        status = halve_job(s, &job, err);
        pthread_mutex_unlock(&s->mutex);
    } else if (status == LENET_OK) {
        status = train_population(w, err);
    }
    status = lenet_device_explain(&w->device, status, err);
    sweep_close_population(w);
    return status;
}
