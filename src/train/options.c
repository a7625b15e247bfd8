/* options.c - see options.h. */
#include "lenet/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/json.h"
#include "lenet/topology.h"

#define FIELD(field) offsetof(struct lenet_config, field), sizeof(((struct lenet_config *)0)->field)
#define T            LENET_CMD_TRAIN
#define E            LENET_CMD_EVAL
#define I            LENET_CMD_INFO
#define G            LENET_CMD_GRADCHECK
#define B            LENET_CMD_BENCH
#define S            LENET_CMD_SWEEP
#define P            LENET_OF_POPULATION
#define N            LENET_OF_NETWORK
#define R            LENET_CMD_REPORT

static const double LARGEST_INTEGER = 9007199254740991.0; /* 2^53 - 1 */

const struct lenet_option lenet_options[] = {
    /* name, type, field, min, max, choices, initial, commands, identity, argument, help */
    {"data", LENET_OPTION_TEXT, FIELD(data), 0, 0, NULL, "", T | S | E | I, 0, "DIR",
     "the data set's four IDX files, raw or .gz (initially data/mnist, or data/sample where that is not there)"},
    {"run", LENET_OPTION_TEXT, FIELD(run), 0, 0, NULL, "", T | E, 0, "DIR",
     "the run directory: train creates it (initially runs/ARCH-1, -2, ...), eval reads its last weights"},
    {"resume", LENET_OPTION_TEXT, FIELD(resume), 0, 0, NULL, "", T, 0, "DIR",
     "go on with this run from its last checkpoint; other options may only repeat its configuration"},
    {"weights", LENET_OPTION_TEXT, FIELD(weights), 0, 0, NULL, "", E | I, 0, "FILE",
     "a weights file (.safetensors); eval --ensemble also takes a directory of them"},
    {"ensemble", LENET_OPTION_CHOICE, FIELD(ensemble), 0, 0, "off|on", "off", E, 0, "SWITCH",
     "several networks answer together: the mean of their outputs, and their vote"},
    {"json", LENET_OPTION_TEXT, FIELD(json), 0, 0, NULL, "", E | I | G | B, 0, "FILE", "also write the results there"},
    {"arch", LENET_OPTION_ARCH, FIELD(arch), 0, 0, NULL, "lenet5", T | S | I | G | B, P, "NAME",
     "the architecture (lenet info lists them); lenet5-1998 comes with its recipe, which other options change"},
    {"activation", LENET_OPTION_CHOICE, FIELD(activation), 0, 0, LENET_ACTIVATIONS, "relu", T | S | I | G | B, P,
     "NAME", "the nonlinearity; squash is 1.7159 tanh(2x/3)"},
    {"pooling", LENET_OPTION_CHOICE, FIELD(pooling), 0, 0, LENET_POOLINGS, "max", T | S | I | G | B, P, "NAME",
     "the subsampling"},
    {"inputs", LENET_OPTION_CHOICE, FIELD(inputs), 0, 0, "standard|published", "standard", T | S | G | B, P, "NAME",
     "pixels to mean 0 and variance 1, or from -0.1 to 1.175"},
    {"loss", LENET_OPTION_CHOICE, FIELD(loss), 0, 0, LENET_LOSSES, "cross-entropy", T | S | G | B, P, "NAME",
     "of the outputs; the last two, eq. 8 and 9 of the paper, are for RBF outputs"},
    {"map-j", LENET_OPTION_REAL, FIELD(map_j), 0, 80, NULL, "10", T | S | G | B, P, "J",
     "loss map: the rubbish class has exp(-J)"},
    {"init", LENET_OPTION_CHOICE, FIELD(init), 0, 0, "standard|printed|printed-average|root|root-average", "standard",
     T | S | G, N, "NAME",
     "initial weights: in +-sqrt(3/F), 2.4/F or 2.4/sqrt(F); subsampling, where it is trained, drawn too or an "
     "average"},
    {"init-scale", LENET_OPTION_REAL, FIELD(init_scale), 0, 100, NULL, "1", T | S | G, N, "X",
     "multiplies the initial weights that are drawn"},
    {"epochs", LENET_OPTION_INTEGER, FIELD(epochs), 1, 1e6, NULL, "15", T | S, N, "N", "passes over the training set"},
    {"steps", LENET_OPTION_INTEGER, FIELD(steps), 0, 1e12, NULL, "0", T | S, N, "N",
     "stop after so many updates instead (0: by epochs)"},
    {"eval-every", LENET_OPTION_INTEGER, FIELD(eval_every), 1, 1e6, NULL, "1", T | S, N, "EPOCHS",
     "measure on the test (and validation) set after so many epochs, and at the end"},
    {"batch", LENET_OPTION_INTEGER, FIELD(batch), 1, 65536, NULL, "64", T | S | B, P, "N", "images an update"},
    {"optimizer", LENET_OPTION_CHOICE, FIELD(optimizer), 0, 0, "sgd|momentum|nesterov|adamw|sdlm", "nesterov",
     T | S | G | B, P, "NAME", "the update rule"},
    {"lr", LENET_OPTION_REAL, FIELD(learning_rate), 0, 1e6, NULL, "0.05", T | S, N, "RATE",
     "the learning rate; the largest one of a schedule"},
    {"momentum", LENET_OPTION_REAL, FIELD(momentum), 0, 0.999999, NULL, "0.9", T | S, N, "X",
     "momentum; AdamW's beta1"},
    {"weight-decay", LENET_OPTION_REAL, FIELD(weight_decay), 0, 100, NULL, "0.001", T | S, N, "X",
     "pulls weights to zero: in the gradient, or apart from it with adamw"},
    {"beta2", LENET_OPTION_REAL, FIELD(beta2), 0, 0.9999999, NULL, "0.999", T | S, N, "X", "AdamW's second moment"},
    {"epsilon", LENET_OPTION_REAL, FIELD(epsilon), 1e-30, 1, NULL, "1e-08", T | S, N, "X",
     "AdamW's divisor; sdlm's mu"},
    {"schedule", LENET_OPTION_CHOICE, FIELD(schedule), 0, 0, "constant|step|cosine|one-cycle|published", "one-cycle",
     T | S, N, "NAME", "how the learning rate changes"},
    {"warmup", LENET_OPTION_REAL, FIELD(warmup), 0, 1e6, NULL, "3", T | S, N, "EPOCHS",
     "the rate rises over so many epochs"},
    {"decay-every", LENET_OPTION_REAL, FIELD(decay_every), 0, 1e6, NULL, "5", T | S, N, "EPOCHS",
     "schedule step: how often the rate falls; published: what counts as a pass"},
    {"decay-factor", LENET_OPTION_REAL, FIELD(decay_factor), 0, 1, NULL, "0.5", T | S, N, "X",
     "schedule step: by how much"},
    {"order", LENET_OPTION_CHOICE, FIELD(order), 0, 0, "shuffled|constant", "shuffled", T | S, N, "NAME",
     "of the images: another one in every epoch, or the same"},
    {"curvature-images", LENET_OPTION_INTEGER, FIELD(curvature_images), 1, 1e9, NULL, "500", T | S, P, "N",
     "sdlm: the curvature is estimated on so many before each epoch"},
    {"train-size", LENET_OPTION_INTEGER, FIELD(train_size), 0, 2e9, NULL, "0", T | S, N, "N",
     "train on a random N of the training images (0: all)"},
    {"validation", LENET_OPTION_INTEGER, FIELD(validation), 0, 2e9, NULL, "0", T | S, P, "N",
     "hold a random N of the training images out; best.safetensors is chosen on them"},
    {"patience", LENET_OPTION_INTEGER, FIELD(patience), 0, 1e6, NULL, "0", T | S, P, "EPOCHS",
     "stop when the validation accuracy has not risen for so long (0: never)"},
    {"augment", LENET_OPTION_AUGMENT, 0, 0, 0, 0, NULL, "none", T | S, 0, "LIST",
     "none, standard, or any of shift=,rotate=,scale=,shear=,elastic= joined by commas or +; sets the next five"},
    {"augment-shift", LENET_OPTION_REAL, FIELD(shift), 0, 16, NULL, "0", T | S, N, "PIXELS", "random shift, both ways"},
    {"augment-rotate", LENET_OPTION_REAL, FIELD(rotate), 0, 180, NULL, "0", T | S, N, "DEGREES", "random rotation"},
    {"augment-scale", LENET_OPTION_REAL, FIELD(scale), 0, 0.9, NULL, "0", T | S, N, "FRACTION",
     "random scaling of width and height"},
    {"augment-shear", LENET_OPTION_REAL, FIELD(shear), 0, 2, NULL, "0", T | S, N, "TANGENT", "random horizontal shear"},
    {"augment-elastic", LENET_OPTION_REAL, FIELD(elastic), 0, 16, NULL, "0", T | S, N, "PIXELS",
     "random smooth distortion"},
    {"label-noise", LENET_OPTION_REAL, FIELD(label_noise), 0, 1, NULL, "0", T | S, N, "FRACTION",
     "makes so many of the training labels wrong, the same ones in every epoch"},
    {"seed", LENET_OPTION_INTEGER, FIELD(seed), 0, 0, NULL, "1", T | S | G, N, "N",
     "of weights, order, subsets, distortions and wrong labels (gradcheck: 0 draws one)"},
    {"device", LENET_OPTION_TEXT, FIELD(device), 0, 0, NULL, "auto", T | S | E | G | B | I, 0, "NAME",
     "auto, cpu, cuda or cuda:INDEX"},
    {"threads", LENET_OPTION_INTEGER, FIELD(threads), 0, 1024, NULL, "0", T | S | E | G | B, 0, "N",
     "of the CPU (0: all; --batch 1 uses one); the result does not depend on it"},
    {"tf32", LENET_OPTION_CHOICE, FIELD(tf32), 0, 0, "off|on", "off", T | S | E | G | B, P, "SWITCH",
     "on a GPU: fully connected layers in TensorFloat-32; faster, with 11 bits of each factor"},
    {"checkpoint-seconds", LENET_OPTION_REAL, FIELD(checkpoint_seconds), 0, 1e9, NULL, "30", T | S, 0, "S",
     "checkpoint at least so often, besides every epoch"},
    {"entries", LENET_OPTION_INTEGER, FIELD(entries), 0, 1e9, NULL, "200", G, 0, "N",
     "random entries checked of each tensor (0: all)"},
    {"images", LENET_OPTION_INTEGER, FIELD(images), 1, 4096, NULL, "4", G, 0, "N", "random images in the batch"},
    {"networks", LENET_OPTION_INTEGER, FIELD(networks), 1, 16384, NULL, "1", B, 0, "R",
     "size of the population that trains at once"},
    {"out", LENET_OPTION_TEXT, FIELD(out), 0, 0, NULL, "", S, 0, "DIR",
     "the sweep directory; the same command goes on with what is missing there"},
    {"samples", LENET_OPTION_INTEGER, FIELD(samples), 0, 1e7, NULL, "0", S, 0, "N",
     "random search: draw so often from the ranges without a count, such as --lr log:1e-3..1e-1"},
    {"shard", LENET_OPTION_TEXT, FIELD(shard), 0, 0, NULL, "", S, 0, "I/N",
     "only every N-th run, from the I-th (1 to N), into its own file: for N processes or machines"},
    {"population-max", LENET_OPTION_INTEGER, FIELD(population_max), 0, 65535, NULL, "0", S, 0, "R",
     "networks that train in lockstep, at most (0: on a GPU 1024, as far as memory allows; on each thread of a CPU 1)"},
    {"keep-weights", LENET_OPTION_CHOICE, FIELD(keep_weights), 0, 0, "off|on", "off", S, 0, "SWITCH",
     "keep the final weights, one file a population"},
    {"retry-failed", LENET_OPTION_CHOICE, FIELD(retry_failed), 0, 0, "off|on", "off", S, 0, "SWITCH",
     "do those runs again that have diverged"},
    {"dry-run", LENET_OPTION_CHOICE, FIELD(dry_run), 0, 0, "off|on", "off", S, 0, "SWITCH",
     "print the plan and an estimate of the time, and train nothing"},
    {"by", LENET_OPTION_TEXT, FIELD(by), 0, 0, NULL, "", R, 0, "LIST",
     "runs with the same values of these options, joined by commas, are one group (initially all that vary but seed)"},
    {"metric", LENET_OPTION_CHOICE, FIELD(metric), 0, 0,
     "test-error|test-loss|train-error|train-loss|validation-error|validation-loss|seconds", "test-error", R, 0, "NAME",
     "what a run is worth: this, after its last epoch (never the best one)"},
    {"format", LENET_OPTION_CHOICE, FIELD(format), 0, 0, "table|csv|json", "table", R, 0, "NAME",
     "errors are percent in the table and fractions of 1 in the others"},
    {"best", LENET_OPTION_INTEGER, FIELD(best), 0, 1e9, NULL, "0", R, 0, "N",
     "only the N groups of the lowest mean, best first (0: all, in the order of the options' values)"},
    {.name = NULL}};

