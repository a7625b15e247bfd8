/* train.c - see train.h. The loop is lenet_train's second half; what comes before it opens things. */
#include "lenet/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lenet/draw.h"
#include "lenet/files.h"

#define LAST "last.safetensors"
#define BEST "best.safetensors"

/* Everything that a run holds while it is under way. */
struct run {
    struct lenet_config *config;
    const struct lenet_observer *observer;
    const volatile sig_atomic_t *stop;

    struct lenet_dataset data;
    struct lenet_device device;
    struct lenet_device_data device_data;
    struct lenet_model model;
    struct lenet_network net;
    struct lenet_hyper hyper;
    float *host_state; /* [3][stride]: weights, m, v */

    uint64_t step, steps_per_epoch;
    struct lenet_tally tally; /* of the epoch under way, as of the last look */
    double seconds;           /* spent before `began`                        */
    double began, epoch_began, last_checkpoint, last_progress;
    uint64_t epoch_first_step;

    double best_accuracy; /* on the validation set; -1 before the first */
    int epochs_since_best;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- opening ---------------------------------------------------------------------------- */

enum lenet_status lenet_data_open(struct lenet_config *config, int field, struct lenet_dataset *data,
                                  struct lenet_error *err) {
    static const char *const usual[] = {"data/mnist", "data/sample"};
    for (size_t i = 0; !config->data[0] && i < sizeof usual / sizeof *usual; i++)
        if (lenet_path_exists(usual[i])) strcpy(config->data, usual[i]);
    if (!config->data[0])
        return lenet_fail(
            err, LENET_ERR_IO,
            "no data set in data/mnist or data/sample; scripts/get_mnist.sh gets MNIST, --data names another");
    LENET_TRY(lenet_dataset_read(config->data, data, err));
    if (data->H <= field && data->W <= field) return LENET_OK;
    const int H = data->H, W = data->W;
    lenet_dataset_free(data);
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: images of %d x %d pixels do not fit the network's %d x %d",
                      config->data, H, W, field, field);
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
    const double per_epoch = (double)lenet_steps_per_epoch((uint32_t)count, (int)config->batch);
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
        .warmup_steps = (uint64_t)round(config->warmup * per_epoch),
        .total_steps = config->steps ? (uint64_t)config->steps : (uint64_t)config->epochs * (uint64_t)per_epoch,
        .decay_every = (uint64_t)round(config->decay_every * per_epoch),
        .decay_factor = (float)config->decay_factor,
        .shift = (float)config->shift,
        .rotate = (float)config->rotate,
        .scale = (float)config->scale,
        .shear = (float)config->shear,
        .elastic = (float)config->elastic,
        .label_noise = (float)config->label_noise,
    };
    return LENET_OK;
}

static enum lenet_status open_all(struct run *run, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known; lenet info lists them", config->arch);
    LENET_TRY(lenet_data_open(config, arch->field, &run->data, err));
    LENET_TRY(lenet_plan_make(arch, (enum lenet_activation)config->activation, (enum lenet_pooling)config->pooling,
                              run->data.classes, &run->model.plan, err));
    LENET_TRY(lenet_hyper_make(config, run->data.train.count, &run->hyper, err));
    run->steps_per_epoch = lenet_steps_per_epoch(run->hyper.train_count, (int)config->batch);
    run->model.scaling = lenet_scaling_of(&run->data.train, run->data.H, run->data.W);
    run->host_state = calloc(3 * run->model.plan.stride, sizeof *run->host_state);
    if (!run->host_state) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");

    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &run->device, err));
    const struct lenet_backend *be = run->device.backend;
    struct lenet_ctx *ctx = run->device.ctx;
    LENET_TRY(lenet_device_data_create(be, ctx, &run->data, run->model.scaling, arch->field, &run->device_data, err));
    const struct lenet_network_options options = {.plan = &run->model.plan,
                                                  .optimizer = (enum lenet_optimizer)config->optimizer,
                                                  .R = 1,
                                                  .B = (int)config->batch};
    LENET_TRY(lenet_network_create(be, ctx, &options, &run->net, err));
    return be->upload(ctx, run->net.hyper, &run->hyper, sizeof run->hyper);
}

static void close_all(struct run *run) {
    if (run->device.backend) {
        lenet_network_free(&run->net);
        lenet_device_data_free(run->device.backend, run->device.ctx, &run->device_data);
    }
    lenet_device_close(&run->device);
    lenet_dataset_free(&run->data);
    free(run->host_state);
}

/* ---- checkpoints ------------------------------------------------------------------------ */

