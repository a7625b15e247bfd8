/* eval.c - measures one network, or several that answer together, on a test set, and writes the result as JSON. */
#include "lenet/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/elementary.h"
#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "check/ensemble.h"
#include "lenet/device.h"
#include "lenet/model.h"
#include "lenet/network.h"
#include "lenet/run_id.h"
#include "lenet/train.h"
#include "train/predictions.h"
#include "train/run_dir.h"
#include "train/settings.h"

enum { EVAL_BATCH = 128 };

void lenet_wilson_interval(uint64_t correct, uint64_t count, double interval[2]) {
    const double z = 1.959963984540054, n = (double)count, p = (double)correct / n;
    const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    interval[0] = fmax(centre - half, 0);
    interval[1] = fmin(centre + half, 1);
}

double lenet_precision(const struct lenet_evaluation *e, int class_index) {
    uint64_t predicted = 0;
    for (int c = 0; c < e->classes; c++) predicted += e->confusion[c][class_index];
    return predicted ? (double)e->confusion[class_index][class_index] / (double)predicted : NAN;
}

double lenet_recall(const struct lenet_evaluation *e, int class_index) {
    uint64_t truly = 0;
    for (int c = 0; c < e->classes; c++) truly += e->confusion[class_index][c];
    return truly ? (double)e->confusion[class_index][class_index] / (double)truly : NAN;
}

/* ---- the networks ---------------------------------------------------------------------------- */

/* A file of networks. */
struct source {
    char *path;
    int R;
    struct cJSON *members; /* what it says of them, or NULL */
};

/* Several networks of one kind. */
struct networks {
    struct lenet_model model;
    int R;
    float *w; /* [R][stride] */
    size_t n_files;
    struct source *files; /* in the order of the networks */
};

/* Whose outputs mean the same: the loss they were trained with does not matter. */
static int same_model(const struct lenet_model *a, const struct lenet_model *b) {
    return a->topology.arch == b->topology.arch && a->topology.activation == b->topology.activation &&
           a->topology.pooling == b->topology.pooling && a->topology.classes == b->topology.classes &&
           a->scaling.factor == b->scaling.factor && a->scaling.offset == b->scaling.offset;
}

/* Adds the networks w[R][stride] of a file to those that are there. */
static enum lenet_status add_networks(struct networks *all, const char *path, const struct lenet_model *model,
                                      const float *w, int R, struct lenet_error *err) {
    const size_t stride = model->topology.stride;
    if (all->R && !same_model(&all->model, model))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: another kind of network, or scaling, than the files before it",
                          path);
    float *longer = realloc(all->w, (size_t)(all->R + R) * stride * sizeof *longer);
    if (!longer) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memcpy(longer + (size_t)all->R * stride, w, (size_t)R * stride * sizeof *w);
    all->model = *model;
    all->R += R;
    all->w = longer;
    return LENET_OK;
}

static enum lenet_status add_file(void *self, const char *path, struct lenet_error *err) {
    struct networks *all = self;
    struct lenet_model model;
    LENET_TRY(lenet_grow(&all->files, all->n_files, sizeof *all->files, err));
    struct source *file = &all->files[all->n_files++];
    *file = (struct source){.path = strdup(path)};
    if (!file->path) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    float *w;
    LENET_TRY(lenet_weights_read(path, &model, &file->R, &w, &file->members, err));
    const enum lenet_status status = add_networks(all, path, &model, w, file->R, err);
    free(w);
    return status;
}

/* A run of a sweep and the file that has it. */
struct place {
    const char *id, *path;
};

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct place *)a)->id, ((const struct place *)b)->id);
}

/* Refuses networks of which one is there twice: it would have two voices. */
static enum lenet_status check_once(const struct networks *all, struct lenet_error *err) {
    struct place *places = calloc((size_t)all->R, sizeof *places);
    size_t n = 0;
    if (!places) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < all->n_files; i++)
        for (int r = 0; r < all->files[i].R; r++) {
            places[n] =
                (struct place){lenet_json_text(lenet_json_at(all->files[i].members, r), "id"), all->files[i].path};
            n += places[n].id != NULL;
        }
    qsort(places, n, sizeof *places, by_id);
    enum lenet_status status = LENET_OK;
    for (size_t i = 1; i < n && status == LENET_OK; i++)
        if (by_id(&places[i - 1], &places[i]) == 0)
            status =
                lenet_fail(err, LENET_ERR_FORMAT,
                           "%.400s: run %s is in this file and in %.400s; if its sweep was killed, the same command "
                           "clears that up; else remove the older file",
                           places[i].path, places[i].id, places[i - 1].path);
    free(places);
    return status;
}

