/* gradcheck.h - is every gradient the slope of the loss? */
#ifndef LENET_GRADCHECK_H
#define LENET_GRADCHECK_H
#include "lenet/backend.h"
#include "lenet/options.h"
#include "lenet/weights.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_CHECKS = 64 };

struct lenet_check {
    char tensor[LENET_MAX_TENSOR_NAME];
    uint64_t size, entries; /* that exist in the tensor; checked                                            */
    uint64_t kinks;         /* entries left out: the loss has a kink (ReLU, maximum) even next to them      */
    double error;           /* |numerical - analytical| / |the longer one|, Euclidean norms over the entries */
    double bound;           /* of the differences' own error, which rounding makes large where gradients are small */
    int passed;
};

struct lenet_gradcheck {
    int64_t seed; /* as used */
    double step;  /* of the differences; where the loss is not smooth within it, a smaller one */
    int n;
    struct lenet_check checks[LENET_MAX_CHECKS];
};

/* Compares the gradient of every parameter tensor and of the input with central differences of the loss, all in
 * double on cpu64, for config's network with random weights, inputs and labels. config->seed 0 draws one.
 * LENET_ERR_CHECK where a tensor is past its bound; the table is complete then too. */
enum lenet_status lenet_gradcheck_run(const struct lenet_config *config, struct lenet_gradcheck *result,
                                      struct lenet_error *err);

/* The same of another backend in double, such as one with a planted error. */
enum lenet_status lenet_gradcheck_backend(const struct lenet_backend *backend, const struct lenet_config *config,
                                          struct lenet_gradcheck *result, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
