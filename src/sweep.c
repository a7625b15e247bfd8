/* sweep.c - see sweep.h.
 *
 * A sweep is a queue of jobs, each a population. On a CPU a population is one network and a worker thread trains one at
 * a time, with the data set shared by all; on a GPU there is one worker, whose populations are as large as its memory
 * allows. A run that has ended is one line of the sweep's directory, and what is not there is missing. */
#include "lenet/sweep.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lenet/draw.h"
#include "lenet/files.h"
#include "lenet/population_file.h"
#include "lenet/sweep_dir.h"
#include "lenet/version.h"

enum { GPU_POPULATION = 1024 };

/* Whether a run is to be trained here and now. */
enum missing { NOT_MISSING, MISSING, RESUMED }; /* RESUMED: in a population that goes on from its checkpoint */

/* One run of the plan. */
struct run {
    size_t index; /* in the plan */
    char id[LENET_RUN_ID];
    int group;
    enum missing missing;
    double work; /* in floating-point operations  */
};

/* Runs that could be one population. */
struct group {
    char key[LENET_POPULATION_KEY];
    size_t missing;
};

/* A population to be trained. */
struct job {
    int R;
    size_t *runs; /* [R] into sweep->runs             */
    char name[LENET_RUN_ID];
    int resumed; /* 1: from progress/NAME            */
    double work;
};

struct sweep {
    struct lenet_sweep_plan *plan;
    const struct lenet_sweep_observer *observer;
    const volatile sig_atomic_t *stop;
    struct lenet_sweep_result *result;

    struct lenet_dataset data;
    struct lenet_device home; /* holds the data set; workers open their own */
    struct lenet_device_data device_data;
    struct lenet_scaling scaling;
    struct lenet_sweep_dir dir;

    size_t n_runs, n_missing;
    struct run *runs;
    int n_groups;
    struct group *groups;
    int n_jobs, workers, threads;
    struct job *jobs;

    pthread_mutex_t mutex; /* of all that follows, the directory's files and the observer */
    int next_job;
    enum lenet_status status; /* the first error */
    struct lenet_error *err;
    size_t ended;
    double began, last_progress, work, work_done, images_done;
};

static const struct lenet_config *base_of(const struct sweep *s) { return &s->plan->base; }
static int is_on_cpu(const struct sweep *s) { return s->home.backend == lenet_backend_cpu(); }

/* ---- what there is to do ----------------------------------------------------------------- */

static double work_of(const struct lenet_config *config, const struct lenet_plan *plan, const struct lenet_hyper *hyper,
                      const struct lenet_dataset *data) {
    const double steps = (double)hyper->total_steps;
    const double per_epoch = (double)lenet_steps_per_epoch(hyper->train_count, (int)config->batch);
    const double measurements = ceil(steps / (per_epoch * (double)config->eval_every));
    return steps * (double)config->batch * lenet_plan_flops(plan, 1) +
           measurements * (double)(data->test.count + hyper->train_first) * lenet_plan_flops(plan, 0);
}

/* The group of this key, a new one where there is none yet. A sweep has few groups. */
static enum lenet_status find_group(struct sweep *s, const char *key, int *group, struct lenet_error *err) {
    for (*group = s->n_groups - 1; *group >= 0; --*group)
        if (strcmp(s->groups[*group].key, key) == 0) return LENET_OK;
    struct group *longer = realloc(s->groups, (size_t)(s->n_groups + 1) * sizeof *longer);
    if (!longer) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    s->groups = longer;
    *group = s->n_groups++;
    longer[*group] = (struct group){.missing = 0};
    snprintf(longer[*group].key, sizeof longer[*group].key, "%s", key);
    return LENET_OK;
}

static enum lenet_status make_run(struct sweep *s, size_t index, struct run *run, struct lenet_error *err) {
    struct lenet_config config;
    struct lenet_plan plan;
    struct lenet_hyper hyper;
    char key[LENET_POPULATION_KEY];
    run->index = index;
    LENET_TRY(lenet_sweep_config(s->plan, index, &config, err));
    LENET_TRY(lenet_config_plan(&config, s->data.classes, &plan, err));
    if (s->data.H > plan.arch->field || s->data.W > plan.arch->field)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: images of %d x %d pixels do not fit %s's %d x %d",
                          base_of(s)->data, s->data.H, s->data.W, config.arch, plan.arch->field, plan.arch->field);
    LENET_TRY(lenet_hyper_make(&config, s->data.train.count, &hyper, err));
    LENET_TRY(lenet_run_id(&config, &s->data, run->id, err));
    run->work = work_of(&config, &plan, &hyper, &s->data);
    lenet_population_key(&config, hyper.total_steps, key);
    return find_group(s, key, &run->group, err);
}

