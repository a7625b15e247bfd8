/* population.c - R networks from their first weights to their last measurement: steps, tallies, metrics, and the copy
 * of their state that is on the host. */
#include "train/population.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/grow.h"

struct lenet_population {
    struct lenet_model model;
    struct lenet_network net;
    struct lenet_source train, test;
    struct lenet_member *members; /* [R] */
    uint32_t validation;          /* held-out images                                         */
    int64_t patience;             /* epochs without a better validation accuracy; 0: endless */
    uint64_t total_steps;
    double spent, began;       /* seconds before `began`; the clock then */
    struct lenet_snapshot now; /* its step is that of what was enqueued  */
    float *states, *spare;     /* [R + 1] states in one piece; the one that belongs to no member */
};

struct lenet_snapshot *lenet_population_snapshot(struct lenet_population *pop) {
    return &pop->now;
}
const struct lenet_model *lenet_population_model(const struct lenet_population *pop) { return &pop->model; }
uint64_t lenet_population_total_steps(const struct lenet_population *pop) { return pop->total_steps; }
enum lenet_optimizer lenet_population_optimizer(const struct lenet_population *pop) { return pop->net.optimizer; }
const struct lenet_member *lenet_population_member(const struct lenet_population *pop, int r) {
    return &pop->members[r];
}

float *lenet_snapshot_state(const struct lenet_snapshot *snapshot, int r) { return snapshot->state[r]; }

int lenet_snapshot_is_finite(const struct lenet_snapshot *snapshot, int r) {
    const float *state = lenet_snapshot_state(snapshot, r);
    int finite = 1;
    for (size_t i = 0; i < (size_t)(1 + snapshot->moments) * snapshot->stride; i++)
        finite = finite && isfinite(state[i]);
    return finite;
}

/* ---- opening ----------------------------------------------------------------------------- */

static enum lenet_status make_members(struct lenet_population *pop, const struct lenet_config *const *configs,
                                      struct lenet_error *err) {
    char first[LENET_POPULATION_KEY], key[LENET_POPULATION_KEY];
    for (int r = 0; r < pop->now.R; r++) {
        struct lenet_settings *settings = &pop->members[r].settings;
        LENET_TRY(lenet_settings_make(configs[r], pop->train.count, settings, err));
        lenet_population_key(configs[r], settings, r ? key : first);
        if (r && strcmp(key, first) != 0)
            return lenet_fail(err, LENET_ERR_ARG, "no population: '%s' and '%s'", first, key);
    }
    if (pop->patience && pop->now.R > 1)
        return lenet_fail(err, LENET_ERR_ARG, "no population: with --patience a network ends when it wants");
    pop->total_steps = pop->members[0].settings.hyper.total_steps;
    pop->validation = pop->members[0].settings.hyper.train_first;
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
    struct lenet_snapshot *now = &pop->now;
    const struct lenet_network_options options = {.topology = &pop->model.topology,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = now->R,
                                                  .B = pop->members[0].settings.B};
    const struct lenet_backend *backend = lenet_device_backend_for(device, options.B);
    LENET_TRY(lenet_network_create(backend, device->ctx, &options, &pop->net, err));
    now->moments = (pop->net.m != NULL) + (pop->net.v != NULL);
    const size_t state = (size_t)(1 + now->moments) * now->stride;
    pop->spare = pop->states = calloc((size_t)now->R + 1, state * sizeof *pop->states);
    if (!pop->states) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int r = 0; r < now->R; r++) {
        now->state[r] = pop->states + (size_t)(1 + r) * state;
        const struct lenet_hyper *hyper = &pop->members[r].settings.hyper;
        LENET_TRY(backend->upload(device->ctx, pop->net.hyper + r, hyper, sizeof *hyper));
    }
    return LENET_OK;
}

static enum lenet_status open_population(struct lenet_population *pop, const struct lenet_device *device,
                                         const struct lenet_config *const *configs, struct lenet_error *err) {
    const size_t R = (size_t)pop->now.R;
    pop->members = calloc(R, sizeof *pop->members);
    pop->now.tally = calloc(R, sizeof *pop->now.tally);
    pop->now.diverged = calloc(R, sizeof *pop->now.diverged);
    pop->now.state = calloc(R, sizeof *pop->now.state);
    if (!pop->members || !pop->now.tally || !pop->now.diverged || !pop->now.state)
        return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    LENET_TRY(make_members(pop, configs, err));
    return open_network(pop, device, configs[0], err);
}

