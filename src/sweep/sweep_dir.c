/* sweep_dir.c - see sweep_dir.h. */
#include "sweep/sweep_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "train/run_dir.h"

/* ---- files ---------------------------------------------------------------------------------- */

/* What lenet_file_replace has left of this directory's files in a process that was killed. */
static enum lenet_status clear_temporary(void *self, const char *path, struct lenet_error *err) {
    (void)self;
    (void)err;
    const char *name = strrchr(path, '/') + 1;
    if (strstr(name, ".safetensors.tmp.") || strstr(name, ".json.tmp.") || strstr(name, ".jsonl.tmp.")) unlink(path);
    return LENET_OK;
}

static void clear_temporaries(const struct lenet_sweep_dir *dir) {
    static const char *const kinds[] = {"progress", "weights"};
    char directory[LENET_MAX_PATH];
    lenet_directory_each(dir->path, ".runs.", "", clear_temporary, NULL, NULL);
    lenet_directory_each(dir->path, ".sweep.json.tmp.", "", clear_temporary, NULL, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (lenet_run_path(dir->path, kinds[i], directory, NULL) == LENET_OK)
            lenet_directory_each(directory, ".", "", clear_temporary, NULL, NULL);
}

/* ---- one process at a time --------------------------------------------------------------- */

static enum lenet_status open_lock(const struct lenet_sweep_dir *dir, const char *name, int *lock,
                                   struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(dir->path, name, path, err));
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return *lock < 0 ? lenet_fail(err, LENET_ERR_IO, "%s: %s", path, strerror(errno)) : LENET_OK;
}

static enum lenet_status take_lock(const struct lenet_sweep_dir *dir, int lock, int operation,
                                   struct lenet_error *err) {
    if (flock(lock, operation | LOCK_NB) == 0) return LENET_OK;
    if (errno == EWOULDBLOCK)
        return lenet_fail(err, LENET_ERR_IO, "%s: another process is at work on this sweep; wait for it, or stop it",
                          dir->path);
    return lenet_fail(err, LENET_ERR_IO, "%s: cannot be locked: %s", dir->path, strerror(errno));
}

/* Whoever is alone clears up and, where it is a shard, writes down how many there are. *alone says whether it was. */
static enum lenet_status lock_alone(const struct lenet_sweep_dir *dir, int shards, int *alone,
                                    struct lenet_error *err) {
    char text[16];
    const int length = snprintf(text, sizeof text, "%d", shards), lock = dir->lock[0];
    *alone = flock(lock, LOCK_EX | LOCK_NB) == 0;
    if (!*alone) return LENET_OK;
    clear_temporaries(dir);
    if (ftruncate(lock, 0) == 0 && pwrite(lock, text, (size_t)length, 0) == length) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO, "%s/lock: %s", dir->path, strerror(errno));
}

/* A whole sweep shares its directory with nobody, a shard with the other shards of the same number. */
static enum lenet_status lock_directory(const struct lenet_sweep_dir *dir, int shards, struct lenet_error *err) {
    char text[16] = "";
    int alone;
    LENET_TRY(lock_alone(dir, shards, &alone, err));
    if (!shards) return alone ? LENET_OK : take_lock(dir, dir->lock[0], LOCK_EX, err);
    LENET_TRY(take_lock(dir, dir->lock[0], LOCK_SH, err));
    if (pread(dir->lock[0], text, sizeof text - 1, 0) > 0 && atoi(text) == shards) return LENET_OK;
    return lenet_fail(err, LENET_ERR_IO, "%s: another process is at work on a shard of %s, not of %d; wait for it",
                      dir->path, text, shards);
}

static enum lenet_status take_locks(struct lenet_sweep_dir *dir, int shard, int shards, struct lenet_error *err) {
    char name[64];
    LENET_TRY(open_lock(dir, "lock", &dir->lock[0], err));
    const int turn = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* those that begin do so one by one */
    if (turn < 0 || flock(turn, LOCK_EX) != 0) {
        if (turn >= 0) close(turn);
        return lenet_fail(err, LENET_ERR_IO, "%s: cannot be locked: %s", dir->path, strerror(errno));
    }
    const enum lenet_status status = lock_directory(dir, shards, err);
    close(turn);
    if (status != LENET_OK || !shards) return status;
    snprintf(name, sizeof name, "lock.%d-of-%d", shard, shards);
    LENET_TRY(open_lock(dir, name, &dir->lock[1], err));
    return take_lock(dir, dir->lock[1], LOCK_EX, err);
}