static enum lenet_status read_networks(const char *path, struct networks *all, struct lenet_error *err) {
    enum lenet_path is;
    *all = (struct networks){.R = 0};
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is != LENET_DIRECTORY) return add_file(all, path, err);
    LENET_TRY(lenet_directory_each(path, "", ".safetensors", add_file, all, err));
    return all->R ? check_once(all, err)
                  : lenet_fail(err, LENET_ERR_IO, "%s: no .safetensors file in this directory", path);
}

static void free_networks(struct networks *all) {
    for (size_t i = 0; i < all->n_files; i++) {
        free(all->files[i].path);
        lenet_json_free(all->files[i].members);
    }
    free(all->files);
    free(all->w);
}

/* ---- their answers ----------------------------------------------------------------------------- */

/* What the networks say of each image. */
struct opinions {
    struct lenet_tally tally;
    uint8_t *predicted; /* [count] of one network                        */
    float *outputs;     /* [count][classes] of one network, or NULL      */
    double *sum;        /* [count][classes] of all networks' probabilities */
    uint32_t *votes;    /* [count][classes]                              */
};

static int largest(const double *values, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

static void add_opinion(struct opinions *o, size_t count, int classes) {
    for (size_t i = 0; i < count; i++) {
        const float *y = o->outputs + i * (size_t)classes;
        double *sum = o->sum + i * (size_t)classes, total = 0, most = y[0];
        for (int c = 1; c < classes; c++) most = fmax(most, y[c]);
        for (int c = 0; c < classes; c++) total += lenet_exp(y[c] - most);
        for (int c = 0; c < classes; c++) sum[c] += lenet_exp(y[c] - most) / total;
        o->votes[i * (size_t)classes + o->predicted[i]]++;
    }
}

/* Replaces the last network's answers by all of them together. */
static void conclude(struct lenet_evaluation *e, struct opinions *o, const uint8_t *labels, int R) {
    const size_t classes = (size_t)e->classes;
    o->tally = (struct lenet_tally){.count = e->count};
    for (size_t i = 0; i < e->count; i++) {
        const double *sum = o->sum + i * classes;
        const uint32_t *votes = o->votes + i * classes;
        double ballot[LENET_MAX_CLASSES]; /* a vote outweighs every sum of probabilities */
        for (size_t c = 0; c < classes; c++) ballot[c] = votes[c] * (R + 1.0) + sum[c];
        o->predicted[i] = (uint8_t)largest(sum, e->classes);
        o->tally.loss -= lenet_log(sum[labels[i]] / R);
        o->tally.correct += o->predicted[i] == labels[i];
        e->vote_correct += largest(ballot, e->classes) == labels[i];
    }
}

/* Asks network r, whose weights net has, about the test images and, where that is to be kept, the training images. */
static enum lenet_status ask(struct lenet_network *net, const struct lenet_device_data *data, int r, struct opinions *o,
                             const struct lenet_predictions *kept) {
    const struct lenet_answers training = lenet_predictions_answers(kept, LENET_TRAIN, r);
    struct lenet_answers answers = lenet_predictions_answers(kept, LENET_TEST, r);
    uint8_t *classes = answers.predicted;
    struct lenet_tally tally = {0};
    answers.predicted = o->predicted;
    answers.outputs = o->outputs;
    o->tally = tally;
    LENET_TRY(lenet_network_evaluate(net, &data->test, NULL, 0, data->test.count, &o->tally, &answers));
    if (classes) memcpy(classes, o->predicted, data->test.count);
    if (!training.predicted) return LENET_OK;
    return lenet_network_evaluate(net, &data->train, NULL, 0, data->train.count, &tally, &training);
}

/* Asks every network; everything but the device is the caller's. */
static enum lenet_status classify(const struct lenet_device *device, const struct networks *all,
                                  const struct lenet_dataset *data, struct lenet_evaluation *e, struct opinions *o,
                                  const struct lenet_predictions *kept, struct lenet_error *err) {
    struct lenet_device_data device_data = {0};
    struct lenet_network net = {0};
    const struct lenet_topology *topology = &all->model.topology;
    const struct lenet_network_options options = {
        .topology = topology, .optimizer = LENET_SGD, .R = 1, .B = EVAL_BATCH};
    enum lenet_status status = lenet_device_data_create(device->backend, device->ctx, data, all->model.scaling,
                                                        topology->arch->field, &device_data, err);
    if (status == LENET_OK) status = lenet_network_create(device->backend, device->ctx, &options, &net, err);
    for (int r = 0; r < all->R && status == LENET_OK; r++) {
        status = lenet_network_put(&net, net.w, 0, all->w + (size_t)r * topology->stride);
        if (status == LENET_OK) status = ask(&net, &device_data, r, o, kept);
        if (status == LENET_OK && o->outputs) add_opinion(o, data->test.count, topology->classes);
        e->member_correct[r] = o->tally.correct;
    }
    if (net.backend) lenet_network_free(&net);
    lenet_device_data_free(device->backend, device->ctx, &device_data);
    return status;
}

static enum lenet_status alloc_opinions(struct lenet_evaluation *e, struct opinions *o, int with_outputs,
                                        struct lenet_error *err) {
    const size_t values = e->count * (size_t)e->classes;
    e->predicted = o->predicted = malloc(e->count);
    e->member_correct = calloc((size_t)e->members, sizeof *e->member_correct);
    int good = e->predicted && e->member_correct;
    if (with_outputs) {
        o->outputs = calloc(values, sizeof *o->outputs);
        o->sum = calloc(values, sizeof *o->sum);
        o->votes = calloc(values, sizeof *o->votes);
        good = good && o->outputs && o->sum && o->votes;
    }
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

static void free_opinions(struct opinions *o) {
    free(o->outputs);
    free(o->sum);
    free(o->votes);
}

static enum lenet_status evaluate_on_device(const struct lenet_config *config, const struct networks *all,
                                            const struct lenet_dataset *data, struct lenet_evaluation *e,
                                            struct opinions *o, const struct lenet_predictions *kept,
                                            struct lenet_error *err) {
    struct lenet_device device;
    LENET_TRY(alloc_opinions(e, o, e->members > 1, err));
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &device, err));
    if (err) err->text[0] = 0;
    const enum lenet_status status = lenet_device_explain(&device, classify(&device, all, data, e, o, kept, err), err);
    lenet_device_close(&device);
    return status;
}

