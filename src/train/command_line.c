/* command_line.c - options from a command line, and for one that is not known a hint at what was meant. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/edit_distance.h"
#include "lenet/options.h"

/* ---- what was meant ------------------------------------------------------------------------ */

enum { NAME = 64 }; /* bytes of an option's name, or of as much of one as is looked at */

static const char *const command_names[] = {"train", "eval",   "info",   "gradcheck", "bench",
                                            "sweep", "report", "export", "predict"};
enum { COMMANDS = sizeof command_names / sizeof *command_names };

const char *lenet_command_name(enum lenet_command command) {
    int place = 0;
    while (place < COMMANDS - 1 && !((int)command >> place & 1)) place++;
    return command_names[place];
}

/* Other programs' names, and those that other commands of ours have for it. The first one that fits is meant. */
static const struct {
    const char *ours, *theirs;
} synonyms[] = {
    {"batch", " batch-size bs minibatch mini-batch "},
    {"lr", " learning-rate rate eta step-length "},
    {"weight-decay", " wd l2 decay "},
    {"momentum", " beta1 "},
    {"beta2", " beta betas "},
    {"epsilon", " eps mu "},
    {"epochs", " num-epochs n-epochs max-epochs passes "},
    {"steps", " iterations iters max-iter max-steps num-steps updates "},
    {"data", " dataset data-dir data-path input root "},
    {"out", " output output-dir out-dir save-dir log-dir dir name run resume "},
    {"run", " output output-dir out-dir save-dir log-dir dir name out save resume "},
    {"json", " output out "},
    {"weights", " checkpoint ckpt load model "},
    {"from", " pretrained finetune fine-tune init-from transfer "},
    {"freeze", " frozen fix "},
    {"keep-predictions", " predictions save-predictions "},
    {"resume", " checkpoint ckpt load continue restore "},
    {"arch", " model net network "},
    {"activation", " nonlinearity "},
    {"pooling", " subsampling "},
    {"loss", " criterion objective "},
    {"inputs", " preprocessing normalize "},
    {"schedule", " scheduler lr-schedule lr-scheduler "},
    {"warmup", " warm-up warmup-epochs warmup-steps "},
    {"decay-every", " step-size "},
    {"decay-factor", " gamma lr-decay "},
    {"order", " shuffle "},
    {"train-size", " subset n-train "},
    {"validation", " val-size val-split "},
    {"patience", " early-stopping "},
    {"augment", " augmentation aug transforms "},
    {"augment-shift", " shift translate "},
    {"augment-rotate", " rotate rotation "},
    {"augment-scale", " scale zoom "},
    {"augment-shear", " shear "},
    {"augment-elastic", " elastic "},
    {"label-noise", " noise "},
    {"seed", " random-seed random-state manual-seed "},
    {"device", " gpu cuda cpu backend "},
    {"threads", " num-threads jobs n-jobs workers num-workers "},
    {"samples", " trials n-trials num-samples "},
    {"population-max", " population "},
    {"networks", " population "},
    {"by", " group-by groupby "},
    {"best", " top "},
    {"metric", " sort "},
};

static int is_among(const char *words, const char *name) {
    char spaced[NAME + 2];
    snprintf(spaced, sizeof spaced, " %s ", name);
    return strstr(words, spaced) != NULL;
}

/* A name as ours are written: --Batch_Size is batch-size. */
static void plain_name(const char *word, char name[NAME]) {
    size_t n = 0;
    while (*word == '-' || (unsigned char)*word >= 0x80) word++; /* a typesetter's dash is not ASCII */
    for (; *word && *word != '=' && n < NAME - 1; word++) {
        const int lower = tolower((unsigned char)*word);
        name[n++] = (char)(lower == '_' || lower == '.' ? '-' : lower); /* NOLINT(bugprone-narrowing-conversions) */
    }
    while (n && isspace((unsigned char)name[n - 1])) n--;
    name[n] = 0;
}

