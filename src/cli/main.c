/* main.c - the program: commands, printing and exit codes. The only file that prints or exits. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"
#include "lenet/bench.h"
#include "lenet/eval.h"
#include "lenet/gradcheck.h"
#include "lenet/summary.h"
#include "lenet/sweep.h"
#include "lenet/train.h"
#include "lenet/version.h"
#include "train/run_dir.h"
#include "train/settings.h"

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number) {
    (void)signal_number;
    stop_requested = 1;
}

/* SIGHUP: the terminal is gone. SIGPIPE: whoever read the output is. nohup ignores the first; so does this then. */
static void stop_on_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP};
    const struct sigaction stop = {.sa_handler = request_stop};
    struct sigaction was;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const int ignored = sigaction(signals[i], NULL, &was) == 0 && was.sa_handler == SIG_IGN;
        if (!(signals[i] == SIGHUP && ignored)) sigaction(signals[i], &stop, NULL);
    }
}

static int exit_code(enum lenet_status status) {
    switch (status) {
    case LENET_OK: return 0;
    case LENET_ERR_CHECK: return 1;
    case LENET_ERR_ARG: return 2;
    case LENET_ERR_MEMORY:
    case LENET_ERR_FORMAT:
    case LENET_ERR_IO: return 3;
    case LENET_ERR_DEVICE: return 4;
    case LENET_ERR_DIVERGED: return 5;
    }
    return 3;
}

/* ---- train ------------------------------------------------------------------------------------ */

struct display {
    int terminal; /* 1: a progress bar on stderr */
};

static void clear_bar(const struct display *display) {
    if (display->terminal) fputs("\r\033[K", stderr);
}

static void on_begin(void *self, const struct lenet_config *config, const struct lenet_model *model,
                     const struct lenet_device *device, const struct lenet_dataset *data, uint64_t first_step) {
    (void)self;
    printf("%s: %zu parameters; %s from %s: %zu training, %zu test images; on %s; in %s", config->arch,
           model->topology.parameters, data->name, config->data, data->train.count, data->test.count,
           device->backend->name, config->run);
    if (first_step) printf("; from step %" PRIu64, first_step);
    printf("\n");
    fflush(stdout);
}

static void on_progress(void *self, const struct lenet_progress *p) {
    enum { WIDTH = 30 };
    const struct display *display = self;
    if (!display->terminal) return;
    char bar[WIDTH + 1];
    const int full = (int)(WIDTH * p->step / p->total_steps), left = (int)ceil(p->seconds_left);
    for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K[%s] epoch %" PRIu64 "/%" PRIu64 "  loss %.4f  %.0f images/s  %d:%02d left", bar, p->epoch,
            p->total_epochs, p->train_loss, p->images_per_s, left / 60, left % 60);
}

static void on_epoch(void *self, const struct lenet_metrics *m, uint64_t total_epochs) {
    clear_bar(self);
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

static enum lenet_status train_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct display display = {.terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO)};
    const struct lenet_observer observer = {on_begin, on_progress, on_epoch, &display};
    enum lenet_ending ending;
    LENET_TRY(read_train_options(argc, argv, config, err));
    stop_on_signals();
    const enum lenet_status status = lenet_train(config, &observer, &stop_requested, &ending, err);
    clear_bar(&display);
    if (status != LENET_OK) return status;
    switch (ending) {
    case LENET_ENDED: printf("done: %s\n", config->run); break;
    case LENET_ENDED_EARLY:
        printf("done: no better validation accuracy for %" PRId64 " epochs: %s\n", config->patience, config->run);
        break;
    case LENET_ENDED_BEFORE: printf("%s had ended already; nothing to do\n", config->run); break;
    case LENET_ENDED_INTERRUPTED:
        printf("interrupted, and kept: go on with lenet train --resume %s\n", config->run);
        break;
    }
    return LENET_OK;
}

/* ---- sweep ------------------------------------------------------------------------------------- */

