/* population_file.c - see population_file.h. */
#include "train/population_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 3 * 2 * LENET_MAX_LAYERS + 3, MAX_METADATA = LENET_MODEL_METADATA + 4 };

static const char *const prefixes[] = {"", "checkpoint.m.", "checkpoint.v."};

/* The members' tensors, one after the other in memory of their own. */
struct stack {
    int n;
    struct lenet_tensor tensors[MAX_TENSORS];
    float *memory, *end;
};

/* Describes weights (kind 0), m (1) or v (2) of R members as tensors of the stack. */
static void stack_kind(struct stack *stack, const struct lenet_topology *topology, int kind, int R) {
    struct lenet_tensor *tensors = stack->tensors + stack->n;
    const int n = lenet_topology_tensors(topology, prefixes[kind], stack->memory, tensors);
    for (int i = 0; i < n; i++) {
        struct lenet_tensor *t = &tensors[i];
        t->data = stack->end;
        stack->end += (size_t)R * (lenet_tensor_bytes(t) / sizeof(float));
        memmove(t->shape + 1, t->shape, (size_t)t->rank++ * sizeof *t->shape);
        t->shape[0] = (size_t)R;
    }
    stack->n += n;
}

static enum lenet_status stack_make(struct stack *stack, const struct lenet_topology *topology, int kinds, int R,
                                    struct lenet_error *err) {
    *stack = (struct stack){.memory = calloc((size_t)kinds * (size_t)R * topology->stride, sizeof(float))};
    if (!stack->memory) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    stack->end = stack->memory;
    for (int kind = 0; kind < kinds; kind++) stack_kind(stack, topology, kind, R);
    return LENET_OK;
}

