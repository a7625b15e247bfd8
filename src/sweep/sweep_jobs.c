/* sweep_jobs.c - which runs are missing, and how they are put together into populations. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/grow.h"
#include "ops/draw.h"
#include "sweep/sweep_parts.h"
#include "train/population_file.h"

enum { GPU_POPULATION = 1024 };

/* ---- what there is to do ----------------------------------------------------------------- */

static double work_of(const struct lenet_config *config, const struct lenet_topology *plan,
                      const struct lenet_hyper *hyper, const struct lenet_dataset *data) {
    const double steps = (double)hyper->total_steps;
    const double per_epoch = (double)lenet_steps_per_epoch(hyper->train_count, (int)config->batch);
    const double measurements = ceil(steps / (per_epoch * (double)config->eval_every));
    const double looks = config->optimizer == LENET_SDLM ? ceil(steps / per_epoch) : 0; /* at the curvature */
    return (steps * (double)config->batch + looks * (double)config->curvature_images) * lenet_topology_flops(plan, 1) +
           measurements * (double)(data->test.count + hyper->train_first) * lenet_topology_flops(plan, 0);
}

/* The group of this key, a new one where there is none yet. A sweep has few groups. */
static enum lenet_status find_group(struct sweep *s, const char *key, int *group, struct lenet_error *err) {
    for (*group = s->n_groups - 1; *group >= 0; --*group)
        if (strcmp(s->groups[*group].key, key) == 0) return LENET_OK;
    struct group *longer = lenet_grow(s->groups, (size_t)s->n_groups, sizeof *longer);
    if (!longer) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    s->groups = longer;
    *group = s->n_groups++;
    longer[*group] = (struct group){.missing = 0};
    snprintf(longer[*group].key, sizeof longer[*group].key, "%s", key);
    return LENET_OK;
}

static enum lenet_status make_run(struct sweep *s, size_t index, struct run *run, struct lenet_error *err) {
    struct lenet_config config;
    struct lenet_topology plan;
    struct lenet_hyper hyper;
    char key[LENET_POPULATION_KEY];
    run->index = index;
    LENET_TRY(lenet_sweep_config(s->plan, index, &config, err));
    LENET_TRY(lenet_config_topology(&config, s->data.classes, &plan, err));
    if (s->data.H > plan.arch->field || s->data.W > plan.arch->field)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: images of %d x %d pixels do not fit %s's %d x %d",
                          base_of(s)->data, s->data.H, s->data.W, config.arch, plan.arch->field, plan.arch->field);
    LENET_TRY(lenet_hyper_make(&config, s->data.train.count, &hyper, err));
    LENET_TRY(lenet_run_id(&config, &s->data, run->id, err));
    run->work = work_of(&config, &plan, &hyper, &s->data);
    lenet_population_key(&config, &hyper, key);
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

enum lenet_status sweep_list_runs(struct sweep *s, struct lenet_error *err) {
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

void sweep_find_missing(struct sweep *s, struct lenet_sweep_work *work) {
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

enum lenet_status sweep_add_job(struct sweep *s, const size_t *runs, int R, int resumed, struct lenet_error *err) {
    struct job *longer = lenet_grow(s->jobs, (size_t)s->n_jobs, sizeof *longer);
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
            job.work += s->runs[runs[r]].missing == (resumed ? RESUMED : MISSING) ? s->runs[runs[r]].work : 0;
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
        if (!run || !is_of_this_shard(s, (size_t)(run - s->runs))) return -1;
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
    cJSON_ArrayForEach(member, members) {
        struct run *run = &s->runs[runs[r++]];
        if (!has_diverged(member) && run->missing) run->missing = RESUMED;
    }
    return sweep_add_job(s, runs, r, 1, err);
}

static enum lenet_status take_checkpoint(void *self, const char *path, struct lenet_error *err) {
    struct sweep *s = self;
    cJSON *members;
    char device[32];
    struct lenet_error why = {{0}};
    enum lenet_status status = lenet_population_read_members(path, &members, device, &why);
    if (status == LENET_ERR_IO && !lenet_path_exists(path)) return LENET_OK; /* another shard's, ended meanwhile */
    if (status != LENET_OK) return lenet_fail(err, status, "%s", why.text);
    size_t *runs = calloc((size_t)cJSON_GetArraySize(members), sizeof *runs);
    status = runs ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const int wanted = runs && strcmp(device, s->home.backend->name) == 0 ? find_members(s, members, runs) : -1;
    if (wanted > 0) status = resume_members(s, members, runs, err);
    if (wanted == 0) unlink(path); /* killed between its last line and this */
    free(runs);
    cJSON_Delete(members);
    return status;
}

static size_t most_together(const struct sweep *s) {
    const size_t asked = (size_t)base_of(s)->population_max;
    if (base_of(s)->patience) return 1; /* a network ends when it wants */
    if (asked) return asked;
    return is_on_cpu(s) ? 1 : GPU_POPULATION;
}

/* Cuts a group's missing runs into populations of about the same size. */
static enum lenet_status cut_group(struct sweep *s, int group, struct lenet_error *err) {
    const size_t missing = s->groups[group].missing, most = most_together(s);
    size_t *runs = calloc(missing + 1, sizeof *runs), n = 0;
    if (!runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < s->n_runs; i++)
        if (s->runs[i].missing == MISSING && s->runs[i].group == group) runs[n++] = i;
    const size_t parts = (n + most - 1) / most;
    enum lenet_status status = LENET_OK;
    for (size_t p = 0; p < parts && status == LENET_OK; p++) {
        const size_t first = n * p / parts, end = n * (p + 1) / parts;
        status = sweep_add_job(s, runs + first, (int)(end - first), 0, err);
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

enum lenet_status sweep_make_jobs(struct sweep *s, struct lenet_sweep_work *work, struct lenet_error *err) {
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