static void print_plan(void *self, const struct lenet_sweep_plan *plan, const struct lenet_sweep_overview *work) {
    (void)self;
    printf("sweep: %zu run%s of %d ax%s", work->runs, work->runs == 1 ? "" : "s", plan->axes,
           plan->axes == 1 ? "is" : "es");
    if (plan->shards) printf(", %zu of them in shard %d/%d", work->here, plan->shard, plan->shards);
    printf("; %zu ended already", work->ended);
    if (work->diverged) printf(" (%zu diverged%s)", work->diverged, plan->base.retry_failed ? ", tried again" : "");
    printf("; %zu population%s", work->populations, work->populations == 1 ? "" : "s");
    if (work->resumed) printf(", %zu of them from checkpoints", work->resumed);
    printf("\n%s from %s: %zu training, %zu test images; on %s", work->data->name, plan->base.data,
           work->data->train.count, work->data->test.count, work->device);
    if (work->workers > 1) printf(", %d at a time", work->workers);
    if (plan->base.out[0]) printf("; in %s", plan->base.out);
    printf("\n");
    fflush(stdout);
}

static void print_group(void *self, const struct lenet_sweep_group *group) {
    (void)self;
    printf("%6zu run%s in %d population%s of at most %d: %s\n", group->runs, group->runs == 1 ? "" : "s",
           group->populations, group->populations == 1 ? "" : "s", group->largest, group->key);
}

static const char *duration(double seconds, char text[32]) {
    const long left = (long)ceil(seconds);
    if (left < 3600)
        snprintf(text, 32, "%ld:%02ld", left / 60, left % 60);
    else
        snprintf(text, 32, "%ld h %02ld min", left / 3600, left / 60 % 60);
    return text;
}

static void print_estimate(void *self, double seconds) {
    char text[32];
    (void)self;
    printf("about %s\n", duration(seconds, text));
}

static void on_sweep_progress(void *self, const struct lenet_sweep_progress *p) {
    const struct display *display = self;
    char text[32];
    if (display->terminal)
        fprintf(stderr, "\r\033[K%zu of %zu runs  %.0f images/s  %s left", p->ended, p->missing, p->images_per_s,
                duration(p->seconds_left, text));
}

static void on_run(void *self, const struct lenet_sweep_plan *plan, const struct lenet_config *config,
                   const struct lenet_metrics *m, const struct lenet_sweep_progress *progress) {
    char text[512];
    clear_bar(self);
    lenet_sweep_describe(plan, config, text, sizeof text);
    printf("run %zu/%zu  %s%s", progress->ended, progress->missing, text, text[0] ? "  " : "");
    if (!m) {
        printf("diverged\n");
    } else {
        printf("test loss %.4f error %5.2f %%  %.1f s\n", m->test_loss, 100 * (1 - m->test_accuracy), m->seconds);
    }
    fflush(stdout);
}

static enum lenet_status run_sweep(struct lenet_sweep_plan *plan, struct lenet_error *err) {
    struct display display = {.terminal = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO)};
    const struct lenet_sweep_observer observer = {print_plan, print_group,       print_estimate,
                                                  on_run,     on_sweep_progress, &display};
    struct lenet_sweep_result result;
    stop_on_signals();
    const enum lenet_status status = lenet_sweep(plan, &observer, &stop_requested, &result, err);
    clear_bar(&display);
    if (status != LENET_OK || plan->base.dry_run) return status;
    if (result.interrupted)
        printf("interrupted, and kept: the same command goes on\n");
    else
        printf("done: %zu run%s", result.done, result.done == 1 ? "" : "s");
    if (!result.interrupted && result.diverged) printf(", and %zu diverged", result.diverged);
    if (!result.interrupted) printf(": lenet report %s\n", plan->base.out);
    return LENET_OK;
}

static enum lenet_status sweep_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_sweep_plan plan;
    (void)config; /* a sweep has many */
    enum lenet_status status = lenet_sweep_plan_parse(argc, argv, &plan, err);
    if (status == LENET_OK) status = run_sweep(&plan, err);
    lenet_sweep_plan_free(&plan);
    return status;
}

