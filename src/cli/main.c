/* main.c - the program: which command is meant, usage and exit codes. Only this room prints, and only here it exits. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/edit_distance.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/words.h"
#include "lenet/version.h"

static int exit_code(enum lenet_status status) {
    switch (status) {
    case LENET_OK: return 0;
    case LENET_ERR_CHECK: return 1;
    case LENET_ERR_ARG: return 2;
    case LENET_ERR_MEMORY:
    case LENET_ERR_FORMAT:
    case LENET_ERR_IO:
    case LENET_STOPPED: return 3; /* training makes an end of its own of it */
    case LENET_ERR_DEVICE: return 4;
    case LENET_ERR_DIVERGED: return 5;
    }
    return 3;
}

const struct command commands[] = {
    {"train", LENET_CMD_TRAIN, train_command, "train one network"},
    {"sweep", LENET_CMD_SWEEP, sweep_command, "train many networks: options take lists and ranges"},
    {"eval", LENET_CMD_EVAL, eval_command, "test accuracy, confusion matrix, precision and recall of a network"},
    {"info", LENET_CMD_INFO, info_command, "an architecture's layers, a weights file, the devices"},
    {"gradcheck", LENET_CMD_GRADCHECK, gradcheck_command, "gradients against the slope; the device against double"},
    {"bench", LENET_CMD_BENCH, bench_command, "each operation of a training step, against the machine's peak"},
    {"report", LENET_CMD_REPORT, report_command, "PATH...: means with their intervals over the runs of a sweep"},
    {"predict", LENET_CMD_PREDICT, predict_command, "IMAGE...: which digits are in picture files, and how likely"},
    {"export", LENET_CMD_EXPORT, export_command, "a network as a C file of small integers, for microcontrollers"},
    {.name = NULL},
};

static void print_usage(void) {
    printf("lenet " LENET_VERSION ": trains LeNet-5 and its relatives on MNIST-like data.\n\n"
           "usage: lenet COMMAND [--OPTION VALUE ...]\n\n");
    for (const struct command *c = commands; c->name; c++) printf("  %-10s %s\n", c->name, c->help);
    printf("\nlenet COMMAND --help lists the command's options. Exit codes: 0 done, 1 a check failed, 2 usage,\n"
           "3 bad input or I/O, 4 no such device, 5 diverged. What is stopped by a signal keeps what it has done, and\n"
           "ends by that signal.\n");
}

static const struct command *find_command(const char *name) {
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(name, c->name) == 0) return c;
    return NULL;
}

/* A beginning counts as one letter that is wrong. NULL where no command is near. */
static const struct command *nearest_command(const char *name) {
    const struct command *nearest = NULL;
    int least = 3;
    for (const struct command *c = commands; c->name; c++) {
        const char *command = c->name;
        const int begins = strlen(name) > 1 && (strstr(command, name) == command || strstr(name, command) == name);
        const int distance = begins ? 1 : lenet_edit_distance(name, command);
        if (distance >= least) continue;
        least = distance;
        nearest = c;
    }
    return nearest;
}

/* Without a command, or with a word that is none. */
static int refuse_command(const char *name) {
    const struct command *nearest = nearest_command(name);
    if (name[0] == '-')
        print_note("", "'%s': the command comes first, as in lenet train %s", name, name);
    else if (name[0])
        print_note("", "'%s' is not a command%s%s%s", name, nearest ? "; did you mean " : "",
                   nearest ? nearest->name : "", nearest ? "?" : "");
    print_usage();
    return 2;
}

static void print_help(const struct command *command) {
    printf("lenet %s: %s\n\n", command->name, command->help);
    print_options(command->bit);
}

static int asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return 1;
    return 0;
}

static int run_command(const struct command *command, int argc, char **argv) {
    struct lenet_config config;
    struct lenet_error err = {{0}};
    if (asks_for_help(argc, argv)) {
        print_help(command);
        return 0;
    }
    lenet_config_init(&config);
    enum lenet_status status = LENET_OK;
    if (!(command->bit & (LENET_CMD_REPORT | LENET_CMD_PREDICT))) status = refuse_path(command->bit, argc, argv, &err);
    if (status == LENET_OK) status = command->run(argc, argv, &config, &err);
    if (status != LENET_OK) print_note(command->name, "%s", err.text[0] ? err.text : lenet_status_name(status));
    return exit_code(status);
}

/* 0 where there is no such form. */
static int print_all_options(const char *form) {
    static const struct {
        const char *name;
        void (*print)(void);
    } forms[] = {{"--markdown", print_options_markdown},
                 {"--man", print_man},
                 {"--bash", print_bash_completion},
                 {"--zsh", print_zsh_completion}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(form, forms[i].name) == 0) {
            forms[i].print();
            return 1;
        }
    return 0;
}

static int explain(const char *topic) {
    const struct command *command = find_command(topic);
    if (command)
        print_help(command);
    else if (topic[0] && topic[0] != '-')
        return refuse_command(topic);
    else if (!print_all_options(topic))
        print_usage();
    return 0;
}

static int run(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "", *topic = argc > 2 ? argv[2] : "";
    const struct command *command = find_command(name);
    if (strcmp(name, "--version") == 0) {
        printf("lenet " LENET_VERSION " (" LENET_COMPILER ")\n");
        return 0;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return explain(topic);
    return command ? run_command(command, argc - 2, argv + 2) : refuse_command(name);
}

/* In the place of a standard descriptor that is closed the first file that is opened would be, such as a lock or a
 * checkpoint, and what is printed would go there. Now it is a file that takes nothing, as it would be if it had stayed
 * closed. */
static int occupy_standard_descriptors(void) {
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY) != file) return 0;
    return 1;
}

int main(int argc, char **argv) {
    if (!occupy_standard_descriptors()) return 3;
    signals_open();
    const int code = run(argc, argv);
    const int lost = fflush(stdout) != 0 || ferror(stdout);
    if (lost && !stop_requested) fprintf(stderr, "lenet: the output could not be written\n");
    end_by_signal();
    return lost && !code ? 3 : code;
}