/* The command's option that was probably meant by a word, or NULL. */
static const struct lenet_option *meant_by(enum lenet_command command, const char *word) {
    char name[NAME];
    plain_name(word, name);
    const struct lenet_option *option = lenet_option_find(name), *nearest = NULL;
    if (option && (option->commands & (int)command)) return option;
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++) {
        option = is_among(synonyms[i].theirs, name) ? lenet_option_find(synonyms[i].ours) : NULL;
        if (option && (option->commands & (int)command)) return option;
    }
    int best = (int)strlen(name) / 4 + 2; /* so much would be another word */
    for (option = lenet_options; option->name; option++) {
        if (!(option->commands & (int)command)) continue;
        const int begins = strlen(name) >= 3 && strncmp(option->name, name, strlen(name)) == 0;
        const int distance = begins ? 1 : lenet_edit_distance(name, option->name);
        if (distance >= best || distance >= (int)strlen(option->name)) continue;
        best = distance;
        nearest = option;
    }
    return nearest;
}

/* " (lenet train and eval have it)", of an option that other commands have. */
static void owners_of(const struct lenet_option *option, char *text, size_t size) {
    size_t used = 0;
    for (int place = 0; place < COMMANDS && used < size; place++) {
        if (!(option->commands >> place & 1)) continue;
        const int is_last = option->commands >> place == 1;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s",
                                 !used     ? " (lenet "
                                 : is_last ? " and "
                                           : ", ",
                                 command_names[place],
                                 !is_last ? ""
                                 : used   ? " have it)"
                                          : " has it)");
    }
}

static enum lenet_status refuse_name(enum lenet_command command, const char *word, struct lenet_error *err) {
    char name[NAME], owners[128] = "";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const struct lenet_option *meant = meant_by(command, word), *elsewhere = lenet_option_find(name);
    if (elsewhere) owners_of(elsewhere, owners, sizeof owners);
    if (meant)
        return lenet_fail(err, LENET_ERR_ARG, "--%s: no such option; did you mean --%s?%s", name, meant->name, owners);
    return lenet_fail(err, LENET_ERR_ARG, "--%s: no such option%s; lenet %s --help lists those that there are", name,
                      owners, lenet_command_name(command));
}

static enum lenet_status refuse_word(enum lenet_command command, const char *word, struct lenet_error *err) {
    const struct lenet_option *meant = meant_by(command, word);
    if (meant)
        return lenet_fail(err, LENET_ERR_ARG, "'%.60s': options begin with two dashes; did you mean --%s?", word,
                          meant->name);
    return lenet_fail(err, LENET_ERR_ARG, "'%.60s': options begin with two dashes%s", word,
                      command == LENET_CMD_SWEEP ? ", and a list has commas and no spaces" : "");
}

/* ---- reading ------------------------------------------------------------------------------- */

static int is_option(const char *word) { return strncmp(word, "--", 2) == 0; }

/* An option's value: what follows '=', the next word, or nothing where a switch is turned on. NULL where there is none:
 * a value that begins with two dashes must follow '='. */
static const char *value_of(const struct lenet_option *option, const char *word, int argc, char **argv, int *i) {
    const char *equals = strchr(word, '=');
    if (equals) return equals + 1;
    if (*i + 1 < argc && !is_option(argv[*i + 1])) return argv[++*i];
    return option->choices && strcmp(option->choices, "off|on") == 0 ? "on" : NULL;
}

enum lenet_status lenet_options_each(enum lenet_command command, int argc, char **argv,
                                     enum lenet_status (*take)(void *self, const struct lenet_option *option,
                                                               const char *text, struct lenet_error *err),
                                     void *self, struct lenet_error *err) {
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0 && i == argc - 1) return LENET_OK; /* the words behind it have been taken */
        if (!is_option(word)) return refuse_word(command, word, err);
        char name[NAME];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
        const struct lenet_option *option = lenet_option_find(name);
        if (!option || !(option->commands & (int)command)) return refuse_name(command, word + 2, err);
        const char *value = value_of(option, word, argc, argv, &i);
        if (!value || !value[0])
            return lenet_fail(err, LENET_ERR_ARG, "--%s: a value is missing (%s%s%s)", name, option->argument,
                              option->choices ? ": " : "", option->choices ? option->choices : "");
        LENET_TRY(take(self, option, value, err));
    }
    return LENET_OK;
}

static enum lenet_status set_option(void *self, const struct lenet_option *option, const char *text,
                                    struct lenet_error *err) {
    return lenet_option_set(self, option, text, err);
}

enum lenet_status lenet_options_parse(enum lenet_command command, int argc, char **argv, struct lenet_config *config,
                                      struct lenet_error *err) {
    return lenet_options_each(command, argc, argv, set_option, config, err);
}