static enum lenet_status evaluate_networks(const struct lenet_config *config, const struct networks *all,
                                           const struct lenet_dataset *data, struct lenet_evaluation *e,
                                           const struct lenet_predictions *kept, struct lenet_error *err) {
    struct opinions opinions = {.predicted = NULL};
    if (data->classes > all->model.topology.classes)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: made for %d classes, %s has %d%s%s", config->weights,
                          all->model.topology.classes, config->data, data->classes, data->note[0] ? "; " : "",
                          data->note);
    if (all->R > 1 && !config->ensemble)
        return lenet_fail(err, LENET_ERR_ARG, "%s: %d networks; with --ensemble they answer together", config->weights,
                          all->R);
    *e =
        (struct lenet_evaluation){.classes = all->model.topology.classes, .count = data->test.count, .members = all->R};
    const enum lenet_status status = evaluate_on_device(config, all, data, e, &opinions, kept, err);
    if (status == LENET_OK) {
        if (all->R > 1) conclude(e, &opinions, data->test.labels, all->R);
        e->correct = opinions.tally.correct;
        e->loss = opinions.tally.loss / (double)e->count;
        for (size_t i = 0; i < e->count; i++) e->confusion[data->test.labels[i]][e->predicted[i]]++;
    }
    free_opinions(&opinions);
    return status;
}

void lenet_evaluation_free(struct lenet_evaluation *e) {
    free(e->predicted);
    free(e->member_correct);
    *e = (struct lenet_evaluation){0};
}

/* ---- the whole ------------------------------------------------------------------------------------ */