static int by_id_and_index(const void *a, const void *b) {
    const struct run *x = a, *y = b;
    const int order = strcmp(x->id, y->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b) {
    const struct run *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* Where values of axes mean the same, so do runs: the first one stays. */
static void drop_duplicates(struct sweep *s) {
    size_t n = 0;
    qsort(s->runs, s->n_runs, sizeof *s->runs, by_id_and_index);
    for (size_t i = 0; i < s->n_runs; i++)
        if (!n || strcmp(s->runs[n - 1].id, s->runs[i].id) != 0) s->runs[n++] = s->runs[i];
    s->n_runs = n;
    qsort(s->runs, s->n_runs, sizeof *s->runs, by_index);
}

static enum lenet_status list_runs(struct sweep *s, struct lenet_error *err) {
    s->n_runs = s->plan->runs;
    s->runs = calloc(s->n_runs, sizeof *s->runs);
    if (!s->runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->n_runs; i++) LENET_TRY(make_run(s, i, &s->runs[i], err));
    drop_duplicates(s);
    return LENET_OK;
}

static int is_of_this_shard(const struct sweep *s, size_t i) {
    return !s->plan->shards || i % (size_t)s->plan->shards == (size_t)s->plan->shard - 1;
}

static void find_missing(struct sweep *s, struct lenet_sweep_work *work) {
    work->runs = s->n_runs;
    for (size_t i = 0; i < s->n_runs; i++) {
        struct run *run = &s->runs[i];
        if (!is_of_this_shard(s, i)) continue;
        const struct lenet_run_state *ended = lenet_sweep_dir_find(&s->dir, run->id);
        work->here++;
        work->ended += ended != NULL;
        work->diverged += ended && ended->diverged;
        run->missing = !ended || (ended->diverged && base_of(s)->retry_failed) ? MISSING : NOT_MISSING;
        s->n_missing += run->missing == MISSING;
        s->work += run->missing ? run->work : 0;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static enum lenet_status add_job(struct sweep *s, const size_t *runs, int R, int resumed, struct lenet_error *err) {
    struct job *longer = realloc(s->jobs, (size_t)(s->n_jobs + 1) * sizeof *longer);
    if (longer) s->jobs = longer;
    size_t *copy = malloc((size_t)R * sizeof *copy);
    char(*ids)[LENET_RUN_ID] = calloc((size_t)R, sizeof *ids);
    char hex[65];
    enum lenet_status status = longer && copy && ids ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK) {
        struct job job = {.R = R, .runs = copy, .resumed = resumed};
        for (int r = 0; r < R; r++) {
            copy[r] = runs[r];
            strcpy(ids[r], s->runs[runs[r]].id);
            job.work += s->runs[runs[r]].missing ? s->runs[runs[r]].work : 0;
        }
        status = lenet_sha256(&(struct lenet_piece){ids, (size_t)R * sizeof *ids}, 1, hex, err);
        snprintf(job.name, sizeof job.name, "%.16s", R == 1 ? ids[0] : hex);
        if (status == LENET_OK) s->jobs[s->n_jobs++] = job;
    }
    free(ids);
    if (status != LENET_OK) free(copy);
    return status;
}

static struct run *find_run(const struct sweep *s, const char *id) {
    for (size_t i = 0; i < s->n_runs; i++)
        if (strcmp(s->runs[i].id, id) == 0) return &s->runs[i];
    return NULL;
}

static int has_diverged(const cJSON *member) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "diverged"));
}

/* Finds the members' runs. Returns how many of them this process is to go on with, or -1 where it is not to touch
 * the checkpoint: it has a member of another sweep or shard, which has not ended. */
