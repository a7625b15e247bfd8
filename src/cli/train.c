/* train.c - lenet train: reads its options, shows how far the run is, and says how it ended. */
#include "lenet/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/terminal.h"

static void on_begin(void *self, const struct lenet_config *config, const struct lenet_model *model,
                     const struct lenet_device *device, const struct lenet_dataset *data, uint64_t first_step) {
    (void)self;
    stop_on_signals();
    printf("%s: %zu parameters; %s from %s: %zu training, %zu test images; on %s; in %s", config->arch,
           model->topology.parameters, data->name, config->data, data->train.count, data->test.count,
           device->backend->name, config->run);
    if (first_step) printf("; from step %" PRIu64, first_step);
    printf("\n");
    fflush(stdout);
}

static void on_progress(void *self, const struct lenet_progress *p) {
    enum { WIDTH = 30 };
    const struct terminal *terminal = self;
    if (!terminal->has_bar) return;
    char bar[WIDTH + 1];
    const int full = (int)(WIDTH * p->step / p->total_steps), left = (int)ceil(p->seconds_left);
    for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K[%s] epoch %" PRIu64 "/%" PRIu64 "  loss %.4f  %.0f images/s  %d:%02d left", bar, p->epoch,
            p->total_epochs, p->train_loss, p->images_per_s, left / 60, left % 60);
}

static void on_epoch(void *self, const struct lenet_metrics *m, uint64_t total_epochs) {
    terminal_clear_bar(self);
    printf("epoch %3" PRIu64 "/%" PRIu64 "  train loss %.4f error %5.2f %%  ", m->epoch, total_epochs, m->train_loss,
           100 * (1 - m->train_accuracy));
    if (m->has_validation)
        printf("validation loss %.4f error %5.2f %%  ", m->validation_loss, 100 * (1 - m->validation_accuracy));
    printf("test loss %.4f error %5.2f %%  %6.0f images/s  %5.1f s\n", m->test_loss, 100 * (1 - m->test_accuracy),
           m->images_per_s, m->seconds);
    fflush(stdout);
}

/* With --resume, the run's own configuration comes first and the command line over it; where they differ,
 * lenet_train refuses. */
static enum lenet_status read_train_options(int argc, char **argv, struct lenet_config *config,
                                            struct lenet_error *err) {
    char hash[65];
    LENET_TRY(lenet_options_parse(LENET_CMD_TRAIN, argc, argv, config, err));
    if (!config->resume[0]) return LENET_OK;
    if (config->run[0]) return lenet_fail(err, LENET_ERR_ARG, "--run and --resume name a directory both; give one");
    LENET_TRY(lenet_run_read(config->resume, config, hash, err));
    return lenet_options_parse(LENET_CMD_TRAIN, argc, argv, config, err);
}

enum lenet_status train_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct terminal terminal = terminal_open();
    const struct lenet_observer observer = {on_begin, on_progress, on_epoch, &terminal};
    enum lenet_ending ending;
    LENET_TRY(read_train_options(argc, argv, config, err));
    const enum lenet_status status = lenet_train(config, &observer, &stop_requested, &ending, err);
    terminal_clear_bar(&terminal);
    if (status != LENET_OK) return status;
    switch (ending) {
    case LENET_ENDED: printf("done: %s\n", config->run); break;
    case LENET_ENDED_EARLY:
        printf("done: no better validation accuracy for %" PRId64 " epochs: %s\n", config->patience, config->run);
        break;
    case LENET_ENDED_BEFORE: printf("%s had ended already; nothing to do\n", config->run); break;
    case LENET_ENDED_INTERRUPTED:
        fprintf(last_words(), "interrupted, and kept: go on with lenet train --resume %s\n", config->run);
        break;
    }
    return LENET_OK;
}
