/* sweep.h - what the parts of a sweep share: sweep.c opens and starts it, sweep_jobs.c cuts it into populations,
 * sweep_worker.c trains one. */
#ifndef LENET_SWEEP_SWEEP_PARTS_H
#define LENET_SWEEP_SWEEP_PARTS_H
#include <pthread.h>
#include <stdatomic.h>

#include "lenet/sweep.h"
#include "sweep/sweep_dir.h"

/* Whether a run is to be trained here and now. */
enum missing { NOT_MISSING, MISSING, RESUMED }; /* RESUMED: in a population that goes on from its checkpoint */

/* One run of the plan. */
struct run {
    size_t index; /* in the plan */
    char id[LENET_RUN_ID];
    int group;
    enum missing missing;
    double work; /* in floating-point operations  */
};

/* Runs that could be one population. */
struct group {
    char key[LENET_POPULATION_KEY];
    size_t missing;
};

/* A population to be trained. */
struct job {
    int R;
    size_t *runs; /* [R] into sweep->runs             */
    char name[LENET_RUN_ID];
    int resumed; /* 1: from progress/NAME            */
    double work;
};

struct sweep {
    struct lenet_sweep_plan *plan;
    const struct lenet_sweep_observer *observer;
    const volatile sig_atomic_t *stop;
    struct lenet_sweep_result *result;

    struct lenet_dataset data;
    struct lenet_device home; /* holds the data set; workers open their own */
    struct lenet_device_data device_data;
    struct lenet_sweep_dir dir;

    size_t n_runs, n_missing;
    struct run *runs;
    int n_groups;
    struct group *groups;
    int n_jobs, workers, threads;
    struct job *jobs;

    pthread_mutex_t mutex; /* of all that follows, the directory's files and the observer */
    int next_job;
    enum lenet_status status; /* the first error */
    struct lenet_error *err;
    atomic_int failed; /* 1: there is one; read without the mutex */
    size_t ended;
    double began, last_progress, work, work_done, images_done;
};

static inline const struct lenet_config *base_of(const struct sweep *s) { return &s->plan->base; }
static inline int is_on_cpu(const struct sweep *s) { return s->home.backend == lenet_backend_cpu(); }

/* ---- sweep_jobs.c ---------------------------------------------------------------------------- */

/* Works out every run's id and group. */
enum lenet_status sweep_list_runs(struct sweep *s, struct lenet_error *err);
/* Marks those that this process has to train. */
void sweep_find_missing(struct sweep *s, struct lenet_sweep_work *work);
/* Makes them jobs: first the populations that have checkpoints, then the others, the longest first. */
enum lenet_status sweep_make_jobs(struct sweep *s, struct lenet_sweep_work *work, struct lenet_error *err);
/* Appends a job of runs[R], which is copied. */
enum lenet_status sweep_add_job(struct sweep *s, const size_t *runs, int R, int resumed, struct lenet_error *err);

/* ---- sweep_worker.c -------------------------------------------------------------------------- */

/* What a worker has at hand. */
struct worker {
    struct sweep *sweep;
    struct lenet_device device;
    int tf32; /* how the device was opened */
    struct job *job;
    struct lenet_config *configs; /* [R]                                          */
    int *recorded;                /* [R] 1: its line is written                   */
    struct lenet_population pop;
    double work_reported, last_checkpoint, last_report;
    uint64_t step_reported;
};

/* A job's population, not yet with weights; to be closed also on failure. */
enum lenet_status sweep_open_population(struct worker *w, struct job *job, struct lenet_error *err);
void sweep_close_population(struct worker *w);
/* Trains a job to its end, and records what its members have become; or halves it, where memory does not suffice. */
enum lenet_status sweep_run_job(struct worker *w, struct job job, struct lenet_error *err);

#endif