static int find_members(const struct sweep *s, const cJSON *members, size_t *runs) {
    const cJSON *member;
    int n = 0, wanted = 0;
    cJSON_ArrayForEach(member, members) {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(member, "id"));
        const struct run *run = id ? find_run(s, id) : NULL;
        if (!run) return -1;
        const int open = !has_diverged(member) && run->missing == MISSING;
        if (!open && !has_diverged(member) && !lenet_sweep_dir_find(&s->dir, id)) return -1;
        wanted += open;
        runs[n++] = (size_t)(run - s->runs);
    }
    return wanted;
}

/* Its members that have ended, or diverged, go on with the others, but are not recorded again. */
static enum lenet_status resume_members(struct sweep *s, const cJSON *members, const size_t *runs,
                                        struct lenet_error *err) {
    const cJSON *member;
    int r = 0;
    LENET_TRY(add_job(s, runs, cJSON_GetArraySize(members), 1, err));
    cJSON_ArrayForEach(member, members) {
        struct run *run = &s->runs[runs[r++]];
        if (!has_diverged(member) && run->missing) run->missing = RESUMED;
    }
    return LENET_OK;
}

static enum lenet_status take_checkpoint(void *self, const char *path, struct lenet_error *err) {
    struct sweep *s = self;
    cJSON *members;
    char device[32];
    LENET_TRY(lenet_population_read_members(path, &members, device, err));
    size_t *runs = calloc((size_t)cJSON_GetArraySize(members), sizeof *runs);
    enum lenet_status status = runs ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const int wanted = runs && strcmp(device, s->home.backend->name) == 0 ? find_members(s, members, runs) : -1;
    if (wanted > 0) status = resume_members(s, members, runs, err);
    if (wanted == 0) unlink(path); /* killed between its last line and this */
    free(runs);
    cJSON_Delete(members);
    return status;
}

static size_t most_together(const struct sweep *s) {
    const size_t asked = (size_t)base_of(s)->population_max;
    return asked ? asked : is_on_cpu(s) ? 1 : GPU_POPULATION;
}

/* Cuts a group's missing runs into populations of about the same size. */
static enum lenet_status cut_group(struct sweep *s, int group, struct lenet_error *err) {
    const size_t missing = s->groups[group].missing, most = base_of(s)->patience ? 1 : most_together(s);
    size_t *runs = calloc(missing + 1, sizeof *runs), n = 0;
    if (!runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->n_runs; i++)
        if (s->runs[i].missing == MISSING && s->runs[i].group == group) runs[n++] = i;
    const size_t parts = (n + most - 1) / most;
    enum lenet_status status = LENET_OK;
    for (size_t p = 0; p < parts && status == LENET_OK; p++) {
        const size_t first = n * p / parts, end = n * (p + 1) / parts;
        status = add_job(s, runs + first, (int)(end - first), 0, err);
    }
    free(runs);
    return status;
}

/* What takes longest comes first, so that the workers end together; what has begun before all else. */
static int by_work(const void *a, const void *b) {
    const struct job *x = a, *y = b;
    if (x->resumed != y->resumed) return y->resumed - x->resumed;
    if (x->work != y->work) return x->work < y->work ? 1 : -1;
    return (x->runs[0] > y->runs[0]) - (x->runs[0] < y->runs[0]);
}

static enum lenet_status make_jobs(struct sweep *s, struct lenet_sweep_work *work, struct lenet_error *err) {
    if (!base_of(s)->dry_run) LENET_TRY(lenet_sweep_dir_checkpoints(&s->dir, take_checkpoint, s, err));
    work->resumed = (size_t)s->n_jobs;
    for (size_t i = 0; i < s->n_runs; i++) s->groups[s->runs[i].group].missing += s->runs[i].missing == MISSING;
    for (int g = 0; g < s->n_groups; g++) LENET_TRY(cut_group(s, g, err));
    if (s->n_jobs) qsort(s->jobs, (size_t)s->n_jobs, sizeof *s->jobs, by_work);

    const int threads = base_of(s)->threads ? (int)base_of(s)->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    s->workers = !is_on_cpu(s) || s->n_jobs <= 1 ? 1 : s->n_jobs < threads ? s->n_jobs : threads;
    s->threads = threads / s->workers;
    work->populations = (size_t)s->n_jobs;
    work->workers = s->workers;
    work->threads = s->threads;
    work->device = s->home.backend->name;
    work->data = &s->data;
    return LENET_OK;
}