const struct lenet_option *lenet_option_find(const char *name) {
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (strcmp(option->name, name) == 0) return option;
    return NULL;
}

/* ---- one option from text ------------------------------------------------------------ */

static enum lenet_status set_number(void *field, const struct lenet_option *option, const char *text,
                                    struct lenet_error *err) {
    const int integer = option->type == LENET_OPTION_INTEGER;
    const double max = option->max > option->min ? option->max : LARGEST_INTEGER;
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end || errno == ERANGE || !isfinite(value))
        return lenet_fail(err, LENET_ERR_ARG, "--%s: '%s' is not a number", option->name, text);
    if (!(value >= option->min && value <= max))
        return lenet_fail(err, LENET_ERR_ARG, "--%s: %s is out of range; wanted %.15g to %.15g", option->name, text,
                          option->min, max);
    if (integer && value != floor(value))
        return lenet_fail(err, LENET_ERR_ARG, "--%s: %s is not a whole number", option->name, text);
    if (integer)
        *(int64_t *)field = (int64_t)value;
    else
        *(double *)field = value;
    return LENET_OK;
}

/* Small distortions of which none turns one digit into another. */
static const char STANDARD_AUGMENTATION[] = "shift=1.5,rotate=8,scale=0.1,shear=0.1,elastic=2";

