/* checkpoint.c - the one format in which networks are kept while they train, one network or many. */
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/stack.h"
#include "train/run_dir.h"

enum { COUNTERS = 4, IMAGES = 0, CORRECT, NONFINITE, DIVERGED };
enum { MAX_TENSORS = LENET_STACK_TENSORS + COUNTERS };

/* Everything of a checkpoint but its metadata, as tensors: for writing, or to be filled by reading. */
struct tensors {
    struct lenet_stack stack;
    int n;
    struct lenet_tensor all[MAX_TENSORS]; /* the stack's, then the counters' */
    double seconds[1];
    int64_t step[1];
    double *loss;    /* [R]                                                        */
    int64_t *counts; /* [R][4] images, right ones, non-finite ones, 1: it diverged */
};

static void add_counters(struct tensors *t, size_t R) {
    const struct lenet_tensor counters[COUNTERS] = {
        {"checkpoint.seconds", LENET_F64, 0, {0}, t->seconds},
        {"checkpoint.step", LENET_I64, 0, {0}, t->step},
        {"checkpoint.loss", LENET_F64, 1, {R}, t->loss},
        {"checkpoint.count_correct_nonfinite_diverged", LENET_I64, 2, {R, COUNTERS}, t->counts}};
    memcpy(t->all, t->stack.tensors, (size_t)t->stack.n * sizeof *t->all);
    memcpy(t->all + t->stack.n, counters, sizeof counters);
    t->n = t->stack.n + COUNTERS;
}

static void free_tensors(struct tensors *t) {
    free(t->stack.memory);
    free(t->loss);
    free(t->counts);
    free(t);
}

/* To be freed; NULL without memory. */
static struct tensors *make_tensors(const struct lenet_topology *topology, const struct lenet_snapshot *snapshot,
                                    int single, struct lenet_error *err) {
    const size_t R = (size_t)snapshot->R;
    struct tensors *t = calloc(1, sizeof *t);
    if (t) {
        t->loss = calloc(R, sizeof *t->loss);
        t->counts = calloc(R, COUNTERS * sizeof *t->counts);
        if (t->loss && t->counts &&
            lenet_stack_make(topology, snapshot->R, single, 1 + snapshot->moments, &t->stack, err) == LENET_OK) {
            add_counters(t, R);
            return t;
        }
        free_tensors(t);
    }
    lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    return NULL;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void fill(struct tensors *t, const struct lenet_snapshot *snapshot) {
    t->step[0] = (int64_t)snapshot->step;
    t->seconds[0] = snapshot->seconds;
    for (int r = 0; r < snapshot->R; r++) {
        int64_t *counts = t->counts + COUNTERS * (size_t)r;
        lenet_stack_copy(&t->stack, r, lenet_snapshot_state(snapshot, r), LENET_STACK_IN);
        t->loss[r] = snapshot->tally[r].loss;
        counts[IMAGES] = (int64_t)snapshot->tally[r].count;
        counts[CORRECT] = (int64_t)snapshot->tally[r].correct;
        counts[NONFINITE] = (int64_t)snapshot->tally[r].nonfinite;
        counts[DIVERGED] = snapshot->diverged[r];
    }
}

enum lenet_status lenet_checkpoint_write(const char *path, const struct lenet_model *model,
                                         const struct lenet_snapshot *snapshot,
                                         const struct lenet_checkpoint_labels *labels, struct lenet_error *err) {
    char sum[65];
    struct lenet_metadata more[4] = {{LENET_TENSORS_SHA256, sum}};
    int n = 1;
    if (labels->device) more[n++] = (struct lenet_metadata){"device", labels->device};
    if (labels->machine) more[n++] = (struct lenet_metadata){"machine", labels->machine};
    if (labels->run) more[n++] = (struct lenet_metadata){"run", labels->run};
    struct tensors *t = make_tensors(&model->topology, snapshot, !labels->members, err);
    if (!t) return LENET_ERR_MEMORY;
    fill(t, snapshot);
    enum lenet_status status = lenet_tensors_sha256(t->all, t->n, sum, err);
    if (status == LENET_OK)
        status = lenet_model_write_tensors(path, model, t->all, t->n, labels->members, more, n, err);
    free_tensors(t);
    return status;
}

enum lenet_status lenet_checkpoint_write_weights(const char *path, const struct lenet_model *model,
                                                 const struct lenet_snapshot *snapshot, const int *which, int n,
                                                 const char *members, struct lenet_error *err) {
    struct lenet_stack stack;
    enum lenet_status status = lenet_stack_make(&model->topology, n, !members, 1, &stack, err);
    for (int i = 0; i < n && status == LENET_OK; i++)
        lenet_stack_copy(&stack, i, lenet_snapshot_state(snapshot, which[i]), LENET_STACK_IN);
    if (status == LENET_OK)
        status = lenet_model_write_tensors(path, model, stack.tensors, stack.n, members, NULL, 0, err);
    free(stack.memory);
    return status;
}

/* ---- cutting ------------------------------------------------------------------------------- */

/* Which members of a file of R networks. */
struct cut {
    size_t R, first, n;
};

/* Where the value ends that an array of JSON has here. */
static const char *end_of_value(const char *at) {
    int depth = 0, is_quoted = 0;
    for (; *at; at++) {
        if (is_quoted && *at == '\\' && at[1])
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && depth == 0 && (*at == ',' || *at == ']'))
            break;
        else if (!is_quoted)
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    }
    return at;
}