static int has_ended(const struct run *run) {
    const struct lenet_config *config = run->config;
    return run->step >= run->hyper.total_steps ||
           (config->patience && run->epochs_since_best >= config->patience && run->step % run->steps_per_epoch == 0);
}

static enum lenet_status get_tally(struct run *run) {
    return run->net.backend->download(run->net.ctx, &run->tally, run->net.tally, sizeof run->tally);
}

static enum lenet_status put_tally(struct run *run) {
    return run->net.backend->upload(run->net.ctx, run->net.tally, &run->tally, sizeof run->tally);
}

static enum lenet_status diverged(const struct run *run, struct lenet_error *err) {
    return lenet_fail(err, LENET_ERR_DIVERGED,
                      "the loss is NaN or infinite after step %llu; a smaller --lr than %g may help",
                      (unsigned long long)run->step, run->config->learning_rate);
}

/* Copies weights and moments to the host, and the tally, after a look at whether they are still numbers. */
static enum lenet_status fetch(struct run *run, struct lenet_error *err) {
    const size_t stride = run->model.plan.stride;
    float *w = run->host_state;
    LENET_TRY(get_tally(run));
    LENET_TRY(lenet_network_get(&run->net, run->net.w, 0, w));
    if (run->net.m) LENET_TRY(lenet_network_get(&run->net, run->net.m, 0, w + stride));
    if (run->net.v) LENET_TRY(lenet_network_get(&run->net, run->net.v, 0, w + 2 * stride));
    int finite = run->tally.nonfinite == 0;
    for (size_t i = 0; i < 3 * stride; i++) finite = finite && isfinite(w[i]);
    return finite ? LENET_OK : diverged(run, err);
}

/* Writes what was fetched as NAME.safetensors: with all that a resumed run needs, or the weights alone. */
static enum lenet_status save(struct run *run, const char *name, int weights_only, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    const size_t stride = run->model.plan.stride;
    const float *m = run->host_state + stride, *v = m + stride;
    const struct lenet_checkpoint checkpoint = {.step = run->step,
                                                .seconds = run->seconds + now() - run->began,
                                                .tally = run->tally,
                                                .m = run->net.m ? m : NULL,
                                                .v = run->net.v ? v : NULL};
    LENET_TRY(lenet_run_path(run->config->run, name, path, err));
    return lenet_model_write(path, &run->model, run->host_state, weights_only ? NULL : &checkpoint, err);
}

static enum lenet_status save_checkpoint(struct run *run, struct lenet_error *err) {
    LENET_TRY(fetch(run, err));
    run->last_checkpoint = now();
    return save(run, LAST, has_ended(run), err);
}

/* Follows the validation accuracy; returns 1 where this epoch is the best so far. */
static int is_best(struct run *run, const struct lenet_metrics *metrics) {
    if (!metrics->has_validation) return 0;
    const int best = metrics->validation_accuracy > run->best_accuracy;
    if (best) run->best_accuracy = metrics->validation_accuracy;
    run->epochs_since_best = best ? 0 : run->epochs_since_best + 1;
    return best;
}

/* Cuts metrics.jsonl back to the checkpoint, and learns from it how validation went. */
static enum lenet_status rewind_metrics(struct run *run, struct lenet_error *err) {
    struct lenet_metrics *metrics;
    int n;
    const enum lenet_status status = lenet_metrics_rewind(run->config->run, run->step, &metrics, &n, err);
    for (int i = 0; status == LENET_OK && i < n; i++) is_best(run, &metrics[i]);
    free(metrics);
    return status;
}

static enum lenet_status check_plausible(const struct run *run, const char *path, const struct lenet_checkpoint *c,
                                         struct lenet_error *err) {
    const uint64_t images = c->step % run->steps_per_epoch * (uint64_t)run->config->batch;
    if (c->step < run->hyper.total_steps && c->tally.count == images && c->tally.correct <= images &&
        c->tally.nonfinite == 0 && isfinite(c->tally.loss) && c->seconds >= 0)
        return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: its counters (step %llu of %llu, %llu images) do not fit the run",
                      path, (unsigned long long)c->step, (unsigned long long)run->hyper.total_steps,
                      (unsigned long long)c->tally.count);
}

/* What a process that was killed while it wrote has left. */
static enum lenet_status clear_temporaries(const struct run *run, struct lenet_error *err) {
    static const char *const names[] = {LAST, BEST, "run.json", "metrics.jsonl"};
    char path[LENET_MAX_PATH];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        LENET_TRY(lenet_run_path(run->config->run, names[i], path, err));
        lenet_file_clear_temporaries(path);
    }
    return LENET_OK;
}

