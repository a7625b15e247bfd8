/* population.h - R networks that train in lockstep on one backend: the engine of train (R = 1) and sweep.
 *
 * The members share the options that are LENET_OF_POPULATION and the number of steps; seed, initial weights, learning
 * rate, data and so on are each member's own. What a member becomes does not depend on the others. */
#ifndef LENET_TRAIN_POPULATION_H
#define LENET_TRAIN_POPULATION_H
#include "lenet/device.h"
#include "lenet/model.h"
#include "lenet/network.h"
#include "train/run_dir.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_member {
    struct lenet_hyper hyper;
    enum lenet_init init;
    float init_scale;
    uint64_t steps_per_epoch;
    uint64_t interval; /* steps between two measurements: whole epochs */
    int diverged;      /* 1: a loss or a weight was NaN or infinite; it is measured no more */

    int measured; /* so many metrics, the history */
    struct lenet_metrics *metrics;

    double interval_began; /* the clock and the step at the last measurement: for images_per_s */
    uint64_t interval_step;
};

struct lenet_population {
    struct lenet_model model;
    struct lenet_network net;
    struct lenet_source train, test;
    int R, moments;               /* members; moments of each parameter: 0, m, or m and v             */
    struct lenet_member *members; /* [R]                                                              */
    uint32_t validation;          /* held-out images                                                  */
    int64_t patience;             /* epochs without a better validation accuracy; 0: endless          */
    int64_t curvature_images;     /* of sdlm, before each pass */
    uint64_t step, total_steps;
    double seconds, began; /* spent before `began`; the clock then */

    /* As of the last look at the device: */
    struct lenet_tally *tally; /* [R] of each member's epoch under way         */
    float *state;              /* [R][1 + moments][stride] weights, m and v    */
};

/* The settings of one network, from a configuration and the size of its training set. LENET_ERR_ARG where
 * the data does not suffice. */
enum lenet_status lenet_hyper_make(const struct lenet_config *config, size_t train_images, struct lenet_hyper *hyper,
                                   struct lenet_error *err);

/* Steps of the whole run. */
uint64_t lenet_total_steps(const struct lenet_config *config, uint64_t steps_per_epoch);

/* What the networks of a population have in common, as text: "14070 steps, arch lenet5, ...". */
enum { LENET_POPULATION_KEY = 512 };
void lenet_population_key(const struct lenet_config *config, const struct lenet_hyper *hyper,
                          char key[LENET_POPULATION_KEY]);

/* The network that a configuration describes, for data of so many classes. LENET_ERR_ARG where there is no such
 * architecture, or its outputs are not for the loss or the optimizer. */
enum lenet_status lenet_config_topology(const struct lenet_config *config, int classes, struct lenet_topology *topology,
                                        struct lenet_error *err);

/* How a configuration wants its inputs. */
struct lenet_scaling lenet_config_scaling(const struct lenet_config *config, const struct lenet_dataset *data);

/* Allocates R networks of config[0]'s architecture. data is borrowed, and given the model's scaling and field.
 * LENET_ERR_ARG where configurations do not belong into one population; LENET_ERR_MEMORY where R are too many. */
enum lenet_status lenet_population_create(const struct lenet_device *device, const struct lenet_device_data *data,
                                          const struct lenet_model *model, const struct lenet_config *const *configs,
                                          int R, struct lenet_population *pop, struct lenet_error *err);
void lenet_population_free(struct lenet_population *pop);

/* Gives every member its seed's initial weights. */
enum lenet_status lenet_population_init(struct lenet_population *pop);

/* Puts step, tally and state, which the caller has set, on the device. */
enum lenet_status lenet_population_restore(struct lenet_population *pop);

/* The clock of seconds and images_per_s starts. */
void lenet_population_begin(struct lenet_population *pop);
double lenet_population_seconds(const struct lenet_population *pop);

/* Enqueues some steps: fewer than a tenth of a second's, and not past a measurement. Of sdlm, before a pass, also the
 * estimate of the curvature, which takes some curvature_images / batch steps' time. */
enum lenet_status lenet_population_advance(struct lenet_population *pop);

/* 1 where all steps are done, every member has diverged, or patience is at its end. */
int lenet_population_has_ended(const struct lenet_population *pop);

/* 1 where member r, or any, is to be measured at this step. */
int lenet_population_measures(const struct lenet_population *pop, int r);
int lenet_population_measures_any(const struct lenet_population *pop);

/* Looks at the members that are to be measured, evaluates them and appends to their metrics. */
enum lenet_status lenet_population_measure(struct lenet_population *pop);

/* Looks: at the tallies alone, and at everything. */
enum lenet_status lenet_population_look_at_tallies(struct lenet_population *pop);
enum lenet_status lenet_population_look(struct lenet_population *pop);

/* Member r's weights, m and v as of the last look, [1 + moments][stride]. */
float *lenet_population_state(const struct lenet_population *pop, int r);

/* Appends to a member's history. LENET_ERR_MEMORY. */
enum lenet_status lenet_member_append(struct lenet_member *member, const struct lenet_metrics *metrics);

/* The measurement with the highest validation accuracy, the first of several; -1 for none. */
int lenet_member_best(const struct lenet_member *member);

/* Images that a member has trained on between its last measurement and a step. */
uint64_t lenet_member_images(const struct lenet_member *member, uint64_t step, int B);

#ifdef __cplusplus
}
#endif
#endif