/* What a run says of itself. */
struct origin {
    struct lenet_config trained; /* with the data set that it was trained on      */
    char hash[65];               /* of that                                       */
    int own_weights;             /* 1: its last weights are those to be evaluated */
};

/* Refuses a file, and a directory of another kind than a run's, with the option that is likely to be meant. */
static enum lenet_status check_run(const char *run, struct lenet_error *err) {
    enum lenet_path is;
    int is_run, is_sweep, is_data;
    LENET_TRY(lenet_path_look(run, &is, err));
    LENET_TRY(lenet_directory_has(run, "run.json", &is_run, err));
    if (is == LENET_NOTHING || is_run) return LENET_OK;
    if (is == LENET_FILE) {
        const char *slash = strrchr(run, '/');
        char parent[LENET_MAX_PATH];
        snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - run) : 1, slash ? run : ".");
        LENET_TRY(lenet_directory_has(parent, "run.json", &is_run, err));
        return lenet_fail(err, LENET_ERR_IO,
                          "--run %.300s: a file, wanted the directory of a run; did you mean --weights %.300s%s%.300s?",
                          run, run, is_run ? ", or --run " : "", is_run ? parent : "");
    }
    LENET_TRY(lenet_directory_has(run, "sweep.json", &is_sweep, err));
    if (is_sweep)
        return lenet_fail(err, LENET_ERR_IO,
                          "%.300s/run.json: not there, this is a sweep's directory; did you mean lenet report %.300s, "
                          "or --weights %.300s/weights (sweep --keep-weights)?",
                          run, run, run);
    LENET_TRY(lenet_dataset_is_in(run, &is_data, err));
    if (is_data)
        return lenet_fail(err, LENET_ERR_IO,
                          "%.400s/run.json: not there, this is a data set's directory; did you mean --data %.400s?",
                          run, run);
    return LENET_OK;
}

static enum lenet_status check_weights(const struct lenet_config *config, struct lenet_error *err) {
    const char *path = config->weights;
    enum lenet_path is;
    int is_run, is_sweep;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (config->ensemble || is != LENET_DIRECTORY) return LENET_OK;
    LENET_TRY(lenet_directory_has(path, "run.json", &is_run, err));
    LENET_TRY(lenet_directory_has(path, "sweep.json", &is_sweep, err));
    if (is_run)
        return lenet_fail(err, LENET_ERR_ARG, "--weights %.400s: a run's directory; did you mean --run %.400s?", path,
                          path);
    if (is_sweep)
        return lenet_fail(err, LENET_ERR_ARG,
                          "--weights %.400s: a sweep's directory; did you mean %.400s/weights (sweep --keep-weights)?",
                          path, path);
    return LENET_OK;
}

static int is_given(const struct lenet_config *config, const char *option) {
    return lenet_option_is_given(config, lenet_option_find(option));
}

/* Whose weights, and the data set they were trained on where none is named. */
static enum lenet_status choose_inputs(struct lenet_config *config, struct origin *origin, struct lenet_error *err) {
    char last[LENET_MAX_PATH];
    if (!config->run[0] && !config->weights[0])
        return lenet_fail(err, LENET_ERR_ARG, "give --run DIR or --weights FILE");
    LENET_TRY(check_weights(config, err));
    if (!config->run[0]) return LENET_OK;
    origin->trained = *config;
    LENET_TRY(check_run(config->run, err));
    LENET_TRY(lenet_run_read(config->run, &origin->trained, origin->hash, err));
    LENET_TRY(lenet_run_path(config->run, "last.safetensors", last, err));
    if (!is_given(config, "first-label")) config->first_label = origin->trained.first_label;
    if (!is_given(config, "transpose")) config->transpose = origin->trained.transpose;
    if (!config->data[0]) strcpy(config->data, origin->trained.data);
    LENET_TRY(lenet_run_find_data(config->run, origin->trained.data, config->data, err));
    if (!config->weights[0]) strcpy(config->weights, last);
    return lenet_path_is_same(config->weights, last, &origin->own_weights, err);
}

static enum lenet_status choose_files(struct lenet_config *config, struct origin *origin, struct lenet_error *err) {
    LENET_TRY(choose_inputs(config, origin, err));
    return lenet_config_spare_weights(config, err);
}

