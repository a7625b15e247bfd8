/* options.h - every option of every command, in one table.
 *
 * The table feeds parsing, --help, the README, the configuration in run.json and
 * the comparison on --resume. */
#ifndef LENET_OPTIONS_H
#define LENET_OPTIONS_H
#include <stdint.h>

#include "lenet/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

enum {
    LENET_MAX_PATH = 1024,
    LENET_MAX_CHOICE = 32,
    LENET_MAX_DEVICE = 256, /* of a list of devices */
    LENET_MAX_LIST = 1024,
    LENET_POPULATION_KEY = 512
};

enum {
    LENET_AUTO = -1,         /* a number that is worked out from the others; it is written auto */
    LENET_WARMUP_OF_NONE = 3 /* what runs are recorded with whose schedule has no warm-up       */
};

struct lenet_config {
    /* where */
    char data[LENET_MAX_PATH]; /* "" for the default */
    int64_t first_label;
    int transpose; /* 0 or 1 */
    char run[LENET_MAX_PATH];
    char resume[LENET_MAX_PATH];
    char weights[LENET_MAX_PATH];
    char json[LENET_MAX_PATH];
    int recipe; /* an index into lenet_recipes */
    /* the network */
    char arch[LENET_MAX_CHOICE];
    int activation, pooling; /* enum lenet_activation, enum lenet_pooling */
    int inputs;              /* 1: -0.1 to 1.175 */
    int init, loss;          /* enum lenet_init, enum lenet_loss */
    double map_j;
    double init_scale;
    char from[LENET_MAX_PATH], from_sha256[65];
    char freeze[LENET_MAX_CHOICE]; /* as of lenet_topology_freeze */
    /* learning */
    int64_t epochs, steps, eval_every, batch;
    int optimizer, schedule; /* enum lenet_optimizer, enum lenet_schedule */
    double learning_rate, momentum, weight_decay, beta2, epsilon;
    double warmup; /* or LENET_AUTO */
    double decay_every, decay_factor;
    int order; /* 1: the same in every epoch */
    int64_t curvature_images;
    int64_t train_size, validation, patience;
    double shift, rotate, scale, shear, elastic;
    double label_noise;
    int64_t seed;
    /* the machine */
    char device[LENET_MAX_DEVICE];
    int64_t threads;
    int tf32;      /* 0 or 1 */
    int own_dense; /* 0: cublas, 1: own */
    double checkpoint_seconds;
    /* eval */
    int ensemble; /* 0 or 1 */
    char predictions[LENET_MAX_PATH];
    /* predict */
    char show[LENET_MAX_PATH];
    int as_is; /* 0 or 1 */
    /* gradcheck */
    int64_t entries, images;
    /* bench */
    int64_t networks;
    int forward; /* 0 or 1 */
    /* sweep */
    char out[LENET_MAX_PATH];
    char shard[LENET_MAX_CHOICE]; /* "i/n", or "" */
    int64_t samples, population_max;
    int dry_run, retry_failed, keep_weights, keep_predictions; /* 0 or 1 */
    int predictions_of;   /* 0: the test images, 1: the training images, 2: both; also of eval */
    int predictions_loss; /* 0 or 1; likewise */
    /* report */
    char by[LENET_MAX_LIST];
    int metric, format; /* enum lenet_metric, enum lenet_format */
    int64_t best;
    /* export */
    int bits; /* of a weight: 0 for 8, 1 for 4 */

    uint64_t given[2];    /* a bit for each option that was set: recipes leave those alone                   */
    uint64_t replaced[2]; /* of these, the distortions that --augment has set after them                     */
};

enum lenet_command {
    LENET_CMD_TRAIN = 1,
    LENET_CMD_EVAL = 2,
    LENET_CMD_INFO = 4,
    LENET_CMD_GRADCHECK = 8,
    LENET_CMD_BENCH = 16,
    LENET_CMD_SWEEP = 32,
    LENET_CMD_REPORT = 64,
    LENET_CMD_EXPORT = 128,
    LENET_CMD_PREDICT = 256,
    LENET_CMD_END = 512, /* above all commands */
};

/* "train", of LENET_CMD_TRAIN. */
const char *lenet_command_name(enum lenet_command command);

enum lenet_option_type {
    LENET_OPTION_TEXT,
    LENET_OPTION_INTEGER, /* int64_t, up to 2^53 so that JSON keeps it */
    LENET_OPTION_REAL,    /* double; LENET_AUTO where it is auto, which only an option takes that is so initially */
    LENET_OPTION_CHOICE,  /* int, an index into choices; those of "off|on" may stand without a value */
    LENET_OPTION_ARCH,    /* an architecture's name; options that were not set become what its table says */
    LENET_OPTION_AUGMENT, /* stands for others, augment-*: "standard", "none" or "shift=2+rotate=10" */
};