/* The text of some members, to be freed. It is cut from that of all, for numbers that were read and printed again would
 * lose their last bits. */
static enum lenet_status cut_members(const char *all, const struct cut *cut, char **text, struct lenet_error *err) {
    const char *begin = strchr(all, '['), *end = begin;
    for (size_t i = 0; i < cut->first + cut->n; i++) {
        if (i == cut->first) begin = end;
        end = *end ? end_of_value(end + 1) : end;
    }
    const size_t length = (size_t)(end - begin);
    *text = malloc(length + 2);
    if (!*text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memcpy(*text, begin, length); /* with what stands before the first one: a bracket, or a comma */
    strcpy(*text + length, "]");
    (*text)[0] = '[';
    return LENET_OK;
}

/* Tensors of all networks are cut, in place: what has no such dimension is the same for each. */
static void cut_tensors(struct lenet_tensor_file *file, const struct cut *cut) {
    for (struct lenet_tensor *t = file->tensors; t < file->tensors + file->n; t++) {
        if (t->rank == 0) continue;
        t->data = (char *)t->data + lenet_tensor_bytes(t) / cut->R * cut->first;
        t->shape[0] = cut->n;
    }
}

static int is_cuttable(const struct lenet_tensor_file *file, const struct cut *cut) {
    for (const struct lenet_tensor *t = file->tensors; t < file->tensors + file->n; t++)
        if (t->rank > 0 && t->shape[0] != cut->R) return 0;
    return cut->first + cut->n <= cut->R;
}

static enum lenet_status write_part(const struct lenet_tensor_file *file, const char *whole, const char *members,
                                    const char *part, struct lenet_error *err) {
    char sum[65];
    int n = 0;
    LENET_TRY(lenet_tensors_sha256(file->tensors, file->n, sum, err));
    struct lenet_metadata *metadata = calloc((size_t)file->n_metadata + 1, sizeof *metadata);
    if (!metadata) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int i = 0; i < file->n_metadata; i++) {
        const char *key = file->metadata[i].key;
        if (strcmp(key, "part_of") == 0) continue;
        metadata[n] = file->metadata[i];
        if (strcmp(key, LENET_TENSORS_SHA256) == 0) metadata[n].value = sum;
        if (strcmp(key, "members") == 0) metadata[n].value = members;
        n++;
    }
    metadata[n++] = (struct lenet_metadata){"part_of", whole};
    const enum lenet_status status = lenet_tensors_write(part, file->tensors, file->n, metadata, n, err);
    free(metadata);
    return status;
}

