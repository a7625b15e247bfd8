/* train.c - one network and its run directory: the trainer's sink writes metrics, checkpoints and weights there. */
#include "lenet/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/stop.h"
#include "train/checkpoint.h"
#include "train/run_dir.h"
#include "train/trainer.h"

#define LAST "last.safetensors"
#define BEST "best.safetensors"

/* Everything that a run holds while it is under way. */
struct run {
    struct lenet_config *config;
    const struct lenet_observer *observer;
    const volatile sig_atomic_t *stop;

    struct lenet_dataset data;
    struct lenet_device_data device_data;
    struct lenet_trainer trainer;
    struct lenet_start start;    /* where it begins from trained weights; closed otherwise */
    struct lenet_run_origin was; /* where it is resumed */
    struct lenet_lock lock;      /* of the run directory */
    char *identity;              /* of the run, for its checkpoints */
    char machine[LENET_MACHINE]; /* that it trains with             */
    int recorded, announced;     /* so many measurements are in metrics.jsonl, and known to the observer */
};

static const struct lenet_member *member_of(const struct run *run) {
    return lenet_population_member(run->trainer.pop, 0);
}
static const struct lenet_snapshot *snapshot_of(const struct run *run) {
    return lenet_population_snapshot(run->trainer.pop);
}

/* ---- opening ---------------------------------------------------------------------------- */

static enum lenet_status open_all(struct run *run, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    const struct lenet_config *const configs[] = {config};
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    struct lenet_trainer *trainer = &run->trainer;
    if (!arch) return lenet_fail(err, LENET_ERR_ARG, "--arch: '%s' is not known; lenet info lists them", config->arch);
    if (!config->resume[0]) LENET_TRY(lenet_config_start(config, &run->start, err));
    LENET_TRY(lenet_config_dataset(config, LENET_BOTH_HALVES, arch->field, &run->data, err));
    LENET_TRY(lenet_trainer_open(trainer, config->device, lenet_open_options_of(config), err));
    strcpy(config->device, trainer->device.name); /* what auto has become */
    lenet_device_machine(&trainer->device, run->machine);
    if (config->resume[0])
        LENET_TRY(lenet_run_check_machine(&run->was, config, run->data.hash, trainer->device.backend->name, err));
    LENET_TRY(lenet_config_resolve(config, run->data.train.count, err));
    LENET_TRY(lenet_run_identity(config, run->data.hash, &run->identity, err));
    LENET_TRY(lenet_device_data_create(trainer->device.backend, trainer->device.ctx, &run->data,
                                       (struct lenet_scaling){1, 0}, arch->field, &run->device_data, err));
    return lenet_trainer_populate(trainer, configs, 1, &run->data, &run->device_data, err);
}

static void close_all(struct run *run) {
    lenet_lock_release(&run->lock);
    lenet_start_close(&run->start);
    free(run->identity);
    const struct lenet_device *device = &run->trainer.device;
    lenet_trainer_empty(&run->trainer);
    if (device->backend) lenet_device_data_free(device->backend, device->ctx, &run->device_data);
    lenet_trainer_close(&run->trainer);
    lenet_dataset_free(&run->data);
}

/* ---- the sink --------------------------------------------------------------------------- */

static int is_stopped(void *self) { return lenet_stop_get(((const struct run *)self)->stop); }

static enum lenet_status write_weights(struct run *run, const char *name, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(run->config->run, name, path, err));
    return lenet_checkpoint_write_weights(path, lenet_population_model(run->trainer.pop), snapshot_of(run), (int[]){0},
                                          1, NULL, err);
}

static enum lenet_status fail_by_divergence(const struct run *run, struct lenet_error *err) {
    char text[LENET_DIVERGENCE_TEXT];
    lenet_divergence_text(&member_of(run)->divergence, text);
    return lenet_fail(err, LENET_ERR_DIVERGED,
                      "%s has diverged: %s, as seen after step %llu; a smaller --lr than %g may help", run->config->run,
                      text, (unsigned long long)snapshot_of(run)->step, run->config->learning_rate);
}

/* Records what was measured. */
static enum lenet_status observe(void *self, struct lenet_error *err) {
    struct run *run = self;
    const struct lenet_member *member = member_of(run);
    if (snapshot_of(run)->diverged[0]) return fail_by_divergence(run, err);
    for (; run->recorded < member->measured; run->recorded++) {
        LENET_TRY(lenet_metrics_append(run->config->run, &member->metrics[run->recorded], err));
        if (lenet_member_best(member) == run->recorded) LENET_TRY(write_weights(run, BEST, err));
    }
    return LENET_OK;
}

