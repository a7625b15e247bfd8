/* trainer.c - the training loop: steps, measurements, checkpoints and progress, for any number of networks. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "train/checkpoint.h"

/* ---- opening --------------------------------------------------------------------------------- */

enum lenet_status lenet_trainer_open(struct lenet_trainer *trainer, const char *device,
                                     struct lenet_open_options options, struct lenet_error *err) {
    const struct lenet_open_options *opened = &trainer->opened;
    if (trainer->device.backend && opened->tf32 == options.tf32 && opened->own_dense == options.own_dense &&
        opened->threads == options.threads)
        return LENET_OK;
    lenet_trainer_close(trainer);
    trainer->opened = options;
    return lenet_device_open(device, options, &trainer->device, err);
}

enum lenet_status lenet_trainer_populate(struct lenet_trainer *trainer, const struct lenet_config *const *configs,
                                         int R, const struct lenet_dataset *data,
                                         const struct lenet_device_data *device_data, struct lenet_error *err) {
    struct lenet_model model;
    lenet_trainer_empty(trainer);
    if (trainer->standard.factor == 0) trainer->standard = lenet_scaling_of(&data->train, data->H, data->W);
    LENET_TRY(lenet_config_model(configs[0], data, trainer->standard, &model, err));
    return lenet_population_create(&trainer->device, device_data, &model, configs, R, &trainer->pop, err);
}

enum lenet_status lenet_trainer_restore(struct lenet_trainer *trainer, const char *path, const char *run, int *ended,
                                        struct lenet_error *err) {
    struct lenet_population *pop = trainer->pop;
    LENET_TRY(
        lenet_checkpoint_read(path, lenet_population_model(pop), run, lenet_population_snapshot(pop), ended, err));
    return *ended ? LENET_OK : lenet_population_restore(pop, path, err);
}

void lenet_trainer_empty(struct lenet_trainer *trainer) {
    lenet_population_free(trainer->pop);
    trainer->pop = NULL;
}

void lenet_trainer_close(struct lenet_trainer *trainer) {
    lenet_trainer_empty(trainer);
    lenet_device_close(&trainer->device);
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static enum lenet_status keep(struct lenet_population *pop, const struct lenet_sink *sink, struct lenet_error *err) {
    LENET_TRY(lenet_population_download(pop));
    LENET_TRY(sink->observe(sink->self, err));
    return lenet_population_has_ended(pop) ? LENET_OK : sink->keep(sink->self, err); /* all may have diverged */
}

static enum lenet_status train(struct lenet_population *pop, const struct lenet_sink *sink, struct lenet_error *err) {
    double kept = lenet_now(), reported = kept;
    while (!lenet_population_has_ended(pop)) {
        if (sink->is_stopped(sink->self)) return LENET_STOPPED;
        if (!lenet_population_is_due(pop)) LENET_TRY(lenet_population_advance(pop));
        const int is_due = lenet_population_is_due(pop);
        if (is_due) {
            LENET_TRY(lenet_population_measure(pop));
            LENET_TRY(sink->observe(sink->self, err));
        }
        if ((is_due && sink->checkpoint_epochs) || lenet_now() - kept >= sink->checkpoint_seconds) {
            LENET_TRY(keep(pop, sink, err));
            kept = lenet_now();
        }
        if (!is_due && lenet_now() - reported >= 0.1) {
            reported = lenet_now();
            LENET_TRY(sink->progress(sink->self, err));
        }
    }
    return sink->end(sink->self, err);
}

enum lenet_status lenet_trainer_run(struct lenet_trainer *trainer, const struct lenet_sink *sink, int *ended,
                                    struct lenet_error *err) {
    lenet_population_begin(trainer->pop, sink->is_stopped, sink->self);
    const enum lenet_status status = train(trainer->pop, sink, err);
    *ended = status == LENET_OK;
    if (status != LENET_STOPPED) return status;
    const enum lenet_status downloaded = lenet_population_download(trainer->pop);
    if (downloaded == LENET_STOPPED) return LENET_OK; /* what has diverged does so again from the last checkpoint */
    LENET_TRY(downloaded);
    LENET_TRY(sink->observe(sink->self, err));
    return lenet_population_is_alive(trainer->pop) ? sink->keep(sink->self, err) : LENET_OK;
}

/* ---- how long it will take ---------------------------------------------------------------------- */

static enum lenet_status advance_and_wait(struct lenet_population *pop, double *seconds) {
    const double began = lenet_now();
    LENET_TRY(lenet_population_advance(pop));
    LENET_TRY(lenet_population_download_tallies(pop));
    *seconds += lenet_now() - began;
    return LENET_OK;
}

/* Seconds of all steps, from a fifth of a second of them. The first ones take longer, for caches and clocks are cold;
 * with sdlm also because each epoch begins with an estimate of the curvature, and so no second epoch is begun here. */
static enum lenet_status time_steps(struct lenet_population *pop, double *seconds) {
    enum { LEAST = 3 };
    const struct lenet_snapshot *now = lenet_population_snapshot(pop);
    const uint64_t per_epoch = lenet_population_member(pop, 0)->settings.steps_per_epoch;
    const double total = (double)lenet_population_total_steps(pop);
    const int is_sdlm = lenet_population_optimizer(pop) == LENET_SDLM;
    double first_took = 0, took = 0;
    LENET_TRY(advance_and_wait(pop, &first_took));
    const uint64_t first = now->step;
    while ((now->step - first < LEAST || took < 0.2) && (double)now->step < total &&
           !(is_sdlm && now->step % per_epoch == 0))
        LENET_TRY(advance_and_wait(pop, &took));
    const double each = now->step > first ? took / (double)(now->step - first) : first_took / (double)first;
    const double estimates = is_sdlm ? ceil(total / (double)per_epoch) : 0;
    *seconds = each * total + estimates * fmax(first_took - each * (double)first, 0);
    return LENET_OK;
}

enum lenet_status lenet_trainer_estimate(struct lenet_trainer *trainer, double *seconds) {
    struct lenet_population *pop = trainer->pop;
    const double total = (double)lenet_population_total_steps(pop);
    const double interval = (double)lenet_population_member(pop, 0)->settings.interval;
    LENET_TRY(lenet_population_init(pop, NULL, NULL));
    LENET_TRY(time_steps(pop, seconds));
    const double began = lenet_now();
    LENET_TRY(lenet_population_rehearse(pop));
    *seconds += ceil(total / interval) * (lenet_now() - began);
    return LENET_OK;
}
