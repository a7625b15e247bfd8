/* population.c - see population.h. */
#include "train/population.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/grow.h"
#include "ops/draw.h"

/* ---- from a configuration ---------------------------------------------------------------- */

uint64_t lenet_total_steps(const struct lenet_config *config, uint64_t steps_per_epoch) {
    return config->steps ? (uint64_t)config->steps : (uint64_t)config->epochs * steps_per_epoch;
}

enum lenet_status lenet_hyper_make(const struct lenet_config *config, size_t train_images, struct lenet_hyper *hyper,
                                   struct lenet_error *err) {
    const size_t validation = (size_t)config->validation;
    if (validation >= train_images)
        return lenet_fail(err, LENET_ERR_ARG, "--validation %zu: leaves nothing of the %zu training images", validation,
                          train_images);
    const size_t rest = train_images - validation;
    const size_t count = config->train_size ? (size_t)config->train_size : rest;
    if (count > rest)
        return lenet_fail(err, LENET_ERR_ARG, "--train-size %zu: only %zu training images%s", count, rest,
                          validation ? " are left beside the validation set" : "");
    if (config->patience && !validation)
        return lenet_fail(err, LENET_ERR_ARG, "--patience %lld: needs --validation N to judge by",
                          (long long)config->patience);
    const uint64_t steps_per_epoch = lenet_steps_per_epoch((uint32_t)count, (int)config->batch);
    const double per_epoch = (double)steps_per_epoch;
    const uint64_t total_steps = lenet_total_steps(config, steps_per_epoch);
    const double warmup_steps = config->warmup == LENET_AUTO ? (double)total_steps / 5 : config->warmup * per_epoch;
    *hyper = (struct lenet_hyper){
        .seed = (uint64_t)config->seed,
        .train_first = (uint32_t)validation,
        .train_count = (uint32_t)count,
        .learning_rate = (float)config->learning_rate,
        .momentum = (float)config->momentum,
        .weight_decay = (float)config->weight_decay,
        .beta2 = (float)config->beta2,
        .epsilon = (float)config->epsilon,
        .schedule = (enum lenet_schedule)config->schedule,
        .warmup_steps = (uint64_t)round(warmup_steps),
        .total_steps = total_steps,
        .decay_every = (uint64_t)round(config->decay_every * per_epoch),
        .decay_factor = (float)config->decay_factor,
        .constant_order = config->order,
        .shift = (float)config->shift,
        .rotate = (float)config->rotate,
        .scale = (float)config->scale,
        .shear = (float)config->shear,
        .elastic = (float)config->elastic,
        .label_noise = (float)config->label_noise,
    };
    return LENET_OK;
}

enum lenet_status lenet_config_topology(const struct lenet_config *config, int classes, struct lenet_topology *topology,
                                        struct lenet_error *err) {
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known; lenet info lists them", config->arch);
    LENET_TRY(lenet_topology_make(arch, (enum lenet_activation)config->activation, (enum lenet_pooling)config->pooling,
                                  classes, topology, err));
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

struct lenet_scaling lenet_config_scaling(const struct lenet_config *config, const struct lenet_dataset *data) {
    /* background -0.1, foreground 1.175: LeCun et al. 1998, section II.B */
    if (config->inputs) return (struct lenet_scaling){.factor = (1.175f + 0.1f) / 255, .offset = -0.1f};
    return lenet_scaling_of(&data->train, data->H, data->W);
}

void lenet_population_key(const struct lenet_config *config, const struct lenet_hyper *hyper,
                          char key[LENET_POPULATION_KEY]) {
    int used = snprintf(key, LENET_POPULATION_KEY, "%" PRIu64 " steps", hyper->total_steps);
    if (config->optimizer == LENET_SDLM) /* whose curvature is estimated for all at a time */
        used += snprintf(key + used, (size_t)(LENET_POPULATION_KEY - used), ", %u images", hyper->train_count);
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char text[LENET_MAX_CHOICE];
        if (option->identity != LENET_OF_POPULATION) continue;
        lenet_option_get(config, option, text, sizeof text);
        used += snprintf(key + used, (size_t)(LENET_POPULATION_KEY - used), ", %s %s", option->name, text);
    }
}

/* ---- opening ----------------------------------------------------------------------------- */

static enum lenet_status make_member(const struct lenet_config *config, size_t train_images,
                                     struct lenet_member *member, struct lenet_error *err) {
    LENET_TRY(lenet_hyper_make(config, train_images, &member->hyper, err));
    member->init = (enum lenet_init)config->init;
    member->init_scale = (float)config->init_scale;
    member->steps_per_epoch = lenet_steps_per_epoch(member->hyper.train_count, (int)config->batch);
    member->interval = member->steps_per_epoch * (uint64_t)config->eval_every;
    return LENET_OK;
}