enum lenet_status lenet_population_create(const struct lenet_device *device, const struct lenet_device_data *data,
                                          const struct lenet_model *model, const struct lenet_config *const *configs,
                                          int R, struct lenet_population **pop, struct lenet_error *err) {
    *pop = calloc(1, sizeof **pop);
    if (!*pop) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    **pop = (struct lenet_population){.model = *model,
                                      .train = fitted(data->train, model),
                                      .test = fitted(data->test, model),
                                      .now = {.R = R, .stride = model->topology.stride},
                                      .patience = configs[0]->patience};
    const enum lenet_status status = open_population(*pop, device, configs, err);
    if (status == LENET_OK) return LENET_OK;
    lenet_population_free(*pop);
    *pop = NULL;
    return status;
}

void lenet_population_free(struct lenet_population *pop) {
    if (!pop) return;
    if (pop->net.backend) lenet_network_free(&pop->net);
    for (int r = 0; pop->members && r < pop->now.R; r++) free(pop->members[r].metrics);
    free(pop->members);
    free(pop->now.tally);
    free(pop->now.diverged);
    free(pop->now.state);
    free(pop->states);
    free(pop);
}

/* ---- to and from the device ---------------------------------------------------------------- */

static enum lenet_status upload_member(struct lenet_population *pop, int r) {
    struct lenet_network *net = &pop->net;
    const float *state = lenet_snapshot_state(&pop->now, r);
    LENET_TRY(lenet_network_put(net, net->w, r, state));
    if (net->m) LENET_TRY(lenet_network_put(net, net->m, r, state + pop->now.stride));
    return net->v ? lenet_network_put(net, net->v, r, state + 2 * pop->now.stride) : LENET_OK;
}

/* Before the weights come: whatever takes longer only the first time is done before the clock starts. */
static enum lenet_status prepare(struct lenet_population *pop) {
    struct lenet_network *net = &pop->net;
    LENET_TRY(lenet_network_prepare(net, &pop->train));
    LENET_TRY(lenet_network_prepare_evaluation(net, &pop->train, net->hyper, 0, pop->validation));
    return lenet_network_prepare_evaluation(net, &pop->test, NULL, 0, pop->test.count);
}

enum lenet_status lenet_population_init(struct lenet_population *pop, const struct lenet_start *start,
                                        struct lenet_error *err) {
    LENET_TRY(prepare(pop));
    for (int r = 0; r < pop->now.R; r++) {
        const struct lenet_settings *settings = &pop->members[r].settings;
        float *w = lenet_snapshot_state(&pop->now, r);
        lenet_topology_init(&pop->model.topology, settings->init, settings->hyper.seed, settings->init_scale, w);
        if (start) LENET_TRY(lenet_start_fill(start, &pop->model.topology, w, err));
        LENET_TRY(upload_member(pop, r));
    }
    return LENET_OK;
}

static enum lenet_status upload_tallies(struct lenet_population *pop) {
    return pop->net.backend->upload(pop->net.ctx, pop->net.tally, pop->now.tally,
                                    (size_t)pop->now.R * sizeof *pop->now.tally);
}

enum lenet_status lenet_population_download_tallies(struct lenet_population *pop) {
    pop->now.seconds = pop->spent + lenet_now() - pop->began;
    return pop->net.backend->download(pop->net.ctx, pop->now.tally, pop->net.tally,
                                      (size_t)pop->now.R * sizeof *pop->now.tally);
}

uint64_t lenet_population_interval_end(const struct lenet_population *pop, int r) {
    const uint64_t interval = pop->members[r].settings.interval;
    const uint64_t end = (pop->now.step + interval - 1) / interval * interval;
    return end < pop->total_steps ? end : pop->total_steps;
}

/* What has come up in training: the snapshot has the last state without it. The search ends where the interval does, so
 * that what it finds does not depend on when it began. */
static enum lenet_status diverge(struct lenet_population *pop, int r) {
    struct lenet_member *member = &pop->members[r];
    const struct lenet_replay replay = {.network = &pop->net,
                                        .source = &pop->train,
                                        .settings = &member->settings,
                                        .state = pop->now.state[r],
                                        .first = member->state_step,
                                        .end = lenet_population_interval_end(pop, r)};
    LENET_TRY(lenet_divergence_find(&replay, &member->divergence));
    pop->now.diverged[r] = 1;
    return LENET_OK;
}

