/* sweep.c - see lenet/sweep.h.
 *
 * A sweep is a queue of jobs, each a population. On a CPU a population is one network, and a worker thread trains one
 * at a time, with the data set shared by all; on a GPU there is one worker, whose populations are as large as its
 * memory allows. A run that has ended is one line of the sweep's directory, and what is not there is missing. */
#include "base/clock.h"
#include "sweep/sweep_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lenet/version.h"

/* ---- workers ------------------------------------------------------------------------------------------ */

/* The next job, or 0. Its runs stay where they are; the array of jobs may move. */
static int take_job(struct sweep *s, struct job *job) {
    pthread_mutex_lock(&s->mutex);
    const int there = s->status == LENET_OK && !*s->stop && s->next_job < s->n_jobs;
    if (there) *job = s->jobs[s->next_job++];
    pthread_mutex_unlock(&s->mutex);
    return there;
}

static void *work(void *argument) {
    struct worker *w = argument;
    struct sweep *s = w->sweep;
    for (struct job job; take_job(s, &job);) {
        struct lenet_error err = {{0}};
        const enum lenet_status status = sweep_run_job(w, job, &err);
        pthread_mutex_lock(&s->mutex);
        if (status != LENET_OK && s->status == LENET_OK) {
            s->status = status;
            atomic_store(&s->failed, 1);
            if (s->err) *s->err = err;
        }
        pthread_mutex_unlock(&s->mutex);
    }
    lenet_device_close(&w->device);
    return NULL;
}

static enum lenet_status run_workers(struct sweep *s, struct lenet_error *err) {
    struct worker *workers = calloc((size_t)s->workers, sizeof *workers);
    pthread_t *threads = calloc((size_t)s->workers, sizeof *threads);
    int started = 0;
    s->err = err;
    s->status = workers && threads ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    s->began = s->last_progress = lenet_now();
    for (int i = 0; s->status == LENET_OK && i < s->workers; i++) workers[i].sweep = s;
    while (workers && threads && started < s->workers &&
           pthread_create(&threads[started], NULL, work, &workers[started]) == 0)
        started++;
    if (workers && threads && started == 0) s->status = lenet_fail(err, LENET_ERR_MEMORY, "no thread can be started");
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(workers);
    free(threads);
    s->result->interrupted = s->status == LENET_OK && s->ended < s->n_missing;
    return s->status;
}

/* ---- dry run ------------------------------------------------------------------------------------------ */

static enum lenet_status advance_and_wait(struct lenet_population *pop, double *seconds) {
    const double began = lenet_now();
    LENET_TRY(lenet_population_advance(pop));
    LENET_TRY(lenet_population_look_at_tallies(pop));
    *seconds += lenet_now() - began;
    return LENET_OK;
}

/* Seconds of all steps, from a fifth of a second of them. What the first ones took longer is a warm-up, but of sdlm its
 * look at the curvature, which begins every epoch: then no other epoch is begun here. */
static enum lenet_status time_steps(struct lenet_population *pop, double *seconds) {
    enum { LEAST = 3 };
    const double total = (double)pop->total_steps, per_epoch = (double)pop->members[0].steps_per_epoch;
    const int is_sdlm = pop->net.optimizer == LENET_SDLM;
    double first_took = 0, took = 0;
    LENET_TRY(advance_and_wait(pop, &first_took));
    const uint64_t first = pop->step;
    while ((pop->step - first < LEAST || took < 0.2) && !lenet_population_has_ended(pop) &&
           !(is_sdlm && pop->step % pop->members[0].steps_per_epoch == 0))
        LENET_TRY(advance_and_wait(pop, &took));
    const double each = pop->step > first ? took / (double)(pop->step - first) : first_took / (double)first;
    *seconds = each * total + (is_sdlm ? ceil(total / per_epoch) * fmax(first_took - each * (double)first, 0) : 0);
    return LENET_OK;
}