enum lenet_status lenet_checkpoint_cut(const char *path, const char *whole, int first, int n, const char *part,
                                       struct lenet_error *err) {
    struct lenet_tensor_file file;
    struct cJSON *members = NULL;
    char *text = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = lenet_members_from_file(path, &file, &members, err);
    const struct cut cut = {(size_t)lenet_json_count(members), (size_t)first, (size_t)n};
    if (status == LENET_OK && !is_cuttable(&file, &cut))
        status = lenet_fail(err, LENET_ERR_FORMAT, "%s: not all of its tensors are of its %zu members; damaged?", path,
                            cut.R);
    if (status == LENET_OK) status = cut_members(lenet_metadata_find(&file, "members"), &cut, &text, err);
    if (status == LENET_OK) {
        cut_tensors(&file, &cut);
        status = write_part(&file, whole, text, part, err);
    }
    free(text);
    lenet_json_free(members);
    lenet_tensors_free(&file);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Version 0.1 kept a single run's counters in two tensors of other names. */
static enum lenet_status read_counters(struct tensors *t, const char *path, const struct lenet_tensor_file *file,
                                       struct lenet_error *err) {
    double loss_seconds[2];
    int64_t counts[4];
    const struct lenet_tensor old[] = {
        {"checkpoint.loss_seconds", LENET_F64, 1, {2}, loss_seconds},
        {"checkpoint.step_count_correct_nonfinite", LENET_I64, 1, {4}, counts},
    };
    if (t->stack.R > 1 || !lenet_tensors_find(file, old[0].name)) {
        for (int i = t->stack.n; i < t->n; i++) LENET_TRY(lenet_tensor_copy(path, file, &t->all[i], err));
        return LENET_OK;
    }
    for (int i = 0; i < 2; i++) LENET_TRY(lenet_tensor_copy(path, file, &old[i], err));
    t->loss[0] = loss_seconds[0];
    t->seconds[0] = loss_seconds[1];
    t->step[0] = counts[0];
    memcpy(t->counts, counts + 1, 3 * sizeof *counts);
    return LENET_OK;
}

static int counts_are_counts(const struct tensors *t) {
    int good = t->step[0] >= 0;
    for (int r = 0; r < t->stack.R; r++) {
        const int64_t *counts = t->counts + COUNTERS * (size_t)r;
        good = good && (counts[DIVERGED] == 0 || counts[DIVERGED] == 1);
        for (int i = 0; i < COUNTERS; i++) good = good && counts[i] >= 0;
    }
    return good;
}

static enum lenet_status read_snapshot(const char *path, const struct lenet_tensor_file *file, struct tensors *t,
                                       struct lenet_snapshot *snapshot, struct lenet_error *err) {
    LENET_TRY(lenet_stack_read(&t->stack, path, file, err));
    LENET_TRY(read_counters(t, path, file, err));
    if (!counts_are_counts(t))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: its counters do not fit the run: one is negative; damaged?",
                          path);
    snapshot->step = (uint64_t)t->step[0];
    snapshot->seconds = t->seconds[0];
    for (int r = 0; r < snapshot->R; r++) {
        const int64_t *counts = t->counts + COUNTERS * (size_t)r;
        lenet_stack_copy(&t->stack, r, lenet_snapshot_state(snapshot, r), LENET_STACK_OUT);
        snapshot->tally[r] = (struct lenet_tally){t->loss[r], (uint64_t)counts[IMAGES], (uint64_t)counts[CORRECT],
                                                  (uint64_t)counts[NONFINITE]};
        snapshot->diverged[r] = (int)counts[DIVERGED];
        if (!snapshot->diverged[r] && !lenet_snapshot_is_finite(snapshot, r))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: a weight is NaN or infinite; damaged?", path);
    }
    return LENET_OK;
}

static int has_counters(const struct lenet_tensor_file *file) {
    for (int i = 0; i < file->n; i++)
        if (strncmp(file->tensors[i].name, "checkpoint.", strlen("checkpoint.")) == 0) return 1;
    return 0;
}

enum lenet_status lenet_checkpoint_read(const char *path, const struct lenet_model *model, const char *run,
                                        struct lenet_snapshot *snapshot, int *ended, struct lenet_error *err) {
    struct lenet_tensor_file file;
    *ended = 0;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = LENET_OK;
    *ended = !has_counters(&file);
    if (!*ended) {
        const int single = snapshot->R == 1 && !lenet_metadata_find(&file, "members");
        struct tensors *t = make_tensors(&model->topology, snapshot, single, err);
        status = t ? LENET_OK : LENET_ERR_MEMORY;
        if (status == LENET_OK && run)
            status = lenet_run_check_identity(path, lenet_metadata_find(&file, "run"), run, err);
        if (status == LENET_OK) status = read_snapshot(path, &file, t, snapshot, err);
        if (t) free_tensors(t);
    }
    lenet_tensors_free(&file);
    return status;
}

void lenet_checkpoint_compare(const struct lenet_checkpoint_origin *origin, const char *machine, char text[768]) {
    text[0] = 0;
    if (origin->machine[0] && strcmp(origin->machine, machine) != 0)
        snprintf(
            text, 768,
            "began with %s, and goes on with %s: weights may differ in the last bits from those of an undisturbed run",
            origin->machine, machine);
}

enum lenet_status lenet_checkpoint_read_origin(const char *path, struct lenet_checkpoint_origin *origin,
                                               struct cJSON **members, struct lenet_error *err) {
    struct lenet_tensor_file file;
    enum lenet_status status = LENET_OK;
    if (members) *members = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    const char *device = lenet_metadata_find(&file, "device"), *machine = lenet_metadata_find(&file, "machine");
    snprintf(origin->device, sizeof origin->device, "%s", device ? device : "");
    const char *whole = lenet_metadata_find(&file, "part_of");
    snprintf(origin->machine, sizeof origin->machine, "%s", machine ? machine : "");
    snprintf(origin->part_of, sizeof origin->part_of, "%s", whole ? whole : "");
    if (members) status = lenet_members_from_file(path, &file, members, err);
    lenet_tensors_free(&file);
    if (status == LENET_OK && members && !*members)
        status = lenet_fail(err, LENET_ERR_FORMAT,
                            "%s: its metadata have no list of 'members'; not the checkpoint of a population?", path);
    return status;
}
