/* crosscheck.h - does a backend compute what the CPU computes in double? */
#ifndef LENET_CROSSCHECK_H
#define LENET_CROSSCHECK_H
#include "lenet/device.h"
#include "lenet/options.h"
#include "lenet/topology.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_CROSSCHECK_ROWS = 8 * LENET_MAX_LAYERS, LENET_CROSSCHECK_STEPS = 10 };

/* One tensor: the worst over all steps and both members of the population. */
struct lenet_crosscheck_row {
    char tensor[LENET_MAX_TENSOR_NAME];
    const char *quantity; /* "value", "gradient", "after update", "same bytes"; of sdlm "curvature" */
    double norm_error;    /* |got - want| / |want|, Euclidean norms                            */
    double max_error;     /* the largest |got - want|, of the largest |want|                   */
    double of_bound;      /* the largest |got - want|, of what rounding may do there: at most 1 */
    int passed;
};

struct lenet_crosscheck {
    const char *backend;
    int64_t seed; /* as used */
    int steps, n;
    struct lenet_crosscheck_row rows[LENET_MAX_CROSSCHECK_ROWS];
};

/* Trains config's network for some steps (`lenet gradcheck`: ten) on random data, on the device and in double on cpu64,
 * and compares every activation, every gradient and the weights and moments after every step; of sdlm first the
 * curvature. Once a tensor is compared, the reference takes over the device's: so every operation begins from the same
 * values, and its error is of its own rounding alone, which is bounded by the size of the terms of its sums. Another
 * network on the device takes the same steps as training does, and has to end each with the same bytes.
 * config->seed 0 draws one. LENET_ERR_CHECK, naming the tensor, where one is past its bound; the table is complete then
 * too. */
enum lenet_status lenet_crosscheck_run(const struct lenet_device *device, const struct lenet_config *config, int steps,
                                       struct lenet_crosscheck *result, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
