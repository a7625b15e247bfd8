/* settings.c - the one place that turns options into what networks, schedules and backends want. */
#include "train/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "ops/draw.h"

/* ---- hyper-parameters ------------------------------------------------------------------------ */

/* Images that are trained on. */
static enum lenet_status count_training(const struct lenet_config *config, size_t train_images, size_t *count,
                                        struct lenet_error *err) {
    const size_t validation = (size_t)config->validation;
    if (validation >= train_images)
        return lenet_fail(err, LENET_ERR_ARG, "--validation %zu: leaves nothing of the %zu training images", validation,
                          train_images);
    const size_t rest = train_images - validation;
    *count = config->train_size ? (size_t)config->train_size : rest;
    if (*count <= rest) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "--train-size %zu: only %zu training images%s", *count, rest,
                      validation ? " are left beside the validation set" : "");
}

/* A batch of more images than there are would be padding. */
static int batch_of(const struct lenet_config *config, size_t count) {
    return (size_t)config->batch < count ? (int)config->batch : (int)count;
}

/* The images of which sdlm estimates the curvature: no more than an epoch's. */
static int64_t curvature_of(const struct lenet_config *config, size_t count) {
    return (size_t)config->curvature_images < count ? config->curvature_images : (int64_t)count;
}

static uint64_t total_steps(const struct lenet_config *config, uint64_t steps_per_epoch) {
    return config->steps ? (uint64_t)config->steps : (uint64_t)config->epochs * steps_per_epoch;
}

/* In epochs: where it is left open, a fifth of the run. */
static double warmup_of(const struct lenet_config *config, uint64_t steps_per_epoch) {
    const double epochs = config->steps ? (double)config->steps / (double)steps_per_epoch : (double)config->epochs;
    return config->warmup >= 0 ? config->warmup : epochs / 5;
}

enum lenet_status lenet_config_resolve(struct lenet_config *config, size_t train_images, struct lenet_error *err) {
    size_t count = 0;
    LENET_TRY(count_training(config, train_images, &count, err));
    lenet_config_order_freeze(config);
    config->warmup = warmup_of(config, lenet_steps_per_epoch((uint32_t)count, batch_of(config, count)));
    return LENET_OK;
}

/* The options that say how weights are drawn. */
static const char *const drawing[] = {"init", "init-scale"};
enum { DRAWING = sizeof drawing / sizeof *drawing };

int lenet_config_reduce(struct lenet_config *config, size_t train_images, const struct lenet_backend *backend,
                        int is_drawn) {
    const struct lenet_config was = *config;
    size_t count = 0;
    if (count_training(config, train_images, &count, NULL) != LENET_OK) return 0;
    config->batch = batch_of(config, count);
    const uint64_t per_epoch = lenet_steps_per_epoch((uint32_t)count, (int)config->batch);
    const uint64_t epochs = (total_steps(config, per_epoch) + per_epoch - 1) / per_epoch;
    if ((uint64_t)config->eval_every > epochs) config->eval_every = (int64_t)epochs;
    if (backend == lenet_backend_cpu()) config->tf32 = config->own_dense = 0;
    for (size_t i = 0; i < DRAWING && !is_drawn; i++) lenet_option_unset(config, lenet_option_find(drawing[i]));
    if (config->optimizer == LENET_SDLM) config->curvature_images = curvature_of(config, count);
    return config->batch != was.batch || config->eval_every != was.eval_every || config->tf32 != was.tf32 ||
           config->own_dense != was.own_dense || config->init != was.init || config->init_scale != was.init_scale ||
           config->curvature_images != was.curvature_images;
}

const char *lenet_config_undrawn_text(const struct lenet_config *config, int is_drawn) {
    static const char *const texts[] = {
        "", "--init has no effect: all weights are in the file of --from",
        "--init-scale has no effect: all weights are in the file of --from",
        "--init and --init-scale have no effect: all weights are in the file of --from"};
    int given = 0;
    for (int i = 0; i < DRAWING && !is_drawn; i++)
        given |= lenet_option_is_given(config, lenet_option_find(drawing[i])) << i;
    return texts[given];
}