/* What an option is to a run, and to the networks that train together. */
enum lenet_identity {
    LENET_NO_IDENTITY,   /* another value does not make another run        */
    LENET_OF_POPULATION, /* it does, and all networks of a population agree */
    LENET_OF_NETWORK,    /* it does, and each network has its own           */
};

struct lenet_option {
    const char *name; /* without the two dashes */
    enum lenet_option_type type;
    size_t offset; /* in struct lenet_config; text has `size` bytes there */
    size_t size;
    double min, max;
    const char *choices; /* "tanh|relu" */
    const char *initial; /* its value where it is not given, as a user would write it */
    int commands;        /* which commands take it, of enum lenet_command             */
    enum lenet_identity identity;
    int later; /* 1: records are older than it. They have it only where it is not initial: its absence means that */
    const char *argument, *help;
};

/* All options, ended by one without a name. */
extern const struct lenet_option lenet_options[];

/* NULL where there is none of that name. */
const struct lenet_option *lenet_option_find(const char *name);

/* 1 where its values are numbers; where it is one of the distortions that --augment stands for; where it, or what it
 * stands for, makes a run what it is. */
int lenet_option_is_number(const struct lenet_option *option);
int lenet_option_is_distortion(const struct lenet_option *option);
int lenet_option_makes_runs(const struct lenet_option *option);

/* 1 where a record of this run, and its id, have the option's value. */
int lenet_option_is_recorded(const struct lenet_config *config, const struct lenet_option *option);

/* Every option at its initial value. */
void lenet_config_init(struct lenet_config *config);

/* Sets one option from text. LENET_ERR_ARG, naming the option, the text and what
 * was wanted. The order of options does not matter, but that the last one of a name counts. */
enum lenet_status lenet_option_set(struct lenet_config *config, const struct lenet_option *option, const char *text,
                                   struct lenet_error *err);

/* The option's value as lenet_option_set takes it; the shortest text that reads back the same. */
void lenet_option_get(const struct lenet_config *config, const struct lenet_option *option, char *text, size_t size);

/* What --recipe sets of what is not given, as "batch=128 epochs=2"; each is one of the option's choices. A recipe with
 * an architecture has that architecture's settings, too. */
enum { LENET_RECIPES = 4 };
struct lenet_recipe {
    const char *name, *description, *settings;
};
extern const struct lenet_recipe lenet_recipes[LENET_RECIPES];

/* 1 where it was set; what follows from a recipe was not. */
int lenet_option_is_given(const struct lenet_config *config, const struct lenet_option *option);

/* ---- options without effect: --beta2 with --optimizer nesterov ---- */

/* The option whose value leaves this one without effect on what lenet train does, or NULL where it has an effect:
 * "has no effect with" it, or "before" it where it is --augment, which sets others. */
const struct lenet_option *lenet_option_idled_by(const struct lenet_config *config, const struct lenet_option *option);
const char *lenet_option_idle_words(const struct lenet_option *by);

/* Brings the layers of --freeze into their order, each once and joined by +. A list with a name that is none stays as
 * it is, for whoever refuses it. */
void lenet_config_order_freeze(struct lenet_config *config);

/* The same run with every option that has no effect as it is where it is not given: equal runs become equal. What is
 * not recorded of a run, such as its device, does not count here. */
void lenet_config_canonical(const struct lenet_config *config, struct lenet_config *canonical);

/* Makes an option what it is where it is not given: what the architecture's recipe says, or its initial value. */
void lenet_option_unset(struct lenet_config *config, const struct lenet_option *option);

/* "--beta2 has no effect with --optimizer nesterov; ...", of all options that were given in vain; "" where none was. */
void lenet_config_idle_text(const struct lenet_config *config, char *text, size_t size);

/* ---- options that are odd, but no error: --batch 100000 for 60,000 images ---- */

enum { LENET_ODDITIES = 3 };
struct lenet_oddity {
    const char *option, *text; /* "--batch 100000", "is above ..." */
};
extern const struct lenet_oddity lenet_oddities[LENET_ODDITIES];

/* ---- command lines ---- */

/* Calls take(self, option, text, err) for each "--name value" and "--name=value". */
enum lenet_status lenet_options_each(enum lenet_command command, int argc, char **argv,
                                     enum lenet_status (*take)(void *self, const struct lenet_option *option,
                                                               const char *text, struct lenet_error *err),
                                     void *self, struct lenet_error *err);

/* Sets *config so. */
enum lenet_status lenet_options_parse(enum lenet_command command, int argc, char **argv, struct lenet_config *config,
                                      struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