/* Copies one member's parameters, state[kinds][stride], into its place in the stack, or out of it. */
static void copy_member(const struct stack *stack, const struct lenet_topology *topology, int kinds, int place,
                        float *state, int out) {
    struct lenet_tensor parts[2 * LENET_MAX_LAYERS];
    const struct lenet_tensor *whole = stack->tensors;
    for (int kind = 0; kind < kinds; kind++) {
        const int n = lenet_topology_tensors(topology, "", state + (size_t)kind * topology->stride, parts);
        for (int i = 0; i < n; i++, whole++) {
            const size_t bytes = lenet_tensor_bytes(&parts[i]);
            char *at = (char *)whole->data + (size_t)place * bytes;
            memcpy(out ? parts[i].data : at, out ? at : parts[i].data, bytes);
        }
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static enum lenet_status write_file(const char *path, const struct lenet_model *model, const struct stack *stack,
                                    const cJSON *members, const struct lenet_metadata *more, int n_more,
                                    struct lenet_error *err) {
    struct lenet_model_text model_text;
    struct lenet_metadata metadata[MAX_METADATA];
    char *text = cJSON_PrintUnformatted(members);
    if (!text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    lenet_model_describe(model, &model_text);
    memcpy(metadata, model_text.entries, sizeof model_text.entries);
    int n = LENET_MODEL_METADATA;
    metadata[n++] = (struct lenet_metadata){"members", text};
    for (int i = 0; i < n_more; i++) metadata[n++] = more[i];
    const enum lenet_status status = lenet_tensors_write(path, stack->tensors, stack->n, metadata, n, err);
    free(text);
    return status;
}

enum lenet_status lenet_population_write_weights(const char *path, const struct lenet_population *pop, const int *which,
                                                 int n, const cJSON *members, struct lenet_error *err) {
    struct stack stack;
    LENET_TRY(stack_make(&stack, &pop->model.topology, 1, n, err));
    for (int i = 0; i < n; i++)
        copy_member(&stack, &pop->model.topology, 1, i, lenet_population_state(pop, which[i]), 0);
    const enum lenet_status status = write_file(path, &pop->model, &stack, members, NULL, 0, err);
    free(stack.memory);
    return status;
}

/* The tallies as tensors, for writing or to be filled by reading. */
struct counters {
    double *loss;    /* [R]    */
    int64_t *counts; /* [R][4] images, right ones, non-finite ones, 1 for a member that has diverged */
    double seconds[1];
    int64_t step[1];
};

static enum lenet_status counters_make(struct counters *c, int R, struct stack *stack, struct lenet_error *err) {
    *c = (struct counters){.loss = calloc((size_t)R, sizeof *c->loss),
                           .counts = calloc((size_t)R, 4 * sizeof *c->counts)};
    if (!c->loss || !c->counts) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const size_t n = (size_t)R;
    stack->tensors[stack->n++] = (struct lenet_tensor){"checkpoint.seconds", LENET_F64, 0, {0}, c->seconds};
    stack->tensors[stack->n++] = (struct lenet_tensor){"checkpoint.step", LENET_I64, 0, {0}, c->step};
    stack->tensors[stack->n++] = (struct lenet_tensor){"checkpoint.loss", LENET_F64, 1, {n}, c->loss};
    stack->tensors[stack->n++] =
        (struct lenet_tensor){"checkpoint.count_correct_nonfinite_diverged", LENET_I64, 2, {n, 4}, c->counts};
    return LENET_OK;
}

static void counters_free(struct counters *c) {
    free(c->loss);
    free(c->counts);
}

static void count(struct counters *c, const struct lenet_population *pop) {
    c->step[0] = (int64_t)pop->step;
    c->seconds[0] = lenet_population_seconds(pop);
    for (int r = 0; r < pop->R; r++) {
        int64_t *counts = c->counts + 4 * (size_t)r;
        c->loss[r] = pop->tally[r].loss;
        counts[0] = (int64_t)pop->tally[r].count;
        counts[1] = (int64_t)pop->tally[r].correct;
        counts[2] = (int64_t)pop->tally[r].nonfinite;
        counts[3] = pop->members[r].diverged;
    }
}

enum lenet_status lenet_population_write_checkpoint(const char *path, const struct lenet_population *pop,
                                                    const char *device, const cJSON *members, struct lenet_error *err) {
    const struct lenet_topology *topology = &pop->model.topology;
    const struct lenet_metadata more[] = {{"device", device}};
    struct stack stack;
    struct counters counters = {0};
    enum lenet_status status = stack_make(&stack, topology, 1 + pop->moments, pop->R, err);
    if (status == LENET_OK) status = counters_make(&counters, pop->R, &stack, err);
    if (status == LENET_OK) {
        for (int r = 0; r < pop->R; r++)
            copy_member(&stack, topology, 1 + pop->moments, r, lenet_population_state(pop, r), 0);
        count(&counters, pop);
        status = write_file(path, &pop->model, &stack, members, more, 1, err);
    }
    counters_free(&counters);
    free(stack.memory);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------- */

static enum lenet_status parse_members(const char *path, const struct lenet_tensor_file *file, cJSON **members,
                                       struct lenet_error *err) {
    const char *text = lenet_metadata_find(file, "members");
    *members = text ? cJSON_Parse(text) : NULL;
    if (cJSON_IsArray(*members) && cJSON_GetArraySize(*members) > 0) return LENET_OK;
    cJSON_Delete(*members);
    *members = NULL;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: its metadata have no list of 'members'; not of a population?", path);
}

enum lenet_status lenet_population_read_members(const char *path, cJSON **members, char device[32],
                                                struct lenet_error *err) {
    struct lenet_tensor_file file;
    *members = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    const char *name = lenet_metadata_find(&file, "device");
    snprintf(device, 32, "%s", name ? name : "");
    const enum lenet_status status = parse_members(path, &file, members, err);
    lenet_tensors_free(&file);
    return status;
}

static enum lenet_status copy_stack(const char *path, const struct lenet_tensor_file *file, const struct stack *stack,
                                    struct lenet_error *err) {
    for (int i = 0; i < stack->n; i++) LENET_TRY(lenet_tensor_copy(path, file, &stack->tensors[i], err));
    return LENET_OK;
}

/* What the counters say must be possible for this population. */
static enum lenet_status check_counters(const char *path, const struct counters *c, const struct lenet_population *pop,
                                        struct lenet_error *err) {
    int good = c->step[0] > 0 && (uint64_t)c->step[0] < pop->total_steps && c->seconds[0] >= 0;
    for (int r = 0; r < pop->R && good; r++) {
        const int64_t *counts = c->counts + 4 * (size_t)r;
        const int64_t images = c->step[0] % (int64_t)pop->members[r].steps_per_epoch * pop->net.B;
        good = counts[3] == 1 || (counts[3] == 0 && counts[0] == images && counts[1] >= 0 && counts[1] <= images &&
                                  counts[2] == 0 && isfinite(c->loss[r]));
    }
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_FORMAT, "%s: its counters do not fit its runs", path);
}

/* state[R][reals] of members is made of numbers, but for those that the counters, which may be NULL, call diverged. */
static enum lenet_status check_finite(const char *path, const struct counters *c, int R, size_t reals,
                                      const float *state, struct lenet_error *err) {
    for (size_t i = 0; i < (size_t)R * reals; i++)
        if (!isfinite(state[i]) && !(c && c->counts[4 * (i / reals) + 3]))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: a weight is NaN or infinite; damaged?", path);
    return LENET_OK;
}

static void restore_counters(struct lenet_population *pop, const struct counters *c) {
    pop->step = (uint64_t)c->step[0];
    pop->seconds = c->seconds[0];
    for (int r = 0; r < pop->R; r++) {
        const int64_t *counts = c->counts + 4 * (size_t)r;
        pop->tally[r] = (struct lenet_tally){c->loss[r], (uint64_t)counts[0], (uint64_t)counts[1], (uint64_t)counts[2]};
        pop->members[r].diverged = (int)counts[3];
    }
}

enum lenet_status lenet_population_read_checkpoint(const char *path, struct lenet_population *pop,
                                                   struct lenet_error *err) {
    const struct lenet_topology *topology = &pop->model.topology;
    struct lenet_tensor_file file;
    struct stack stack;
    struct counters counters = {0};
    LENET_TRY(lenet_tensors_read(path, &file, err));
    enum lenet_status status = stack_make(&stack, topology, 1 + pop->moments, pop->R, err);
    if (status == LENET_OK) status = counters_make(&counters, pop->R, &stack, err);
    if (status == LENET_OK) status = copy_stack(path, &file, &stack, err);
    if (status == LENET_OK) status = check_counters(path, &counters, pop, err);
    if (status == LENET_OK) {
        for (int r = 0; r < pop->R; r++)
            copy_member(&stack, topology, 1 + pop->moments, r, lenet_population_state(pop, r), 1);
        status = check_finite(path, &counters, pop->R, (size_t)(1 + pop->moments) * topology->stride, pop->state, err);
    }
    if (status == LENET_OK) {
        restore_counters(pop, &counters);
        status = lenet_population_restore(pop);
    }
    counters_free(&counters);
    free(stack.memory);
    lenet_tensors_free(&file);
    return status;
}

static enum lenet_status read_members_weights(const char *path, const struct lenet_tensor_file *file,
                                              struct lenet_model *model, int *R, float **host_w,
                                              struct lenet_error *err) {
    struct stack stack;
    LENET_TRY(lenet_model_from_file(path, file, model, err));
    const size_t stride = model->topology.stride;
    LENET_TRY(stack_make(&stack, &model->topology, 1, *R, err));
    enum lenet_status status = copy_stack(path, file, &stack, err);
    if (status == LENET_OK) {
        *host_w = calloc((size_t)*R * stride, sizeof **host_w);
        if (!*host_w) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    }
    for (int r = 0; r < *R && status == LENET_OK; r++)
        copy_member(&stack, &model->topology, 1, r, *host_w + (size_t)r * stride, 1);
    if (status == LENET_OK) status = check_finite(path, NULL, *R, stride, *host_w, err);
    free(stack.memory);
    return status;
}

enum lenet_status lenet_weights_read(const char *path, struct lenet_model *model, int *R, float **host_w,
                                     cJSON **members, struct lenet_error *err) {
    struct lenet_tensor_file file;
    *R = 1;
    *host_w = NULL;
    *members = NULL;
    LENET_TRY(lenet_tensors_read(path, &file, err));
    const int single = lenet_metadata_find(&file, "members") == NULL;
    enum lenet_status status = LENET_OK;
    if (!single) status = parse_members(path, &file, members, err);
    if (!single && status == LENET_OK) {
        *R = cJSON_GetArraySize(*members);
        status = read_members_weights(path, &file, model, R, host_w, err);
    }
    lenet_tensors_free(&file);
    if (single) return lenet_model_read(path, model, host_w, err);
    if (status != LENET_OK) {
        cJSON_Delete(*members);
        free(*host_w);
        *members = NULL;
        *host_w = NULL;
    }
    return status;
}