/* ---- one population ---------------------------------------------------------------------------- */

/* What a worker has at hand. */
struct worker {
    struct sweep *sweep;
    struct lenet_device device;
    int tf32; /* how the device was opened */
    struct job *job;
    struct lenet_config *configs; /* [R]                                          */
    int *recorded;                /* [R] 1: its line is written                   */
    struct lenet_population pop;
    double work_reported, last_checkpoint, last_report;
    uint64_t step_reported;
};

static enum lenet_status open_device(struct worker *w, int tf32, struct lenet_error *err) {
    if (w->device.backend && w->tf32 == tf32) return LENET_OK;
    lenet_device_close(&w->device);
    w->tf32 = tf32;
    return lenet_device_open(base_of(w->sweep)->device,
                             (struct lenet_open_options){.threads = w->sweep->threads, .tf32 = tf32}, &w->device, err);
}

static enum lenet_status open_population(struct worker *w, struct job *job, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    struct lenet_model model = {.scaling = s->scaling};
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
    if (status == LENET_OK) status = lenet_config_plan(w->configs, s->data.classes, &model.plan, err);
    if (status == LENET_OK) status = open_device(w, w->configs->tf32, err);
    if (status == LENET_OK)
        status = lenet_population_create(&w->device, &s->device_data, &model, pointers, job->R, &w->pop, err);
    free(pointers);
    return status;
}

static void close_population(struct worker *w) {
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

static enum lenet_status restore_history(const char *path, const cJSON *json, struct lenet_member *member,
                                         struct lenet_error *err) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "metrics")) {
        struct lenet_metrics metrics;
        if (!lenet_metrics_from_json(item, &metrics))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: its metrics are damaged", path);
        LENET_TRY(lenet_member_append(member, &metrics));
    }
    return LENET_OK;
}

