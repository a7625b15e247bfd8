/* train.c - lenet train: reads its options, shows how far the run is, and says how it ended. */
#include "lenet/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "train/run_dir.h"
#include "train/settings.h"

/* What is kept of a run for what is shown of it later. */
struct display {
    double loss;                      /* of the bar; NaN before there is one                          */
    double guess;                     /* accuracy of naming one class always                          */
    uint64_t first_step;              /* of this process                                              */
    struct lenet_metrics first, last; /* epochs; all zero before there is one                         */
};

/* The share of the most frequent label. */
static double largest_share(const struct lenet_samples *half) {
    size_t counts[256] = {0}, most = 0;
    for (size_t i = 0; i < half->count; i++)
        if (++counts[half->labels[i]] > most) most = counts[half->labels[i]];
    return (double)most / (double)half->count;
}

/* Names the options that were given and that have no effect, or an odd one. A resumed run counts all as given. */
static void note_options(const struct lenet_config *config, size_t train_images) {
    char text[1024], value[LENET_MAX_CHOICE];
    struct lenet_settings settings;
    if (config->resume[0] || lenet_settings_make(config, train_images, &settings, NULL) != LENET_OK) return;
    lenet_config_idle_text(config, text, sizeof text);
    if (text[0]) print_note("train", "%s", text);
    for (int i = 0; i < LENET_ODDITIES; i++) {
        if (!(lenet_settings_oddities(config, &settings) >> i & 1)) continue;
        lenet_option_get(config, lenet_option_find(lenet_oddities[i].option), value, sizeof value);
        print_note("train", "--%s %s %s", lenet_oddities[i].option, value, lenet_oddities[i].text);
    }
}

static void on_begin(void *self, const struct lenet_config *config, const struct lenet_model *model,
                     const struct lenet_device *device, const struct lenet_dataset *data, uint64_t first_step) {
    struct display *display = self;
    display->first_step = first_step;
    display->guess = fmax(largest_share(&data->train), largest_share(&data->test));
    stop_on_signals();
    note_options(config, data->train.count);
    if (data->note[0]) print_note("train", "%s", data->note);
    char from[40] = "";
    if (first_step) snprintf(from, sizeof from, "; from step %" PRIu64, first_step);
    const int freezes = strcmp(config->freeze, "none") != 0;
    print_wrapped("%s: %zu parameters%s%s%s; %s from %s: %zu training, %zu test images; on %s; in %s%s\n", config->arch,
                  model->topology.parameters, freezes ? ", those of " : "", freezes ? config->freeze : "",
                  freezes ? " frozen" : "", data->name, config->data, data->train.count, data->test.count,
                  device->backend->name, config->run, from);
}

/* ---- the bar -------------------------------------------------------------------------------------- */

/* Between two epochs no image has been counted, and the loss is NaN: then the last one stays. */
static void on_progress(void *self, const struct lenet_progress *p) {
    enum { MOST = 30, LEAST = 5 };
    struct display *display = self;
    char loss[32], left[32], facts[160], line[240];
    if (isfinite(p->train_loss)) display->loss = p->train_loss;
    snprintf(facts, sizeof facts, "epoch %" PRIu64 "/%" PRIu64 "  loss %s  %.0f images/s  %s left", p->epoch,
             p->total_epochs, isnan(display->loss) ? "-" : number_text(display->loss, loss), p->images_per_s,
             duration_text(p->seconds_left, left));
    const int room = terminal_width() - 1 - (int)strlen(facts) - (int)strlen("[] ");
    const int width = room > MOST ? MOST : room, full = (int)(width * (double)p->step / (double)p->total_steps);
    if (width < LEAST)
        show_bar(facts);
    else {
        snprintf(line, sizeof line, "[%.*s%.*s] %s", full, "##############################", width - full,
                 "..............................", facts);
        show_bar(line);
    }
}

/* ---- an epoch's line ------------------------------------------------------------------------------- */

enum { LINE = 256 };