enum lenet_status lenet_settings_make(const struct lenet_config *config, size_t train_images,
                                      struct lenet_settings *settings, struct lenet_error *err) {
    size_t count = 0;
    LENET_TRY(count_training(config, train_images, &count, err));
    if (config->patience && !config->validation)
        return lenet_fail(err, LENET_ERR_ARG, "--patience %lld: needs --validation N to judge by",
                          (long long)config->patience);
    const int B = batch_of(config, count);
    const uint64_t steps_per_epoch = lenet_steps_per_epoch((uint32_t)count, B);
    const double per_epoch = (double)steps_per_epoch;
    *settings =
        (struct lenet_settings){.init = (enum lenet_init)config->init,
                                .init_scale = (float)config->init_scale,
                                .B = B,
                                .steps_per_epoch = steps_per_epoch,
                                .interval = steps_per_epoch * (uint64_t)config->eval_every,
                                .hyper = {
                                    .seed = (uint64_t)config->seed,
                                    .train_first = (uint32_t)config->validation,
                                    .train_count = (uint32_t)count,
                                    .learning_rate = (float)config->learning_rate,
                                    .momentum = (float)config->momentum,
                                    .weight_decay = (float)config->weight_decay,
                                    .beta2 = (float)config->beta2,
                                    .epsilon = (float)config->epsilon,
                                    .schedule = (enum lenet_schedule)config->schedule,
                                    .warmup_steps = (uint64_t)round(warmup_of(config, steps_per_epoch) * per_epoch),
                                    .total_steps = total_steps(config, steps_per_epoch),
                                    .decay_every = (uint64_t)round(config->decay_every * per_epoch),
                                    .decay_factor = (float)config->decay_factor,
                                    .constant_order = config->order,
                                    .shift = (float)config->shift,
                                    .rotate = (float)config->rotate,
                                    .scale = (float)config->scale,
                                    .shear = (float)config->shear,
                                    .elastic = (float)config->elastic,
                                    .label_noise = (float)config->label_noise,
                                }};
    settings->curvature_batches = (int)((curvature_of(config, count) + B - 1) / B);
    return LENET_OK;
}

const struct lenet_oddity lenet_oddities[LENET_ODDITIES] = {
    {"batch", "is above the number of training images: every update takes all of them"},
    {"warmup", "is as long as the run or longer: all of it is warm-up, in which the learning rate rises"},
    {"curvature-images", "is above the number of training images: the curvature is estimated from all of them"},
};

int lenet_settings_oddities(const struct lenet_config *config, const struct lenet_settings *settings) {
    const struct lenet_hyper *hyper = &settings->hyper;
    const int is_odd[LENET_ODDITIES] = {
        settings->B < config->batch,
        hyper->schedule != LENET_SCHEDULE_PUBLISHED && hyper->warmup_steps >= hyper->total_steps,
        config->optimizer == LENET_SDLM && curvature_of(config, hyper->train_count) < config->curvature_images,
    };
    int oddities = 0;
    for (int i = 0; i < LENET_ODDITIES; i++)
        oddities |= (is_odd[i] && lenet_option_is_given(config, lenet_option_find(lenet_oddities[i].option))) << i;
    return oddities;
}

double lenet_run_flops(const struct lenet_config *config, const struct lenet_settings *settings,
                       const struct lenet_topology *topology, size_t test_images) {
    const double steps = (double)settings->hyper.total_steps, per_epoch = (double)settings->steps_per_epoch;
    const double estimates = config->optimizer == LENET_SDLM ? ceil(steps / per_epoch) : 0; /* of the curvature */
    return (steps * (double)settings->B + estimates * (double)settings->curvature_batches * (double)settings->B) *
               lenet_topology_flops(topology, 1) +
           ceil(steps / (double)settings->interval) * (double)(test_images + settings->hyper.train_first) *
               lenet_topology_flops(topology, 0);
}

/* ---- the data set ------------------------------------------------------------------------------- */

enum lenet_status lenet_config_dataset(struct lenet_config *config, enum lenet_half needed, int field,
                                       struct lenet_dataset *data, struct lenet_error *err) {
    const struct lenet_reading how = {.first_label = (int)config->first_label, .transpose = config->transpose};
    return lenet_dataset_open(config->data, sizeof config->data, needed, &how, field, data, err);
}

/* ---- the network --------------------------------------------------------------------------------- */

enum lenet_status lenet_config_topology(const struct lenet_config *config, int classes, struct lenet_topology *topology,
                                        struct lenet_error *err) {
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known; lenet info lists them", config->arch);
    LENET_TRY(lenet_topology_make(arch, (enum lenet_activation)config->activation, (enum lenet_pooling)config->pooling,
                                  classes, topology, err));
    LENET_TRY(lenet_topology_freeze(topology, config->freeze, err));
    topology->loss = (enum lenet_loss)config->loss;
    topology->map_j = config->map_j;
    if (topology->layers[topology->layer_count - 1].spec.kind == LENET_RBF) {
        if (config->loss != LENET_CROSS_ENTROPY) return LENET_OK;
        return lenet_fail(err, LENET_ERR_ARG,
                          "--loss cross-entropy: not for %s's RBF outputs; --loss map with a large --map-j is the same",
                          arch->name);
    }
    if (config->loss != LENET_CROSS_ENTROPY)
        return lenet_fail(err, LENET_ERR_ARG, "--loss mse and map: for RBF outputs, which %s does not have",
                          arch->name);
    if (config->optimizer == LENET_SDLM)
        return lenet_fail(err, LENET_ERR_ARG, "--optimizer sdlm: for RBF outputs, which %s does not have", arch->name);
    return LENET_OK;
}