/* Puts the last checkpoint's state back. *ended becomes 1 where the run needs no more steps. */
static enum lenet_status restore(struct run *run, int *ended, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    struct lenet_checkpoint checkpoint;
    float *state;
    struct lenet_network *net = &run->net;
    const size_t stride = run->model.plan.stride;
    LENET_TRY(lenet_run_path(run->config->run, LAST, path, err));
    if (!lenet_path_exists(path)) return rewind_metrics(run, err); /* killed before the first checkpoint */
    LENET_TRY(
        lenet_checkpoint_read(path, &run->model.plan, (net->m != NULL) + (net->v != NULL), &state, &checkpoint, err));
    *ended = state == NULL;
    if (*ended) return LENET_OK;
    free(run->host_state);
    run->host_state = state;
    LENET_TRY(check_plausible(run, path, &checkpoint, err));
    run->step = checkpoint.step;
    run->seconds = checkpoint.seconds;
    run->tally = checkpoint.tally;
    LENET_TRY(net->backend->upload(net->ctx, net->step, &run->step, sizeof run->step));
    LENET_TRY(put_tally(run));
    LENET_TRY(lenet_network_put(net, net->w, 0, state));
    if (net->m) LENET_TRY(lenet_network_put(net, net->m, 0, state + stride));
    if (net->v) LENET_TRY(lenet_network_put(net, net->v, 0, state + 2 * stride));
    return rewind_metrics(run, err);
}

/* The run that --resume names must have begun just as this one is configured. */
static enum lenet_status check_same_run(const struct run *run, struct lenet_error *err) {
    struct lenet_config was = *run->config;
    char hash[65];
    LENET_TRY(lenet_run_read(run->config->resume, &was, hash, err));
    LENET_TRY(lenet_run_same(&was, run->config, err));
    if (strcmp(run->data.hash, hash) != 0)
        return lenet_fail(err, LENET_ERR_ARG, "--resume %s: the data set in %s is not the one the run began with",
                          run->config->resume, run->config->data);
    if (strcmp(was.device, run->device.backend->name) != 0)
        return lenet_fail(err, LENET_ERR_ARG, "--resume %s: the run began on %s, this would be %s", run->config->resume,
                          was.device, run->device.backend->name);
    return LENET_OK;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static enum lenet_status evaluate(struct run *run, const struct lenet_source *source, const struct lenet_hyper *hyper,
                                  uint32_t end, double *loss, double *accuracy, struct lenet_error *err) {
    struct lenet_tally tally = {0};
    LENET_TRY(lenet_network_evaluate(&run->net, source, hyper, 0, end, &tally, NULL));
    if (tally.nonfinite) return diverged(run, err);
    *loss = tally.loss / (double)tally.count;
    *accuracy = (double)tally.correct / (double)tally.count;
    return LENET_OK;
}

/* Images that the epoch under way has trained on since epoch_first_step. */
static double images_done(const struct run *run) {
    const uint64_t batch = (uint64_t)run->config->batch, before = run->epoch_first_step % run->steps_per_epoch * batch;
    return (double)(run->tally.count - before);
}

/* Measures, records and keeps what an epoch has reached. */
static enum lenet_status end_epoch(struct run *run, struct lenet_error *err) {
    LENET_TRY(fetch(run, err));
    const double count = (double)run->tally.count;
    struct lenet_metrics metrics = {.epoch = (run->step + run->steps_per_epoch - 1) / run->steps_per_epoch,
                                    .step = run->step,
                                    .train_loss = run->tally.loss / count,
                                    .train_accuracy = (double)run->tally.correct / count,
                                    .images_per_s = images_done(run) / (now() - run->epoch_began),
                                    .has_validation = run->config->validation > 0};
    if (metrics.has_validation)
        LENET_TRY(evaluate(run, &run->device_data.train, run->net.hyper, run->hyper.train_first,
                           &metrics.validation_loss, &metrics.validation_accuracy, err));
    LENET_TRY(evaluate(run, &run->device_data.test, NULL, run->device_data.test.count, &metrics.test_loss,
                       &metrics.test_accuracy, err));
    metrics.seconds = run->seconds + now() - run->began;