/* ---- which runs have ended ---------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct lenet_run_state *)a)->id, ((const struct lenet_run_state *)b)->id);
}

static enum lenet_status add_ended(struct lenet_sweep_dir *dir, const char *id, int diverged, struct lenet_error *err) {
    struct lenet_run_state *longer = lenet_grow(dir->ended, dir->n, sizeof *longer);
    if (!longer) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    dir->ended = longer;
    struct lenet_run_state *state = &dir->ended[dir->n++];
    strcpy(state->id, id);
    state->diverged = diverged;
    return LENET_OK;
}

static enum lenet_status read_line(struct lenet_sweep_dir *dir, const char *path, size_t number, const char *line,
                                   size_t length, struct lenet_error *err) {
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(line, length, &end, 0);
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "id"));
    const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "status"));
    const int diverged = status && strcmp(status, "diverged") == 0;
    const int good = end == line + length && id && strlen(id) == LENET_RUN_ID - 1 &&
                     (diverged || (status && strcmp(status, "done") == 0));
    const enum lenet_status result =
        good ? add_ended(dir, id, diverged, err)
             : lenet_fail(err, LENET_ERR_FORMAT, "%s:%zu: not a run of a sweep; damaged?", path, number);
    cJSON_Delete(json);
    return result;
}

/* *kept becomes the length up to the last line's end. */
static enum lenet_status read_runs(struct lenet_sweep_dir *dir, const char *path, char **text, size_t *size,
                                   size_t *kept, struct lenet_error *err) {
    size_t number = 0;
    *kept = 0;
    LENET_TRY(lenet_file_read(path, text, size, err));
    enum lenet_status status = LENET_OK;
    while (status == LENET_OK) {
        const char *line = *text + *kept, *end = memchr(line, '\n', *size - *kept);
        if (!end) break;
        status = read_line(dir, path, ++number, line, (size_t)(end - line), err);
        *kept = (size_t)(end + 1 - *text);
    }
    return status;
}

static enum lenet_status take_runs_file(void *self, const char *path, struct lenet_error *err) {
    struct lenet_sweep_dir *dir = self;
    char *text = NULL;
    size_t size, kept;
    enum lenet_status status = read_runs(dir, path, &text, &size, &kept, err);
    /* Another process may be at work on another shard's file, whose last line then need not be whole yet. */
    if (status == LENET_OK && kept < size && strcmp(path, dir->runs) == 0)
        status = lenet_file_replace(path, text, kept, err);
    free(text);
    return status;
}

enum lenet_status lenet_sweep_dir_checkpoints(const struct lenet_sweep_dir *dir,
                                              enum lenet_status (*take)(void *self, const char *path,
                                                                        struct lenet_error *err),
                                              void *self, struct lenet_error *err) {
    char directory[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(dir->path, "progress", directory, err));
    return lenet_directory_each(directory, "", ".safetensors", take, self, err);
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
    LENET_TRY(lenet_directory_each(dir->path, "runs", ".jsonl", take_runs_file, dir, err));
    sort_ended(dir);
    return LENET_OK;
}

const struct lenet_run_state *lenet_sweep_dir_find(const struct lenet_sweep_dir *dir, const char *id) {
    struct lenet_run_state key = {.diverged = 0};
    snprintf(key.id, sizeof key.id, "%s", id);
    return dir->n ? bsearch(&key, dir->ended, dir->n, sizeof *dir->ended, by_id) : NULL;
}

/* ---- opening and writing -------------------------------------------------------------------- */

enum lenet_status lenet_sweep_dir_open(const char *path, int shard, int shards, struct lenet_sweep_dir *dir,
                                       struct lenet_error *err) {
    char name[64] = "runs.jsonl";
    *dir = (struct lenet_sweep_dir){.lock = {-1, -1}};
    if (shards) snprintf(name, sizeof name, "runs.%d-of-%d.jsonl", shard, shards);
    snprintf(dir->path, sizeof dir->path, "%s", path);
    LENET_TRY(lenet_run_path(dir->path, name, dir->runs, err));
    LENET_TRY(lenet_directory_create(dir->path, err));
    LENET_TRY(take_locks(dir, shard, shards, err));
    return read_all_runs(dir, err);
}

enum lenet_status lenet_sweep_dir_look(const char *path, struct lenet_sweep_dir *dir, struct lenet_error *err) {
    *dir = (struct lenet_sweep_dir){.lock = {-1, -1}};
    snprintf(dir->path, sizeof dir->path, "%s", path);
    return read_all_runs(dir, err);
}

void lenet_sweep_dir_close(struct lenet_sweep_dir *dir) {
    for (int i = 0; i < 2; i++)
        if (dir->lock[i] >= 0) close(dir->lock[i]);
    free(dir->ended);
    *dir = (struct lenet_sweep_dir){.lock = {-1, -1}};
}

enum lenet_status lenet_sweep_dir_append(const struct lenet_sweep_dir *dir, const char *lines,
                                         struct lenet_error *err) {
    return lenet_file_append(dir->runs, lines, strlen(lines), err);
}

enum lenet_status lenet_sweep_dir_file(const struct lenet_sweep_dir *dir, const char *kind, const char *name,
                                       char path[LENET_MAX_PATH], struct lenet_error *err) {
    char directory[LENET_MAX_PATH];
    if (snprintf(path, LENET_MAX_PATH, "%s/%s/%s.safetensors", dir->path, kind, name) >= LENET_MAX_PATH)
        return lenet_fail(err, LENET_ERR_ARG, "%.80s...: a path longer than %d characters", dir->path,
                          LENET_MAX_PATH - 1);
    LENET_TRY(lenet_run_path(dir->path, kind, directory, err));
    return lenet_directory_create(directory, err);
}
