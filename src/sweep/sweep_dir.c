/* sweep_dir.c - keeps a sweep's directory: lets one process at a time work on it or on each of its shards, finds out
 * which runs have ended and whether they are of the same data, and appends those that end. */
#include "sweep/sweep_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "lenet/summary.h"
#include "train/run_dir.h"

/* ---- one process at a time --------------------------------------------------------------- */

/* Who wants to work here, and whether anybody else does. */
struct starter {
    const char *directory, *name; /* the name of its lock file */
    int shards;                   /* 0 for the whole           */
    int alone;
};

/* The number of shards that a lock file's name tells; 0 for the whole. */
static int shards_of(const char *name) {
    int shards = 0;
    return sscanf(name, "lock.%*d-of-%d", &shards) == 1 ? shards : 0;
}

/* A whole sweep shares its directory with nobody, a shard with the other shards of the same number. */
static int may_share(const struct starter *self, const char *name) {
    return self->shards && shards_of(name) == self->shards && strcmp(name, self->name) != 0;
}

static enum lenet_status fail_held(const struct starter *self, const char *name, const char *holder,
                                   struct lenet_error *err) {
    const int shards = shards_of(name);
    if (self->shards && shards && shards != self->shards)
        return lenet_fail(err, LENET_ERR_IO,
                          "%s: another process is at work on a shard of %d, not of %d (%s); wait for it, or stop it",
                          self->directory, shards, self->shards, holder);
    return lenet_fail(err, LENET_ERR_IO, "%s: another process is at work on this sweep (%s); wait for it, or stop it",
                      self->directory, holder);
}

static enum lenet_status look_at_lock(void *self, const char *path, struct lenet_error *err) {
    struct starter *starter = self;
    const char *name = strrchr(path, '/') + 1;
    struct lenet_lock lock;
    int is_held;
    LENET_TRY(lenet_lock_is_held(path, &is_held, err));
    if (!is_held) return LENET_OK;
    starter->alone = 0;
    if (may_share(starter, name)) return LENET_OK;
    LENET_TRY(lenet_lock_take(path, LENET_LOCK_AT_ONCE, &lock, err)); /* for its holder's name */
    lenet_lock_release(&lock);
    return lock.holder[0] ? fail_held(starter, name, lock.holder, err) : LENET_OK;
}

static const char *const kinds[] = {"progress", "weights", "predictions"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static enum lenet_status refuse_links(const struct lenet_sweep_dir *dir, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_path_refuse_link(dir->runs, err));
    for (int i = 0; i < KINDS; i++) {
        LENET_TRY(lenet_run_path(dir->path, kinds[i], path, err));
        LENET_TRY(lenet_path_refuse_link(path, err));
    }
    return LENET_OK;
}

/* What lenet_file_replace has left in a process that was killed. */
static enum lenet_status clear_temporaries(const char *directory, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    for (int i = 0; i < KINDS; i++) {
        LENET_TRY(lenet_run_path(directory, kinds[i], path, err));
        LENET_TRY(lenet_directory_clear_temporaries(path, err));
    }
    return lenet_directory_clear_temporaries(directory, err);
}

/* Whoever is alone clears up, before others may begin. */
static enum lenet_status take_lock(struct lenet_sweep_dir *dir, struct starter *self, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_directory_each(dir->path, "lock", "", look_at_lock, self, err));
    LENET_TRY(refuse_links(dir, err));
    if (self->alone) LENET_TRY(clear_temporaries(dir->path, err));
    LENET_TRY(lenet_run_path(dir->path, self->name, path, err));
    return lenet_lock_take(path, LENET_LOCK_AT_ONCE, &dir->lock, err);
}

enum lenet_status lenet_sweep_dir_take_turn(const struct lenet_sweep_dir *dir, struct lenet_lock *turn,
                                            struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(dir->path, "begin.lock", path, err));
    return lenet_lock_take(path, LENET_LOCK_WAIT, turn, err);
}

/* Those that begin do so one by one. */
static enum lenet_status lock_directory(struct lenet_sweep_dir *dir, int shard, int shards, struct lenet_error *err) {
    char name[64] = "lock";
    struct lenet_lock turn;
    if (shards) snprintf(name, sizeof name, "lock.%d-of-%d", shard, shards);
    struct starter self = {dir->path, name, shards, 1};
    LENET_TRY(lenet_sweep_dir_take_turn(dir, &turn, err));
    const enum lenet_status status = take_lock(dir, &self, err);
    lenet_lock_release(&turn);
    return status;
}

/* ---- which runs have ended ---------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct lenet_run_state *)a)->id, ((const struct lenet_run_state *)b)->id);
}

static enum lenet_status add_ended(struct lenet_sweep_dir *dir, const struct lenet_record *record,
                                   struct lenet_error *err) {
    LENET_TRY(lenet_grow(&dir->ended, dir->n, sizeof *dir->ended, err));
    struct lenet_run_state *state = &dir->ended[dir->n++];
    strcpy(state->id, record->id);
    state->diverged = record->diverged;
    state->warmup_is_3 = record->config.warmup == 3 && (record->config.steps || record->config.epochs != 15);
    return LENET_OK;
}

/* Of a run or of the sweep, whichever `what` says. */
static enum lenet_status check_data(const struct lenet_sweep_dir *dir, const char *where, const char *what,
                                    const char *hash, const char *directory, struct lenet_error *err) {
    if (strcmp(hash, dir->data_hash) == 0) return LENET_OK;
    return lenet_fail(
        err, LENET_ERR_ARG,
        "%s: %s the data in %s (%.12s...), and --data names others (%.12s...); mistyped? Another data set "
        "needs another --out",
        where, what, directory && directory[0] ? directory : "another place", hash, dir->data_hash);
}

