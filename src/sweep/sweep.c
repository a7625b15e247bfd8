/* sweep.c - a sweep from its plan to its last run: a queue of jobs, each a population, and the threads that train them.
 *
 * On a CPU a population is one network, and each worker thread trains one at a time, with the data set shared by all.
 * Each GPU has one worker and a copy of the data set, and its populations are as large as its memory allows. A run that
 * has ended is one line of the sweep's directory, and what is not there is missing. */
#include "lenet/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/processors.h"
#include "base/stop.h"
#include "lenet/version.h"
#include "sweep/sweep_worker.h"
#include "train/predictions.h"
#include "train/run_dir.h"

struct sweep {
    struct lenet_sweep_plan *plan;
    struct lenet_dataset data;
    int n_sites; /* one, or more GPUs */
    struct site sites[LENET_MAX_DEVICES];
    struct lenet_start start; /* what it begins from; closed for drawn weights */
    struct lenet_sweep_dir dir;
    struct jobs jobs;
    struct ledger ledger;

    int workers;
    int next_job;             /* this and what follows under the ledger's mutex */
    enum lenet_status status; /* the first error */
    struct lenet_error *err;
};

static const struct lenet_config *base_of(const struct sweep *s) { return &s->plan->base; }

/* ---- workers ------------------------------------------------------------------------------------------ */

/* The next job, or 0. Its runs stay where they are; the array of jobs may move. */
static int take_job(struct sweep *s, struct job *job) {
    pthread_mutex_lock(&s->ledger.mutex);
    const int there = s->status == LENET_OK && !lenet_stop_get(s->jobs.stop) && s->next_job < s->jobs.n_jobs;
    if (there) *job = s->jobs.jobs[s->next_job++];
    pthread_mutex_unlock(&s->ledger.mutex);
    return there;
}

static enum lenet_status halve_job(struct sweep *s, const struct job *job, struct lenet_error *err) {
    pthread_mutex_lock(&s->ledger.mutex);
    const enum lenet_status status = sweep_halve_job(&s->jobs, &s->dir, job, err);
    pthread_mutex_unlock(&s->ledger.mutex);
    return status;
}

static enum lenet_status run_job(struct sweep *s, struct worker *w, const struct job *job, struct lenet_error *err) {
    enum lenet_status status = sweep_open_job(w, job, err);
    if (status == LENET_OK) status = sweep_begin_job(w, err);
    if (status == LENET_ERR_MEMORY && job->R > 1)
        status = halve_job(s, job, err);
    else if (status == LENET_OK)
        status = sweep_train_job(w, err);
    status = lenet_device_explain(&w->trainer.device, status, err);
    sweep_close_job(w);
    return status;
}

static void fail(struct sweep *s, enum lenet_status status, const struct lenet_error *err) {
    pthread_mutex_lock(&s->ledger.mutex);
    if (s->status == LENET_OK) {
        s->status = status;
        atomic_store(&s->ledger.failed, 1);
        if (s->err) *s->err = *err;
    }
    pthread_mutex_unlock(&s->ledger.mutex);
}

/* A worker's thread, and where it works. */
struct post {
    struct sweep *sweep;
    const struct site *site;
    pthread_t thread;
};

static void *run_worker(void *argument) {
    const struct post *post = argument;
    struct sweep *s = post->sweep;
    struct worker w = {.ledger = &s->ledger, .site = post->site};
    for (struct job job; take_job(s, &job);) {
        struct lenet_error err = {{0}};
        const enum lenet_status status = run_job(s, &w, &job, &err);
        if (status != LENET_OK) fail(s, status, &err);
    }
    lenet_trainer_close(&w.trainer);
    return NULL;
}

static enum lenet_status run_workers(struct sweep *s, struct lenet_error *err) {
    struct post *posts = calloc((size_t)s->workers, sizeof *posts);
    if (!posts) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    int started = 0;
    s->err = err;
    s->ledger.flops = s->jobs.flops;
    s->ledger.began = s->ledger.last_progress = lenet_now();
    for (; started < s->workers; started++) {
        posts[started] = (struct post){.sweep = s, .site = &s->sites[started % s->n_sites]};
        if (pthread_create(&posts[started].thread, NULL, run_worker, &posts[started]) != 0) break;
    }
    if (started == 0) s->status = lenet_fail(err, LENET_ERR_MEMORY, "no thread can be started");
    for (int i = 0; i < started; i++) pthread_join(posts[i].thread, NULL);
    free(posts);
    s->ledger.result->interrupted = s->status == LENET_OK && s->ledger.ended < s->jobs.n_missing;
    return s->status;
}