/* Copies a member's weights and moments to the host, as long as they are numbers. */
static enum lenet_status download_member(struct lenet_population *pop, int r) {
    struct lenet_network *net = &pop->net;
    float *const state = pop->spare, *const before = pop->now.state[r];
    if (pop->now.diverged[r]) return LENET_OK;
    if (pop->now.tally[r].nonfinite) return diverge(pop, r);
    LENET_TRY(lenet_network_get(net, net->w, r, state));
    if (net->m) LENET_TRY(lenet_network_get(net, net->m, r, state + pop->now.stride));
    if (net->v) LENET_TRY(lenet_network_get(net, net->v, r, state + 2 * pop->now.stride));
    pop->now.state[r] = state;
    if (!lenet_snapshot_is_finite(&pop->now, r)) {
        pop->now.state[r] = before;
        return diverge(pop, r);
    }
    pop->spare = before;
    pop->members[r].state_step = pop->now.step;
    return LENET_OK;
}

enum lenet_status lenet_population_download(struct lenet_population *pop) {
    LENET_TRY(lenet_population_download_tallies(pop));
    for (int r = 0; r < pop->now.R; r++) LENET_TRY(download_member(pop, r));
    return LENET_OK;
}

/* ---- from a checkpoint --------------------------------------------------------------------- */

/* Whether measurements are made at this step. */
static int is_of_measurement(const struct lenet_population *pop, int r) {
    return pop->now.step &&
           (pop->now.step % pop->members[r].settings.interval == 0 || pop->now.step >= pop->total_steps);
}

/* The counters of a member that has not diverged are those of its epoch's batches, or 0 after a measurement. */
static int is_plausible(const struct lenet_population *pop, int r) {
    const struct lenet_tally *tally = &pop->now.tally[r];
    const struct lenet_settings *settings = &pop->members[r].settings;
    const uint64_t batches = pop->now.step % settings->steps_per_epoch, whole_epoch = settings->hyper.train_count;
    const uint64_t images = batches ? batches * (uint64_t)settings->B : is_of_measurement(pop, r) ? whole_epoch : 0;
    return pop->now.diverged[r] || ((tally->count == images || (tally->count == 0 && is_of_measurement(pop, r))) &&
                                    tally->correct <= images && tally->nonfinite == 0 && isfinite(tally->loss));
}

enum lenet_status lenet_population_restore(struct lenet_population *pop, const char *path, struct lenet_error *err) {
    const struct lenet_snapshot *now = &pop->now;
    int plausible = now->step <= pop->total_steps && now->seconds >= 0 && isfinite(now->seconds);
    for (int r = 0; r < now->R; r++) plausible = plausible && is_plausible(pop, r);
    if (!plausible)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: its counters do not fit the run (step %" PRIu64 " of %" PRIu64 "); damaged?", path,
                          now->step, pop->total_steps);
    pop->spent = now->seconds;
    LENET_TRY(prepare(pop));
    LENET_TRY(pop->net.backend->upload(pop->net.ctx, pop->net.step, &now->step, sizeof now->step));
    LENET_TRY(upload_tallies(pop));
    for (int r = 0; r < now->R; r++) {
        pop->members[r].state_step = now->step;
        LENET_TRY(upload_member(pop, r));
    }
    return LENET_OK;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static void begin_interval(struct lenet_population *pop, int r, double time) {
    struct lenet_member *member = &pop->members[r];
    member->interval_began = time;
    member->interval_step = pop->now.step;
}

void lenet_population_begin(struct lenet_population *pop, int (*is_stopped)(void *stop), void *stop) {
    pop->net.is_stopped = is_stopped;
    pop->net.stop = stop;
    pop->began = lenet_now();
    for (int r = 0; r < pop->now.R; r++) begin_interval(pop, r, pop->began);
}

static int member_is_due(const struct lenet_population *pop, int r) {
    const struct lenet_member *member = &pop->members[r];
    const int is_measured = member->measured && member->metrics[member->measured - 1].step == pop->now.step;
    return !pop->now.diverged[r] && is_of_measurement(pop, r) && !is_measured;
}

/* Tallies are of an epoch. Where one ends that is not measured, its tally is forgotten. */
static enum lenet_status end_epochs(struct lenet_population *pop) {
    const struct lenet_tally none = {0};
    for (int r = 0; r < pop->now.R; r++)
        if (pop->now.step % pop->members[r].settings.steps_per_epoch == 0 && !member_is_due(pop, r))
            LENET_TRY(pop->net.backend->upload(pop->net.ctx, pop->net.tally + r, &none, sizeof none));
    return LENET_OK;
}

