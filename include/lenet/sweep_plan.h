/* sweep_plan.h - which runs a sweep is made of.
 *
 * Every option that makes a run what it is may have several values, and is an axis then; a sweep is their
 * product, the last axis fastest. A run is known by its place in it, and its configuration follows from that. */
#ifndef LENET_SWEEP_PLAN_H
#define LENET_SWEEP_PLAN_H
#include "lenet/options.h"
#include "lenet/run_id.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_AXES = 64 };

/* One option with its values: a list of texts, or a range to draw from at random. */
struct lenet_axis {
    const struct lenet_option *option;
    size_t count;  /* of values; 0 for a range           */
    char **values; /* each as lenet_option_get writes it */
    int logarithmic;
    double low, high;
};

struct lenet_sweep_plan {
    struct lenet_config base; /* of the options that are no axes */
    int axes;
    struct lenet_axis axis[LENET_MAX_AXES];
    size_t runs;       /* samples times the product of the lists' lengths */
    int shard, shards; /* 1 to shards; 0 and 0 for the whole */
};

/* Reads a command line; an axis is written
 *   0.01,0.02     these values
 *   0..31         whole numbers from 0 to 31
 *   lin:0..1:5    5 values from 0 to 1, evenly spaced
 *   log:1..100:3  3 values from 1 to 100, in equal proportions
 *   lin:0..1      a value drawn evenly for each of --samples runs
 *   log:1e-4..1   likewise, evenly in proportion
 * The first four may be mixed with commas. A list that may mean something else is refused with how to write it: 0,05
 * and 0,5 (decimal commas; 0.0,5 for two values), 10,000 (thousands), shift=1,rotate=8 (one network to lenet train).
 * Given twice, an option counts the second time. To be freed also on failure. LENET_ERR_ARG; LENET_ERR_MEMORY. */
enum lenet_status lenet_sweep_plan_parse(int argc, char **argv, struct lenet_sweep_plan *plan, struct lenet_error *err);
void lenet_sweep_plan_free(struct lenet_sweep_plan *plan);

/* The configuration of run i < plan->runs. LENET_ERR_ARG where a drawn value is out of its option's range. */
enum lenet_status lenet_sweep_config(const struct lenet_sweep_plan *plan, size_t i, struct lenet_config *config,
                                     struct lenet_error *err);

/* "lr=0.01 seed=3": the values of run i on the axes. */
void lenet_sweep_describe(const struct lenet_sweep_plan *plan, const struct lenet_config *config, char *text,
                          size_t size);

/* Lines that say what is swept: each axis with its values, and the options that were given without effect on any run.
 */
void lenet_sweep_plan_text(const struct lenet_sweep_plan *plan, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
