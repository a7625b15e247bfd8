/* loss.c - cross-entropy of the softmax, and the distance, on the CPU: twin of cuda/loss.cu.
 *
 * They are computed in double, whatever the backend's precision: the sums over a data set are compared across
 * backends, and ten outputs of an image cost nothing. One thread owns a network, so its tally has one order of
 * addition. */
#include <math.h>

#include "base/elementary.h"
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

/* What both losses know of an image: its label, its largest output, and where its column of y and dy is. */
struct image {
    int label, largest;
    ptrdiff_t first, step; /* of y and dy: output o is at first + o*step */
};

static struct image read_image(const LENET_REAL *y, const uint8_t *label, uint8_t *predicted, ptrdiff_t r, int n, int N,
                               int O) {
    struct image image = {.label = label[r * N + n], .first = r * O * N + n, .step = N};
    for (int o = 1; o < O; o++)
        if (y[image.first + o * image.step] > y[image.first + image.largest * image.step]) image.largest = o;
    predicted[r * N + n] = (uint8_t)image.largest;
    return image;
}

static void count(struct lenet_tally *tally, const struct image *image, double loss) {
    tally->loss += loss;
    tally->count++;
    tally->correct += image->largest == image->label;
    tally->nonfinite += !isfinite(loss);
}

static double mean_share(const uint8_t *label, int N) {
    int labelled = 0;
    for (int n = 0; n < N; n++) labelled += label[n] != LENET_NO_LABEL;
    return labelled ? 1.0 / labelled : 0;
}

static void softmax_image(const struct softmax_loss *a, ptrdiff_t r, int n, double share, double rubbish) {
    const struct image image = read_image(a->y, a->label, a->predicted, r, n, a->N, a->O);
    const LENET_REAL *y = a->y + image.first;
    const double top = fmax(y[image.largest * image.step], rubbish);
    double e[LENET_NO_LABEL], sum = lenet_exp(rubbish - top);
    for (int o = 0; o < a->O; o++) sum += e[o] = lenet_exp(y[o * image.step] - top);
    for (int o = 0; a->dy && o < a->O; o++)
        a->dy[image.first + o * image.step] =
            image.label == LENET_NO_LABEL ? 0 : (LENET_REAL)(share * (e[o] / sum - (o == image.label)));
    if (image.label != LENET_NO_LABEL) count(&a->tally[r], &image, lenet_log(sum) + top - y[image.label * image.step]);
}

static void softmax_network(const void *args, ptrdiff_t r) {
    const struct softmax_loss *a = args;
    const double share = mean_share(a->label + r * a->N, a->N), rubbish = lenet_log(a->rubbish);
    for (int n = 0; n < a->N; n++) softmax_image(a, r, n, share, rubbish);
}

static void distance_network(const void *args, ptrdiff_t r) {
    const struct distance_loss *a = args;
    const double share = mean_share(a->label + r * a->N, a->N);
    for (int n = 0; n < a->N; n++) {
        const struct image image = read_image(a->y, a->label, a->predicted, r, n, a->N, a->O);
        for (int o = 0; a->dy && o < a->O; o++)
            a->dy[image.first + o * image.step] = o == image.label ? (LENET_REAL)-share : 0;
        if (image.label != LENET_NO_LABEL)
            count(&a->tally[r], &image, -(double)a->y[image.first + image.label * image.step]);
    }
}

enum lenet_status CPU_NAME(softmax_loss)(struct lenet_ctx *ctx, const struct softmax_loss *a) {
    parallel_for(ctx->pool, a->R, softmax_network, a);
    return LENET_OK;
}

enum lenet_status CPU_NAME(distance_loss)(struct lenet_ctx *ctx, const struct distance_loss *a) {
    parallel_for(ctx->pool, a->R, distance_network, a);
    return LENET_OK;
}
