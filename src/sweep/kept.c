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

/* Takes the members out of a list. rows[] becomes the places of those that stay; returns how many do. */
static size_t take_out(cJSON *members, const struct ids *ids, size_t *rows) {
    cJSON *member = members->child, *next;
    size_t n = 0;
    for (size_t row = 0; member; row++, member = next) {
        next = member->next;
        if (has_id(ids, lenet_json_text(member, "id")))
            cJSON_Delete(cJSON_DetachItemViaPointer(members, member));
        else
            rows[n++] = row;
    }
    return n;
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

static enum lenet_status write_rest(const char *path, struct lenet_tensor_file *file, const cJSON *members,
                                    struct lenet_error *err) {
    char sum[65], *text = cJSON_PrintUnformatted(members);
    if (!text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    enum lenet_status status = lenet_tensors_sha256(file->tensors, file->n, sum, err);
    for (int i = 0; i < file->n_metadata; i++) {
        struct lenet_metadata *item = &file->metadata[i];
        if (strcmp(item->key, "members") == 0) item->value = text;
        if (strcmp(item->key, LENET_TENSORS_SHA256) == 0) item->value = sum;
    }
    if (status == LENET_OK)
        status = lenet_tensors_write(path, file->tensors, file->n, file->metadata, file->n_metadata, err);
    free(text);
    return status;
}

static enum lenet_status drop_from(const char *path, struct lenet_tensor_file *file, cJSON *members,
                                   const struct ids *ids, struct lenet_error *err) {
    const size_t R = (size_t)cJSON_GetArraySize(members);
    size_t *rows = calloc(R + 1, sizeof *rows);
    if (!rows) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const size_t n = take_out(members, ids, rows);
    enum lenet_status status = LENET_OK;
    if (n == 0) status = lenet_file_remove(path, err);
    for (int i = 0; i < file->n && n && n < R && status == LENET_OK; i++)
        if (!keep_rows(&file->tensors[i], R, rows, n))
            status = lenet_fail(err, LENET_ERR_FORMAT, "%s: tensor '%s' has no row for each of %zu runs; damaged?",
                                path, file->tensors[i].name, R);
    if (n && n < R && status == LENET_OK) status = write_rest(path, file, members, err);
    free(rows);
    return status;
}

/* Another shard may have removed it. */
static enum lenet_status drop_from_file(const char *path, const struct ids *ids, struct lenet_error *err) {
    struct lenet_tensor_file file;
    cJSON *members = NULL;
    if (!lenet_path_exists(path)) return LENET_OK;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = lenet_members_from_file(path, &file, &members, err);
    if (status == LENET_OK && members) status = drop_from(path, &file, members, ids, err);
    cJSON_Delete(members);
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