/* What it is made of, and what is left out, one after the other, until it fits the terminal. */
enum { WORDS = 1, LOSSES = 2, SPEED = 4, TIME = 8, ONLY_TEST = 16 };
static const int layouts[] = {
    WORDS | LOSSES | SPEED | TIME, WORDS | LOSSES | TIME, WORDS | LOSSES, LOSSES | TIME, LOSSES, TIME, 0, ONLY_TEST};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static void format_part(const char *name, double loss, double accuracy, int layout, char part[80]) {
    char number[32];
    number_text(loss, number);
    if (layout & WORDS)
        snprintf(part, 80, "  %s loss %s error %5.2f %%", name, number, 100 * (1 - accuracy));
    else
        snprintf(part, 80, "  %s %s%s%5.2f %%", name, layout & LOSSES ? number : "", layout & LOSSES ? " " : "",
                 100 * (1 - accuracy));
}

static void format_epoch(const struct lenet_metrics *m, uint64_t total_epochs, int layout, char line[LINE]) {
    char train[80] = "", validation[80] = "", test[80], speed[40] = "", time[40] = "";
    if (!(layout & ONLY_TEST)) format_part("train", m->train_loss, m->train_accuracy, layout, train);
    if (m->has_validation && !(layout & ONLY_TEST))
        format_part(layout & WORDS ? "validation" : "val", m->validation_loss, m->validation_accuracy, layout,
                    validation);
    format_part("test", m->test_loss, m->test_accuracy, layout, test);
    if (layout & SPEED) snprintf(speed, sizeof speed, "  %6.0f images/s", m->images_per_s);
    if (layout & TIME) snprintf(time, sizeof time, "  %5.1f s", m->seconds);
    snprintf(line, LINE, "epoch %3" PRIu64 "/%" PRIu64 "%s%s%s%s%s", m->epoch, total_epochs, train, validation, test,
             speed, time);
}

static void on_epoch(void *self, const struct lenet_metrics *m, uint64_t total_epochs) {
    struct display *display = self;
    const int width = terminal_width();
    char line[LINE];
    int i = 0;
    do format_epoch(m, total_epochs, layouts[i], line);
    while ((int)strlen(line) > width && ++i < LAYOUTS);
    clear_bar();
    printf("%.*s\n", width, line);
    fflush(stdout);
    if (!display->first.epoch) display->first = *m;
    display->last = *m;
}

/* ---- how it ended --------------------------------------------------------------------------------- */

/* Says where a run has learned nothing, which is no error. */
static void note_failure(const struct lenet_config *config, const struct display *display) {
    const struct lenet_metrics *first = &display->first, *last = &display->last;
    const double guess = display->guess + 0.01;
    char began[32], ended[32];
    if (last->epoch && guess < 1 && last->train_accuracy <= guess && last->test_accuracy <= guess &&
        config->label_noise < 0.5)
        print_note("train",
                   "the network does no better than guessing (%.2f %% of the training images right; naming one class "
                   "always gives %.2f %%): a smaller --lr than %g may help, or more epochs",
                   100 * last->train_accuracy, 100 * display->guess, config->learning_rate);
    else if (!display->first_step && last->train_loss > first->train_loss)
        print_note("train",
                   "the training loss has risen from %s in epoch %" PRIu64 " to %s in epoch %" PRIu64
                   ": a smaller --lr than %g may help",
                   number_text(first->train_loss, began), first->epoch, number_text(last->train_loss, ended),
                   last->epoch, config->learning_rate);
}

static void on_note(void *self, const char *text) {
    (void)self;
    clear_bar();
    print_note("train", "%s", text);
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
    struct display display = {.loss = NAN};
    const struct lenet_observer observer = {on_begin, on_progress, on_epoch, &display, on_note};
    enum lenet_ending ending;
    LENET_TRY(read_train_options(argc, argv, config, err));
    const enum lenet_status status = lenet_train(config, &observer, &stop_requested, &ending, err);
    clear_bar();
    if (status != LENET_OK) return status;
    switch (ending) {
    case LENET_ENDED: printf("done: %s\n", config->run); break;
    case LENET_ENDED_EARLY:
        printf("done: no better validation accuracy for %" PRId64 " epochs: %s\n", config->patience, config->run);
        break;
    case LENET_ENDED_BEFORE: printf("%s had ended already; nothing to do\n", config->run); break;
    case LENET_ENDED_INTERRUPTED:
        print_last_words("interrupted, and kept: go on with lenet train --resume %s\n", config->run);
        return LENET_OK;
    }
    note_failure(config, &display);
    return LENET_OK;
}