/* ---- dry run ------------------------------------------------------------------------------------------ */

/* Seconds of a job: to begin, and to train. */
static enum lenet_status time_job(struct worker *w, const struct job *job, double seconds[2], struct lenet_error *err) {
    const double began = lenet_now();
    enum lenet_status status = sweep_open_job(w, job, err);
    seconds[0] = lenet_now() - began;
    if (status == LENET_OK) status = lenet_trainer_estimate(&w->trainer, &seconds[1]);
    sweep_close_job(w);
    return status;
}

static const struct job *largest_job(const struct jobs *jobs, int group, int *count) {
    const struct job *largest = NULL;
    *count = 0;
    for (int j = 0; j < jobs->n_jobs; j++) {
        const struct job *job = &jobs->jobs[j];
        if (jobs->runs[job->runs[0]].group != group) continue;
        ++*count;
        if (!largest || job->R > largest->R) largest = job;
    }
    return largest;
}

/* Records are written one after the other, whatever the number of workers; weights are replaced, with two fsyncs. */
static double time_files(const struct sweep *s, int populations) {
    const double each = lenet_directory_sync_seconds(base_of(s)->out);
    return each * populations * (1 + (base_of(s)->keep_weights ? 2.0 / s->workers : 0));
}

static enum lenet_status describe_group(struct sweep *s, struct worker *w, int group, double *total,
                                        struct lenet_error *err) {
    struct lenet_sweep_group shown = {.key = s->jobs.groups[group].key, .runs = s->jobs.groups[group].missing};
    const struct job *largest = largest_job(&s->jobs, group, &shown.populations);
    if (!largest) return LENET_OK;
    double seconds[2] = {0, 0};
    struct job fitting = *largest;
    enum lenet_status status;
    while ((status = time_job(w, &fitting, seconds, err)) == LENET_ERR_MEMORY && fitting.R > 1) {
        fitting.R -= fitting.R / 2; /* as training will */
        shown.populations *= 2;
        if (err) err->text[0] = 0;
    }
    if (status != LENET_OK) return status;
    shown.largest = fitting.R;
    if (s->jobs.observer->group) s->jobs.observer->group(s->jobs.observer->self, &shown);
    *total += (seconds[0] * shown.populations + seconds[1] * (double)shown.runs / fitting.R) / s->workers +
              time_files(s, shown.populations);
    return LENET_OK;
}

