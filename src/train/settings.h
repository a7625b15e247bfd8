/* settings.h - what a configuration means: its options as hyper-parameters, a topology, a scaling and threads. */
#ifndef LENET_TRAIN_SETTINGS_H
#define LENET_TRAIN_SETTINGS_H
#include "lenet/data.h"
#include "lenet/device_data.h"
#include "lenet/model.h"
#include "lenet/options.h"
#include "net/start.h"
#ifdef __cplusplus
extern "C" {
#endif

/* One network's settings, for a training set of a given size. */
struct lenet_settings {
    struct lenet_hyper hyper;
    enum lenet_init init;
    float init_scale;
    int B;                    /* images of a batch: no more than there are to train on   */
    uint64_t steps_per_epoch; /* the last batch of an epoch may be smaller               */
    uint64_t interval;        /* steps between two measurements on the test set: epochs  */
    int curvature_batches;    /* of sdlm, before each epoch: no more than it has         */
};

/* Of `train_images` images, a validation set included. LENET_ERR_ARG where they do not suffice. */
enum lenet_status lenet_settings_make(const struct lenet_config *config, size_t train_images,
                                      struct lenet_settings *settings, struct lenet_error *err);

/* Replaces what an option leaves open, a warm-up of `auto`, by the number that follows from the rest, and what may be
 * written in several ways, --freeze, by one of them. From then on the configuration says all that the run depends on.
 * LENET_ERR_ARG as above. */
enum lenet_status lenet_config_resolve(struct lenet_config *config, size_t train_images, struct lenet_error *err);

/* What is odd about it: a bit for each of lenet_oddities. */
int lenet_settings_oddities(const struct lenet_config *config, const struct lenet_settings *settings);

/* Makes equal what is the same on this backend: a batch, or a curvature, of more images than there are, an evaluation
 * after more epochs than the run has, TF32 on a CPU; and where no weight is drawn, how it would be. Returns 1 where
 * something has changed. */
int lenet_config_reduce(struct lenet_config *config, size_t train_images, const struct lenet_backend *backend,
                        int is_drawn);

/* "--init has no effect: ...", of options that say how weights are drawn and were given where none is; else "". */
const char *lenet_config_undrawn_text(const struct lenet_config *config, int is_drawn);

/* Reads the data set that config->data names, which is set to what was chosen, as the configuration wants it. Fails as
 * lenet_dataset_open does. */
enum lenet_status lenet_config_dataset(struct lenet_config *config, enum lenet_half needed, int field,
                                       struct lenet_dataset *data, struct lenet_error *err);

/* The network that a configuration describes, for data of so many classes. LENET_ERR_ARG where there is no such
 * architecture, or its outputs are not for the loss or the optimizer. */
enum lenet_status lenet_config_topology(const struct lenet_config *config, int classes, struct lenet_topology *topology,
                                        struct lenet_error *err);

/* How a configuration wants its inputs. */
struct lenet_scaling lenet_config_scaling(const struct lenet_config *config, const struct lenet_dataset *data);

/* The topology and the scaling, `standard` being lenet_scaling_of the training images. LENET_ERR_FORMAT
 * where the images do not fit. */
enum lenet_status lenet_config_model(const struct lenet_config *config, const struct lenet_dataset *data,
                                     struct lenet_scaling standard, struct lenet_model *model, struct lenet_error *err);

/* LENET_ERR_ARG where a file that is to be written is that of the weights, or would be one of theirs. */
enum lenet_status lenet_config_spare_weights(const struct lenet_config *config, struct lenet_error *err);

/* Opens the file of --from, which is then known by its SHA-256: the configuration's, where it has one already, and else
 * set there. To be closed also on failure. LENET_ERR_ARG where it is another file; otherwise as lenet_start_open. */
enum lenet_status lenet_config_start(struct lenet_config *config, struct lenet_start *start, struct lenet_error *err);

/* What the configuration says of opening a backend. */
struct lenet_open_options lenet_open_options_of(const struct lenet_config *config);

/* What networks must have in common to train as one population, as text: "14070 steps, arch lenet5, ...". */
void lenet_population_key(const struct lenet_config *config, const struct lenet_settings *settings,
                          char key[LENET_POPULATION_KEY]);

/* Floating-point operations of a whole run: of its matrix products, measurements included. */
double lenet_run_flops(const struct lenet_config *config, const struct lenet_settings *settings,
                       const struct lenet_topology *topology, size_t test_images);

#ifdef __cplusplus
}
#endif
#endif
