/* train.c - see train.h. The population is of one; here are its run directory and its checkpoints. */
#include "lenet/train.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

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
    struct lenet_population pop;
    double last_checkpoint, last_progress;
    struct lenet_lock lock; /* of the run directory */
};

static struct lenet_member *member_of(const struct run *run) { return &run->pop.members[0]; }

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

static enum lenet_status open_all(struct run *run, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    const struct lenet_config *const configs[] = {config};
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known; lenet info lists them", config->arch);
    LENET_TRY(lenet_data_open(config, arch->field, &run->data, err));
    LENET_TRY(lenet_config_topology(config, run->data.classes, &run->model.topology, err));
    run->model.scaling = lenet_config_scaling(config, &run->data);
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &run->device, err));
    if (config->resume[0]) LENET_TRY(lenet_run_check_machine(config, run->data.hash, run->device.backend->name, err));
    LENET_TRY(lenet_device_data_create(run->device.backend, run->device.ctx, &run->data, run->model.scaling,
                                       arch->field, &run->device_data, err));
    return lenet_population_create(&run->device, &run->device_data, &run->model, configs, 1, &run->pop, err);
}

static void close_all(struct run *run) {
    lenet_lock_release(&run->lock);
    lenet_population_free(&run->pop);
    if (run->device.backend) lenet_device_data_free(run->device.backend, run->device.ctx, &run->device_data);
    lenet_device_close(&run->device);
    lenet_dataset_free(&run->data);
}

/* ---- checkpoints ------------------------------------------------------------------------ */

static enum lenet_status check_not_diverged(const struct run *run, struct lenet_error *err) {
    if (!member_of(run)->diverged) return LENET_OK;
    return lenet_fail(err, LENET_ERR_DIVERGED,
                      "the loss is NaN or infinite after step %llu; a smaller --lr than %g may help",
                      (unsigned long long)run->pop.step, run->config->learning_rate);
}

/* Writes what was last looked at as NAME.safetensors: with all that a resumed run needs, or the weights alone. */
static enum lenet_status save(struct run *run, const char *name, int weights_only, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    const struct lenet_population *pop = &run->pop;
    const size_t stride = run->model.topology.stride;
    const float *w = lenet_population_state(pop, 0), *m = w + stride, *v = m + stride;
    const struct lenet_checkpoint checkpoint = {.step = pop->step,
                                                .seconds = lenet_population_seconds(pop),
                                                .tally = pop->tally[0],
                                                .m = pop->net.m ? m : NULL,
                                                .v = pop->net.v ? v : NULL};
    LENET_TRY(lenet_run_path(run->config->run, name, path, err));
    return lenet_model_write(path, &run->model, w, weights_only ? NULL : &checkpoint, err);
}

static enum lenet_status save_last(struct run *run, struct lenet_error *err) {
    run->last_checkpoint = lenet_now();
    return save(run, LAST, lenet_population_has_ended(&run->pop), err);
}

static enum lenet_status save_checkpoint(struct run *run, struct lenet_error *err) {
    LENET_TRY(lenet_population_look(&run->pop));
    LENET_TRY(check_not_diverged(run, err));
    return save_last(run, err);
}

/* Cuts metrics.jsonl back to the checkpoint, and puts the rest into the member's history. */
static enum lenet_status rewind_metrics(struct run *run, struct lenet_error *err) {
    struct lenet_metrics *metrics;
    int n;
    enum lenet_status status = lenet_metrics_rewind(run->config->run, run->pop.step, &metrics, &n, err);
    for (int i = 0; i < n && status == LENET_OK; i++) status = lenet_member_append(member_of(run), &metrics[i]);
    free(metrics);
    return status;
}

static enum lenet_status check_plausible(const struct run *run, const char *path, const struct lenet_checkpoint *c,
                                         struct lenet_error *err) {
    const uint64_t images = c->step % member_of(run)->steps_per_epoch * (uint64_t)run->pop.net.B;
    if (c->step < run->pop.total_steps && c->tally.count == images && c->tally.correct <= images &&
        c->tally.nonfinite == 0 && isfinite(c->tally.loss) && c->seconds >= 0)
        return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: its counters (step %llu of %llu, %llu images) do not fit the run",
                      path, (unsigned long long)c->step, (unsigned long long)run->pop.total_steps,
                      (unsigned long long)c->tally.count);
}

static void note(const struct run *run, const char *text) {
    if (run->observer->note) run->observer->note(run->observer->self, text);
}

static void note_missing_lock(const struct run *run) {
    struct lenet_error text;
    lenet_fail(&text, LENET_OK, "%s: cannot be locked (%s): start no other process on this run meanwhile",
               run->config->run, run->lock.missing);
    note(run, text.text);
}

/* Killed before its first checkpoint. */
static enum lenet_status begin_again(struct run *run, struct lenet_error *err) {
    struct lenet_error text;
    LENET_TRY(lenet_run_may_begin_again(run->config->run, LAST, err));
    lenet_fail(&text, LENET_OK, "%s: it has no checkpoint yet, and begins again", run->config->run);
    note(run, text.text);
    return rewind_metrics(run, err);
}