static enum lenet_status take_record(void *self, const char *where, const struct lenet_record *record,
                                     struct lenet_error *err) {
    struct lenet_sweep_dir *dir = self;
    if (strlen(record->id) != LENET_RUN_ID - 1)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: '%s' is no id of a sweep's run; damaged?", where, record->id);
    LENET_TRY(check_data(dir, where, "a run on", record->hash, record->config.data, err));
    return add_ended(dir, record, err);
}

static enum lenet_status take_runs_file(void *self, const char *path, struct lenet_error *err) {
    struct lenet_sweep_dir *dir = self;
    size_t torn;
    LENET_TRY(lenet_records_each(path, take_record, dir, &torn, err));
    /* Another process may be at work on another shard's file, whose last line then need not be whole yet. */
    return torn != SIZE_MAX && strcmp(path, dir->runs) == 0 ? lenet_file_cut(path, torn, err) : LENET_OK;
}

enum { MOST_BYTES = 1 << 29 /* ten million values on an axis, of at most 50 each */ };

/* Where no run has ended, the sweep that was begun here says what its data are. */
static enum lenet_status check_description(const struct lenet_sweep_dir *dir, struct lenet_error *err) {
    char path[LENET_MAX_PATH], *text;
    size_t size;
    LENET_TRY(lenet_run_path(dir->path, "sweep.json", path, err));
    enum lenet_path is;
    struct cJSON *json;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING) return LENET_OK;
    LENET_TRY(lenet_file_read(path, "a sweep.json", MOST_BYTES, &text, &size, err));
    enum lenet_status status = lenet_json_parse(path, text, size, NULL, &json, err);
    const struct cJSON *data = lenet_json_get(json, "data");
    const char *hash = lenet_json_text(data, "hash");
    if (status != LENET_ERR_MEMORY)
        status = hash ? check_data(dir, path, "the sweep began with", hash, lenet_json_text(data, "directory"), err)
                      : LENET_OK;
    lenet_json_free(json);
    free(text);
    return status;
}

/* Of several lines with one id, a run that was done counts. */
static void sort_ended(struct lenet_sweep_dir *dir) {
    size_t n = 0;
    if (!dir->n) return;
    qsort(dir->ended, dir->n, sizeof *dir->ended, by_id);
    for (size_t i = 0; i < dir->n; i++) {
        if (n && strcmp(dir->ended[n - 1].id, dir->ended[i].id) == 0)
            dir->ended[n - 1].diverged &= dir->ended[i].diverged;
        else
            dir->ended[n++] = dir->ended[i];
    }
    dir->n = n;
}

static enum lenet_status read_all_runs(struct lenet_sweep_dir *dir, struct lenet_error *err) {
    int is_run;
    LENET_TRY(lenet_directory_has(dir->path, "run.json", &is_run, err));
    if (is_run)
        return lenet_fail(err, LENET_ERR_IO, "%s: this is a single run's directory; give another --out", dir->path);
    LENET_TRY(lenet_directory_each(dir->path, "runs", ".jsonl", take_runs_file, dir, err));
    sort_ended(dir);
    return dir->n ? LENET_OK : check_description(dir, err);
}

const struct lenet_run_state *lenet_sweep_dir_find(const struct lenet_sweep_dir *dir, const char *id) {
    struct lenet_run_state key = {.diverged = 0};
    snprintf(key.id, sizeof key.id, "%s", id);
    return dir->n ? bsearch(&key, dir->ended, dir->n, sizeof *dir->ended, by_id) : NULL;
}

/* ---- opening and writing -------------------------------------------------------------------- */

enum lenet_status lenet_sweep_dir_open(const char *path, int shard, int shards, const char *data_hash,
                                       struct lenet_sweep_dir *dir, struct lenet_error *err) {
    char name[64] = "runs.jsonl";
    *dir = (struct lenet_sweep_dir){.data_hash = data_hash};
    if (shards) snprintf(name, sizeof name, "runs.%d-of-%d.jsonl", shard, shards);
    snprintf(dir->path, sizeof dir->path, "%s", path);
    LENET_TRY(lenet_run_path(dir->path, name, dir->runs, err));
    LENET_TRY(lenet_directory_create(dir->path, err));
    LENET_TRY(lock_directory(dir, shard, shards, err));
    return read_all_runs(dir, err);
}

enum lenet_status lenet_sweep_dir_look(const char *path, const char *data_hash, struct lenet_sweep_dir *dir,
                                       struct lenet_error *err) {
    *dir = (struct lenet_sweep_dir){.data_hash = data_hash};
    snprintf(dir->path, sizeof dir->path, "%s", path);
    return read_all_runs(dir, err);
}

void lenet_sweep_dir_close(struct lenet_sweep_dir *dir) {
    lenet_lock_release(&dir->lock);
    free(dir->ended);
    *dir = (struct lenet_sweep_dir){.n = 0};
}

enum lenet_status lenet_sweep_dir_file(const struct lenet_sweep_dir *dir, const char *kind, const char *name,
                                       char path[LENET_MAX_PATH], struct lenet_error *err) {
    char directory[LENET_MAX_PATH], file[64];
    snprintf(file, sizeof file, "%s.safetensors", name);
    LENET_TRY(lenet_run_path(dir->path, kind, directory, err));
    LENET_TRY(lenet_run_path(directory, file, path, err));
    return lenet_directory_create(directory, err);
}
