/* words.c - words on a command line that are neither options nor their values: paths, or hints at what was meant. */
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "lenet/data.h"

static int is_option(const char *word) { return strncmp(word, "--", 2) == 0; }

static int has_option(enum lenet_command command, const char *word) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const struct lenet_option *option = lenet_option_find(name);
    return option && (option->commands & (int)command);
}

int take_words(enum lenet_command command, int argc, char **argv) {
    int words = 0, are_over = 0; /* the options */
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (are_over || !is_option(word)) {
            memmove(argv + words + 1, argv + words, (size_t)(i - words) * sizeof *argv);
            argv[words++] = word;
        } else if (strcmp(word, "--") == 0) {
            are_over = 1;
        } else if (!has_option(command, word)) {
            break;
        } else if (!strchr(word, '=') && i + 1 < argc && !is_option(argv[i + 1])) {
            i++;
        }
    }
    return words;
}

/* ---- what was meant --------------------------------------------------------------------------------- */

enum kind { RUN, SWEEP, DATA, WEIGHTS, OTHER };

static enum lenet_status find_kind(const char *path, enum lenet_path is, enum kind *kind, struct lenet_error *err) {
    const char *end = strrchr(path, '.');
    int is_run, is_sweep, is_data;
    *kind = WEIGHTS;
    if (is == LENET_FILE || (is == LENET_NOTHING && end && strcmp(end, ".safetensors") == 0)) return LENET_OK;
    LENET_TRY(lenet_directory_has(path, "run.json", &is_run, err));
    LENET_TRY(lenet_directory_has(path, "sweep.json", &is_sweep, err));
    LENET_TRY(lenet_dataset_is_in(path, &is_data, err));
    *kind = is_run ? RUN : is_sweep ? SWEEP : is_data ? DATA : OTHER;
    return LENET_OK;
}

/* What a path is probably meant for: what comes before it, and after it. */
static const struct {
    enum kind kind;
    int commands; /* of enum lenet_command */
    const char *before, *after;
} meanings[] = {
    {RUN, LENET_CMD_TRAIN, "--resume ", ""},
    {RUN, LENET_CMD_EVAL | LENET_CMD_EXPORT, "--run ", ""},
    {RUN, LENET_CMD_INFO, "--weights ", "/last.safetensors"},
    {SWEEP, LENET_CMD_SWEEP, "--out ", ""},
    {SWEEP, LENET_CMD_EVAL, "--ensemble --weights ", "/weights"},
    {SWEEP, ~0, "lenet report ", ""},
    {DATA, LENET_CMD_TRAIN | LENET_CMD_SWEEP | LENET_CMD_EVAL | LENET_CMD_EXPORT, "--data ", ""},
    {WEIGHTS, LENET_CMD_EVAL | LENET_CMD_INFO | LENET_CMD_EXPORT, "--weights ", ""},
    {OTHER, LENET_CMD_TRAIN | LENET_CMD_EVAL, "--run ", ""},
    {OTHER, LENET_CMD_SWEEP | LENET_CMD_EXPORT, "--out ", ""},
};

enum lenet_status refuse_path(enum lenet_command command, int argc, char **argv, struct lenet_error *err) {
    const char *path = take_words(command, argc, argv) ? argv[0] : "";
    enum lenet_path is;
    enum kind kind;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING && !strchr(path, '/')) return LENET_OK;
    LENET_TRY(find_kind(path, is, &kind, err));
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].kind == kind && (meanings[i].commands & (int)command))
            return lenet_fail(err, LENET_ERR_ARG, "'%.400s': options begin with two dashes; did you mean %s%.400s%s?",
                              path, meanings[i].before, path, meanings[i].after);
    return LENET_OK;
}