/* ---- the other commands ------------------------------------------------------------------------- */

static enum lenet_status eval_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_evaluation evaluation;
    struct lenet_dataset data;
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_options_parse(LENET_CMD_EVAL, argc, argv, config, err));
    enum lenet_status status = lenet_evaluate(config, &evaluation, &data, err);
    if (status == LENET_OK) lenet_print_evaluation(config, &evaluation, &data);
    if (status == LENET_OK) status = lenet_evaluation_path(config, &evaluation, path, err);
    if (status == LENET_OK && path[0]) status = lenet_evaluation_write(path, config, &evaluation, &data, err);
    if (status == LENET_OK && !path[0] && config->run[0])
        printf("\nnot kept in %s/eval.json, which is for the run's own weights and data; --json FILE keeps it\n",
               config->run);
    lenet_evaluation_free(&evaluation);
    lenet_dataset_free(&data);
    return status;
}

static enum lenet_status info_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_model model = {0};
    float *host_w = NULL;
    LENET_TRY(lenet_options_parse(LENET_CMD_INFO, argc, argv, config, err));
    if (config->weights[0])
        LENET_TRY(lenet_model_read(config->weights, &model, &host_w, err));
    else
        LENET_TRY(lenet_config_topology(config, LENET_MAX_CLASSES, &model.topology, err));
    lenet_print_info(config, &model, host_w);
    free(host_w);
    return config->json[0] ? lenet_info_write(config->json, &model.topology, err) : LENET_OK;
}

static int is_verdict(enum lenet_status status) { return status == LENET_OK || status == LENET_ERR_CHECK; }

/* The gradients in double against the slope, then the device against double, and the CPU's operations for single
 * images, too: all tables, whatever the first says. */
static enum lenet_status check_all(const struct lenet_device *device, struct lenet_config *config,
                                   struct lenet_error *err) {
    const struct lenet_device single = {.backend = lenet_device_backend_for(device, 1), .ctx = device->ctx};
    const int n = single.backend == device->backend ? 1 : 2;
    struct lenet_gradcheck slopes;
    struct lenet_crosscheck crosschecks[2];
    struct lenet_error later;
    enum lenet_status verdict = lenet_gradcheck_run(config, &slopes, err);
    if (!is_verdict(verdict)) return verdict;
    lenet_print_gradcheck(config, &slopes);
    config->seed = slopes.seed;
    for (int i = 0; i < n; i++) {
        const enum lenet_status status = lenet_crosscheck_run(i == 0 ? device : &single, config, LENET_CROSSCHECK_STEPS,
                                                              &crosschecks[i], verdict == LENET_OK ? err : &later);
        if (verdict == LENET_OK) verdict = status;
        if (!is_verdict(status)) return verdict;
        lenet_print_crosscheck(&crosschecks[i]);
    }
    if (config->json[0]) LENET_TRY(lenet_gradcheck_write(config->json, config, &slopes, crosschecks, n, err));
    return verdict;
}

static enum lenet_status gradcheck_command(int argc, char **argv, struct lenet_config *config,
                                           struct lenet_error *err) {
    struct lenet_device device;
    lenet_option_set(config, lenet_option_find("seed"), "0", NULL); /* fresh random data unless a seed is given */
    LENET_TRY(lenet_options_parse(LENET_CMD_GRADCHECK, argc, argv, config, err));
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &device, err));
    const enum lenet_status status = lenet_device_explain(&device, check_all(&device, config, err), err);
    lenet_device_close(&device);
    return status;
}

static enum lenet_status bench_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_bench result;
    LENET_TRY(lenet_options_parse(LENET_CMD_BENCH, argc, argv, config, err));
    LENET_TRY(lenet_bench_run(config, &result, err));
    lenet_print_bench(config, &result);
    return config->json[0] ? lenet_bench_write(config->json, config, &result, err) : LENET_OK;
}

/* Also what is not an error. Control characters in a path or a file's text must not reach the terminal. */
static void print_note(const char *command, const char *text) {
    fprintf(stderr, "lenet %s: ", command);
    for (const char *c = text; *c; c++) fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
    fputc('\n', stderr);
}

