/* loss.c - cross-entropy of the softmax on the CPU: twin of cuda/loss.cu.
 *
 * In double whatever the backend's precision: the sums over a data set are
 * compared across backends, and 10 outputs an image cost nothing. One thread
 * owns a network, so its tally has one order of addition. */
#include <math.h>

#include "ops_cpu.h"
#include "vector.h"

static void one_image(const struct softmax_loss *a, ptrdiff_t r, int n, double share) {
    const ptrdiff_t first = (r / NETWORKS * a->O * a->N + n) * NETWORKS + r % NETWORKS;
    const ptrdiff_t next = (ptrdiff_t)a->N * NETWORKS; /* from one output to the next */
    const LENET_REAL *y = a->y + first;
    const int label = a->label[r * a->N + n];
    int largest = 0;
    for (int o = 1; o < a->O; o++)
        if (y[o * next] > y[largest * next]) largest = o;
    a->predicted[r * a->N + n] = (uint8_t)largest;

    const double top = y[largest * next];
    double sum = 0;
    for (int o = 0; o < a->O; o++) sum += exp(y[o * next] - top);
    if (a->dy)
        for (int o = 0; o < a->O; o++) {
            LENET_REAL *dy = a->dy + first + o * next;
            *dy = label == LENET_NO_LABEL ? 0 : (LENET_REAL)(share * (exp(y[o * next] - top) / sum - (o == label)));
        }
    if (label == LENET_NO_LABEL) return;
    struct lenet_tally *tally = &a->tally[r];
    const double loss = log(sum) + top - y[label * next];
    tally->loss += loss;
    tally->count++;
    tally->correct += largest == label;
    tally->nonfinite += !isfinite(loss);
}

static void one_network(const void *args, ptrdiff_t r) {
    const struct softmax_loss *a = args;
    int labelled = 0;
    for (int n = 0; n < a->N; n++) labelled += a->label[r * a->N + n] != LENET_NO_LABEL;
    for (int n = 0; n < a->N; n++) one_image(a, r, n, labelled ? 1.0 / labelled : 0);
}

enum lenet_status CPU_NAME(softmax_loss)(struct lenet_ctx *ctx, const struct softmax_loss *a) {
    if (!population_ok(a->R, a->N) || a->O <= 0 || a->O >= LENET_NO_LABEL) return LENET_ERR_ARG;
    parallel_for(ctx->pool, a->R, one_network, a);
    return LENET_OK;
}
