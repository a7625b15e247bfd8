/* sweep_jobs.h - the runs of a plan that are missing, cut into populations. */
#ifndef LENET_SWEEP_SWEEP_JOBS_H
#define LENET_SWEEP_SWEEP_JOBS_H
#include <signal.h>

#include "lenet/sweep.h"
#include "sweep/kept.h"
#include "sweep/sweep_dir.h"
#include "train/settings.h"

/* Whether a run is to be trained here and now. */
enum missing { NOT_MISSING, MISSING, RESUMED }; /* RESUMED: in a population that goes on from its checkpoint */

/* One run of the plan. */
struct run {
    size_t index; /* in the plan */
    char id[LENET_RUN_ID];
    char same[LENET_RUN_ID]; /* the id of the run that it comes to on this data and device */
    int group;
    enum missing missing;
    int unkept;      /* 1: it has ended, and no file of its weights has been found */
    int unpredicted; /* 1: it has ended, and no file of its predictions has been found */
    int oddities;    /* as lenet_settings_oddities has them */
    double history;  /* bytes that its measurements take at most */
    double flops;
};

/* Runs that could be one population. */
struct group {
    char key[LENET_POPULATION_KEY];
    size_t missing;
    int is_drawn; /* 0: all of its weights are in the file that it begins from */
};

/* A population to be trained. */
struct job {
    int R;
    size_t *runs; /* [R] into jobs->runs          */
    char name[LENET_RUN_ID];
    int resumed;  /* 1: from progress/NAME        */
    double flops; /* of the runs that are missing */
};

struct jobs {
    const struct lenet_sweep_plan *plan;
    const struct lenet_dataset *data;
    const struct lenet_backend *backend; /* that trains them */
    int devices;                         /* of it            */
    char machine[LENET_MACHINE];         /* with which       */
    size_t strange;                      /* populations that go on from checkpoints of another machine; */
    char difference[768];                /* the words for it                                            */
    const struct lenet_start *start;     /* what they begin from, or NULL */
    char note[256];                      /* of that, or "" */
    const char *undrawn;                 /* likewise       */
    const volatile sig_atomic_t *stop;
    const struct lenet_sweep_observer *observer;

    size_t n_runs, n_missing;
    size_t odd[LENET_ODDITIES]; /* combinations with each of them */
    struct run *runs;
    int n_groups;
    struct group *groups;
    int n_jobs;
    struct job *jobs;
    struct kept kept;             /* of runs that are missing, those of which weights or predictions are there */
    double flops;                 /* of all runs that are missing */
    struct lenet_config previous; /* of the run that was listed last */
};

/* Works out every run's id and group, until *stop. */
enum lenet_status sweep_list_runs(struct jobs *jobs, struct lenet_error *err);

/* Marks those that this process has to train, and counts them. */
void sweep_find_missing(struct jobs *jobs, const struct lenet_sweep_dir *dir, struct lenet_sweep_overview *overview);

/* Counts those that had ended before, but whose weights are not in the directory. */
enum lenet_status sweep_find_weights(struct jobs *jobs, const struct lenet_sweep_dir *dir,
                                     struct lenet_sweep_overview *overview, struct lenet_error *err);

/* The same of the predictions that are asked for. */
enum lenet_status sweep_find_predictions(struct jobs *jobs, const struct lenet_sweep_dir *dir, size_t *unpredicted,
                                         struct lenet_error *err);

/* Makes them jobs: first the populations that have checkpoints, then the others, the longest first. */
enum lenet_status sweep_make_jobs(struct jobs *jobs, const struct lenet_sweep_dir *dir,
                                  struct lenet_sweep_overview *overview, struct lenet_error *err);

/* Appends the two halves of a job that memory does not suffice for, or that is for two devices. Where it has a
 * checkpoint they go on from there: it is cut in two. */
enum lenet_status sweep_halve_job(struct jobs *jobs, const struct lenet_sweep_dir *dir, const struct job *job,
                                  struct lenet_error *err);

void sweep_free_jobs(struct jobs *jobs);

#endif