enum lenet_status lenet_evaluate_files(struct lenet_config *config, struct lenet_error *err) {
    struct origin origin = {.own_weights = 0};
    return choose_files(config, &origin, err);
}

/* Of a test half alone the run knows the directory, not the hash. */
static int is_own_data(const struct origin *origin, const struct lenet_config *config,
                       const struct lenet_dataset *data) {
    if (config->first_label != origin->trained.first_label || config->transpose != origin->trained.transpose) return 0;
    return data->hash[0] ? strcmp(data->hash, origin->hash) == 0 : strcmp(config->data, origin->trained.data) == 0;
}

/* Says of each network what its file does, and which file that is; and of one whose run is known, its configuration.
 * The text is the caller's to free. */
static enum lenet_status members_text(const struct networks *all, const struct lenet_config *trained, char **text,
                                      struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_array(&json, NULL);
    for (size_t i = 0; i < all->n_files; i++)
        for (int r = 0; r < all->files[i].R; r++) {
            lenet_json_open_object(&json, NULL);
            lenet_json_add_all(&json, lenet_json_at(all->files[i].members, r));
            lenet_json_add_text(&json, "weights", all->files[i].path);
            if (trained) lenet_config_add_json(&json, "config", trained);
            lenet_json_close(&json);
        }
    return lenet_json_print(&json, LENET_JSON_LINE, text, err);
}

/* Reads the configuration of a sweep's run that its weights file has. *known becomes 0 where there is none, or the run
 * was trained on other data than these. */
static enum lenet_status read_training(const struct cJSON *member, const struct lenet_config *config,
                                       const struct lenet_dataset *data, struct lenet_config *trained, int *known,
                                       struct lenet_error *err) {
    const struct cJSON *values = lenet_json_get(member, "config");
    const char *id = lenet_json_text(member, "id");
    lenet_config_init(trained);
    *known = id && values && lenet_config_from_json("", values, trained, NULL) == LENET_OK &&
             trained->first_label == config->first_label && trained->transpose == config->transpose;
    return *known ? lenet_run_id_fits(trained, data->hash, id, known, err) : LENET_OK;
}

static enum lenet_status add_training(const struct lenet_config *trained, int r, const struct lenet_dataset *data,
                                      struct lenet_predictions *kept, struct lenet_error *err) {
    struct lenet_settings settings;
    LENET_TRY(lenet_settings_make(trained, data->train.count, &settings, err));
    lenet_predictions_add_training(kept, r, &settings.hyper, data->train.count);
    return LENET_OK;
}

/* Which training images each network of a sweep had. */
static enum lenet_status add_all_training(const struct lenet_config *config, const struct networks *all,
                                          const struct lenet_dataset *data, struct lenet_predictions *kept,
                                          struct lenet_error *err) {
    int first = 0;
    for (size_t i = 0; i < all->n_files; first += all->files[i++].R)
        for (int r = 0; r < all->files[i].R; r++) {
            struct lenet_config trained;
            int known;
            LENET_TRY(read_training(lenet_json_at(all->files[i].members, r), config, data, &trained, &known, err));
            if (known) LENET_TRY(add_training(&trained, first + r, data, kept, err));
        }
    return LENET_OK;
}

static enum lenet_status keep(const struct lenet_config *config, const struct networks *all,
                              const struct origin *origin, int of_run, const struct lenet_dataset *data,
                              struct lenet_predictions *kept, struct lenet_error *err) {
    const int is_known = of_run && data->hash[0];
    char *members;
    if (is_known)
        LENET_TRY(add_training(&origin->trained, 0, data, kept, err));
    else if (data->hash[0])
        LENET_TRY(add_all_training(config, all, data, kept, err));
    LENET_TRY(members_text(all, is_known ? &origin->trained : NULL, &members, err));
    const enum lenet_status status =
        lenet_predictions_write(config->predictions, kept, NULL, all->R, members, config->data, data, err);
    free(members);
    return status;
}

/* The network's classes are called as they were in training, if the data set does not say. */
static void compare_names(const struct lenet_class_names *trained, struct lenet_dataset *data) {
    if (!data->names.count) data->names = *trained;
    for (int c = trained->count - 1; c >= 0; c--)
        if (c < data->names.count && strcmp(trained->text[c], data->names.text[c]) != 0)
            snprintf(data->note, sizeof data->note,
                     "class %d was '%s' in training, and is '%s' here; are the classes in another order?", c,
                     trained->text[c], data->names.text[c]);
}