/* published: background -0.1, foreground 1.175; LeCun et al. 1998, section II.B */
static const struct lenet_scaling published = {.factor = (1.175f + 0.1f) / 255, .offset = -0.1f};

struct lenet_scaling lenet_config_scaling(const struct lenet_config *config, const struct lenet_dataset *data) {
    return config->inputs ? published : lenet_scaling_of(&data->train, data->H, data->W);
}

enum lenet_status lenet_config_model(const struct lenet_config *config, const struct lenet_dataset *data,
                                     struct lenet_scaling standard, struct lenet_model *model,
                                     struct lenet_error *err) {
    LENET_TRY(lenet_config_topology(config, data->classes, &model->topology, err));
    model->scaling = config->inputs ? published : standard;
    model->names = data->names;
    const int field = model->topology.arch->field;
    if (data->H <= field && data->W <= field) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: images of %d x %d pixels do not fit %s's %d x %d", config->data,
                      data->H, data->W, config->arch, field, field);
}

/* ---- files --------------------------------------------------------------------------------------- */

/* The file of the weights, or one that would be taken for theirs in their directory. */
static enum lenet_status is_of_weights(const char *path, const char *weights, int *is, struct lenet_error *err) {
    char parent[LENET_MAX_PATH];
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    LENET_TRY(lenet_path_is_same(path, weights, is, err));
    if (*is || !dot || strcmp(dot, ".safetensors") != 0) return LENET_OK;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return lenet_path_is_same(parent, weights, is, err);
}

enum lenet_status lenet_config_spare_weights(const struct lenet_config *config, struct lenet_error *err) {
    static const char *const written[] = {"predictions", "json", "out", "show"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        char path[LENET_MAX_PATH];
        lenet_option_get(config, lenet_option_find(written[i]), path, sizeof path);
        int is;
        LENET_TRY(is_of_weights(path, config->weights, &is, err));
        if (is)
            return lenet_fail(err, LENET_ERR_ARG, "--%s %.400s: would replace the weights, or lie among them",
                              written[i], path);
    }
    return LENET_OK;
}

/* ---- what it begins from ------------------------------------------------------------------------- */

enum lenet_status lenet_config_start(struct lenet_config *config, struct lenet_start *start, struct lenet_error *err) {
    const int is_known = strcmp(config->from_sha256, "none") != 0;
    *start = (struct lenet_start){.path = NULL};
    if (!config->from[0] && !is_known) return LENET_OK;
    if (!config->from[0])
        return lenet_fail(err, LENET_ERR_ARG, "--from-sha256 %.12s...: needs the file, --from FILE",
                          config->from_sha256);
    LENET_TRY(lenet_start_open(config->from, start, err));
    if (is_known && strncasecmp(config->from_sha256, start->sha256, strlen(config->from_sha256)) != 0)
        return lenet_fail(
            err, LENET_ERR_ARG,
            "--from %.400s: another file than is wanted: its SHA-256 is %.12s..., and %.12s... is wanted; was "
            "it trained on since?",
            config->from, start->sha256, config->from_sha256);
    return lenet_option_set(config, lenet_option_find("from-sha256"), start->sha256, err); /* given: --arch leaves it */
}

/* ---- the machine, and company ------------------------------------------------------------------------ */

struct lenet_open_options lenet_open_options_of(const struct lenet_config *config) {
    const int threads = config->batch == 1 ? 1 : (int)config->threads; /* more would wait for the one with the image */
    return (struct lenet_open_options){.threads = threads, .tf32 = config->tf32, .own_dense = config->own_dense};
}

void lenet_population_key(const struct lenet_config *config, const struct lenet_settings *settings,
                          char key[LENET_POPULATION_KEY]) {
    int used = snprintf(key, LENET_POPULATION_KEY, "%" PRIu64 " steps", settings->hyper.total_steps);
    /* sdlm estimates the curvature for all members at a time */
    if (config->optimizer == LENET_SDLM || settings->B < config->batch)
        used += snprintf(key + used, (size_t)(LENET_POPULATION_KEY - used), ", %u images", settings->hyper.train_count);
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char text[LENET_MAX_CHOICE];
        if (option->identity != LENET_OF_POPULATION || !lenet_option_is_recorded(config, option)) continue;
        lenet_option_get(config, option, text, sizeof text);
        used += snprintf(key + used, (size_t)(LENET_POPULATION_KEY - used), ", %s %s", option->name, text);
    }
}