static enum lenet_status restore(struct worker *w, struct lenet_error *err) {
    char path[LENET_MAX_PATH], device[32];
    cJSON *members;
    LENET_TRY(lenet_sweep_dir_file(&w->sweep->dir, "progress", w->job->name, path, err));
    LENET_TRY(lenet_population_read_members(path, &members, device, err));
    enum lenet_status status = lenet_population_read_checkpoint(path, &w->pop, err);
    for (int r = 0; r < w->pop.R && status == LENET_OK; r++) {
        status = restore_history(path, cJSON_GetArrayItem(members, r), &w->pop.members[r], err);
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
    const double seconds = lenet_now() - s->began;
    return (struct lenet_sweep_progress){.ended = s->ended,
                                         .missing = s->n_missing,
                                         .images_per_s = s->images_done / seconds,
                                         .seconds_left =
                                             s->work_done > 0 ? seconds * (s->work - s->work_done) / s->work_done : 0};
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

static int must_stop(struct sweep *s) {
    if (*s->stop) return 1;
    pthread_mutex_lock(&s->mutex);
    const int failed = s->status != LENET_OK;
    pthread_mutex_unlock(&s->mutex);
    return failed;
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
        if (must_stop(s)) return checkpoint_now(w, err);
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
    const struct job whole = *job; /* which adding moves */
    LENET_TRY(add_job(s, whole.runs, whole.R / 2, 0, err));
    return add_job(s, whole.runs + whole.R / 2, whole.R - whole.R / 2, 0, err);
}

static enum lenet_status run_job(struct worker *w, int number, struct lenet_error *err) {
    struct sweep *s = w->sweep;
    pthread_mutex_lock(&s->mutex);
    struct job job = s->jobs[number];
    pthread_mutex_unlock(&s->mutex);
    enum lenet_status status = open_population(w, &job, err);
    if (status == LENET_ERR_MEMORY && job.R > 1 && !job.resumed) {
        pthread_mutex_lock(&s->mutex);
        status = halve_job(s, &job, err);
        pthread_mutex_unlock(&s->mutex);
    } else if (status == LENET_OK) {
        status = train_population(w, err);
    }
    status = lenet_device_explain(&w->device, status, err);
    close_population(w);
    return status;
}

/* The next job's number, or -1. */
static int take_job(struct sweep *s) {
    int number = -1;
    pthread_mutex_lock(&s->mutex);
    if (s->status == LENET_OK && !*s->stop && s->next_job < s->n_jobs) number = s->next_job++;
    pthread_mutex_unlock(&s->mutex);
    return number;
}

static void *work(void *argument) {
    struct worker *w = argument;
    struct sweep *s = w->sweep;
    for (int number; (number = take_job(s)) >= 0;) {
        struct lenet_error err = {{0}};
        const enum lenet_status status = run_job(w, number, &err);
        pthread_mutex_lock(&s->mutex);
        if (status != LENET_OK && s->status == LENET_OK) {
            s->status = status;
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

/* Seconds of a job, from a fifth of a second of its steps and one evaluation. */
static enum lenet_status time_job(struct worker *w, struct job *job, double *seconds, struct lenet_error *err) {
    enum { LEAST = 3 };
    struct lenet_population *pop = &w->pop;
    enum lenet_status status = open_population(w, job, err);
    if (status == LENET_OK) status = lenet_population_init(pop);
    uint64_t steps = 0;
    const double began = lenet_now();
    double trained = began;
    while (status == LENET_OK && (steps < LEAST || trained - began < 0.2)) {
        const uint64_t before = pop->step;
        if (lenet_population_has_ended(pop)) break;
        status = lenet_population_advance(pop);
        if (status == LENET_OK) status = lenet_population_look_at_tallies(pop);
        steps += pop->step - before;
        trained = lenet_now();
    }
    const double step_seconds = steps ? (trained - began) / (double)steps : 0;
    struct lenet_tally *tally = calloc((size_t)job->R, sizeof *tally);
    if (!tally && status == LENET_OK) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK)
        status = lenet_network_evaluate(&pop->net, &pop->test, NULL, 0, pop->test.count, tally, NULL);
    if (status == LENET_OK) {
        const double measurements = ceil((double)pop->total_steps / (double)pop->members[0].interval);
        *seconds = step_seconds * (double)pop->total_steps + measurements * (lenet_now() - trained);
    }
    free(tally);
    close_population(w);
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
    shown.largest = largest->R;
    snprintf(shown.key, sizeof shown.key, "%s", s->groups[group].key);
    if (s->observer->group) s->observer->group(s->observer->self, &shown);
    LENET_TRY(time_job(w, largest, &seconds, err));
    *total += seconds * (double)shown.runs / largest->R / s->workers;
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
    s->scaling = lenet_scaling_of(&s->data.train, s->data.H, s->data.W);
    LENET_TRY(lenet_device_open(base->device, (struct lenet_open_options){.threads = 1}, &s->home, err));
    LENET_TRY(lenet_device_data_create(s->home.backend, s->home.ctx, &s->data, s->scaling, LENET_MAX_FIELD,
                                       &s->device_data, err));
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
    cJSON *json = cJSON_CreateObject();
    LENET_TRY(lenet_run_path(s->dir.path, "sweep.json", path, err));
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

static enum lenet_status sweep(struct sweep *s, struct lenet_error *err) {
    const struct lenet_sweep_plan *plan = s->plan;
    struct lenet_sweep_work work_to_do = {0};
    if (!base_of(s)->out[0] && !base_of(s)->dry_run)
        return lenet_fail(err, LENET_ERR_ARG, "give --out DIR, where the results go and are found again");
    LENET_TRY(open_data(s, err));
    LENET_TRY(list_runs(s, err));
    LENET_TRY(base_of(s)->dry_run ? lenet_sweep_dir_look(base_of(s)->out, &s->dir, err)
                                  : lenet_sweep_dir_open(base_of(s)->out, plan->shard, plan->shards, &s->dir, err));
    find_missing(s, &work_to_do);
    LENET_TRY(make_jobs(s, &work_to_do, err));
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
    s.dir.lock[0] = s.dir.lock[1] = -1;
    *result = (struct lenet_sweep_result){0};
    if (err) err->text[0] = 0;
    pthread_mutex_init(&s.mutex, NULL);
    const enum lenet_status status = lenet_device_explain(&s.home, sweep(&s, err), err);
    close_all(&s);
    return status;
}
