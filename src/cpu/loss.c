/* loss.c - cross-entropy of the softmax, and the distance, on the CPU: twin of cuda/loss.cu.
 *
 * They are computed in double, whatever the backend's precision: the sums over a data set are compared across
 * backends, and ten outputs of an image cost nothing. The tally of a network is added up when the losses of all its
 * images are there, in their order. */
#include <math.h>

#include "base/elementary.h"
#include "cpu/ops_cpu.h"
#include "cpu/vector.h"

/* What both losses know of an image: its label, its largest output, and where its column of y and dy is. */
struct image {
    int label, largest;
    ptrdiff_t first, step; /* of y and dy: output o is at first + o*step */
};

/* Of a block, image n. */
static struct image read_image(const LENET_REAL *y, const uint8_t *label, uint8_t *predicted, const struct block *block,
                               int n, int O) {
    struct image image = {.label = label[block->before + n], .first = block->before * O + n, .step = block->count};
    for (int o = 1; o < O; o++)
        if (y[image.first + o * image.step] > y[image.first + image.largest * image.step]) image.largest = o;
    predicted[block->before + n] = (uint8_t)image.largest;
    return image;
}

static double mean_share(const uint8_t *label, int N) {
    int labelled = 0;
    for (int n = 0; n < N; n++) labelled += label[n] != LENET_NO_LABEL;
    return labelled ? 1.0 / labelled : 0;
}

static void softmax_image(const struct softmax_loss *a, const struct block *block, int n, double share,
                          double rubbish) {
    const struct image image = read_image(a->y, a->label, a->predicted, block, n, a->O);
    const LENET_REAL *y = a->y + image.first;
    const double top = fmax(y[image.largest * image.step], rubbish);
    double e[LENET_NO_LABEL], sum = lenet_exp(rubbish - top);
    for (int o = 0; o < a->O; o++) sum += e[o] = lenet_exp(y[o * image.step] - top);
    for (int o = 0; a->dy && o < a->O; o++)
        a->dy[image.first + o * image.step] =
            image.label == LENET_NO_LABEL ? 0 : (LENET_REAL)(share * (e[o] / sum - (o == image.label)));
    if (image.label != LENET_NO_LABEL)
        a->losses[block->before + n] = lenet_log(sum) + top - y[image.label * image.step];
}

static void softmax_block(const void *args, const struct block *block) {
    const struct softmax_loss *a = args;
    const double share = mean_share(a->label + block->r * a->N, a->N), rubbish = lenet_log(a->rubbish);
    for (int n = 0; n < block->count; n++) softmax_image(a, block, n, share, rubbish);
}

static void distance_block(const void *args, const struct block *block) {
    const struct distance_loss *a = args;
    const double share = mean_share(a->label + block->r * a->N, a->N);
    for (int n = 0; n < block->count; n++) {
        const struct image image = read_image(a->y, a->label, a->predicted, block, n, a->O);
        for (int o = 0; a->dy && o < a->O; o++)
            a->dy[image.first + o * image.step] = o == image.label ? (LENET_REAL)-share : 0;
        if (image.label != LENET_NO_LABEL)
            a->losses[block->before + n] = -(double)a->y[image.first + image.label * image.step];
    }
}

struct tally_args {
    int N;
    const uint8_t *label, *predicted;
    const double *losses;
    struct lenet_tally *tally;
};

_Static_assert(sizeof(struct tally_args) <= MOST_ARGS, "they have room in the queue");

static void tally_item(const void *args, ptrdiff_t r) {
    const struct tally_args *a = args;
    for (ptrdiff_t i = r * a->N; i < (r + 1) * a->N; i++) {
        if (a->label[i] == LENET_NO_LABEL) continue;
        a->tally[r].loss += a->losses[i];
        a->tally[r].count++;
        a->tally[r].correct += a->predicted[i] == a->label[i];
        a->tally[r].nonfinite += !isfinite(a->losses[i]);
    }
}

/* Nobody needs a tally before the next one, so that it waits even where there is no branch. */
static void tally_later(struct lenet_ctx *ctx, int R, const struct tally_args *tally) {
    queue_after(&ctx->queue, R, tally_item, tally, sizeof *tally);
}

/* A tally that waits would read the losses and predictions that are about to be written. */
static void end_tallies(struct lenet_ctx *ctx) {
    if (ctx->queue.after_count > 0) queue_flush(&ctx->queue);
}

enum lenet_status CPU_NAME(softmax_loss)(struct lenet_ctx *ctx, const struct softmax_loss *a) {
    end_tallies(ctx);
    LENET_TRY(BY_BLOCKS(ctx, a, softmax_block));
    tally_later(ctx, a->R, &(struct tally_args){a->N, a->label, a->predicted, a->losses, a->tally});
    return LENET_OK;
}

enum lenet_status CPU_NAME(distance_loss)(struct lenet_ctx *ctx, const struct distance_loss *a) {
    end_tallies(ctx);
    LENET_TRY(BY_BLOCKS(ctx, a, distance_block));
    tally_later(ctx, a->R, &(struct tally_args){a->N, a->label, a->predicted, a->losses, a->tally});
    return LENET_OK;
}
