/* options.c - the table of all options, their values from and to text, and which of them matter to a run. */
#define _DEFAULT_SOURCE /* strsep */
#include "lenet/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/decimal.h"
#include "base/json.h"
#include "lenet/topology.h"

/* ---- the table --------------------------------------------------------------------------- */

#define LARGEST_INTEGER 9007199254740991.0 /* 2^53 - 1 */

/* An option's type, its field in struct lenet_config, and which values it takes. */
#define SIZE(field)               sizeof(((struct lenet_config *)0)->field)
#define FIELD(field)              .offset = offsetof(struct lenet_config, field), .size = SIZE(field)
#define TEXT(field)               .type = LENET_OPTION_TEXT, FIELD(field)
#define INTEGER(field, low, high) .type = LENET_OPTION_INTEGER, FIELD(field), .min = low, .max = high
#define REAL(field, low, high)    .type = LENET_OPTION_REAL, FIELD(field), .min = low, .max = high
#define CHOICE(field, names)      .type = LENET_OPTION_CHOICE, FIELD(field), .choices = names, .argument = "NAME"
#define SWITCH(field)             .type = LENET_OPTION_CHOICE, FIELD(field), .choices = "off|on", .argument = "SWITCH"

enum {
    TRAIN = LENET_CMD_TRAIN,
    SWEEP = LENET_CMD_SWEEP,
    EVAL = LENET_CMD_EVAL,
    INFO = LENET_CMD_INFO,
    GRADCHECK = LENET_CMD_GRADCHECK,
    BENCH = LENET_CMD_BENCH,
    REPORT = LENET_CMD_REPORT,
    EXPORT = LENET_CMD_EXPORT,
    PREDICT = LENET_CMD_PREDICT,
};

/* To add an option: a field in struct lenet_config, and three lines here (which clang-format would make seven). Where
 * it matters only beside another option, also a case in idled_by. */
