/* sweep_worker.h - trains the populations of a sweep one by one, and records them in its directory. */
#ifndef LENET_SWEEP_SWEEP_WORKER_H
#define LENET_SWEEP_SWEEP_WORKER_H
#include <pthread.h>
#include <stdatomic.h>

#include "sweep/sweep_jobs.h"
#include "train/trainer.h"

/* A device that populations train on, with the data set. */
struct site {
    struct lenet_device device; /* workers open their own, of its name */
    struct lenet_device_data data;
};

/* What all workers of a sweep share. */
struct ledger {
    const struct jobs *jobs; /* their runs; the list of jobs itself belongs to whoever hands them out */
    const struct lenet_sweep_dir *dir;
    int threads;       /* of each worker */
    atomic_int failed; /* 1: a worker has failed, and the others are to stop */

    pthread_mutex_t mutex; /* of all that follows, the directory's files and the observer */
    struct lenet_sweep_result *result;
    size_t ended;
    double began, last_progress, flops, flops_done, images_done; /* flops: all that is left to do at the beginning */
};

struct worker {
    struct ledger *ledger;
    const struct site *site;
    struct lenet_trainer trainer;
    const struct job *job;
    struct lenet_config *configs; /* [R]                         */
    int *recorded;                /* [R] 1: its line is written  */
    int *which;                   /* [R] room for a list         */
    uint64_t reported;            /* the step of the last report */
};

/* Makes a job's population, not yet with weights. LENET_ERR_MEMORY where it is too large. */
enum lenet_status sweep_open_job(struct worker *w, const struct job *job, struct lenet_error *err);

/* Gives it the weights that it begins with, or those of its checkpoint. LENET_ERR_MEMORY as above. */
enum lenet_status sweep_begin_job(struct worker *w, struct lenet_error *err);

/* Trains it to its end, or until it is stopped, and records what its members have become. */
enum lenet_status sweep_train_job(struct worker *w, struct lenet_error *err);

/* Also after a failure. */
void sweep_close_job(struct worker *w);

#endif