static enum lenet_status time_measurements(struct lenet_population *pop, double *seconds) {
    const double measurements = ceil((double)pop->total_steps / (double)pop->members[0].interval);
    const double began = lenet_now();
    struct lenet_tally *tally = calloc((size_t)pop->R, sizeof *tally);
    if (!tally) return LENET_ERR_MEMORY;
    enum lenet_status status = lenet_network_evaluate(&pop->net, &pop->test, NULL, 0, pop->test.count, tally, NULL);
    if (status == LENET_OK)
        status = lenet_network_evaluate(&pop->net, &pop->train, pop->net.hyper, 0, pop->validation, tally, NULL);
    *seconds = measurements * (lenet_now() - began);
    free(tally);
    return status;
}

/* Estimates the seconds of a job. */
static enum lenet_status time_job(struct worker *w, struct job *job, double *seconds, struct lenet_error *err) {
    double steps = 0, measurements = 0;
    enum lenet_status status = sweep_open_population(w, job, err);
    if (status == LENET_OK) status = lenet_population_init(&w->pop);
    if (status == LENET_OK) status = time_steps(&w->pop, &steps);
    if (status == LENET_OK) status = time_measurements(&w->pop, &measurements);
    *seconds = steps + measurements;
    sweep_close_population(w);
    return status;
}

static enum lenet_status describe_group(struct worker *w, int group, double *total, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    struct lenet_sweep_group shown = {.runs = s->groups[group].missing};
    struct job *largest = NULL;
    for (int j = 0; j < s->n_jobs; j++) {
        if (s->runs[s->jobs[j].runs[0]].group != group) continue;
        shown.populations++;
        if (!largest || s->jobs[j].R > largest->R) largest = &s->jobs[j];
    }
    if (!largest) return LENET_OK;
    double seconds = 0;
    struct job fitting = *largest;
    enum lenet_status status;
    while ((status = time_job(w, &fitting, &seconds, err)) == LENET_ERR_MEMORY && fitting.R > 1) {
        fitting.R -= fitting.R / 2; /* as training will */
        shown.populations *= 2;
        if (err) err->text[0] = 0;
    }
    if (status != LENET_OK) return status;
    shown.largest = fitting.R;
    snprintf(shown.key, sizeof shown.key, "%s", s->groups[group].key);
    if (s->observer->group) s->observer->group(s->observer->self, &shown);
    *total += seconds * (double)shown.runs / fitting.R / s->workers;
    return LENET_OK;
}

static enum lenet_status dry_run(struct sweep *s, struct lenet_error *err) {
    struct worker w = {.sweep = s};
    double total = 0;
    enum lenet_status status = LENET_OK;
    for (int g = 0; g < s->n_groups && status == LENET_OK; g++) status = describe_group(&w, g, &total, err);
    status = lenet_device_explain(&w.device, status, err);
    lenet_device_close(&w.device);
    if (status == LENET_OK && s->observer->estimate) s->observer->estimate(s->observer->self, total);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static enum lenet_status open_data(struct sweep *s, struct lenet_error *err) {
    struct lenet_config *base = &s->plan->base;
    uint8_t first;
    LENET_TRY(lenet_data_open(base, LENET_MAX_FIELD, &s->data, err));
    LENET_TRY(lenet_device_open(base->device, (struct lenet_open_options){.threads = 1}, &s->home, err));
    LENET_TRY(lenet_device_data_create(s->home.backend, s->home.ctx, &s->data, (struct lenet_scaling){1, 0},
                                       LENET_MAX_FIELD, &s->device_data, err));
    /* waits until it is there: the workers have contexts of their own, which would not */
    return s->home.backend->download(s->home.ctx, &first, s->device_data.train.labels, sizeof first);
}

static cJSON *axes_json(const struct lenet_sweep_plan *plan) {
    cJSON *axes = cJSON_CreateObject();
    for (int a = 0; a < plan->axes; a++) {
        const struct lenet_axis *axis = &plan->axis[a];
        char range[80];
        snprintf(range, sizeof range, "%s:%.15g..%.15g", axis->logarithmic ? "log" : "lin", axis->low, axis->high);
        if (axis->count)
            cJSON_AddItemToObject(axes, axis->option->name,
                                  cJSON_CreateStringArray((const char *const *)axis->values, (int)axis->count));
        else
            cJSON_AddStringToObject(axes, axis->option->name, range);
    }
    return axes;
}

/* What was last asked of this directory; for people, and for plots. */
static enum lenet_status write_description(const struct sweep *s, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(s->dir.path, "sweep.json", path, err));
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "command", "sweep");
    cJSON_AddStringToObject(json, "version", LENET_VERSION);
    cJSON_AddStringToObject(json, "compiler", LENET_COMPILER);
    cJSON_AddStringToObject(json, "device", s->home.backend->name);
    cJSON_AddNumberToObject(json, "runs", (double)s->n_runs);
    cJSON_AddNumberToObject(json, "samples", (double)base_of(s)->samples);
    cJSON_AddItemToObject(json, "axes", axes_json(s->plan));
    cJSON_AddItemToObject(json, "config", lenet_config_json(base_of(s)));
    cJSON_AddItemToObject(json, "data", lenet_data_json(base_of(s)->data, &s->data));
    return lenet_json_write(path, json, err);
}