/* Cuts the first distortion off a list: what is behind its "," or "+", or NULL. The + of 1e+1 is none before a name. */
static char *cut_distortion(char *list) {
    for (char *c = list; *c; c++)
        if (*c == ',' || (*c == '+' && isalpha((unsigned char)c[1]))) {
            *c = 0;
            return c + 1;
        }
    return NULL;
}

static enum lenet_status set_augmentation(struct lenet_config *config, const char *text, struct lenet_error *err) {
    if (strcmp(text, "standard") == 0) text = STANDARD_AUGMENTATION;
    config->shift = config->rotate = config->scale = config->shear = config->elastic = 0;
    if (strcmp(text, "none") == 0) return LENET_OK;
    char copy[256];
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return lenet_fail(err, LENET_ERR_ARG, "--augment: the list is too long");
    for (char *item = copy, *next; item; item = next) {
        next = cut_distortion(item);
        char *value = strchr(item, '=');
        if (value) *value++ = 0;
        char name[sizeof copy + 8];
        snprintf(name, sizeof name, "augment-%s", item);
        const struct lenet_option *option = value ? lenet_option_find(name) : NULL;
        if (!option)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--augment: '%s' in '%s'; wanted none, standard, or a list such as %s", item, text,
                              STANDARD_AUGMENTATION);
        LENET_TRY(lenet_option_set(config, option, value, err));
    }
    return LENET_OK;
}

