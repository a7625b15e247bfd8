/* population.h - R networks that train in lockstep on one backend.
 *
 * The members share the options that are LENET_OF_POPULATION and the number of steps; seed, initial weights, learning
 * rate, data and so on are each member's own. What a member becomes does not depend on the others. */
#ifndef LENET_TRAIN_POPULATION_H
#define LENET_TRAIN_POPULATION_H
#include "lenet/device.h"
#include "lenet/metrics.h"
#include "lenet/network.h"
#include "net/start.h"
#include "train/divergence.h"
#include "train/settings.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_population;

/* Where a population stands, in the host's memory: all that a checkpoint needs. */
struct lenet_snapshot {
    int R, moments; /* networks; moments of each parameter: 0, m, or m and v */
    size_t stride;
    uint64_t step;
    double seconds;            /* spent so far                                                            */
    struct lenet_tally *tally; /* [R] of each member's epoch under way                                    */
    int *diverged;             /* [R] 1: a loss or a weight was NaN or infinite; it is measured no more   */
    float **state;             /* [R] each [1 + moments][stride] weights, m and v; of a member that has   */
                               /* diverged those of the last time when it had not                         */
};

/* Member r's weights, m and v: [1 + moments][stride]; and whether they are all numbers. */
float *lenet_snapshot_state(const struct lenet_snapshot *snapshot, int r);
int lenet_snapshot_is_finite(const struct lenet_snapshot *snapshot, int r);

/* One network, for reading. */
struct lenet_member {
    struct lenet_settings settings;
    int measured; /* so many metrics, its history */
    struct lenet_metrics *metrics;
    double interval_began; /* the clock and the step at the last measurement: for images_per_s */
    uint64_t interval_step;
    uint64_t state_step;                /* of its state in the snapshot */
    struct lenet_divergence divergence; /* where it has diverged        */
};

/* Allocates R networks of configs[0]'s architecture. data is borrowed, and given the model's scaling and field. *pop is
 * NULL on failure. LENET_ERR_ARG where configurations do not belong into one population; LENET_ERR_MEMORY where R are
 * too many. */
enum lenet_status lenet_population_create(const struct lenet_device *device, const struct lenet_device_data *data,
                                          const struct lenet_model *model, const struct lenet_config *const *configs,
                                          int R, struct lenet_population **pop, struct lenet_error *err);
void lenet_population_free(struct lenet_population *pop); /* NULL is fine */

/* Gives every member its seed's initial weights and, where start is not NULL, those of its file in their place.
 * LENET_ERR_FORMAT where that is of another architecture. */
enum lenet_status lenet_population_init(struct lenet_population *pop, const struct lenet_start *start,
                                        struct lenet_error *err);

/* Goes on from the snapshot, which the caller has filled from the file that path names. LENET_ERR_FORMAT where it
 * cannot be one of these runs. */
enum lenet_status lenet_population_restore(struct lenet_population *pop, const char *path, struct lenet_error *err);

/* The clock of seconds and images_per_s starts. What takes long asks is_stopped(stop), and returns LENET_STOPPED, as if
 * it had not begun, where the answer is not 0. */
void lenet_population_begin(struct lenet_population *pop, int (*is_stopped)(void *stop), void *stop);

/* Enqueues some steps: fewer than a tenth of a second's, and not past a measurement. Of sdlm, before a pass, also the
 * estimate of the curvature, which takes some curvature_images / batch steps' time. */
enum lenet_status lenet_population_advance(struct lenet_population *pop);

/* 1 where a member has not diverged. */
int lenet_population_is_alive(const struct lenet_population *pop);

/* 1 where all steps are done and measured, every member has diverged, or patience is at its end. */
int lenet_population_has_ended(const struct lenet_population *pop);

/* The step at which a member's interval under way ends in a measurement. */
uint64_t lenet_population_interval_end(const struct lenet_population *pop, int r);

/* 1 where a member is to be measured at this step, and was not yet. */
int lenet_population_is_due(const struct lenet_population *pop);

/* Downloads the members that are to be measured, evaluates them and appends to their metrics. */
enum lenet_status lenet_population_measure(struct lenet_population *pop);

/* Evaluates all members on the test images or, where `training` is 1, the training images: answers has room for R. */
enum lenet_status lenet_population_answer(struct lenet_population *pop, int training,
                                          const struct lenet_answers *answers);

/* Evaluates all members as a measurement does, and records nothing: to see how long that takes. */
enum lenet_status lenet_population_rehearse(struct lenet_population *pop);

/* Bring the snapshot up to date: its tallies alone, and all of it. Both wait for the steps that were enqueued. Where a
 * member is seen to have diverged, lenet_population_download and lenet_population_measure find out how; LENET_STOPPED
 * where that is stopped, and then the snapshot is none. */
enum lenet_status lenet_population_download_tallies(struct lenet_population *pop);
enum lenet_status lenet_population_download(struct lenet_population *pop);

struct lenet_snapshot *lenet_population_snapshot(struct lenet_population *pop);
const struct lenet_model *lenet_population_model(const struct lenet_population *pop);
uint64_t lenet_population_total_steps(const struct lenet_population *pop);
enum lenet_optimizer lenet_population_optimizer(const struct lenet_population *pop);
const struct lenet_member *lenet_population_member(const struct lenet_population *pop, int r);

/* Appends to a member's history. LENET_ERR_MEMORY. */
enum lenet_status lenet_population_append(struct lenet_population *pop, int r, const struct lenet_metrics *metrics);

/* Whether a member's history is that of the snapshot: a measurement at the end of each interval up to its step, the
 * last one perhaps to be made yet; of a member that has diverged, up to then. */
int lenet_population_history_fits(const struct lenet_population *pop, int r);

/* The measurement with the highest validation accuracy, the first of several; -1 for none. */
int lenet_member_best(const struct lenet_member *member);

/* Images that a member has trained on between its last measurement and a step. */
uint64_t lenet_member_images(const struct lenet_member *member, uint64_t step);

#ifdef __cplusplus
}
#endif
#endif