static void note_missing_lock(const struct sweep *s) {
    struct lenet_error text;
    if (!s->dir.lock.missing || !s->observer->note) return;
    lenet_fail(&text, LENET_OK, "%s: cannot be locked (%s): start no other process on the same runs meanwhile",
               s->dir.path, s->dir.lock.missing);
    s->observer->note(s->observer->self, text.text);
}

static enum lenet_status sweep(struct sweep *s, struct lenet_error *err) {
    const struct lenet_sweep_plan *plan = s->plan;
    struct lenet_sweep_work work_to_do = {0};
    if (!base_of(s)->out[0] && !base_of(s)->dry_run)
        return lenet_fail(err, LENET_ERR_ARG, "give --out DIR, where the results go and are found again");
    LENET_TRY(open_data(s, err));
    LENET_TRY(sweep_list_runs(s, err));
    LENET_TRY(base_of(s)->dry_run
                  ? lenet_sweep_dir_look(base_of(s)->out, s->data.hash, &s->dir, err)
                  : lenet_sweep_dir_open(base_of(s)->out, plan->shard, plan->shards, s->data.hash, &s->dir, err));
    note_missing_lock(s);
    sweep_find_missing(s, &work_to_do);
    LENET_TRY(sweep_make_jobs(s, &work_to_do, err));
    if (s->observer->begin) s->observer->begin(s->observer->self, plan, &work_to_do);
    if (base_of(s)->dry_run) return dry_run(s, err);
    LENET_TRY(write_description(s, err));
    return s->n_jobs ? run_workers(s, err) : LENET_OK;
}

static void close_all(struct sweep *s) {
    lenet_sweep_dir_close(&s->dir);
    for (int j = 0; j < s->n_jobs; j++) free(s->jobs[j].runs);
    free(s->jobs);
    free(s->groups);
    free(s->runs);
    if (s->home.backend) lenet_device_data_free(s->home.backend, s->home.ctx, &s->device_data);
    lenet_device_close(&s->home);
    lenet_dataset_free(&s->data);
    pthread_mutex_destroy(&s->mutex);
}

enum lenet_status lenet_sweep(struct lenet_sweep_plan *plan, const struct lenet_sweep_observer *observer,
                              const volatile sig_atomic_t *stop, struct lenet_sweep_result *result,
                              struct lenet_error *err) {
    struct sweep s = {.plan = plan, .observer = observer, .stop = stop, .result = result};
    *result = (struct lenet_sweep_result){0};
    if (err) err->text[0] = 0;
    pthread_mutex_init(&s.mutex, NULL);
    const enum lenet_status status = lenet_device_explain(&s.home, sweep(&s, err), err);
    close_all(&s);
    return status;
}