/* sdlm estimates the curvature again before each pass. */
static enum lenet_status begin_pass(struct lenet_population *pop) {
    const struct lenet_settings *settings = &pop->members[0].settings;
    if (pop->net.optimizer != LENET_SDLM || pop->now.step % settings->steps_per_epoch != 0) return LENET_OK;
    return lenet_network_curvature(&pop->net, &pop->train, settings->curvature_batches);
}

enum lenet_status lenet_population_advance(struct lenet_population *pop) {
    enum { MOST = 32 }; /* recorded steps cost the host next to nothing; it should look at the clock and the signals */
    uint64_t steps = pop->net.backend->record ? MOST : 1;
    if (pop->total_steps - pop->now.step < steps) steps = pop->total_steps - pop->now.step;
    for (int r = 0; r < pop->now.R; r++) {
        const uint64_t per_epoch = pop->members[r].settings.steps_per_epoch;
        if (per_epoch - pop->now.step % per_epoch < steps) steps = per_epoch - pop->now.step % per_epoch;
    }
    LENET_TRY(begin_pass(pop));
    LENET_TRY(lenet_network_steps(&pop->net, &pop->train, (int)steps));
    pop->now.step += steps;
    return end_epochs(pop);
}

int lenet_population_is_due(const struct lenet_population *pop) {
    for (int r = 0; r < pop->now.R; r++)
        if (member_is_due(pop, r)) return 1;
    return 0;
}

static int is_out_of_patience(const struct lenet_population *pop) {
    const struct lenet_member *member = &pop->members[0]; /* with patience it is alone */
    const int best = lenet_member_best(member);
    if (!pop->patience || best < 0 || member->metrics[member->measured - 1].step != pop->now.step) return 0;
    return member->metrics[member->measured - 1].epoch - member->metrics[best].epoch >= (uint64_t)pop->patience;
}

int lenet_population_is_alive(const struct lenet_population *pop) {
    for (int r = 0; r < pop->now.R; r++)
        if (!pop->now.diverged[r]) return 1;
    return 0;
}

int lenet_population_has_ended(const struct lenet_population *pop) {
    return !lenet_population_is_alive(pop) || is_out_of_patience(pop) ||
           (pop->now.step >= pop->total_steps && !lenet_population_is_due(pop));
}

/* ---- measuring -------------------------------------------------------------------------------- */

enum lenet_status lenet_population_append(struct lenet_population *pop, int r, const struct lenet_metrics *metrics) {
    struct lenet_member *member = &pop->members[r];
    LENET_TRY(lenet_grow(&member->metrics, (size_t)member->measured, sizeof *member->metrics, NULL));
    member->metrics[member->measured++] = *metrics;
    return LENET_OK;
}

int lenet_population_history_fits(const struct lenet_population *pop, int r) {
    const struct lenet_member *member = &pop->members[r];
    const uint64_t interval = member->settings.interval, n = (uint64_t)member->measured, step = pop->now.step;
    const int waits = is_of_measurement(pop, r) && pop->now.tally[r].count > 0; /* for the last one */
    const uint64_t all = step / interval + (step >= pop->total_steps && step % interval != 0);
    int fits = pop->now.diverged[r] ? n <= all : n + (uint64_t)waits == all;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t end = (i + 1) * interval;
        fits = fits && member->metrics[i].step == (end < pop->total_steps ? end : pop->total_steps);
    }
    return fits;
}

int lenet_member_best(const struct lenet_member *member) {
    int best = -1;
    for (int i = 0; i < member->measured; i++)
        if (member->metrics[i].has_validation &&
            (best < 0 || member->metrics[i].validation_accuracy > member->metrics[best].validation_accuracy))
            best = i;
    return best;
}

static uint64_t images_by(const struct lenet_settings *settings, uint64_t step) {
    return step / settings->steps_per_epoch * settings->hyper.train_count +
           step % settings->steps_per_epoch * (uint64_t)settings->B;
}

uint64_t lenet_member_images(const struct lenet_member *member, uint64_t step) {
    return images_by(&member->settings, step) - images_by(&member->settings, member->interval_step);
}