    const int best = is_best(run, &metrics);
    LENET_TRY(lenet_metrics_append(run->config->run, &metrics, err));
    if (best) LENET_TRY(save(run, BEST, 1, err));
    run->tally = (struct lenet_tally){0};
    LENET_TRY(put_tally(run));
    LENET_TRY(save_checkpoint(run, err)); /* last: what is recorded after it would be lost on --resume */
    if (run->observer->epoch)
        run->observer->epoch(run->observer->self, &metrics,
                             (run->hyper.total_steps + run->steps_per_epoch - 1) / run->steps_per_epoch);
    run->epoch_first_step = run->step;
    run->epoch_began = now();
    return LENET_OK;
}

static enum lenet_status report_progress(struct run *run) {
    const double time = now();
    if (!run->observer->progress || time - run->last_progress < 0.1) return LENET_OK;
    run->last_progress = time;
    LENET_TRY(get_tally(run));
    const double per_step = (time - run->epoch_began) / (double)(run->step - run->epoch_first_step);
    const struct lenet_progress progress = {.step = run->step,
                                            .total_steps = run->hyper.total_steps,
                                            .epoch = run->step / run->steps_per_epoch + 1,
                                            .total_epochs = (run->hyper.total_steps + run->steps_per_epoch - 1) /
                                                            run->steps_per_epoch,
                                            .images_per_s = images_done(run) / (time - run->epoch_began),
                                            .seconds_left = per_step * (double)(run->hyper.total_steps - run->step),
                                            .train_loss = run->tally.loss / (double)run->tally.count};
    run->observer->progress(run->observer->self, &progress);
    return LENET_OK;
}

/* Steps to enqueue before the next look at the clock and the signals: recorded ones cost the host next to nothing. */
static int steps_at_once(const struct run *run) {
    enum { MOST = 32 };
    const uint64_t of_run = run->hyper.total_steps - run->step;
    const uint64_t of_epoch = run->steps_per_epoch - run->step % run->steps_per_epoch;
    const uint64_t left = of_run < of_epoch ? of_run : of_epoch;
    if (!run->net.backend->record) return 1;
    return left < MOST ? (int)left : MOST;
}

static enum lenet_status loop(struct run *run, struct lenet_error *err) {
    run->began = run->epoch_began = run->last_checkpoint = run->last_progress = now();
    run->epoch_first_step = run->step;
    while (!has_ended(run) && !*run->stop) {
        const int steps = steps_at_once(run);
        LENET_TRY(lenet_network_steps(&run->net, &run->device_data.train, steps));
        run->step += (uint64_t)steps;
        if (run->step % run->steps_per_epoch == 0 || has_ended(run))
            LENET_TRY(end_epoch(run, err));
        else if (now() - run->last_checkpoint >= run->config->checkpoint_seconds)
            LENET_TRY(save_checkpoint(run, err));
        else
            LENET_TRY(report_progress(run));
    }
    return has_ended(run) ? LENET_OK : save_checkpoint(run, err);
}

static enum lenet_status begin(struct run *run, int *ended, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    const int resumes = config->resume[0] != 0;
    LENET_TRY(open_all(run, err));
    if (resumes) {
        strcpy(config->run, config->resume);
        LENET_TRY(check_same_run(run, err));
        LENET_TRY(clear_temporaries(run, err));
        LENET_TRY(restore(run, ended, err));
    } else {
        LENET_TRY(lenet_run_create(config, run->device.backend->name, &run->data, err));
    }
    if (run->step > 0 || *ended) return LENET_OK;
    lenet_plan_init(&run->model.plan, run->hyper.seed, (float)config->init_scale, run->host_state);
    return lenet_network_put(&run->net, run->net.w, 0, run->host_state);
}

static enum lenet_status train(struct run *run, enum lenet_ending *ending, struct lenet_error *err) {
    int ended = 0;
    LENET_TRY(begin(run, &ended, err));
    *ending = LENET_ENDED_BEFORE;
    if (ended) return LENET_OK;
    if (run->observer->begin)
        run->observer->begin(run->observer->self, run->config, &run->model, &run->device, &run->data, run->step);
    LENET_TRY(loop(run, err));
    *ending = run->step >= run->hyper.total_steps ? LENET_ENDED
              : has_ended(run)                    ? LENET_ENDED_EARLY
                                                  : LENET_ENDED_INTERRUPTED;
    return LENET_OK;
}

enum lenet_status lenet_train(struct lenet_config *config, const struct lenet_observer *observer,
                              const volatile sig_atomic_t *stop, enum lenet_ending *ending, struct lenet_error *err) {
    struct run *run = calloc(1, sizeof *run);
    if (!run) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    run->config = config;
    run->observer = observer;
    run->stop = stop;
    run->best_accuracy = -1;
    if (err) err->text[0] = 0;
    const enum lenet_status status = lenet_device_explain(&run->device, train(run, ending, err), err);
    close_all(run);
    free(run);
    return status;
}
