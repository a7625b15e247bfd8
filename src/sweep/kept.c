/* kept.c - takes runs that were trained again out of the files that have them from before, so that each is there once.
 */
#include "sweep/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "lenet/model.h"
#include "lenet/weights.h"

enum lenet_status sweep_remember_kept(struct kept *kept, const char *id, const char *path, struct lenet_error *err) {
    LENET_TRY(lenet_grow(&kept->runs, kept->n, sizeof *kept->runs, err));
    struct kept_run *run = &kept->runs[kept->n];
    snprintf(run->id, sizeof run->id, "%s", id);
    run->path = strdup(path);
    if (!run->path) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    kept->n++;
    return LENET_OK;
}

void sweep_free_kept(struct kept *kept) {
    for (size_t i = 0; i < kept->n; i++) free(kept->runs[i].path);
    free(kept->runs);
    *kept = (struct kept){.n = 0};
}

/* ---- a file without some of its runs ------------------------------------------------------------------------ */

/* Sorted ids. */
struct ids {
    char (*all)[LENET_RUN_ID];
    size_t n;
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static int has_id(const struct ids *ids, const char *id) {
    return id && bsearch(id, ids->all, ids->n, sizeof *ids->all, by_text) != NULL;
}

/* rows[] becomes the places of the members that stay, and *text the list of these, to be freed. Returns in *n how many
 * they are. */
static enum lenet_status list_rest(const struct cJSON *members, const struct ids *ids, size_t *rows, size_t *n,
                                   char **text, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    size_t row = 0;
    *n = 0;
    lenet_json_open_array(&json, NULL);
    for (const struct cJSON *m = lenet_json_first(members); m; m = lenet_json_next(m), row++) {
        if (has_id(ids, lenet_json_text(m, "id"))) continue;
        rows[(*n)++] = row;
        lenet_json_open_object(&json, NULL);
        lenet_json_add_all(&json, m);
        lenet_json_close(&json);
    }
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

/* Moves the rows that stay to the beginning of a tensor of R. Returns 0 where it has not so many. */
static int keep_rows(struct lenet_tensor *tensor, size_t R, const size_t *rows, size_t n) {
    if (tensor->rank < 1 || tensor->shape[0] != R) return 0;
    const size_t size = lenet_tensor_bytes(tensor) / R;
    for (size_t i = 0; i < n; i++)
        memmove((char *)tensor->data + i * size, (char *)tensor->data + rows[i] * size, size);
    tensor->shape[0] = n;
    return 1;
}

/* rows[n] of R */
static enum lenet_status write_rest(const char *path, struct lenet_tensor_file *file, char *members, size_t R,
                                    const size_t *rows, size_t n, struct lenet_error *err) {
    char sum[65];
    for (int i = 0; i < file->n; i++)
        if (!keep_rows(&file->tensors[i], R, rows, n))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: tensor '%s' has no row for each of %zu runs; damaged?", path,
                              file->tensors[i].name, R);
    LENET_TRY(lenet_tensors_sha256(file->tensors, file->n, sum, err));
    for (int i = 0; i < file->n_metadata; i++) {
        struct lenet_metadata *item = &file->metadata[i];
        if (strcmp(item->key, "members") == 0) item->value = members;
        if (strcmp(item->key, LENET_TENSORS_SHA256) == 0) item->value = sum;
    }
    return lenet_tensors_write(path, file->tensors, file->n, file->metadata, file->n_metadata, err);
}

static enum lenet_status drop_from(const char *path, struct lenet_tensor_file *file, const struct cJSON *members,
                                   const struct ids *ids, struct lenet_error *err) {
    const size_t R = (size_t)lenet_json_count(members);
    size_t *rows = calloc(R + 1, sizeof *rows), n;
    char *text = NULL;
    if (!rows) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    enum lenet_status status = list_rest(members, ids, rows, &n, &text, err);
    if (status == LENET_OK && n == 0)
        status = lenet_file_remove(path, err);
    else if (status == LENET_OK && n < R)
        status = write_rest(path, file, text, R, rows, n, err);
    free(rows);
    free(text);
    return status;
}

/* Another shard may have removed it. */
static enum lenet_status drop_from_file(const char *path, const struct ids *ids, struct lenet_error *err) {
    struct lenet_tensor_file file;
    struct cJSON *members = NULL;
    enum lenet_path is;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING) return LENET_OK;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = lenet_members_from_file(path, &file, &members, err);
    if (status == LENET_OK && members) status = drop_from(path, &file, members, ids, err);
    lenet_json_free(members);
    lenet_tensors_free(&file);
    return status;
}

/* ---- all files ------------------------------------------------------------------------------------------------ */

static int is_called(const char *path, const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.safetensors", name);
    return strcmp(strrchr(path, '/') + 1, file) == 0;
}

static enum lenet_status drop_from_all(const struct kept *kept, const char *name, const struct ids *ids,
                                       struct lenet_error *err) {
    const char *last = "";
    for (size_t i = 0; i < kept->n; i++) {
        const struct kept_run *run = &kept->runs[i];
        if (strcmp(run->path, last) == 0 || is_called(run->path, name) || !has_id(ids, run->id)) continue;
        last = run->path;
        LENET_TRY(drop_from_file(run->path, ids, err));
    }
    return LENET_OK;
}

enum lenet_status sweep_drop_kept(const struct kept *kept, const struct lenet_sweep_dir *dir, const char *name,
                                  char (*ids)[LENET_RUN_ID], size_t n, struct lenet_error *err) {
    struct lenet_lock turn;
    if (!kept->n) return LENET_OK;
    qsort(ids, n, sizeof *ids, by_text);
    LENET_TRY(lenet_sweep_dir_take_turn(dir, &turn, err));
    const enum lenet_status status = drop_from_all(kept, name, &(struct ids){ids, n}, err);
    lenet_lock_release(&turn);
    return status;
}
