/* sweep_jobs.c - which runs are missing, and how they are put together into populations. */
#include "sweep/sweep_jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/stop.h"
#include "train/checkpoint.h"
#include "train/predictions.h"
#include "train/run_dir.h"

enum {
    GPU_POPULATION = 1024,
    MEASUREMENT = 512,    /* bytes in a checkpoint's header, where quotes are escaped: more than any takes */
    HISTORIES = 90 << 20, /* of a population: a header has at most 100 MB                                  */
};

/* ---- the runs ------------------------------------------------------------------------------- */

/* The group of this key, a new one where there is none yet. A sweep has few groups. */
static enum lenet_status find_group(struct jobs *jobs, const char *key, int *group, struct lenet_error *err) {
    for (*group = jobs->n_groups - 1; *group >= 0; --*group)
        if (strcmp(jobs->groups[*group].key, key) == 0) return LENET_OK;
    LENET_TRY(lenet_grow(&jobs->groups, (size_t)jobs->n_groups, sizeof *jobs->groups, err));
    *group = jobs->n_groups++;
    jobs->groups[*group].missing = 0;
    strcpy(jobs->groups[*group].key, key);
    return LENET_OK;
}

/* Whether the weights that all begin from are of the architecture of a new group. */
static enum lenet_status check_start(struct jobs *jobs, const struct lenet_config *config,
                                     const struct lenet_topology *topology, struct group *group,
                                     struct lenet_error *err) {
    char note[sizeof jobs->note] = "";
    if (jobs->start) LENET_TRY(lenet_start_check(jobs->start, topology, &jobs->data->names, note, err));
    if (note[0]) strcpy(jobs->note, note);
    LENET_TRY(lenet_start_draws(jobs->start, topology, &group->is_drawn, err));
    jobs->undrawn = lenet_config_undrawn_text(config, group->is_drawn);
    return LENET_OK;
}

/* What is the same for all seeds. */
static enum lenet_status describe_run(struct jobs *jobs, const struct lenet_config *config, struct run *run,
                                      struct lenet_error *err) {
    const struct lenet_dataset *data = jobs->data;
    struct lenet_model model;
    struct lenet_settings settings;
    char key[LENET_POPULATION_KEY];
    LENET_TRY(lenet_config_model(config, data, (struct lenet_scaling){1, 0}, &model, err));
    if (strcmp(config->from_sha256, jobs->plan->base.from_sha256) != 0)
        return lenet_fail(err, LENET_ERR_ARG, "--from-sha256: one for each run; a sweep begins from one file");
    LENET_TRY(lenet_settings_make(config, data->train.count, &settings, err));
    run->flops = lenet_run_flops(config, &settings, &model.topology, data->test.count);
    run->oddities = lenet_settings_oddities(config, &settings);
    run->history = MEASUREMENT * (1 + (double)(settings.hyper.total_steps / settings.interval));
    lenet_population_key(config, &settings, key);
    const int groups = jobs->n_groups;
    LENET_TRY(find_group(jobs, key, &run->group, err));
    if (jobs->n_groups == groups) return LENET_OK;
    return check_start(jobs, config, &model.topology, &jobs->groups[run->group], err);
}

static enum lenet_status make_run(struct jobs *jobs, size_t index, struct run *run, struct lenet_error *err) {
    struct lenet_config config;
    LENET_TRY(lenet_sweep_config(jobs->plan, index, &config, err));
    LENET_TRY(lenet_config_resolve(&config, jobs->data->train.count, err));
    jobs->previous.seed = config.seed;
    /* NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c): where padding differs, it is worked out again */
    if (index > 0 && memcmp(&jobs->previous, &config, sizeof config) == 0) {
        *run = run[-1];
    } else {
        jobs->previous = config;
        LENET_TRY(describe_run(jobs, &config, run, err));
    }
    run->index = index;
    LENET_TRY(lenet_run_id(&config, jobs->data->hash, run->id, err));
    strcpy(run->same, run->id);
    if (!lenet_config_reduce(&config, jobs->data->train.count, jobs->backend, jobs->groups[run->group].is_drawn))
        return LENET_OK;
    return lenet_run_id(&config, jobs->data->hash, run->same, err);
}