static enum lenet_status set_value(struct lenet_config *config, const struct lenet_option *option, const char *text,
                                   struct lenet_error *err) {
    char *field = (char *)config + option->offset;
    switch (option->type) {
    case LENET_OPTION_TEXT:
    case LENET_OPTION_ARCH:
        if (strlen(text) >= option->size)
            return lenet_fail(err, LENET_ERR_ARG, "--%s: longer than %zu characters", option->name, option->size - 1);
        strcpy(field, text);
        return LENET_OK;
    case LENET_OPTION_INTEGER:
    case LENET_OPTION_REAL: return set_number(field, option, text, err);
    case LENET_OPTION_CHOICE: {
        const int index = lenet_choice_find(option->choices, text);
        if (index < 0)
            return lenet_fail(err, LENET_ERR_ARG, "--%s: '%s' is not one of %s", option->name, text, option->choices);
        *(int *)(void *)field = index;
        return LENET_OK;
    }
    case LENET_OPTION_AUGMENT: return set_augmentation(config, text, err);
    }
    return LENET_ERR_ARG;
}

void lenet_config_init(struct lenet_config *config) {
    memset(config, 0, sizeof *config);
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        set_value(config, option, option->initial, NULL);
}

/* ---- an architecture's recipe ---------------------------------------------------------- */

_Static_assert(sizeof lenet_options / sizeof lenet_options[0] <= 8 * sizeof((struct lenet_config *)0)->given,
               "a bit for each option");

static uint64_t *given_word(struct lenet_config *config, const struct lenet_option *option) {
    return &config->given[(option - lenet_options) / 64];
}
static uint64_t given_bit(const struct lenet_option *option) { return UINT64_C(1) << (option - lenet_options) % 64; }

static int may_follow_recipe(struct lenet_config *config, const struct lenet_option *option) {
    return option->identity && option->type != LENET_OPTION_ARCH && !(*given_word(config, option) & given_bit(option));
}