/* Images 0 ... end-1 of a source, for all members; tally[R]. */
static enum lenet_status evaluate(struct lenet_population *pop, const struct lenet_source *source,
                                  const struct lenet_hyper *hyper, uint32_t end, struct lenet_tally *tally) {
    memset(tally, 0, (size_t)pop->now.R * sizeof *tally);
    return lenet_network_evaluate(&pop->net, source, hyper, 0, end, tally, NULL);
}

static double mean_loss(const struct lenet_tally *tally) { return tally->loss / (double)tally->count; }
static double accuracy(const struct lenet_tally *tally) { return (double)tally->correct / (double)tally->count; }

static enum lenet_status append_metrics(struct lenet_population *pop, int r, double time,
                                        const struct lenet_tally *validation, const struct lenet_tally *test) {
    struct lenet_member *member = &pop->members[r];
    if (validation->nonfinite || test->nonfinite) {
        pop->now.diverged[r] = 1;
        member->divergence = (struct lenet_divergence){.step = pop->now.step};
        strcpy(member->divergence.tensor,
               test->nonfinite ? "the loss of a test image" : "the loss of a validation image");
        return LENET_OK;
    }
    const uint64_t per_epoch = member->settings.steps_per_epoch;
    pop->now.seconds = pop->spent + lenet_now() - pop->began;
    const struct lenet_tally *train = &pop->now.tally[r];
    const struct lenet_metrics metrics = {.epoch = (pop->now.step + per_epoch - 1) / per_epoch,
                                          .step = pop->now.step,
                                          .train_loss = mean_loss(train),
                                          .train_accuracy = accuracy(train),
                                          .has_validation = pop->validation > 0,
                                          .validation_loss = pop->validation ? mean_loss(validation) : 0,
                                          .validation_accuracy = pop->validation ? accuracy(validation) : 0,
                                          .test_loss = mean_loss(test),
                                          .test_accuracy = accuracy(test),
                                          .images_per_s = (double)lenet_member_images(member, pop->now.step) /
                                                          (time - member->interval_began),
                                          .seconds = pop->now.seconds};
    return lenet_population_append(pop, r, &metrics);
}

/* Evaluates all members on the validation set, where there is one, and on the test set: tallies[2][R]. */
static enum lenet_status evaluate_all(struct lenet_population *pop, struct lenet_tally *tallies) {
    if (pop->validation) LENET_TRY(evaluate(pop, &pop->train, pop->net.hyper, pop->validation, tallies));
    return evaluate(pop, &pop->test, NULL, pop->test.count, tallies + pop->now.R);
}

static enum lenet_status append_all(struct lenet_population *pop, double time, const struct lenet_tally *tallies) {
    for (int r = 0; r < pop->now.R; r++) {
        if (!member_is_due(pop, r)) continue;
        LENET_TRY(append_metrics(pop, r, time, &tallies[r], &tallies[pop->now.R + r]));
        pop->now.tally[r] = (struct lenet_tally){0};
        begin_interval(pop, r, lenet_now());
    }
    return upload_tallies(pop);
}

static enum lenet_status evaluate_and(struct lenet_population *pop, int append) {
    const double time = lenet_now();
    struct lenet_tally *tallies = calloc(2 * (size_t)pop->now.R, sizeof *tallies);
    if (!tallies) return LENET_ERR_MEMORY;
    enum lenet_status status = evaluate_all(pop, tallies);
    if (status == LENET_OK && append) status = append_all(pop, time, tallies);
    free(tallies);
    return status;
}

enum lenet_status lenet_population_answer(struct lenet_population *pop, int training,
                                          const struct lenet_answers *answers) {
    const struct lenet_source *source = training ? &pop->train : &pop->test;
    struct lenet_tally *tally = calloc((size_t)pop->now.R, sizeof *tally);
    if (!tally) return LENET_ERR_MEMORY;
    const enum lenet_status status = lenet_network_evaluate(&pop->net, source, NULL, 0, source->count, tally, answers);
    free(tally);
    return status;
}

enum lenet_status lenet_population_rehearse(struct lenet_population *pop) { return evaluate_and(pop, 0); }

enum lenet_status lenet_population_measure(struct lenet_population *pop) {
    LENET_TRY(lenet_population_download_tallies(pop));
    for (int r = 0; r < pop->now.R; r++)
        if (member_is_due(pop, r)) LENET_TRY(download_member(pop, r));
    return lenet_population_is_due(pop) ? evaluate_and(pop, 1) : LENET_OK; /* they may all have diverged */
}
