/* trainer.h - trains a population to its end: the one loop behind `lenet train` and every population of a sweep.
 *
 * The trainer owns the device, the population, the loop and the restoring. What happens is handed to a sink, which owns
 * a directory: a run's or a sweep's. */
#ifndef LENET_TRAIN_TRAINER_H
#define LENET_TRAIN_TRAINER_H
#include "train/population.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_trainer {
    struct lenet_device device;
    struct lenet_open_options opened; /* how */
    struct lenet_population *pop;     /* NULL for none */
    struct lenet_scaling standard;    /* of the data set; the factor is 0 before the first population */
};

/* Where results go. Every function gets self; one that fails ends the training. */
struct lenet_sink {
    void *self;
    double checkpoint_seconds; /* a checkpoint at least so often ...     */
    int checkpoint_epochs;     /* ... and, where 1, at every measurement */

    int (*is_stopped)(void *self);
    /* After members have been measured, or some seen to have diverged. */
    enum lenet_status (*observe)(void *self, struct lenet_error *err);
    /* The snapshot is of now, and is to be kept. */
    enum lenet_status (*keep)(void *self, struct lenet_error *err);
    /* The same when training has ended. */
    enum lenet_status (*end)(void *self, struct lenet_error *err);
    /* About ten times a second. */
    enum lenet_status (*progress)(void *self, struct lenet_error *err);
};

/* Opens the device of this name, unless it is open that way already. */
enum lenet_status lenet_trainer_open(struct lenet_trainer *trainer, const char *device,
                                     struct lenet_open_options options, struct lenet_error *err);

/* Gives the trainer a population of configs[R], without weights yet, in place of the one it has. device_data must be
 * where the trainer's device reads it, and data always the same. Errors as of lenet_config_model and
 * lenet_population_create. */
enum lenet_status lenet_trainer_populate(struct lenet_trainer *trainer, const struct lenet_config *const *configs,
                                         int R, const struct lenet_dataset *data,
                                         const struct lenet_device_data *device_data, struct lenet_error *err);

/* Goes on from a checkpoint; *ended becomes 1 where its training had ended, and run is as of lenet_checkpoint_read. */
enum lenet_status lenet_trainer_restore(struct lenet_trainer *trainer, const char *path, const char *run, int *ended,
                                        struct lenet_error *err);

/* Trains on from the weights of lenet_population_init or lenet_trainer_restore, until training has ended or is stopped:
 * *ended says which. */
enum lenet_status lenet_trainer_run(struct lenet_trainer *trainer, const struct lenet_sink *sink, int *ended,
                                    struct lenet_error *err);

/* Seconds that the population's whole training will take, from some steps and measurements of it. */
enum lenet_status lenet_trainer_estimate(struct lenet_trainer *trainer, double *seconds);

/* Frees the population, and everything. */
void lenet_trainer_empty(struct lenet_trainer *trainer);
void lenet_trainer_close(struct lenet_trainer *trainer);

#ifdef __cplusplus
}
#endif

#endif