static uint64_t total_epochs(const struct run *run) {
    const uint64_t per_epoch = member_of(run)->settings.steps_per_epoch;
    return (lenet_population_total_steps(run->trainer.pop) + per_epoch - 1) / per_epoch;
}

/* An epoch is told of when its checkpoint is there: before that, what is recorded of it is lost on --resume. */
static enum lenet_status announce(struct run *run) {
    const struct lenet_member *member = member_of(run);
    for (; run->announced < member->measured; run->announced++)
        if (run->observer->epoch)
            run->observer->epoch(run->observer->self, &member->metrics[run->announced], total_epochs(run));
    return LENET_OK;
}

static enum lenet_status keep(void *self, struct lenet_error *err) {
    struct run *run = self;
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(run->config->run, LAST, path, err));
    const struct lenet_checkpoint_labels labels = {
        .device = run->trainer.device.backend->name, .machine = run->machine, .run = run->identity};
    LENET_TRY(lenet_checkpoint_write(path, lenet_population_model(run->trainer.pop), snapshot_of(run), &labels, err));
    return announce(run);
}

static enum lenet_status end(void *self, struct lenet_error *err) {
    LENET_TRY(write_weights(self, LAST, err));
    return announce(self);
}

static enum lenet_status report_progress(void *self, struct lenet_error *err) {
    struct run *run = self;
    struct lenet_population *pop = run->trainer.pop;
    const struct lenet_member *member = member_of(run);
    const struct lenet_snapshot *now = snapshot_of(run);
    (void)err;
    if (!run->observer->progress) return LENET_OK;
    LENET_TRY(lenet_population_download_tallies(pop));
    const double seconds = lenet_now() - member->interval_began;
    const uint64_t total = lenet_population_total_steps(pop);
    const struct lenet_progress progress = {.step = now->step,
                                            .total_steps = total,
                                            .epoch = now->step / member->settings.steps_per_epoch + 1,
                                            .total_epochs = total_epochs(run),
                                            .images_per_s = (double)lenet_member_images(member, now->step) / seconds,
                                            .seconds_left = seconds / (double)(now->step - member->interval_step) *
                                                            (double)(total - now->step),
                                            .train_loss = now->tally[0].loss / (double)now->tally[0].count};
    run->observer->progress(run->observer->self, &progress);
    return LENET_OK;
}

/* ---- going on ----------------------------------------------------------------------------- */

/* Cuts metrics.jsonl back to the checkpoint, and puts the rest into the member's history. */
static enum lenet_status rewind_metrics(struct run *run, struct lenet_error *err) {
    struct lenet_metrics *metrics;
    int n;
    enum lenet_status status = lenet_metrics_rewind(run->config->run, snapshot_of(run)->step, &metrics, &n, err);
    for (int i = 0; i < n && status == LENET_OK; i++)
        status = lenet_population_append(run->trainer.pop, 0, &metrics[i]);
    free(metrics);
    run->recorded = run->announced = member_of(run)->measured;
    if (status != LENET_OK || lenet_population_history_fits(run->trainer.pop, 0)) return status;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s/metrics.jsonl: %d epochs do not fit the checkpoint at step %llu; were lines removed?",
                      run->config->run, run->recorded, (unsigned long long)snapshot_of(run)->step);
}

/* Weights alone are the last ones of a run that has ended: then all of its epochs are recorded. */
static enum lenet_status check_ended(struct run *run, struct lenet_error *err) {
    const uint64_t total = lenet_population_total_steps(run->trainer.pop);
    struct lenet_metrics *metrics;
    int n;
    LENET_TRY(lenet_metrics_rewind(run->config->run, UINT64_MAX, &metrics, &n, err));
    const uint64_t step = n ? metrics[n - 1].step : 0;
    free(metrics);
    if (step == total || (n && run->config->patience)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s/last.safetensors: has the weights of a run that has ended, but %llu of %llu steps are "
                      "recorded; is it another run's, or was run.json edited?",
                      run->config->run, (unsigned long long)step, (unsigned long long)total);
}

/* Tells what is no error. */
static void tell(const struct run *run, const char *text) {
    if (text[0] && run->observer->note) run->observer->note(run->observer->self, text);
}

/* The run's directory, and what is the matter with it. */
static void note(const struct run *run, const char *matter, const char *reason) {
    struct lenet_error text;
    lenet_fail(&text, LENET_OK, "%s: %s%s", run->config->run, matter, reason);
    tell(run, text.text);
}