/* Puts the last checkpoint's state back. *ended becomes 1 where the run needs no more steps. */
static enum lenet_status restore(struct run *run, int *ended, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    struct lenet_checkpoint checkpoint;
    struct lenet_population *pop = &run->pop;
    float *state;
    LENET_TRY(lenet_run_path(run->config->run, LAST, path, err));
    if (!lenet_path_exists(path)) return begin_again(run, err);
    LENET_TRY(lenet_checkpoint_read(path, &run->model.topology, pop->moments, &state, &checkpoint, err));
    *ended = state == NULL;
    if (*ended) return LENET_OK;
    memcpy(pop->state, state, (size_t)(1 + pop->moments) * run->model.topology.stride * sizeof *state);
    free(state);
    LENET_TRY(check_plausible(run, path, &checkpoint, err));
    pop->step = checkpoint.step;
    pop->seconds = checkpoint.seconds;
    pop->tally[0] = checkpoint.tally;
    LENET_TRY(lenet_population_restore(pop));
    return rewind_metrics(run, err);
}

/* ---- the loop ----------------------------------------------------------------------------- */

/* Measures, records and keeps what an epoch has reached. */
static enum lenet_status end_epoch(struct run *run, struct lenet_error *err) {
    const struct lenet_member *member = member_of(run);
    LENET_TRY(lenet_population_measure(&run->pop));
    LENET_TRY(check_not_diverged(run, err));
    const int last = member->measured - 1;
    LENET_TRY(lenet_metrics_append(run->config->run, &member->metrics[last], err));
    if (lenet_member_best(member) == last) LENET_TRY(save(run, BEST, 1, err));
    LENET_TRY(save_last(run, err)); /* last: what is recorded after it would be lost on --resume */
    if (run->observer->epoch)
        run->observer->epoch(run->observer->self, &member->metrics[last],
                             (run->pop.total_steps + member->steps_per_epoch - 1) / member->steps_per_epoch);
    return LENET_OK;
}

static enum lenet_status report_progress(struct run *run) {
    struct lenet_population *pop = &run->pop;
    const struct lenet_member *member = member_of(run);
    const double time = lenet_now();
    if (!run->observer->progress || time - run->last_progress < 0.1) return LENET_OK;
    run->last_progress = time;
    LENET_TRY(lenet_population_look_at_tallies(pop));
    const double seconds = time - member->interval_began;
    const struct lenet_progress progress = {
        .step = pop->step,
        .total_steps = pop->total_steps,
        .epoch = pop->step / member->steps_per_epoch + 1,
        .total_epochs = (pop->total_steps + member->steps_per_epoch - 1) / member->steps_per_epoch,
        .images_per_s = (double)lenet_member_images(member, pop->step, pop->net.B) / seconds,
        .seconds_left = seconds / (double)(pop->step - member->interval_step) * (double)(pop->total_steps - pop->step),
        .train_loss = pop->tally[0].loss / (double)pop->tally[0].count};
    run->observer->progress(run->observer->self, &progress);
    return LENET_OK;
}

static enum lenet_status loop(struct run *run, struct lenet_error *err) {
    struct lenet_population *pop = &run->pop;
    lenet_population_begin(pop);
    run->last_checkpoint = run->last_progress = pop->began;
    while (!lenet_population_has_ended(pop) && !*run->stop) {
        LENET_TRY(lenet_population_advance(pop));
        if (lenet_population_measures(pop, 0))
            LENET_TRY(end_epoch(run, err));
        else if (lenet_now() - run->last_checkpoint >= run->config->checkpoint_seconds)
            LENET_TRY(save_checkpoint(run, err));
        else
            LENET_TRY(report_progress(run));
    }
    return lenet_population_has_ended(pop) ? LENET_OK : save_checkpoint(run, err);
}

static enum lenet_status begin(struct run *run, int *ended, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    const int resumes = config->resume[0] != 0;
    if (resumes) {
        strcpy(config->run, config->resume);
        LENET_TRY(lenet_run_check_options(config, err));
        LENET_TRY(lenet_run_lock(config->run, &run->lock, err));
    }
    LENET_TRY(open_all(run, err));
    if (resumes) {
        lenet_directory_clear_temporaries(config->run);
        LENET_TRY(restore(run, ended, err));
    } else {
        LENET_TRY(lenet_run_create(config, run->device.backend->name, &run->data, &run->lock, err));
    }
    if (run->lock.missing) note_missing_lock(run);
    return run->pop.step > 0 || *ended ? LENET_OK : lenet_population_init(&run->pop);
}

static enum lenet_status train(struct run *run, enum lenet_ending *ending, struct lenet_error *err) {
    int ended = 0;
    LENET_TRY(begin(run, &ended, err));
    *ending = LENET_ENDED_BEFORE;
    if (ended) return LENET_OK;
    if (run->observer->begin)
        run->observer->begin(run->observer->self, run->config, &run->model, &run->device, &run->data, run->pop.step);
    LENET_TRY(loop(run, err));
    *ending = run->pop.step >= run->pop.total_steps   ? LENET_ENDED
              : lenet_population_has_ended(&run->pop) ? LENET_ENDED_EARLY
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
    if (err) err->text[0] = 0;
    const enum lenet_status status = lenet_device_explain(&run->device, train(run, ending, err), err);
    close_all(run);
    free(run);
    return status;
}