enum lenet_status lenet_evaluate(struct lenet_config *config, struct lenet_evaluation *evaluation,
                                 struct lenet_dataset *data, struct lenet_error *err) {
    struct networks all;
    struct origin origin = {.own_weights = 0};
    struct lenet_predictions kept = {.R = 0};
    const int keeps = config->predictions[0] != 0;
    *evaluation = (struct lenet_evaluation){0};
    *data = (struct lenet_dataset){0};
    LENET_TRY(lenet_predictions_check(config, err));
    LENET_TRY(choose_files(config, &origin, err));
    enum lenet_status status = read_networks(config->weights, &all, err);
    if (status == LENET_OK)
        status = lenet_config_dataset(config, keeps && config->predictions_of ? LENET_BOTH_HALVES : LENET_TEST_HALF,
                                      all.model.topology.arch->field, data, err);
    if (status == LENET_OK && keeps) status = lenet_predictions_make(config, all.R, data, &kept, err);
    if (status == LENET_OK) status = evaluate_networks(config, &all, data, evaluation, &kept, err);
    if (status == LENET_OK) compare_names(&all.model.names, data);
    evaluation->of_run = origin.own_weights && is_own_data(&origin, config, data);
    if (status == LENET_OK && keeps) status = keep(config, &all, &origin, evaluation->of_run, data, &kept, err);
    lenet_predictions_free(&kept);
    free_networks(&all);
    if (status != LENET_OK) {
        lenet_evaluation_free(evaluation);
        lenet_dataset_free(data);
    }
    return status;
}

enum lenet_status lenet_evaluation_path(const struct lenet_config *config, const struct lenet_evaluation *evaluation,
                                        char path[LENET_MAX_PATH], struct lenet_error *err) {
    strcpy(path, config->json);
    if (path[0] || !config->run[0] || !evaluation->of_run) return LENET_OK;
    return lenet_run_path(config->run, "eval.json", path, err);
}

/* ---- answers to other images ---------------------------------------------------------------- */

struct lenet_ensemble {
    struct networks all;
    struct lenet_device device;
};

/* --first-label as it is in a run, unless it was given. */
static enum lenet_status take_labels_of_run(struct lenet_config *config, struct lenet_error *err) {
    struct lenet_config trained = *config;
    char hash[65];
    int has_record;
    LENET_TRY(check_run(config->run, err));
    LENET_TRY(lenet_directory_has(config->run, "run.json", &has_record, err));
    if (is_given(config, "first-label") || !has_record) return LENET_OK;
    LENET_TRY(lenet_run_read(config->run, &trained, hash, err));
    config->first_label = trained.first_label;
    return LENET_OK;
}

enum lenet_status lenet_ensemble_open(struct lenet_config *config, struct lenet_ensemble **ensemble,
                                      struct lenet_error *err) {
    *ensemble = NULL;
    LENET_TRY(check_weights(config, err));
    if (config->run[0]) LENET_TRY(take_labels_of_run(config, err));
    if (!config->weights[0]) LENET_TRY(lenet_run_path(config->run, "last.safetensors", config->weights, err));
    struct lenet_ensemble *e = calloc(1, sizeof *e);
    if (!e) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    enum lenet_status status = read_networks(config->weights, &e->all, err);
    if (status == LENET_OK) status = lenet_device_open(config->device, lenet_open_options_of(config), &e->device, err);
    if (status == LENET_OK)
        *ensemble = e;
    else
        lenet_ensemble_close(e);
    return status;
}

int lenet_ensemble_classes(const struct lenet_ensemble *ensemble) { return ensemble->all.model.topology.classes; }

const struct lenet_class_names *lenet_ensemble_names(const struct lenet_ensemble *ensemble) {
    return &ensemble->all.model.names;
}