static enum lenet_status make_members(struct lenet_population *pop, const struct lenet_config *const *configs,
                                      struct lenet_error *err) {
    char first[LENET_POPULATION_KEY], key[LENET_POPULATION_KEY];
    for (int r = 0; r < pop->R; r++) {
        LENET_TRY(make_member(configs[r], pop->train.count, &pop->members[r], err));
        lenet_population_key(configs[r], &pop->members[r].hyper, r ? key : first);
        if (r && strcmp(key, first) != 0)
            return lenet_fail(err, LENET_ERR_ARG, "no population: '%s' and '%s'", first, key);
    }
    if (pop->patience && pop->R > 1)
        return lenet_fail(err, LENET_ERR_ARG, "no population: with --patience a network ends when it wants");
    pop->total_steps = pop->members[0].hyper.total_steps;
    pop->validation = pop->members[0].hyper.train_first;
    return LENET_OK;
}

static struct lenet_source fitted(struct lenet_source source, const struct lenet_model *model) {
    source.OH = source.OW = model->topology.arch->field;
    source.factor = model->scaling.factor;
    source.offset = model->scaling.offset;
    return source;
}

static enum lenet_status open_network(struct lenet_population *pop, const struct lenet_device *device,
                                      const struct lenet_config *config, struct lenet_error *err) {
    const struct lenet_network_options options = {.topology = &pop->model.topology,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = pop->R,
                                                  .B = (int)config->batch};
    const struct lenet_backend *backend = lenet_device_backend_for(device, options.B);
    LENET_TRY(lenet_network_create(backend, device->ctx, &options, &pop->net, err));
    pop->moments = (pop->net.m != NULL) + (pop->net.v != NULL);
    pop->state = calloc((size_t)pop->R * (size_t)(1 + pop->moments) * pop->model.topology.stride, sizeof *pop->state);
    if (!pop->state) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < pop->R; r++)
        LENET_TRY(
            backend->upload(device->ctx, pop->net.hyper + r, &pop->members[r].hyper, sizeof pop->members[r].hyper));
    return LENET_OK;
}

enum lenet_status lenet_population_create(const struct lenet_device *device, const struct lenet_device_data *data,
                                          const struct lenet_model *model, const struct lenet_config *const *configs,
                                          int R, struct lenet_population *pop, struct lenet_error *err) {
    *pop = (struct lenet_population){.model = *model,
                                     .train = fitted(data->train, model),
                                     .test = fitted(data->test, model),
                                     .R = R,
                                     .patience = configs[0]->patience,
                                     .curvature_images = configs[0]->curvature_images,
                                     .members = calloc((size_t)R, sizeof *pop->members),
                                     .tally = calloc((size_t)R, sizeof *pop->tally)};
    enum lenet_status status =
        pop->members && pop->tally ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK) status = make_members(pop, configs, err);
    if (status == LENET_OK) status = open_network(pop, device, configs[0], err);
    if (status != LENET_OK) lenet_population_free(pop);
    return status;
}

void lenet_population_free(struct lenet_population *pop) {
    if (pop->net.backend) lenet_network_free(&pop->net);
    for (int r = 0; pop->members && r < pop->R; r++) free(pop->members[r].metrics);
    free(pop->members);
    free(pop->tally);
    free(pop->state);
    *pop = (struct lenet_population){0};
}

/* ---- to and from the device ---------------------------------------------------------------- */

float *lenet_population_state(const struct lenet_population *pop, int r) {
    return pop->state + (size_t)r * (size_t)(1 + pop->moments) * pop->model.topology.stride;
}

enum lenet_status lenet_population_init(struct lenet_population *pop) {
    for (int r = 0; r < pop->R; r++) {
        float *w = lenet_population_state(pop, r);
        const struct lenet_member *member = &pop->members[r];
        lenet_topology_init(&pop->model.topology, member->init, member->hyper.seed, member->init_scale, w);
        LENET_TRY(lenet_network_put(&pop->net, pop->net.w, r, w));
    }
    return LENET_OK;
}

static enum lenet_status put_tallies(struct lenet_population *pop) {
    return pop->net.backend->upload(pop->net.ctx, pop->net.tally, pop->tally, (size_t)pop->R * sizeof *pop->tally);
}

enum lenet_status lenet_population_look_at_tallies(struct lenet_population *pop) {
    return pop->net.backend->download(pop->net.ctx, pop->tally, pop->net.tally, (size_t)pop->R * sizeof *pop->tally);
}