static enum lenet_status dry_run(struct sweep *s, struct lenet_error *err) {
    struct worker w = {.ledger = &s->ledger, .site = s->sites};
    const struct lenet_sweep_observer *observer = s->jobs.observer;
    enum lenet_status status = LENET_OK;
    const double began = lenet_now();
    if (s->jobs.n_jobs) sweep_open_job(&w, &s->jobs.jobs[0], NULL); /* and the device, which each worker does once */
    sweep_close_job(&w);
    double total = lenet_now() - began;
    for (int g = 0; g < s->jobs.n_groups && status == LENET_OK && !lenet_stop_get(s->jobs.stop); g++)
        status = describe_group(s, &w, g, &total, err);
    status = lenet_device_explain(&w.trainer.device, status, err);
    lenet_trainer_close(&w.trainer);
    s->ledger.result->interrupted = lenet_stop_get(s->jobs.stop) != 0;
    if (status == LENET_OK && !lenet_stop_get(s->jobs.stop) && observer->estimate)
        observer->estimate(observer->self, total);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static enum lenet_status fill_site(struct site *site, const struct lenet_dataset *data, struct lenet_error *err) {
    const struct lenet_device *device = &site->device;
    uint8_t first;
    LENET_TRY(lenet_device_data_create(device->backend, device->ctx, data, (struct lenet_scaling){1, 0},
                                       LENET_MAX_FIELD, &site->data, err));
    /* waits until it is there: the workers have contexts of their own, which would not */
    return device->backend->download(device->ctx, &first, site->data.train.labels, sizeof first);
}

static enum lenet_status open_site(struct sweep *s, const char *name, struct lenet_error *err) {
    struct site *site = &s->sites[s->n_sites];
    LENET_TRY(lenet_device_open(name, (struct lenet_open_options){.threads = 1}, &site->device, err));
    s->n_sites++;
    return lenet_device_explain(&site->device, fill_site(site, &s->data, err), err);
}

static enum lenet_status open_data(struct sweep *s, struct lenet_error *err) {
    struct lenet_config *base = &s->plan->base;
    LENET_TRY(lenet_config_dataset(base, LENET_BOTH_HALVES, LENET_MAX_FIELD, &s->data, err));
    if (!strchr(base->device, ',')) {
        LENET_TRY(open_site(s, base->device, err));
        strcpy(base->device, s->sites[0].device.name); /* what auto has become */
        return LENET_OK;
    }
    struct lenet_device_names list;
    LENET_TRY(lenet_device_list(base->device, &list, err));
    for (int i = 0; i < list.n; i++) LENET_TRY(open_site(s, list.names[i], err));
    return LENET_OK;
}

static void add_axes(struct lenet_json *json, const struct lenet_sweep_plan *plan) {
    lenet_json_open_object(json, "axes");
    for (int a = 0; a < plan->axes; a++) {
        const struct lenet_axis *axis = &plan->axis[a];
        char range[80];
        snprintf(range, sizeof range, "%s:%.15g..%.15g", axis->logarithmic ? "log" : "lin", axis->low, axis->high);
        if (!axis->count) {
            lenet_json_add_string(json, axis->option->name, range);
            continue;
        }
        lenet_json_open_array(json, axis->option->name);
        for (size_t i = 0; i < axis->count; i++) lenet_json_add_string(json, NULL, axis->values[i]);
        lenet_json_close(json);
    }
    lenet_json_close(json);
}

/* What was last asked of this directory; for people, and for plots. */
static enum lenet_status write_description(const struct sweep *s, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    struct lenet_json json = {.whole = NULL};
    LENET_TRY(lenet_run_path(s->dir.path, "sweep.json", path, err));
    lenet_json_open_object(&json, NULL);
    lenet_json_add_string(&json, "command", "sweep");
    lenet_json_add_string(&json, "version", LENET_VERSION);
    lenet_json_add_string(&json, "compiler", LENET_COMPILER);
    lenet_json_add_string(&json, "device", s->jobs.backend->name);
    lenet_json_add_string(&json, "machine", s->jobs.machine);
    lenet_json_add_number(&json, "runs", (double)s->jobs.n_runs);
    lenet_json_add_number(&json, "samples", (double)base_of(s)->samples);
    add_axes(&json, s->plan);
    lenet_config_add_json(&json, "config", base_of(s));
    lenet_data_add_json(&json, "data", base_of(s)->data, &s->data);
    if (base_of(s)->from[0]) lenet_json_add_path(&json, "from", base_of(s)->from);
    lenet_json_add_classes(&json, &s->data.names);
    return lenet_json_write(path, &json, err);
}

static void tell(const struct sweep *s, const char *text) {
    if (s->jobs.observer->note) s->jobs.observer->note(s->jobs.observer->self, text);
}

static void note_missing_lock(const struct sweep *s) {
    struct lenet_error text;
    if (!s->dir.lock.missing) return;
    lenet_fail(&text, LENET_OK, "%s: cannot be locked (%s): start no other process on the same runs meanwhile",
               s->dir.path, s->dir.lock.missing);
    tell(s, text.text);
}

/* Once, of all checkpoints together: those of a sweep come from one machine as a rule. */
static void note_other_machine(const struct sweep *s) {
    struct lenet_error text;
    const size_t n = s->jobs.strange;
    if (!n) return;
    lenet_fail(&text, LENET_OK, "%.80s: training of %zu population%s %s", s->dir.path, n, n == 1 ? "" : "s",
               s->jobs.difference);
    tell(s, text.text);
}

/* What runs that have ended before did not keep stays lost. */
static enum lenet_status note_lost_predictions(struct sweep *s, struct lenet_error *err) {
    struct lenet_error text;
    size_t lost;
    if (!base_of(s)->keep_predictions) return LENET_OK;
    LENET_TRY(sweep_find_predictions(&s->jobs, &s->dir, &lost, err));
    if (!lost) return LENET_OK;
    lenet_fail(
        &text, LENET_OK,
        "%s: the predictions of %zu run%s that had ended before were not kept; lenet eval --predictions FILE works "
        "them out from kept weights",
        s->dir.path, lost, lost == 1 ? "" : "s");
    tell(s, text.text);
    return LENET_OK;
}

/* How many workers train at a time, each with how many threads. */
static void share_out(struct sweep *s, struct lenet_sweep_overview *overview) {
    const int threads = base_of(s)->threads ? (int)base_of(s)->threads : lenet_processors();
    const int most = s->jobs.backend == lenet_backend_cpu() ? threads : s->n_sites;
    s->workers = s->jobs.n_jobs < most ? s->jobs.n_jobs : most;
    if (s->workers < 1) s->workers = 1;
    s->ledger.threads = threads > s->workers ? threads / s->workers : 1;
    overview->workers = s->workers;
    overview->device = base_of(s)->device;
    overview->data = &s->data;
}

/* Says what there is to do; 0 jobs where the directory has it all. */
static enum lenet_status plan_jobs(struct sweep *s, struct lenet_error *err) {
    const struct lenet_sweep_plan *plan = s->plan;
    struct lenet_sweep_overview overview = {0};
    const struct lenet_sweep_observer *observer = s->jobs.observer;
    s->jobs.backend = s->sites[0].device.backend;
    s->jobs.devices = s->n_sites;
    lenet_device_machine(&s->sites[0].device, s->jobs.machine);
    LENET_TRY(sweep_list_runs(&s->jobs, err));
    if (lenet_stop_get(s->jobs.stop)) return LENET_OK;
    if (s->jobs.note[0]) tell(s, s->jobs.note);
    if (s->jobs.undrawn && s->jobs.undrawn[0]) tell(s, s->jobs.undrawn);
    LENET_TRY(base_of(s)->dry_run
                  ? lenet_sweep_dir_look(base_of(s)->out, s->data.hash, &s->dir, err)
                  : lenet_sweep_dir_open(base_of(s)->out, plan->shard, plan->shards, s->data.hash, &s->dir, err));
    note_missing_lock(s);
    sweep_find_missing(&s->jobs, &s->dir, &overview);
    LENET_TRY(sweep_find_weights(&s->jobs, &s->dir, &overview, err));
    s->ledger.result->unkept = overview.unkept;
    LENET_TRY(note_lost_predictions(s, err));
    LENET_TRY(sweep_make_jobs(&s->jobs, &s->dir, &overview, err));
    note_other_machine(s);
    share_out(s, &overview);
    if (observer->begin) observer->begin(observer->self, plan, &overview);
    return LENET_OK;
}

static enum lenet_status sweep(struct sweep *s, struct lenet_error *err) {
    if (!base_of(s)->out[0] && !base_of(s)->dry_run)
        return lenet_fail(err, LENET_ERR_ARG, "give --out DIR, where the results go and are found again");
    LENET_TRY(lenet_predictions_check(base_of(s), err));
    LENET_TRY(lenet_config_start(&s->plan->base, &s->start, err));
    if (s->start.path) s->jobs.start = &s->start;
    LENET_TRY(open_data(s, err));
    LENET_TRY(plan_jobs(s, err));
    s->ledger.result->interrupted = lenet_stop_get(s->jobs.stop) != 0;
    if (lenet_stop_get(s->jobs.stop)) return LENET_OK;
    if (base_of(s)->dry_run) return dry_run(s, err);
    LENET_TRY(write_description(s, err));
    return s->jobs.n_jobs ? run_workers(s, err) : LENET_OK;
}

static void close_all(struct sweep *s) {
    lenet_sweep_dir_close(&s->dir);
    sweep_free_jobs(&s->jobs);
    for (struct site *site = s->sites; site < s->sites + s->n_sites; site++) {
        lenet_device_data_free(site->device.backend, site->device.ctx, &site->data);
        lenet_device_close(&site->device);
    }
    lenet_dataset_free(&s->data);
    lenet_start_close(&s->start);
    pthread_mutex_destroy(&s->ledger.mutex);
}

enum lenet_status lenet_sweep(struct lenet_sweep_plan *plan, const struct lenet_sweep_observer *observer,
                              const volatile sig_atomic_t *stop, struct lenet_sweep_result *result,
                              struct lenet_error *err) {
    struct sweep s = {.plan = plan,
                      .jobs = {.plan = plan, .data = &s.data, .stop = stop, .observer = observer},
                      .ledger = {.jobs = &s.jobs, .dir = &s.dir, .result = result}};
    *result = (struct lenet_sweep_result){0};
    if (err) err->text[0] = 0;
    pthread_mutex_init(&s.ledger.mutex, NULL);
    const enum lenet_status status = lenet_device_explain(&s.sites[0].device, sweep(&s, err), err);
    close_all(&s);
    return status;
}