/* clang-format off */
const struct lenet_option lenet_options[] = {
    {.name = "data", TEXT(data), .initial = "",
     .argument = "DIR", .commands = TRAIN | SWEEP | EVAL | INFO | EXPORT,
     .help = "the directory with a data set's four IDX files, raw or .gz; initially $LENET_DATA, else the first "
             "that is there of data/mnist, lenet/mnist in $XDG_DATA_HOME (~/.local/share) and data/sample"},
    {.name = "first-label", INTEGER(first_label, 0, 255), .initial = "0",
     .argument = "N", .commands = TRAIN | SWEEP | EVAL | INFO | EXPORT | PREDICT, .identity = LENET_OF_POPULATION,
     .later = 1,
     .help = "the label of the first class in the files, which is subtracted from each: 1 for EMNIST's letters; eval, "
             "export and predict take a run's"},
    {.name = "transpose", SWITCH(transpose), .initial = "off",
     .commands = TRAIN | SWEEP | EVAL | INFO | EXPORT, .identity = LENET_OF_POPULATION, .later = 1,
     .help = "exchange rows and columns of each image, as EMNIST's need it, which lie on their side; eval and "
             "export take a run's"},
    {.name = "run", TEXT(run), .initial = "",
     .argument = "DIR", .commands = TRAIN | EVAL | EXPORT | PREDICT,
     .help = "the run directory: train creates it (initially the first free one of runs/ARCH-1, runs/ARCH-2, ...), "
             "eval, export and predict read its last weights"},
    {.name = "resume", TEXT(resume), .initial = "",
     .argument = "DIR", .commands = TRAIN,
     .help = "the directory of a run to go on with from its last checkpoint; other options may only repeat its "
             "configuration"},
    {.name = "weights", TEXT(weights), .initial = "",
     .argument = "FILE", .commands = EVAL | INFO | EXPORT | PREDICT,
     .help = "a weights file (.safetensors) to read; eval --ensemble and predict also take a directory of them"},
    {.name = "ensemble", SWITCH(ensemble), .initial = "off",
     .commands = EVAL,
     .help = "let several networks answer together, by the mean of their outputs and by vote"},
    {.name = "json", TEXT(json), .initial = "",
     .argument = "FILE", .commands = EVAL | INFO | GRADCHECK | BENCH | EXPORT | PREDICT,
     .help = "a file to which the results are also written, as JSON"},
    {.name = "show", TEXT(show), .initial = "",
     .argument = "FILE", .commands = PREDICT,
     .help = "a file for what the network is shown of each image: a sheet of pictures where it ends in .png, an IDX "
             "file where it ends in -ubyte or .idx3"},
    {.name = "as-is", SWITCH(as_is), .initial = "off",
     .commands = PREDICT,
     .help = "look for no digit: images are light on dark and only scaled to 28 x 28"},
    {.name = "recipe", CHOICE(recipe, "standard|fast|best|1998"), .initial = "standard",
     .commands = TRAIN | SWEEP | INFO | GRADCHECK | BENCH,
     .help = "what options are that are not given (lenet info lists it): the initial values, those for 99 % in the "
             "fewest seconds, for the best network or for LeNet-5 as published"},
    {.name = "arch", .type = LENET_OPTION_ARCH, FIELD(arch), .initial = "lenet5",
     .argument = "NAME", .commands = TRAIN | SWEEP | INFO | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the architecture (lenet info lists them); lenet5-1998 comes with its recipe, which other options change"},
    {.name = "activation", CHOICE(activation, LENET_ACTIVATIONS), .initial = "relu",
     .commands = TRAIN | SWEEP | INFO | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the nonlinearity; squash is 1.7159 tanh(2x/3)"},
    {.name = "pooling", CHOICE(pooling, LENET_POOLINGS), .initial = "max",
     .commands = TRAIN | SWEEP | INFO | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the subsampling: the average, the maximum or the sum of each window"},
    {.name = "inputs", CHOICE(inputs, "standard|published"), .initial = "standard",
     .commands = TRAIN | SWEEP | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the scaling of the pixels: to mean 0 and variance 1, or published: from -0.1 to 1.175"},
    {.name = "loss", CHOICE(loss, LENET_LOSSES), .initial = "cross-entropy",
     .commands = TRAIN | SWEEP | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the loss function; mse and map (equations 8 and 9 of the paper) need RBF outputs"},
    {.name = "map-j", REAL(map_j, 0, 80), .initial = "10",
     .argument = "J", .commands = TRAIN | SWEEP | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the constant of the rubbish class in --loss map, which has the weight exp(-J)"},
    {.name = "init", CHOICE(init, "standard|printed|printed-average|root|root-average"), .initial = "standard",
     .commands = TRAIN | SWEEP | GRADCHECK, .identity = LENET_OF_NETWORK,
     .help = "the bound of the initial weights for F inputs: sqrt(3/F), 2.4/F or 2.4/sqrt(F); -average: trainable "
             "subsampling begins as an average"},
    {.name = "init-scale", REAL(init_scale, 0, 100), .initial = "1",
     .argument = "X", .commands = TRAIN | SWEEP | GRADCHECK, .identity = LENET_OF_NETWORK,
     .help = "the factor that multiplies the initial weights that are drawn"},
    {.name = "from", TEXT(from), .initial = "",
     .argument = "FILE", .commands = TRAIN | SWEEP,
     .help = "a file (.safetensors) with the weights of one network to begin from, this program's or PyTorch's; a last "
             "layer for other classes is drawn anew"},
    {.name = "from-sha256", TEXT(from_sha256), .initial = "none", .later = 1,
     .argument = "HEX", .commands = TRAIN | SWEEP, .identity = LENET_OF_POPULATION,
     .help = "the SHA-256 of that file, or its first digits: another file is refused (initially the file's own, by which "
             "the run is known)"},
    {.name = "freeze", TEXT(freeze), .initial = "none", .later = 1,
     .argument = "LAYERS", .commands = TRAIN | SWEEP, .identity = LENET_OF_POPULATION,
     .help = "the layers that stay as they are, joined by , or, in a sweep, by +: C1+C3 (lenet info lists them)"},
    {.name = "epochs", INTEGER(epochs, 1, 1e6), .initial = "15",
     .argument = "N", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the number of passes over the training set"},
    {.name = "steps", INTEGER(steps, 0, 1e12), .initial = "0",
     .argument = "N", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the number of updates, which replaces --epochs (0: as many as the epochs take)"},
    {.name = "eval-every", INTEGER(eval_every, 1, 1e6), .initial = "1",
     .argument = "EPOCHS", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the epochs from one evaluation on the test (and validation) set to the next; the last epoch is always "
             "evaluated"},
    {.name = "batch", INTEGER(batch, 1, 65536), .initial = "64",
     .argument = "N", .commands = TRAIN | SWEEP | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the number of images in an update"},
    {.name = "optimizer", CHOICE(optimizer, "sgd|momentum|nesterov|adamw|sdlm"), .initial = "nesterov",
     .commands = TRAIN | SWEEP | GRADCHECK | BENCH, .identity = LENET_OF_POPULATION,
     .help = "the update rule"},
    {.name = "lr", REAL(learning_rate, 0, 1e6), .initial = "0.05",
     .argument = "RATE", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the learning rate; the largest one of a schedule"},
    {.name = "momentum", REAL(momentum, 0, 0.999999), .initial = "0.9",
     .argument = "X", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the momentum of --optimizer momentum and nesterov; adamw's beta1"},
    {.name = "weight-decay", REAL(weight_decay, 0, 100), .initial = "0.001",
     .argument = "X", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the weight decay: part of the gradient, or apart from it with adamw"},
    {.name = "beta2", REAL(beta2, 0, 0.9999999), .initial = "0.999",
     .argument = "X", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the decay of adamw's second moment"},
    {.name = "epsilon", REAL(epsilon, 1e-30, 1), .initial = "1e-08",
     .argument = "X", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the constant in the divisor of adamw; the mu of sdlm"},
    {.name = "schedule", CHOICE(schedule, "constant|step|cosine|one-cycle|published"), .initial = "one-cycle",
     .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the course of the learning rate"},
    {.name = "warmup", REAL(warmup, 0, 1e12), .initial = "auto",
     .argument = "EPOCHS", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the epochs in which the learning rate rises at the beginning; initially a fifth of the run"},
    {.name = "decay-every", REAL(decay_every, 0, 1e6), .initial = "5",
     .argument = "EPOCHS", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the epochs from one fall of the rate to the next in --schedule step; the epochs of one pass in "
             "--schedule published"},
    {.name = "decay-factor", REAL(decay_factor, 0, 1), .initial = "0.5",
     .argument = "X", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the factor by which the rate falls in --schedule step"},
    {.name = "order", CHOICE(order, "shuffled|constant"), .initial = "shuffled",
     .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the order of the training images: another one in every epoch, or the same in all"},
    {.name = "curvature-images", INTEGER(curvature_images, 1, 1e9), .initial = "500",
     .argument = "N", .commands = TRAIN | SWEEP, .identity = LENET_OF_POPULATION,
     .help = "the number of images on which sdlm estimates the curvature before each epoch"},
    {.name = "train-size", INTEGER(train_size, 0, 2e9), .initial = "0",
     .argument = "N", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the number of training images to train on, chosen at random (0: all)"},
    {.name = "validation", INTEGER(validation, 0, 2e9), .initial = "0",
     .argument = "N", .commands = TRAIN | SWEEP, .identity = LENET_OF_POPULATION,
     .help = "the number of training images to hold out, chosen at random; best.safetensors is the best one on them"},
    {.name = "patience", INTEGER(patience, 0, 1e6), .initial = "0",
     .argument = "EPOCHS", .commands = TRAIN | SWEEP, .identity = LENET_OF_POPULATION,
     .help = "the epochs after which training stops when the validation accuracy has not risen (0: never)"},
    {.name = "augment", .type = LENET_OPTION_AUGMENT, .initial = "none",
     .argument = "LIST", .commands = TRAIN | SWEEP,
     .help = "the random distortions: none, standard, or some of shift=,rotate=,scale=,shear=,elastic= joined by +; "
             "sets the next five options"},
    {.name = "augment-shift", REAL(shift, 0, 16), .initial = "0",
     .argument = "PIXELS", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the largest random shift, in both directions"},
    {.name = "augment-rotate", REAL(rotate, 0, 180), .initial = "0",
     .argument = "DEGREES", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the largest random rotation, both ways"},
    {.name = "augment-scale", REAL(scale, 0, 0.9), .initial = "0",
     .argument = "FRACTION", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the largest random scaling of width and height"},
    {.name = "augment-shear", REAL(shear, 0, 2), .initial = "0",
     .argument = "TANGENT", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the largest random horizontal shear"},
    {.name = "augment-elastic", REAL(elastic, 0, 16), .initial = "0",
     .argument = "PIXELS", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the size of a random smooth distortion"},
    {.name = "label-noise", REAL(label_noise, 0, 1), .initial = "0",
     .argument = "FRACTION", .commands = TRAIN | SWEEP, .identity = LENET_OF_NETWORK,
     .help = "the fraction of the training labels that are made wrong, the same ones in every epoch"},
    {.name = "seed", INTEGER(seed, 0, LARGEST_INTEGER), .initial = "1",
     .argument = "N", .commands = TRAIN | SWEEP | GRADCHECK, .identity = LENET_OF_NETWORK,
     .help = "the seed of weights, order, subsets, distortions and wrong labels (gradcheck: 0, its initial value, "
             "draws one)"},
    {.name = "device", TEXT(device), .initial = "auto",
     .argument = "NAME", .commands = TRAIN | SWEEP | EVAL | INFO | GRADCHECK | BENCH | PREDICT,
     .help = "the device that computes: auto, cpu, cuda or cuda:INDEX; a sweep trains on several GPUs at a time with a "
             "list, as cuda:0,cuda:1"},
    {.name = "threads", INTEGER(threads, 0, 1024), .initial = "0",
     .argument = "N", .commands = TRAIN | SWEEP | EVAL | GRADCHECK | BENCH | PREDICT,
     .help = "the number of CPU threads, on which no result depends (0: one for each core; --batch 1 always takes "
             "one)"},
    {.name = "tf32", SWITCH(tf32), .initial = "off",
     .commands = TRAIN | SWEEP | EVAL | GRADCHECK | BENCH | PREDICT, .identity = LENET_OF_POPULATION,
     .help = "on a GPU, compute fully connected layers in TensorFloat-32: faster, with 11 bits of each factor"},
    {.name = "dense", CHOICE(own_dense, "cublas|own"), .initial = "cublas",
     .commands = TRAIN | SWEEP | EVAL | GRADCHECK | BENCH | PREDICT, .identity = LENET_OF_POPULATION, .later = 1,
     .help = "what computes fully connected layers on a GPU: cublas, or own kernels for a single network, with which a "
             "population is slower (not seen on a GPU)"},
    {.name = "checkpoint-seconds", REAL(checkpoint_seconds, 0, 1e9), .initial = "30",
     .argument = "S", .commands = TRAIN | SWEEP,
     .help = "the most seconds from one checkpoint to the next; the end of an epoch is always one"},
    {.name = "entries", INTEGER(entries, 0, 1e9), .initial = "200",
     .argument = "N", .commands = GRADCHECK,
     .help = "the number of random entries that are checked of each tensor (0: all)"},
    {.name = "images", INTEGER(images, 1, 4096), .initial = "4",
     .argument = "N", .commands = GRADCHECK,
     .help = "the number of random images in the batch"},
    {.name = "networks", INTEGER(networks, 1, 16384), .initial = "1",
     .argument = "R", .commands = BENCH,
     .help = "the number of networks that train at once"},
    {.name = "forward", SWITCH(forward), .initial = "off",
     .commands = BENCH,
     .help = "measure instead how long the answers for a batch take, from its bytes to its outputs"},
    {.name = "out", TEXT(out), .initial = "",
     .argument = "DIR", .commands = SWEEP | EXPORT,
     .help = "the sweep's directory, where the same command goes on with what is missing; of export the C file to "
             "write"},
    {.name = "samples", INTEGER(samples, 0, 1e7), .initial = "0",
     .argument = "N", .commands = SWEEP,
     .help = "the number of draws from ranges without a count, such as --lr log:1e-3..1e-1: random search"},
    {.name = "shard", TEXT(shard), .initial = "",
     .argument = "I/N", .commands = SWEEP,
     .help = "train only every N-th run, from the I-th (1 to N), into its own file: for N processes or machines"},
    {.name = "population-max", INTEGER(population_max, 0, 65535), .initial = "0",
     .argument = "R", .commands = SWEEP,
     .help = "the most networks that train in lockstep (0: on a GPU 1024, as far as memory allows; on each thread of "
             "a CPU 1)"},
    {.name = "keep-weights", SWITCH(keep_weights), .initial = "off",
     .commands = SWEEP,
     .help = "keep the final weights, one file for each population"},
    {.name = "keep-predictions", SWITCH(keep_predictions), .initial = "off",
     .commands = SWEEP,
     .help = "keep what each network answers at the end for every image, one file for each population"},
    {.name = "predictions", TEXT(predictions), .initial = "",
     .argument = "FILE", .commands = EVAL,
     .help = "a file (.safetensors) to which each network's answers for every image are written"},
    {.name = "predictions-of", CHOICE(predictions_of, "test|train|both"), .initial = "test",
     .commands = SWEEP | EVAL,
     .help = "the images whose answers are kept: the test half of the data set, the training half or both"},
    {.name = "predictions-loss", SWITCH(predictions_loss), .initial = "off",
     .commands = SWEEP | EVAL,
     .help = "keep the loss of each answer, too, in 16 bits"},
    {.name = "retry-failed", SWITCH(retry_failed), .initial = "off",
     .commands = SWEEP,
     .help = "train again the runs that have diverged"},
    {.name = "dry-run", SWITCH(dry_run), .initial = "off",
     .commands = SWEEP,
     .help = "print the plan and an estimate of the time, and train nothing"},
    {.name = "by", TEXT(by), .initial = "",
     .argument = "LIST", .commands = REPORT,
     .help = "the options, joined by commas, whose equal values make runs one group (initially all that vary but the "
             "seed)"},
    {.name = "metric", CHOICE(metric,
            "test-error|test-loss|train-error|train-loss|validation-error|validation-loss|seconds"),
     .initial = "test-error",
     .commands = REPORT,
     .help = "what is compared, as it is after the last epoch of a run (never the best one)"},
    {.name = "format", CHOICE(format, "table|csv|json|c"), .initial = "table",
     .commands = REPORT | EXPORT,
     .help = "the form of the report: a table, csv or json; errors are percent in a table and fractions of 1 in the "
             "others; of export always c"},
    {.name = "best", INTEGER(best, 0, 1e9), .initial = "0",
     .argument = "N", .commands = REPORT,
     .help = "the number of groups to show, the lowest mean first (0: all, in the order of the options' values)"},
    {.name = "bits", CHOICE(bits, "8|4"), .initial = "8",
     .commands = EXPORT,
     .help = "the bits of each weight: half of them halve the file's constants, and cost some accuracy"},
    {.name = NULL}};
/* clang-format on */

const struct lenet_option *lenet_option_find(const char *name) {
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (strcmp(option->name, name) == 0) return option;
    return NULL;
}

int lenet_option_is_number(const struct lenet_option *option) {
    return option->type == LENET_OPTION_INTEGER || option->type == LENET_OPTION_REAL;
}
int lenet_option_is_distortion(const struct lenet_option *option) { return strncmp(option->name, "augment-", 8) == 0; }
int lenet_option_makes_runs(const struct lenet_option *option) {
    return option->identity || option->type == LENET_OPTION_AUGMENT;
}

/* ---- numbers from text ------------------------------------------------------------------- */

static int takes_auto(const struct lenet_option *option) {
    return option->type == LENET_OPTION_REAL && strcmp(option->initial, "auto") == 0;
}

/* 10,000 and 1_000.000 and the like: digits in groups of three, which are written without what is between. */
static int join_thousands(const char *text, char digits[32]) {
    size_t n = 0, group = 0;
    int groups = 1;
    if (*text == '0') return 0; /* 0.125 */
    for (; *text && n < 31; text++) {
        if (isdigit((unsigned char)*text)) {
            digits[n++] = *text;
            group++;
        } else if (strchr(".,_' ", *text) && (groups == 1 ? group >= 1 && group <= 3 : group == 3)) {
            groups++;
            group = 0;
        } else {
            return 0;
        }
    }
    digits[n] = 0;
    return !*text && groups > 1 && group == 3;
}

static enum lenet_status set_number(void *field, const struct lenet_option *option, const char *text,
                                    struct lenet_error *err);

/* A text without its spaces. */
static void leave_out_spaces(const char *text, char joined[32]) {
    size_t n = 0;
    for (; *text && n < 31; text++)
        if (!isspace((unsigned char)*text)) joined[n++] = *text;
    joined[n] = 0;
}

/* 0,9 with a point in the place of its comma; "" where it is not of this form. */
static void point_for_comma(const char *text, char number[32]) {
    const size_t whole = strspn(text, "0123456789"),
                 fraction = text[whole] ? strspn(text + whole + 1, "0123456789") : 0;
    const int is_one = text[whole] == ',' && whole && fraction && !text[whole + 1 + fraction];
    snprintf(number, 32, "%s", is_one ? text : "");
    if (is_one && whole < 31) number[whole] = '.';
}

static int takes(const struct lenet_option *option, const char *text) {
    union {
        double real;
        int64_t integer;
    } field;
    return set_number(&field, option, text, NULL) == LENET_OK;
}

/* What a text that is no number of this option was probably meant to be, where that is one: the end of a message. */
static const char *number_hint(const struct lenet_option *option, const char *text, char hint[96]) {
    char pointed[32], digits[32], joined[32], decimal[32] = "", *end;
    const double value = strtod(text, &end); /* also of 0x10 and +5 */
    if (end > text && !*end && isfinite(value)) lenet_real_text(value, decimal);
    point_for_comma(text, pointed);
    leave_out_spaces(text, joined);
    hint[0] = 0;
    if (option->type == LENET_OPTION_REAL && takes(option, pointed))
        snprintf(hint, 96, "; with a decimal point it is %s", pointed);
    else if (join_thousands(text, digits) && takes(option, digits))
        snprintf(hint, 96, "; write %s, without separators", digits);
    else if ((strchr(text, ',') || strstr(text, "..")) && option->identity)
        snprintf(hint, 96, "; wanted one number (lenet sweep takes lists and ranges)");
    else if (strcmp(text, joined) != 0 && takes(option, joined))
        snprintf(hint, 96, "; write it without spaces");
    else if (takes(option, decimal))
        snprintf(hint, 96, "; write %s", decimal);
    else if (takes_auto(option))
        snprintf(hint, 96, "; wanted a number or auto");
    return hint;
}

static enum lenet_status set_number(void *field, const struct lenet_option *option, const char *text,
                                    struct lenet_error *err) {
    const int integer = option->type == LENET_OPTION_INTEGER;
    const char *end = lenet_decimal_end(text);
    char hint[96], digits[32];
    if (takes_auto(option) && strcmp(text, "auto") == 0) {
        *(double *)field = LENET_AUTO;
        return LENET_OK;
    }
    if (!end || *end || (integer && join_thousands(text, digits))) /* 10.000, which is 10 to strtod */
        return lenet_fail(err, LENET_ERR_ARG, "--%s: '%.60s' is not a number%s", option->name, text,
                          err ? number_hint(option, text, hint) : "");
    errno = 0;
    const double value = strtod(text, NULL) + 0.0; /* of -0 it makes 0 */
    if (errno == ERANGE || !(value >= option->min && value <= option->max))
        return lenet_fail(err, LENET_ERR_ARG, "--%s: %.60s is out of range; wanted %.16g to %.16g", option->name, text,
                          option->min, option->max);
    if (integer && value != floor(value))
        return lenet_fail(err, LENET_ERR_ARG, "--%s: %.60s is not a whole number", option->name, text);
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

static enum lenet_status set_value(struct lenet_config *config, const struct lenet_option *option, const char *text,
                                   struct lenet_error *err);

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
        LENET_TRY(set_value(config, option, value, err));
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

/* ---- recipes ---------------------------------------------------------------------------- */

const struct lenet_recipe lenet_recipes[LENET_RECIPES] = {
    {"standard", "the initial values of all options", ""},
    {"fast", "99.0 % of MNIST's test images in the fewest seconds", "batch=128 epochs=2 lr=0.1 warmup=0.5"},
    {"best", "the most accurate single network that is known here",
     "epochs=40 weight-decay=0.0005 augment-shift=1.5 augment-rotate=8 augment-scale=0.1 augment-shear=0.1 "
     "augment-elastic=2"},
    {"1998", "LeNet-5 and its training as published", "arch=lenet5-1998"}};

_Static_assert(sizeof lenet_options / sizeof lenet_options[0] <= 8 * sizeof((struct lenet_config *)0)->given,
               "a bit for each option");

static int has_bit(const uint64_t bits[2], const struct lenet_option *option) {
    return (bits[(option - lenet_options) / 64] >> (option - lenet_options) % 64 & 1) != 0;
}

static void set_bit(uint64_t bits[2], const struct lenet_option *option, int value) {
    const uint64_t bit = UINT64_C(1) << (option - lenet_options) % 64;
    uint64_t *word = &bits[(option - lenet_options) / 64];
    *word = value ? *word | bit : *word & ~bit;
}

int lenet_option_is_given(const struct lenet_config *config, const struct lenet_option *option) {
    return has_bit(config->given, option);
}

/* What settings, as "batch=128 epochs=2", say of an option: text, or NULL. */
static const char *setting_of(const char *settings, const struct lenet_option *option, char text[LENET_MAX_CHOICE]) {
    const size_t length = strlen(option->name);
    for (const char *item = settings; *item; item += strspn(item, " ")) {
        const size_t item_length = strcspn(item, " ");
        if (strncmp(item, option->name, length) == 0 && item[length] == '=') {
            snprintf(text, LENET_MAX_CHOICE, "%.*s", (int)(item_length - length - 1), item + length + 1);
            return text;
        }
        item += item_length;
    }
    return NULL;
}

/* What an option is where it is not given: what the recipe says of it, or the architecture, or its initial value. */
static const char *unset_text(const struct lenet_recipe *recipe, const char *arch_name,
                              const struct lenet_option *option, char text[LENET_MAX_CHOICE]) {
    const struct lenet_arch *arch = lenet_arch_find(arch_name);
    const char *of_recipe = setting_of(recipe->settings, option, text);
    const char *of_arch = !of_recipe && arch && arch->settings ? setting_of(arch->settings, option, text) : NULL;
    return of_recipe ? of_recipe : of_arch ? of_arch : option->initial;
}

/* By its own name, or by --augment. */
static int is_set(const struct lenet_config *config, const struct lenet_option *option) {
    return has_bit(config->given, option) ||
           (lenet_option_is_distortion(option) && has_bit(config->given, lenet_option_find("augment")));
}

/* What was not given becomes what the recipe and the architecture say of it: others may have been there. The name of an
 * architecture that is not known is left to whoever looks it up. */
static enum lenet_status set_recipe(struct lenet_config *config, struct lenet_error *err) {
    const struct lenet_recipe *recipe = &lenet_recipes[config->recipe];
    const struct lenet_option *arch = lenet_option_find("arch");
    char text[LENET_MAX_CHOICE];
    if (!is_set(config, arch)) LENET_TRY(set_value(config, arch, unset_text(recipe, "", arch, text), err));
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (option->identity && option != arch && !is_set(config, option))
            LENET_TRY(set_value(config, option, unset_text(recipe, config->arch, option, text), err));
    return LENET_OK;
}

enum lenet_status lenet_option_set(struct lenet_config *config, const struct lenet_option *option, const char *text,
                                   struct lenet_error *err) {
    LENET_TRY(set_value(config, option, text, err));
    set_bit(config->given, option, 1);
    set_bit(config->replaced, option, 0);
    for (const struct lenet_option *part = lenet_options; option->type == LENET_OPTION_AUGMENT && part->name; part++)
        if (lenet_option_is_distortion(part)) set_bit(config->replaced, part, has_bit(config->given, part));
    const int sets_others = option->type == LENET_OPTION_ARCH || strcmp(option->name, "recipe") == 0;
    return sets_others ? set_recipe(config, err) : LENET_OK;
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
        if (!lenet_option_is_distortion(option)) continue;
        lenet_option_get(config, option, now, sizeof now);
        lenet_option_get(&standard, option, want, sizeof want);
        is_standard &= strcmp(now, want) == 0;
        if (strcmp(now, "0") == 0 || length >= size) continue;
        length += (size_t)snprintf(text + length, size - length, "%s%s=%s", length ? "+" : "", option->name + 8, now);
    }
    if (is_standard) snprintf(text, size, "standard");
}

static void copy_text(char *text, size_t size, const char *from) {
    const size_t length = strlen(from), n = length < size ? length : size - 1;
    if (size) memcpy(text, from, n);
    if (size) text[n] = 0;
}

/* As printf would write it, but in a tenth of the time: the plan of a sweep writes the numbers of millions of runs. */
static void whole_text(int64_t value, char text[32]) {
    char digits[32], *first = &digits[31];
    *first = 0;
    for (uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value; left || !*first; left /= 10)
        *--first = (char)('0' + left % 10);
    if (value < 0) *--first = '-';
    strcpy(text, first);
}

static void real_text(const struct lenet_option *option, double value, char text[32]) {
    if (takes_auto(option) && value == LENET_AUTO)
        strcpy(text, "auto");
    else if (value == floor(value) && fabs(value) < 1e15)
        whole_text((int64_t)value, text);
    else if (value == strtod(option->initial, NULL))
        strcpy(text, option->initial);
    else
        lenet_real_text(value, text);
}

void lenet_option_get(const struct lenet_config *config, const struct lenet_option *option, char *text, size_t size) {
    const void *field = (const char *)config + option->offset;
    char number[32];
    switch (option->type) {
    case LENET_OPTION_TEXT:
    case LENET_OPTION_ARCH: copy_text(text, size, field); break;
    case LENET_OPTION_INTEGER: whole_text(*(const int64_t *)field, number); break;
    case LENET_OPTION_REAL: real_text(option, *(const double *)field, number); break;
    case LENET_OPTION_CHOICE: lenet_choice_name(option->choices, *(const int *)field, text, size); break;
    case LENET_OPTION_AUGMENT: get_augmentation(config, text, size); break;
    }
    if (lenet_option_is_number(option)) copy_text(text, size, number);
}

int lenet_option_is_recorded(const struct lenet_config *config, const struct lenet_option *option) {
    char text[LENET_MAX_PATH];
    if (!option->identity || !option->later) return option->identity != LENET_NO_IDENTITY;
    lenet_option_get(config, option, text, sizeof text);
    return strcmp(text, option->initial) != 0;
}

/* ---- options without effect --------------------------------------------------------------- */

static int has_layer(const struct lenet_config *config, enum lenet_layer_kind kind) {
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    for (int l = 0; arch && l < arch->layer_count; l++)
        if (arch->layers[l].kind == kind) return 1;
    return !arch; /* left to whoever looks it up */
}

static int is_of_other_arch(const struct lenet_config *config) {
    char text[LENET_MAX_CHOICE];
    const char *arch = setting_of(lenet_recipes[config->recipe].settings, lenet_option_find("arch"), text);
    return arch && strcmp(arch, config->arch) != 0;
}

static int is_on_cpu(const struct lenet_config *config) { return strcmp(config->device, "cpu") == 0; }

/* The name of the option whose value leaves this one without effect, or NULL. */
static const char *idled_by(const struct lenet_config *config, const struct lenet_option *option) {
    const int optimizer = config->optimizer, schedule = config->schedule;
    switch (option->offset) {
    case offsetof(struct lenet_config, recipe): return is_of_other_arch(config) ? "arch" : NULL;
    case offsetof(struct lenet_config, activation): return has_layer(config, LENET_ACTIVATION) ? NULL : "arch";
    case offsetof(struct lenet_config, pooling): return has_layer(config, LENET_SUBSAMPLE) ? NULL : "arch";
    case offsetof(struct lenet_config, map_j): return config->loss == LENET_MAP ? NULL : "loss";
    case offsetof(struct lenet_config, epochs): return config->steps == 0 ? NULL : "steps";
    case offsetof(struct lenet_config, momentum):
        return optimizer != LENET_SGD && optimizer != LENET_SDLM ? NULL : "optimizer";
    case offsetof(struct lenet_config, beta2): return optimizer == LENET_ADAMW ? NULL : "optimizer";
    case offsetof(struct lenet_config, epsilon):
        return optimizer == LENET_ADAMW || optimizer == LENET_SDLM ? NULL : "optimizer";
    case offsetof(struct lenet_config, curvature_images): return optimizer == LENET_SDLM ? NULL : "optimizer";
    case offsetof(struct lenet_config, warmup): return schedule != LENET_SCHEDULE_PUBLISHED ? NULL : "schedule";
    case offsetof(struct lenet_config, decay_every):
        return schedule == LENET_SCHEDULE_STEP || schedule == LENET_SCHEDULE_PUBLISHED ? NULL : "schedule";
    case offsetof(struct lenet_config, decay_factor): return schedule == LENET_SCHEDULE_STEP ? NULL : "schedule";
    case offsetof(struct lenet_config, patience): return config->validation ? NULL : "validation";
    case offsetof(struct lenet_config, tf32): return is_on_cpu(config) ? "device" : config->own_dense ? "dense" : NULL;
    case offsetof(struct lenet_config, own_dense): return is_on_cpu(config) ? "device" : NULL;
    default: return has_bit(config->replaced, option) ? "augment" : NULL;
    }
}

const struct lenet_option *lenet_option_idled_by(const struct lenet_config *config, const struct lenet_option *option) {
    const char *name = idled_by(config, option);
    return name ? lenet_option_find(name) : NULL;
}

const char *lenet_option_idle_words(const struct lenet_option *by) {
    return by->type == LENET_OPTION_AUGMENT ? "has no effect before" : "has no effect with";
}

void lenet_config_order_freeze(struct lenet_config *config) {
    const struct lenet_arch *arch = lenet_arch_find(config->arch);
    char *list = config->freeze, canonical[LENET_MAX_CHOICE] = "", copy[LENET_MAX_CHOICE], *rest = copy;
    size_t used = 0;
    if (!*list || strcmp(list, "none") == 0) return;
    for (int l = 0; arch && l < arch->layer_count; l++) {
        const char *name = arch->layers[l].name;
        if (!name[0] || !lenet_layers_have(list, name) || lenet_layers_have(canonical, name)) continue;
        used += (size_t)snprintf(canonical + used, sizeof canonical - used, "%s%s", used ? "+" : "", name);
    }
    snprintf(copy, sizeof copy, "%s", list);
    for (char *item; (item = strsep(&rest, ",+"));)
        if (!lenet_layers_have(canonical, item)) return; /* is refused where the layers are known */
    strcpy(list, canonical);
}

void lenet_option_unset(struct lenet_config *config, const struct lenet_option *option) {
    char text[LENET_MAX_CHOICE];
    set_value(config, option, unset_text(&lenet_recipes[0], config->arch, option, text), NULL);
}

void lenet_config_canonical(const struct lenet_config *config, struct lenet_config *canonical) {
    *canonical = *config;
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        const struct lenet_option *by = lenet_option_idled_by(config, option);
        if (option->identity && by && by->identity) /* the device is not recorded: --tf32 stays what it is */
            lenet_option_unset(canonical, option);
    }
    lenet_config_order_freeze(canonical);
    if (canonical->schedule == LENET_SCHEDULE_PUBLISHED) canonical->warmup = LENET_WARMUP_OF_NONE;
    if (!has_layer(config, LENET_SCALE)) { /* nothing that would begin as an average */
        if (canonical->init == LENET_INIT_PRINTED_AVERAGE) canonical->init = LENET_INIT_PRINTED;
        if (canonical->init == LENET_INIT_ROOT_AVERAGE) canonical->init = LENET_INIT_ROOT;
    }
}

void lenet_config_idle_text(const struct lenet_config *config, char *text, size_t size) {
    size_t used = 0;
    if (size) text[0] = 0;
    for (const struct lenet_option *option = lenet_options; option->name && used < size; option++) {
        const struct lenet_option *by = lenet_option_idled_by(config, option);
        char value[LENET_MAX_CHOICE];
        if (!by || !lenet_option_is_given(config, option)) continue;
        lenet_option_get(config, by, value, sizeof value);
        used += (size_t)snprintf(text + used, size - used, "%s--%s %s --%s %s", used ? "; " : "", option->name,
                                 lenet_option_idle_words(by), by->name, value);
    }
}