/* What was not set becomes what the architecture's table says of it, or is as in the beginning: another architecture
 * may have been there. A name that is not known is left to whoever looks it up. */
static enum lenet_status set_recipe(struct lenet_config *config, struct lenet_error *err) {
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (may_follow_recipe(config, option)) LENET_TRY(set_value(config, option, option->initial, err));
    char copy[512];
    snprintf(copy, sizeof copy, "%s", arch && arch->settings ? arch->settings : "");
    for (char *rest = copy, *item; (item = strtok_r(rest, " ", &rest));) {
        char *value = strchr(item, '=');
        *value++ = 0;
        const struct lenet_option *option = lenet_option_find(item);
        if (may_follow_recipe(config, option)) LENET_TRY(set_value(config, option, value, err));
    }
    return LENET_OK;
}

enum lenet_status lenet_option_set(struct lenet_config *config, const struct lenet_option *option, const char *text,
                                   struct lenet_error *err) {
    LENET_TRY(set_value(config, option, text, err));
    *given_word(config, option) |= given_bit(option);
    return option->type == LENET_OPTION_ARCH ? set_recipe(config, err) : LENET_OK;
}

/* none, standard, or what is not 0 as shift=2+rotate=10: without a comma, so that lists and CSV can hold it. */
static void get_augmentation(const struct lenet_config *config, char *text, size_t size) {
    struct lenet_config standard = {0};
    size_t length = 0;
    int is_standard = 1;
    set_augmentation(&standard, "standard", NULL);
    snprintf(text, size, "none");
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char now[32], want[32];
        if (strncmp(option->name, "augment-", 8) != 0) continue;
        lenet_option_get(config, option, now, sizeof now);
        lenet_option_get(&standard, option, want, sizeof want);
        is_standard &= strcmp(now, want) == 0;
        if (strcmp(now, "0") == 0 || length >= size) continue;
        length += (size_t)snprintf(text + length, size - length, "%s%s=%s", length ? "+" : "", option->name + 8, now);
    }
    if (is_standard) snprintf(text, size, "standard");
}

void lenet_option_get(const struct lenet_config *config, const struct lenet_option *option, char *text, size_t size) {
    const char *field = (const char *)config + option->offset;
    switch (option->type) {
    case LENET_OPTION_TEXT:
    case LENET_OPTION_ARCH: snprintf(text, size, "%s", field); break;
    case LENET_OPTION_INTEGER: snprintf(text, size, "%lld", (long long)*(const int64_t *)(const void *)field); break;
    case LENET_OPTION_REAL: {
        char shortest[32];
        lenet_real_text(*(const double *)(const void *)field, shortest);
        snprintf(text, size, "%s", shortest);
        break;
    }
    case LENET_OPTION_CHOICE: lenet_choice_name(option->choices, *(const int *)(const void *)field, text, size); break;
    case LENET_OPTION_AUGMENT: get_augmentation(config, text, size); break;
    }
}

/* ---- the command line ------------------------------------------------------------------- */

/* An option's value: what follows '=', the next word, or nothing where a switch is turned on. */
static const char *value_of(const struct lenet_option *option, const char *word, int argc, char **argv, int *i) {
    const char *equals = strchr(word, '=');
    const int is_last = *i + 1 == argc;
    if (equals) return equals + 1;
    if (option->choices && strcmp(option->choices, "off|on") == 0 && (is_last || strncmp(argv[*i + 1], "--", 2) == 0))
        return "on";
    return is_last ? NULL : argv[++*i];
}

enum lenet_status lenet_options_each(enum lenet_command command, int argc, char **argv,
                                     enum lenet_status (*take)(void *self, const struct lenet_option *option,
                                                               const char *text, struct lenet_error *err),
                                     void *self, struct lenet_error *err) {
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0)
            return lenet_fail(err, LENET_ERR_ARG, "'%s': options begin with two dashes", word);
        char name[64];
        const size_t length = strcspn(word + 2, "=");
        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word + 2);
        const struct lenet_option *option = lenet_option_find(name);
        if (!option || !(option->commands & (int)command))
            return lenet_fail(err, LENET_ERR_ARG, "--%s: no such option of this command%s", name,
                              option ? " (another one has it)" : "");
        const char *value = value_of(option, word, argc, argv, &i);
        if (!value || (!value[0] && (option->type == LENET_OPTION_TEXT || option->type == LENET_OPTION_ARCH)))
            return lenet_fail(err, LENET_ERR_ARG, "--%s: a value is missing (%s)", name, option->argument);
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