static int by_index(const void *a, const void *b) {
    const struct run *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_same_and_index(const void *a, const void *b) {
    const int order = strcmp(((const struct run *)a)->same, ((const struct run *)b)->same);
    return order ? order : by_index(a, b);
}

/* Where values of axes mean the same, so do runs: the first one stays. */
static void drop_duplicates(struct jobs *jobs) {
    size_t n = 0;
    qsort(jobs->runs, jobs->n_runs, sizeof *jobs->runs, by_same_and_index);
    for (size_t i = 0; i < jobs->n_runs; i++)
        if (!n || strcmp(jobs->runs[n - 1].same, jobs->runs[i].same) != 0) jobs->runs[n++] = jobs->runs[i];
    jobs->n_runs = n;
    qsort(jobs->runs, jobs->n_runs, sizeof *jobs->runs, by_index);
}

enum lenet_status sweep_list_runs(struct jobs *jobs, struct lenet_error *err) {
    jobs->runs = calloc(jobs->plan->runs, sizeof *jobs->runs);
    if (!jobs->runs) return lenet_fail(err, LENET_ERR_MEMORY, "no memory for a plan of %zu runs", jobs->plan->runs);
    double told = lenet_now();
    for (; jobs->n_runs < jobs->plan->runs && !lenet_stop_get(jobs->stop); jobs->n_runs++) {
        struct run *run = &jobs->runs[jobs->n_runs];
        LENET_TRY(make_run(jobs, jobs->n_runs, run, err));
        for (int i = 0; i < LENET_ODDITIES; i++) jobs->odd[i] += (size_t)(run->oddities >> i & 1);
        if (jobs->n_runs % 1024 || !jobs->observer->planning || lenet_now() - told < 0.1) continue;
        told = lenet_now();
        jobs->observer->planning(jobs->observer->self, jobs->n_runs, jobs->plan->runs);
    }
    drop_duplicates(jobs);
    return LENET_OK;
}

static int is_of_this_shard(const struct jobs *jobs, size_t i) {
    return !jobs->plan->shards || i % (size_t)jobs->plan->shards == (size_t)jobs->plan->shard - 1;
}

void sweep_find_missing(struct jobs *jobs, const struct lenet_sweep_dir *dir, struct lenet_sweep_overview *overview) {
    overview->runs = jobs->n_runs;
    overview->others = dir->n;
    memcpy(overview->odd, jobs->odd, sizeof overview->odd);
    for (size_t i = 0; i < dir->n; i++) overview->others_warmup_3 += (size_t)dir->ended[i].warmup_is_3;
    for (size_t i = 0; i < jobs->n_runs; i++) {
        struct run *run = &jobs->runs[i];
        const struct lenet_run_state *own = lenet_sweep_dir_find(dir, run->id);
        const struct lenet_run_state *ended = own ? own : lenet_sweep_dir_find(dir, run->same);
        overview->others -= ended != NULL;
        overview->others_warmup_3 -= ended && ended->warmup_is_3;
        if (!is_of_this_shard(jobs, i)) continue;
        overview->here++;
        overview->ended += ended != NULL;
        overview->diverged += ended && ended->diverged;
        run->unkept = run->unpredicted = own && !own->diverged;
        run->missing = !ended || (ended->diverged && jobs->plan->base.retry_failed) ? MISSING : NOT_MISSING;
        jobs->n_missing += run->missing == MISSING;
        jobs->flops += run->missing ? run->flops : 0;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* A job is named after its run, or after all of them. */
static enum lenet_status name_job(const struct jobs *jobs, struct job *job, struct lenet_error *err) {
    char hex[65], (*ids)[LENET_RUN_ID] = calloc((size_t)job->R, sizeof *ids);
    if (!ids) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < job->R; r++) strcpy(ids[r], jobs->runs[job->runs[r]].id);
    const enum lenet_status status =
        lenet_sha256(&(struct lenet_piece){ids, (size_t)job->R * sizeof *ids}, 1, hex, err);
    snprintf(job->name, sizeof job->name, "%.16s", job->R == 1 ? ids[0] : hex);
    free(ids);
    return status;
}

/* Appends a job of runs[R], which is copied. */
static enum lenet_status add_job(struct jobs *jobs, const size_t *runs, int R, int resumed, struct lenet_error *err) {
    LENET_TRY(lenet_grow(&jobs->jobs, (size_t)jobs->n_jobs, sizeof *jobs->jobs, err));
    struct job job = {.R = R, .runs = malloc((size_t)R * sizeof *job.runs), .resumed = resumed};
    enum lenet_status status = job.runs ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < R && status == LENET_OK; r++) {
        const struct run *run = &jobs->runs[runs[r]];
        job.runs[r] = runs[r];
        job.flops += run->missing == (resumed ? RESUMED : MISSING) ? run->flops : 0;
    }
    if (status == LENET_OK) status = name_job(jobs, &job, err);
    if (status == LENET_OK)
        jobs->jobs[jobs->n_jobs++] = job;
    else
        free(job.runs);
    return status;
}

/* Cuts the checkpoint of a job for its halves. It goes when both are there, and until then counts alone:
 * take_checkpoint drops parts of one that is there. */
static enum lenet_status cut_checkpoint(const struct lenet_sweep_dir *dir, const struct job *job,
                                        const struct job halves[2], struct lenet_error *err) {
    char path[LENET_MAX_PATH], part[LENET_MAX_PATH];
    LENET_TRY(lenet_sweep_dir_file(dir, "progress", job->name, path, err));
    for (int i = 0, first = 0; i < 2; first += halves[i++].R) {
        LENET_TRY(lenet_sweep_dir_file(dir, "progress", halves[i].name, part, err));
        LENET_TRY(lenet_checkpoint_cut(path, job->name, first, halves[i].R, part, err));
    }
    return unlink(path) == 0 ? LENET_OK
                             : lenet_fail(err, LENET_ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
}

enum lenet_status sweep_halve_job(struct jobs *jobs, const struct lenet_sweep_dir *dir, const struct job *job,
                                  struct lenet_error *err) {
    const int half = job->R / 2;
    LENET_TRY(add_job(jobs, job->runs, half, job->resumed, err));
    LENET_TRY(add_job(jobs, job->runs + half, job->R - half, job->resumed, err));
    return job->resumed ? cut_checkpoint(dir, job, jobs->jobs + jobs->n_jobs - 2, err) : LENET_OK;
}

void sweep_free_jobs(struct jobs *jobs) {
    for (int j = 0; j < jobs->n_jobs; j++) free(jobs->jobs[j].runs);
    free(jobs->jobs);
    free(jobs->groups);
    free(jobs->runs);
    sweep_free_kept(&jobs->kept);
}

/* ---- files of populations ------------------------------------------------------------------------ */

struct search {
    struct jobs *jobs;
    const struct lenet_sweep_dir *dir;
    struct run **runs; /* [n_runs] those of jobs, sorted by id */
};

static int by_id(const void *a, const void *b) {
    return strcmp((*(struct run *const *)a)->id, (*(struct run *const *)b)->id);
}

static struct run *find_run(const struct search *s, const char *id) {
    struct run wanted, *key = &wanted;
    snprintf(wanted.id, sizeof wanted.id, "%s", id);
    struct run **found = bsearch(&key, s->runs, s->jobs->n_runs, sizeof *s->runs, by_id);
    return found ? *found : NULL;
}

/* Calls take for each file of progress/, weights/ or predictions/. */
static enum lenet_status search_files(struct jobs *jobs, const struct lenet_sweep_dir *dir, const char *kind,
                                      enum lenet_status (*take)(void *self, const char *path, struct lenet_error *err),
                                      struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(dir->path, kind, path, err));
    struct search search = {jobs, dir, calloc(jobs->n_runs + 1, sizeof *search.runs)};
    if (!search.runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < jobs->n_runs; i++) search.runs[i] = &jobs->runs[i];
    qsort(search.runs, jobs->n_runs, sizeof *search.runs, by_id);
    const enum lenet_status status = lenet_directory_each(path, "", ".safetensors", take, &search, err);
    free(search.runs);
    return status;
}

/* ---- kept weights --------------------------------------------------------------------------------- */

static enum lenet_status mark_kept(const struct search *s, const char *id, const char *path, struct lenet_error *err) {
    struct run *run = id ? find_run(s, id) : NULL;
    if (!run) return LENET_OK;
    run->unkept = 0;
    return run->missing ? sweep_remember_kept(&s->jobs->kept, id, path, err) : LENET_OK;
}

/* A damaged file is none; what could not be read may be a good one. */
static enum lenet_status pass_damaged(enum lenet_status status, struct lenet_error *err) {
    if (status != LENET_ERR_FORMAT) return status;
    if (err) err->text[0] = 0;
    return LENET_OK;
}

/* A file of one run has its name; one of several says whose it is. */
static enum lenet_status take_weights(void *self, const char *path, struct lenet_error *err) {
    const struct search *s = self;
    struct lenet_checkpoint_origin origin;
    char name[LENET_RUN_ID];
    struct cJSON *members = NULL;
    snprintf(name, sizeof name, "%s", strrchr(path, '/') + 1);
    if (find_run(s, name)) return mark_kept(s, name, path, err);
    enum lenet_status status = pass_damaged(lenet_checkpoint_read_origin(path, &origin, &members, err), err);
    for (const struct cJSON *m = lenet_json_first(members); m && status == LENET_OK; m = lenet_json_next(m))
        status = mark_kept(s, lenet_json_text(m, "id"), path, err);
    lenet_json_free(members);
    return status;
}

enum lenet_status sweep_find_weights(struct jobs *jobs, const struct lenet_sweep_dir *dir,
                                     struct lenet_sweep_overview *overview, struct lenet_error *err) {
    if (!jobs->plan->base.keep_weights) return LENET_OK;
    LENET_TRY(search_files(jobs, dir, "weights", take_weights, err));
    for (size_t i = 0; i < jobs->n_runs; i++) overview->unkept += (size_t)jobs->runs[i].unkept;
    return LENET_OK;
}

/* ---- kept predictions ----------------------------------------------------------------------------- */

static enum lenet_status take_predictions(void *self, const char *path, struct lenet_error *err) {
    const struct search *s = self;
    struct lenet_tensor_file file;
    struct cJSON *members = NULL;
    enum lenet_status status = lenet_tensors_read(path, &file, err);
    if (status == LENET_OK) status = lenet_members_from_file(path, &file, &members, err);
    status = pass_damaged(status, err);
    for (const struct cJSON *m = lenet_json_first(members); m; m = lenet_json_next(m)) {
        const char *id = lenet_json_text(m, "id");
        struct run *run = id ? find_run(s, id) : NULL;
        if (!run || status != LENET_OK) continue;
        if (lenet_predictions_suffice(&s->jobs->plan->base, &file)) run->unpredicted = 0;
        if (run->missing) status = sweep_remember_kept(&s->jobs->kept, id, path, err);
    }
    lenet_json_free(members);
    lenet_tensors_free(&file);
    return status;
}

enum lenet_status sweep_find_predictions(struct jobs *jobs, const struct lenet_sweep_dir *dir, size_t *unpredicted,
                                         struct lenet_error *err) {
    *unpredicted = 0;
    LENET_TRY(search_files(jobs, dir, "predictions", take_predictions, err));
    for (size_t i = 0; i < jobs->n_runs; i++) *unpredicted += (size_t)jobs->runs[i].unpredicted;
    return LENET_OK;
}

/* ---- from checkpoints -------------------------------------------------------------------------- */

static int has_diverged(const struct cJSON *member) { return lenet_json_is_true(lenet_json_get(member, "diverged")); }

static const struct run *run_of_member(const struct search *s, const struct cJSON *member) {
    const char *id = lenet_json_text(member, "id");
    return id ? find_run(s, id) : NULL;
}

/* Whether all members are of this sweep, and of this shard. */
static int are_ours(const struct search *s, const struct cJSON *members) {
    for (const struct cJSON *member = lenet_json_first(members); member; member = lenet_json_next(member)) {
        const struct run *run = run_of_member(s, member);
        if (!run || !is_of_this_shard(s->jobs, (size_t)(run - s->jobs->runs))) return 0;
    }
    return 1;
}

/* Whether a checkpoint is one half of another that is there still, since its process was killed before both halves
 * were: it is at the same step. */
static enum lenet_status is_idle_part(const struct search *s, const struct lenet_checkpoint_origin *origin, int *is,
                                      struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    enum lenet_path whole;
    *is = 0;
    if (strlen(origin->part_of) != LENET_RUN_ID - 1 || strspn(origin->part_of, "0123456789abcdef") != LENET_RUN_ID - 1)
        return LENET_OK;
    LENET_TRY(lenet_sweep_dir_file(s->dir, "progress", origin->part_of, path, err));
    LENET_TRY(lenet_path_look(path, &whole, err));
    *is = whole != LENET_NOTHING;
    return LENET_OK;
}

/* Finds the runs of members, which are ours. Returns how many of them this process is to go on with, or -1 where it is
 * not to touch the checkpoint: another one has a member, too, which has not ended. */
static int find_members(const struct search *s, const struct cJSON *members, size_t *runs) {
    int n = 0, wanted = 0;
    for (const struct cJSON *member = lenet_json_first(members); member; member = lenet_json_next(member)) {
        const struct run *run = run_of_member(s, member);
        const int open = !has_diverged(member) && run->missing == MISSING;
        if (!open && !has_diverged(member) && !lenet_sweep_dir_find(s->dir, run->id)) return -1;
        wanted += open;
        runs[n++] = (size_t)(run - s->jobs->runs);
    }
    return wanted;
}

/* Its members that have ended, or diverged, go on with the others, but are not recorded again. */
static enum lenet_status resume_members(struct jobs *jobs, const struct cJSON *members, const size_t *runs,
                                        struct lenet_error *err) {
    int r = 0;
    for (const struct cJSON *member = lenet_json_first(members); member; member = lenet_json_next(member)) {
        struct run *run = &jobs->runs[runs[r++]];
        if (!has_diverged(member) && run->missing) run->missing = RESUMED;
    }
    return add_job(jobs, runs, r, 1, err);
}

/* Where no run is missing, a damaged checkpoint does no harm. */
static enum lenet_status note_useless(const struct jobs *jobs, const struct lenet_error *why) {
    struct lenet_error text;
    lenet_fail(&text, LENET_OK, "%.900s; no run needs it any more, and it may be removed", why->text);
    if (jobs->observer->note) jobs->observer->note(jobs->observer->self, text.text);
    return LENET_OK;
}

static void compare_machines(struct jobs *jobs, const struct lenet_checkpoint_origin *origin) {
    char text[sizeof jobs->difference];
    lenet_checkpoint_compare(origin, jobs->machine, text);
    if (!text[0]) return;
    jobs->strange++;
    strcpy(jobs->difference, text);
}

/* A checkpoint of this device whose members are ours. */
static enum lenet_status take_own_checkpoint(const struct search *s, const char *path,
                                             const struct lenet_checkpoint_origin *origin, const struct cJSON *members,
                                             struct lenet_error *err) {
    int is_idle;
    LENET_TRY(is_idle_part(s, origin, &is_idle, err));
    size_t *runs = calloc((size_t)lenet_json_count(members), sizeof *runs);
    if (!runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const int wanted = is_idle ? 0 : find_members(s, members, runs);
    const enum lenet_status status = wanted > 0 ? resume_members(s->jobs, members, runs, err) : LENET_OK;
    if (wanted > 0) compare_machines(s->jobs, origin);
    if (wanted == 0) unlink(path); /* idle, or killed between its last line and this */
    free(runs);
    return status;
}

static enum lenet_status take_checkpoint(void *self, const char *path, struct lenet_error *err) {
    const struct search *s = self;
    struct cJSON *members;
    struct lenet_checkpoint_origin origin;
    struct lenet_error why = {{0}};
    enum lenet_status status = lenet_checkpoint_read_origin(path, &origin, &members, &why);
    if (status == LENET_ERR_IO) {
        enum lenet_path is;
        LENET_TRY(lenet_path_look(path, &is, err));
        if (is == LENET_NOTHING) return LENET_OK; /* another shard's, ended meanwhile */
    }
    if (status == LENET_ERR_FORMAT && !s->jobs->n_missing) return note_useless(s->jobs, &why);
    if (status != LENET_OK && status != LENET_ERR_FORMAT) return lenet_fail(err, status, "%s", why.text);
    if (status != LENET_OK) return lenet_fail(err, status, "%.900s; without the file, its runs begin again", why.text);
    if (strcmp(origin.device, s->jobs->backend->name) == 0 && are_ours(s, members))
        status = take_own_checkpoint(s, path, &origin, members, err);
    lenet_json_free(members);
    return status;
}

/* ---- from groups ------------------------------------------------------------------------------- */

/* Of networks with such a history. */
static size_t most_together(const struct jobs *jobs, double history) {
    const size_t asked = (size_t)jobs->plan->base.population_max;
    const size_t most = asked ? asked : jobs->backend == lenet_backend_cpu() ? 1 : GPU_POPULATION;
    const double recorded = HISTORIES / history;
    if (jobs->plan->base.patience || recorded < 1) return 1; /* with patience a network ends when it wants */
    return recorded < (double)most ? (size_t)recorded : most;
}

/* How many populations n runs make: as many on each device, if the runs suffice. */
static size_t parts_of(const struct jobs *jobs, size_t n, double history) {
    const size_t most = most_together(jobs, history), devices = (size_t)jobs->devices;
    const size_t parts = ((n + most - 1) / most + devices - 1) / devices * devices;
    return parts < n ? parts : n;
}

/* Cuts a group's missing runs into populations of about the same size. */
static enum lenet_status cut_group(struct jobs *jobs, int group, struct lenet_error *err) {
    const size_t missing = jobs->groups[group].missing;
    size_t *runs = calloc(missing + 1, sizeof *runs), n = 0;
    double longest = 1;
    if (!runs) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < jobs->n_runs; i++) {
        if (jobs->runs[i].missing != MISSING || jobs->runs[i].group != group) continue;
        runs[n++] = i;
        if (jobs->runs[i].history > longest) longest = jobs->runs[i].history;
    }
    const size_t parts = parts_of(jobs, n, longest);
    enum lenet_status status = LENET_OK;
    for (size_t p = 0; p < parts && status == LENET_OK; p++) {
        const size_t first = n * p / parts, end = n * (p + 1) / parts;
        status = add_job(jobs, runs + first, (int)(end - first), 0, err);
    }
    free(runs);
    return status;
}

/* Halves populations that go on from a checkpoint until there is one for each device, if the runs suffice: others are
 * cut for all devices already. */
static enum lenet_status cut_resumed(struct jobs *jobs, const struct lenet_sweep_dir *dir, struct lenet_error *err) {
    while (jobs->n_jobs < jobs->devices) {
        int largest = 0;
        for (int j = 1; j < jobs->n_jobs; j++)
            if (jobs->jobs[j].R > jobs->jobs[largest].R) largest = j;
        if (jobs->n_jobs == 0 || jobs->jobs[largest].R == 1) return LENET_OK;
        const struct job whole = jobs->jobs[largest];
        LENET_TRY(sweep_halve_job(jobs, dir, &whole, err));
        jobs->jobs[largest] = jobs->jobs[--jobs->n_jobs];
        free(whole.runs);
    }
    return LENET_OK;
}

/* What takes longest comes first, so that the workers end together; what has begun before all else. */
static int by_flops(const void *a, const void *b) {
    const struct job *x = a, *y = b;
    if (x->resumed != y->resumed) return y->resumed - x->resumed;
    if (x->flops != y->flops) return x->flops < y->flops ? 1 : -1;
    return (x->runs[0] > y->runs[0]) - (x->runs[0] < y->runs[0]);
}

enum lenet_status sweep_make_jobs(struct jobs *jobs, const struct lenet_sweep_dir *dir,
                                  struct lenet_sweep_overview *overview, struct lenet_error *err) {
    if (!jobs->plan->base.dry_run) LENET_TRY(search_files(jobs, dir, "progress", take_checkpoint, err));
    for (size_t i = 0; i < jobs->n_runs; i++)
        jobs->groups[jobs->runs[i].group].missing += jobs->runs[i].missing == MISSING;
    for (int g = 0; g < jobs->n_groups; g++) LENET_TRY(cut_group(jobs, g, err));
    LENET_TRY(cut_resumed(jobs, dir, err));
    for (int j = 0; j < jobs->n_jobs; j++) overview->resumed += (size_t)jobs->jobs[j].resumed;
    if (jobs->n_jobs) qsort(jobs->jobs, (size_t)jobs->n_jobs, sizeof *jobs->jobs, by_flops);
    overview->populations = (size_t)jobs->n_jobs;
    return LENET_OK;
}