enum lenet_status lenet_population_restore(struct lenet_population *pop) {
    struct lenet_network *net = &pop->net;
    const size_t stride = pop->model.topology.stride;
    LENET_TRY(net->backend->upload(net->ctx, net->step, &pop->step, sizeof pop->step));
    LENET_TRY(put_tallies(pop));
    for (int r = 0; r < pop->R; r++) {
        const float *state = lenet_population_state(pop, r);
        LENET_TRY(lenet_network_put(net, net->w, r, state));
        if (net->m) LENET_TRY(lenet_network_put(net, net->m, r, state + stride));
        if (net->v) LENET_TRY(lenet_network_put(net, net->v, r, state + 2 * stride));
    }
    return LENET_OK;
}

/* Copies a member's state to the host, and sees whether it is made of numbers still. */
static enum lenet_status look_at_member(struct lenet_population *pop, int r) {
    struct lenet_network *net = &pop->net;
    const size_t stride = pop->model.topology.stride;
    float *state = lenet_population_state(pop, r);
    LENET_TRY(lenet_network_get(net, net->w, r, state));
    if (net->m) LENET_TRY(lenet_network_get(net, net->m, r, state + stride));
    if (net->v) LENET_TRY(lenet_network_get(net, net->v, r, state + 2 * stride));
    int finite = pop->tally[r].nonfinite == 0;
    for (size_t i = 0; i < (size_t)(1 + pop->moments) * stride; i++) finite = finite && isfinite(state[i]);
    if (!finite) pop->members[r].diverged = 1;
    return LENET_OK;
}

enum lenet_status lenet_population_look(struct lenet_population *pop) {
    LENET_TRY(lenet_population_look_at_tallies(pop));
    for (int r = 0; r < pop->R; r++) LENET_TRY(look_at_member(pop, r));
    return LENET_OK;
}

/* ---- steps ------------------------------------------------------------------------------------ */

double lenet_population_seconds(const struct lenet_population *pop) { return pop->seconds + lenet_now() - pop->began; }

static void begin_interval(struct lenet_population *pop, int r, double time) {
    struct lenet_member *member = &pop->members[r];
    member->interval_began = time;
    member->interval_step = pop->step;
}

void lenet_population_begin(struct lenet_population *pop) {
    pop->began = lenet_now();
    for (int r = 0; r < pop->R; r++) begin_interval(pop, r, pop->began);
}

/* Tallies are of an epoch. Where one ends that is not measured, its tally is forgotten. */
static enum lenet_status end_epochs(struct lenet_population *pop) {
    const struct lenet_tally none = {0};
    for (int r = 0; r < pop->R; r++)
        if (pop->step % pop->members[r].steps_per_epoch == 0 && !lenet_population_measures(pop, r))
            LENET_TRY(pop->net.backend->upload(pop->net.ctx, pop->net.tally + r, &none, sizeof none));
    return LENET_OK;
}

/* sdlm looks at the curvature again before each pass. */
static enum lenet_status begin_pass(struct lenet_population *pop) {
    const int64_t batches = (pop->curvature_images + pop->net.B - 1) / pop->net.B;
    if (pop->net.optimizer != LENET_SDLM || pop->step % pop->members[0].steps_per_epoch != 0) return LENET_OK;
    return lenet_network_curvature(&pop->net, &pop->train, (int)batches);
}

enum lenet_status lenet_population_advance(struct lenet_population *pop) {
    enum { MOST = 32 }; /* recorded steps cost the host next to nothing; it should look at the clock and the signals */
    uint64_t steps = pop->net.backend->record ? MOST : 1;
    if (pop->total_steps - pop->step < steps) steps = pop->total_steps - pop->step;
    for (int r = 0; r < pop->R; r++) {
        const uint64_t left = pop->members[r].steps_per_epoch - pop->step % pop->members[r].steps_per_epoch;
        if (left < steps) steps = left;
    }
    LENET_TRY(begin_pass(pop));
    LENET_TRY(lenet_network_steps(&pop->net, &pop->train, (int)steps));
    pop->step += steps;
    return end_epochs(pop);
}

int lenet_population_measures(const struct lenet_population *pop, int r) {
    return !pop->members[r].diverged && (pop->step % pop->members[r].interval == 0 || pop->step >= pop->total_steps);
}

int lenet_population_measures_any(const struct lenet_population *pop) {
    for (int r = 0; r < pop->R; r++)
        if (lenet_population_measures(pop, r)) return 1;
    return 0;
}

static int is_out_of_patience(const struct lenet_population *pop) {
    const struct lenet_member *member = &pop->members[0]; /* with patience it is alone */
    const int best = lenet_member_best(member);
    if (!pop->patience || best < 0 || member->metrics[member->measured - 1].step != pop->step) return 0;
    return member->metrics[member->measured - 1].epoch - member->metrics[best].epoch >= (uint64_t)pop->patience;
}