static void note_torn_lines(const struct lenet_records *records) {
    struct lenet_error note;
    if (!records->torn_files) return;
    lenet_fail(&note, LENET_OK, "%s: its last line has no end yet and is left out%s", records->torn,
               records->torn_files > 1 ? " (and so in other files)" : "");
    print_note("report", note.text);
}

static enum lenet_status report_records(const struct lenet_records *records, const struct lenet_config *config,
                                        struct lenet_error *err) {
    struct lenet_summary summary;
    note_torn_lines(records);
    LENET_TRY(lenet_summarize(records, config, &summary, err));
    const enum lenet_status status = lenet_print_summary(config, &summary, err);
    lenet_summary_free(&summary);
    return status;
}

/* The only command with words that are no options; they come first. */
static enum lenet_status report_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_records records;
    int paths = 0;
    while (paths < argc && strncmp(argv[paths], "--", 2) != 0) paths++;
    LENET_TRY(lenet_options_parse(LENET_CMD_REPORT, argc - paths, argv + paths, config, err));
    if (!paths)
        return lenet_fail(err, LENET_ERR_ARG,
                          "of which runs? wanted a sweep's directory or .jsonl files, first of all");
    LENET_TRY(lenet_records_read(argv, paths, &records, err));
    const enum lenet_status status = report_records(&records, config, err);
    lenet_records_free(&records);
    return status;
}

/* ---- which command -------------------------------------------------------------------------------- */

static const struct command {
    const char *name;
    enum lenet_command bit;
    enum lenet_status (*run)(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
    const char *help;
} commands[] = {
    {"train", LENET_CMD_TRAIN, train_command, "train one network"},
    {"sweep", LENET_CMD_SWEEP, sweep_command, "train many networks: options take lists and ranges"},
    {"eval", LENET_CMD_EVAL, eval_command, "test accuracy, confusion matrix, precision and recall of a network"},
    {"info", LENET_CMD_INFO, info_command, "an architecture's layers, a weights file, the devices"},
    {"gradcheck", LENET_CMD_GRADCHECK, gradcheck_command, "gradients against the slope; the device against double"},
    {"bench", LENET_CMD_BENCH, bench_command, "each operation of a training step, against the machine's peak"},
    {"report", LENET_CMD_REPORT, report_command, "PATH...: means with their intervals over the runs of a sweep"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(void) {
    printf("lenet " LENET_VERSION ": trains LeNet-5 and its relatives on MNIST-like data.\n\n"
           "usage: lenet COMMAND [--OPTION VALUE ...]\n\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\nlenet COMMAND --help lists the command's options. Exit codes: 0 done, 1 a check failed, 2 usage,\n"
           "3 bad input or I/O, 4 no such device, 5 diverged.\n");
}

static int asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return 1;
    return 0;
}

static int run_command(const struct command *command, int argc, char **argv) {
    struct lenet_config config;
    struct lenet_error err = {{0}};
    if (asks_for_help(argc, argv)) {
        printf("lenet %s: %s\n\n", command->name, command->help);
        lenet_print_options(command->bit);
        return 0;
    }
    lenet_config_init(&config);
    const enum lenet_status status = command->run(argc, argv, &config, &err);
    if (status != LENET_OK) print_note(command->name, err.text[0] ? err.text : lenet_status_name(status));
    return exit_code(status);
}

static int run(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0) {
        printf("lenet " LENET_VERSION " (" LENET_COMPILER ")\n");
        return 0;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        if (argc > 2 && strcmp(argv[2], "--markdown") == 0)
            lenet_print_options_markdown();
        else
            print_usage();
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) return run_command(&commands[i], argc - 2, argv + 2);
    if (name[0]) fprintf(stderr, "lenet: '%s' is not a command\n", name);
    print_usage();
    return 2;
}

int main(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit becomes an error that is reported */
    const int code = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "lenet: the output could not be written\n");
    return code ? code : 3;
}
