/* sweep.h - trains all runs of a sweep that its directory lacks, as populations. */
#ifndef LENET_SWEEP_H
#define LENET_SWEEP_H
#include <signal.h>

#include "lenet/sweep_plan.h"
#include "lenet/train.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What there is to do. */
struct lenet_sweep_overview {
    size_t runs, here;          /* of the whole plan; of those, this shard's                        */
    size_t ended, diverged;     /* of this shard's, those that have ended already; how many of them diverged */
    size_t others;              /* runs in the directory that are not of the plan                           */
    size_t others_warmup_3;     /* of these, those with the warm-up of three epochs of older programs       */
    size_t unkept;              /* of those that have ended, how many lack the weights that --keep-weights wants */
    size_t populations;         /* that the others are grouped into                                 */
    size_t resumed;             /* of these, those that go on from a checkpoint                     */
    size_t odd[LENET_ODDITIES]; /* combinations with each of them */
    int workers;                /* populations that train at a time                                 */
    const char *device;
    const struct lenet_dataset *data;
};

/* A group of a dry run: runs that could train together. */
struct lenet_sweep_group {
    const char *key;
    size_t runs;
    int populations, largest;
};

/* A run that has ended. */
struct lenet_sweep_run {
    const char *id;
    const struct lenet_config *config;
    const struct lenet_metrics *last; /* NULL: it has diverged   */
    const char *divergence;           /* and how, as a sentence */
};

struct lenet_sweep_progress {
    size_t ended, missing; /* runs since the beginning; runs that were missing then */
    double images_per_s;   /* of training, all networks together                     */
    double seconds_left;
};

/* What a sweep tells whoever started it; never two calls at a time. Every function may be NULL. */
struct lenet_sweep_observer {
    void (*begin)(void *self, const struct lenet_sweep_plan *plan, const struct lenet_sweep_overview *overview);
    void (*group)(void *self, const struct lenet_sweep_group *group); /* a dry run's */
    void (*estimate)(void *self, double seconds);                     /* a dry run's */
    void (*run)(void *self, const struct lenet_sweep_plan *plan, const struct lenet_sweep_run *run,
                const struct lenet_sweep_progress *progress);
    void (*progress)(void *self, const struct lenet_sweep_progress *progress); /* about ten times a second */
    void *self;
    void (*note)(void *self, const char *text);           /* what is no error, but should be known */
    void (*planning)(void *self, size_t runs, size_t of); /* about ten times a second, until `begin` */
};

struct lenet_sweep_result {
    size_t unkept;         /* runs that had ended before, and lack the weights that --keep-weights wants */
    size_t done, diverged; /* in this call                                */
    int interrupted;       /* 1: *stop was set; populations under way have checkpoints */
};

/* Sets plan->base.data and .device to what was chosen. Ends early, with checkpoints, once *stop is not 0, which threads
 * read: set it by an atomic store. Errors end the sweep, after checkpoints of what is under way;
 * a run that diverges is recorded and is none. */
enum lenet_status lenet_sweep(struct lenet_sweep_plan *plan, const struct lenet_sweep_observer *observer,
                              const volatile sig_atomic_t *stop, struct lenet_sweep_result *result,
                              struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