/* The first weights: drawn, or trained before. */
static enum lenet_status init(struct run *run, struct lenet_error *err) {
    return lenet_population_init(run->trainer.pop, run->start.path ? &run->start : NULL, err);
}

/* Tells of a checkpoint that another build or processor has written. */
static enum lenet_status note_origin(const struct run *run, const char *path, struct lenet_error *err) {
    struct lenet_checkpoint_origin origin;
    char text[768];
    LENET_TRY(lenet_checkpoint_read_origin(path, &origin, NULL, err));
    lenet_checkpoint_compare(&origin, run->machine, text);
    if (text[0]) note(run, text, "");
    return LENET_OK;
}

/* Puts the last checkpoint's state back. *ended becomes 1 where the run needs no more steps. */
static enum lenet_status restore(struct run *run, int *ended, struct lenet_error *err) {
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_run_path(run->config->run, LAST, path, err));
    enum lenet_path is;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is != LENET_NOTHING) {
        LENET_TRY(lenet_trainer_restore(&run->trainer, path, run->identity, ended, err));
        if (*ended) return check_ended(run, err);
        LENET_TRY(note_origin(run, path, err));
        return rewind_metrics(run, err);
    }
    LENET_TRY(lenet_run_may_begin_again(run->config->run, LAST, err));
    note(run, "it has no checkpoint yet, and begins again", "");
    LENET_TRY(rewind_metrics(run, err));
    LENET_TRY(lenet_config_start(run->config, &run->start, err));
    return init(run, err);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static enum lenet_status begin_new(struct run *run, struct lenet_error *err) {
    char text[256] = "";
    int is_drawn;
    LENET_TRY(open_all(run, err));
    const struct lenet_topology *topology = &lenet_population_model(run->trainer.pop)->topology;
    if (run->start.path) {
        LENET_TRY(lenet_start_check(&run->start, topology, &run->data.names, text, err));
        tell(run, text);
        LENET_TRY(lenet_start_draws(&run->start, topology, &is_drawn, err));
        tell(run, lenet_config_undrawn_text(run->config, is_drawn));
    }
    LENET_TRY(lenet_run_create(run->config, run->config->device, run->machine, &run->data, &run->lock, err));
    return init(run, err);
}

static enum lenet_status go_on(struct run *run, int *ended, struct lenet_error *err) {
    struct lenet_config *config = run->config;
    strcpy(config->run, config->resume);
    LENET_TRY(lenet_run_check_options(&run->was, config, err));
    LENET_TRY(lenet_run_lock(config->run, &run->lock, err));
    LENET_TRY(open_all(run, err));
    LENET_TRY(lenet_directory_clear_temporaries(config->run, err));
    return restore(run, ended, err);
}

static enum lenet_status train(struct run *run, enum lenet_ending *ending, struct lenet_error *err) {
    const struct lenet_sink sink = {.self = run,
                                    .checkpoint_seconds = run->config->checkpoint_seconds,
                                    .checkpoint_epochs = 1,
                                    .is_stopped = is_stopped,
                                    .observe = observe,
                                    .keep = keep,
                                    .end = end,
                                    .progress = report_progress};
    int ended = 0;
    LENET_TRY(run->config->resume[0] ? go_on(run, &ended, err) : begin_new(run, err));
    if (run->lock.missing) note(run, "cannot be locked; start no other process on it meanwhile: ", run->lock.missing);
    *ending = LENET_ENDED_BEFORE;
    if (ended) return LENET_OK;
    const struct lenet_population *pop = run->trainer.pop;
    if (run->observer->begin)
        run->observer->begin(run->observer->self, run->config, lenet_population_model(pop), &run->trainer.device,
                             &run->data, snapshot_of(run)->step);
    LENET_TRY(lenet_trainer_run(&run->trainer, &sink, &ended, err));
    *ending = !ended                                                       ? LENET_ENDED_INTERRUPTED
              : snapshot_of(run)->step < lenet_population_total_steps(pop) ? LENET_ENDED_EARLY
                                                                           : LENET_ENDED;
    return LENET_OK;
}

enum lenet_status lenet_train(struct lenet_config *config, const struct lenet_observer *observer,
                              const volatile sig_atomic_t *stop, enum lenet_ending *ending, struct lenet_error *err) {
    struct run run = {.config = config, .observer = observer, .stop = stop};
    if (err) err->text[0] = 0;
    const enum lenet_status status = lenet_device_explain(&run.trainer.device, train(&run, ending, err), err);
    close_all(&run);
    return status;
}