int lenet_population_has_ended(const struct lenet_population *pop) {
    int alive = 0;
    for (int r = 0; r < pop->R; r++) alive += !pop->members[r].diverged;
    return pop->step >= pop->total_steps || alive == 0 || is_out_of_patience(pop);
}

/* ---- measuring -------------------------------------------------------------------------------- */

enum lenet_status lenet_member_append(struct lenet_member *member, const struct lenet_metrics *metrics) {
    struct lenet_metrics *longer = lenet_grow(member->metrics, (size_t)member->measured, sizeof *longer);
    if (!longer) return LENET_ERR_MEMORY;
    member->metrics = longer;
    member->metrics[member->measured++] = *metrics;
    return LENET_OK;
}

int lenet_member_best(const struct lenet_member *member) {
    int best = -1;
    for (int i = 0; i < member->measured; i++)
        if (member->metrics[i].has_validation &&
            (best < 0 || member->metrics[i].validation_accuracy > member->metrics[best].validation_accuracy))
            best = i;
    return best;
}

static uint64_t images_by(const struct lenet_member *member, uint64_t step, int B) {
    return step / member->steps_per_epoch * member->hyper.train_count + step % member->steps_per_epoch * (uint64_t)B;
}

uint64_t lenet_member_images(const struct lenet_member *member, uint64_t step, int B) {
    return images_by(member, step, B) - images_by(member, member->interval_step, B);
}

/* Images 0 ... end-1 of a source, for all members; tally[R]. */
static enum lenet_status evaluate(struct lenet_population *pop, const struct lenet_source *source,
                                  const struct lenet_hyper *hyper, uint32_t end, struct lenet_tally *tally) {
    memset(tally, 0, (size_t)pop->R * sizeof *tally);
    return lenet_network_evaluate(&pop->net, source, hyper, 0, end, tally, NULL);
}

static double mean_loss(const struct lenet_tally *tally) { return tally->loss / (double)tally->count; }
static double accuracy(const struct lenet_tally *tally) { return (double)tally->correct / (double)tally->count; }

static enum lenet_status append_metrics(struct lenet_population *pop, int r, double time,
                                        const struct lenet_tally *validation, const struct lenet_tally *test) {
    struct lenet_member *member = &pop->members[r];
    if (validation->nonfinite || test->nonfinite) {
        member->diverged = 1;
        return LENET_OK;
    }
    const struct lenet_tally *train = &pop->tally[r];
    const struct lenet_metrics metrics = {.epoch = (pop->step + member->steps_per_epoch - 1) / member->steps_per_epoch,
                                          .step = pop->step,
                                          .train_loss = mean_loss(train),
                                          .train_accuracy = accuracy(train),
                                          .has_validation = pop->validation > 0,
                                          .validation_loss = pop->validation ? mean_loss(validation) : 0,
                                          .validation_accuracy = pop->validation ? accuracy(validation) : 0,
                                          .test_loss = mean_loss(test),
                                          .test_accuracy = accuracy(test),
                                          .images_per_s = (double)lenet_member_images(member, pop->step, pop->net.B) /
                                                          (time - member->interval_began),
                                          .seconds = lenet_population_seconds(pop)};
    return lenet_member_append(member, &metrics);
}

static enum lenet_status evaluate_and_append(struct lenet_population *pop, struct lenet_tally *validation,
                                             struct lenet_tally *test) {
    const double time = lenet_now();
    if (pop->validation) LENET_TRY(evaluate(pop, &pop->train, pop->net.hyper, pop->validation, validation));
    LENET_TRY(evaluate(pop, &pop->test, NULL, pop->test.count, test));
    for (int r = 0; r < pop->R; r++) {
        if (!lenet_population_measures(pop, r)) continue;
        LENET_TRY(append_metrics(pop, r, time, &validation[r], &test[r]));
        pop->tally[r] = (struct lenet_tally){0};
        begin_interval(pop, r, lenet_now());
    }
    return put_tallies(pop);
}

enum lenet_status lenet_population_measure(struct lenet_population *pop) {
    LENET_TRY(lenet_population_look_at_tallies(pop));
    for (int r = 0; r < pop->R; r++)
        if (lenet_population_measures(pop, r)) LENET_TRY(look_at_member(pop, r));
    if (!lenet_population_measures_any(pop)) return LENET_OK; /* they have all diverged */
    struct lenet_tally *tallies = calloc(2 * (size_t)pop->R, sizeof *tallies);
    if (!tallies) return LENET_ERR_MEMORY;
    const enum lenet_status status = evaluate_and_append(pop, tallies, tallies + pop->R);
    free(tallies);
    return status;
}
