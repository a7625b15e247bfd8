/* rounding.h - weights as small integers times a scale, chosen for what comes out of the layer. */
#ifndef LENET_EXPORT_ROUNDING_H
#define LENET_EXPORT_ROUNDING_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"

struct lenet_rounding {
    int units, n;          /* of n inputs each */
    const double *moments; /* [n][n]: of the inputs, without their means */
    const float *w;        /* [units][n]                                 */
    const uint8_t *exists; /* [units][n]: a weight that does not exist stays 0 */
    int most;              /* the largest integer, 127 or 7              */
    double *scale;         /* [units]: in, the least that it may be; out, the one that was chosen */
    int8_t *q;             /* = [units][n] */
};

/* Chooses integers q and scales so that (w - scale q)' moments (w - scale q) is small: the mean square by which a
 * unit's sum is off. LENET_ERR_MEMORY. */
enum lenet_status lenet_round_weights(const struct lenet_rounding *rounding, struct lenet_error *err);

#endif