enum lenet_status lenet_ensemble_ask(struct lenet_ensemble *ensemble, uint8_t *images, size_t count, int side,
                                     double *probabilities, struct lenet_error *err) {
    const int classes = lenet_ensemble_classes(ensemble), R = ensemble->all.R;
    struct lenet_dataset data = {.H = side, .W = side, .classes = classes};
    struct lenet_evaluation e = {.classes = classes, .count = count, .members = R};
    struct opinions opinions = {.predicted = NULL};
    const struct lenet_predictions none = {.R = 0};
    data.test = (struct lenet_samples){count, images, calloc(count, 1)}; /* labels of which nothing depends */
    enum lenet_status status = alloc_opinions(&e, &opinions, 1, err);
    if (status == LENET_OK && !data.test.labels) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK) {
        if (err) err->text[0] = 0;
        status = classify(&ensemble->device, &ensemble->all, &data, &e, &opinions, &none, err);
        status = lenet_device_explain(&ensemble->device, status, err);
    }
    for (size_t i = 0; i < count * (size_t)classes && status == LENET_OK; i++) probabilities[i] = opinions.sum[i] / R;
    free_opinions(&opinions);
    lenet_evaluation_free(&e);
    free(data.test.labels);
    return status;
}

void lenet_ensemble_close(struct lenet_ensemble *ensemble) {
    if (!ensemble) return;
    free_networks(&ensemble->all);
    lenet_device_close(&ensemble->device);
    free(ensemble);
}

/* ---- JSON ------------------------------------------------------------------------------- */

static void add_per_class(struct lenet_json *json, const char *name, const struct lenet_evaluation *e,
                          double (*value)(const struct lenet_evaluation *, int)) {
    lenet_json_open_array(json, name);
    for (int c = 0; c < e->classes; c++) lenet_json_add_number(json, NULL, value(e, c));
    lenet_json_close(json);
}

static void add_confusion(struct lenet_json *json, const struct lenet_evaluation *e) {
    lenet_json_open_array(json, "confusion");
    for (int t = 0; t < e->classes; t++) {
        lenet_json_open_array(json, NULL);
        for (int p = 0; p < e->classes; p++) lenet_json_add_number(json, NULL, (double)e->confusion[t][p]);
        lenet_json_close(json);
    }
    lenet_json_close(json);
}

static void add_votes(struct lenet_json *json, const struct lenet_evaluation *e) {
    lenet_json_open_array(json, "member_correct");
    for (int r = 0; r < e->members; r++) lenet_json_add_number(json, NULL, (double)e->member_correct[r]);
    lenet_json_close(json);
    lenet_json_add_number(json, "vote_correct", (double)e->vote_correct);
}

enum lenet_status lenet_evaluation_write(const char *path, const struct lenet_config *config,
                                         const struct lenet_evaluation *e, const struct lenet_dataset *data,
                                         struct lenet_error *err) {
    double interval[2];
    struct lenet_json json = {.whole = NULL};
    lenet_wilson_interval(e->correct, e->count, interval);
    lenet_json_open_object(&json, NULL);
    lenet_json_add_text(&json, "weights", config->weights);
    lenet_data_add_json(&json, "data", config->data, data);
    lenet_json_add_number(&json, "count", (double)e->count);
    lenet_json_add_number(&json, "correct", (double)e->correct);
    lenet_json_add_real(&json, "accuracy", (double)e->correct / (double)e->count);
    lenet_json_open_array(&json, "interval");
    for (int i = 0; i < 2; i++) lenet_json_add_number(&json, NULL, interval[i]);
    lenet_json_close(&json);
    lenet_json_add_real(&json, "loss", e->loss);
    lenet_json_add_classes(&json, &data->names);
    lenet_json_add_number(&json, "first_label", (double)config->first_label);
    lenet_json_add_bool(&json, "transpose", config->transpose);
    add_confusion(&json, e);
    add_per_class(&json, "precision", e, lenet_precision);
    add_per_class(&json, "recall", e, lenet_recall);
    if (e->members > 1) add_votes(&json, e);
    lenet_json_open_array(&json, "test_files");
    for (int i = 0; i < 2; i++) lenet_json_add_text(&json, NULL, data->test_files[i]);
    lenet_json_close(&json);
    lenet_json_open_array(&json, "predictions");
    for (uint64_t i = 0; i < e->count; i++) lenet_json_add_number(&json, NULL, e->predicted[i]);
    lenet_json_close(&json);
    return lenet_json_write(path, &json, err);
}
