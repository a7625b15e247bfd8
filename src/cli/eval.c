/* eval.c - lenet eval: prints how good a network is, with its confusion matrix, and keeps that as JSON. */
#include "lenet/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/terminal.h"

static void print_ensemble(const struct lenet_evaluation *e) {
    const double count = (double)e->count;
    double sum = 0, least = count, most = 0;
    for (int r = 0; r < e->members; r++) {
        const double wrong = count - (double)e->member_correct[r];
        sum += wrong;
        least = fmin(least, wrong);
        most = fmax(most, wrong);
    }
    printf("error of %d networks: each alone %.3f %% on average, %.2f to %.2f; by vote %.2f %%; by the mean of their "
           "outputs, as above and below, %.2f %%\n\n",
           e->members, 100 * sum / count / e->members, 100 * least / count, 100 * most / count,
           100 * (count - (double)e->vote_correct) / count, 100 * (count - (double)e->correct) / count);
}

/* "-" for NaN: of a class without images, or that was never predicted. */
static void print_share(double share) {
    if (isnan(share))
        printf("  %6s  ", "-");
    else
        printf("  %6.2f %%", 100 * share);
}

static void print_evaluation(const struct lenet_config *config, const struct lenet_evaluation *e,
                             const struct lenet_dataset *data) {
    double interval[2];
    char loss[32];
    lenet_wilson_interval(e->correct, e->count, interval);
    printf("%s on the %" PRIu64 " test images of %s (%s)\n", config->weights, e->count, data->name, config->data);
    printf("accuracy %.2f %%, 95 %% interval %.2f to %.2f; error %.2f %% (%" PRIu64 " wrong); %s %s\n\n",
           100.0 * (double)e->correct / (double)e->count, 100 * interval[0], 100 * interval[1],
           100.0 * (double)(e->count - e->correct) / (double)e->count, e->count - e->correct,
           e->members > 1 ? "cross-entropy of the mean" : "loss", number_text(e->loss, loss));
    if (e->members > 1) print_ensemble(e);
    printf("true    predicted\n     ");
    for (int c = 0; c < e->classes; c++) printf("%6d", c);
    printf("   recall  precision\n");
    for (int t = 0; t < e->classes; t++) {
        printf("%4d ", t);
        for (int p = 0; p < e->classes; p++) printf("%6" PRIu64, e->confusion[t][p]);
        print_share(lenet_recall(e, t));
        printf(" ");
        print_share(lenet_precision(e, t));
        printf("\n");
    }
}

enum lenet_status eval_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_evaluation evaluation;
    struct lenet_dataset data;
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_options_parse(LENET_CMD_EVAL, argc, argv, config, err));
    enum lenet_status status = lenet_evaluate(config, &evaluation, &data, err);
    if (status == LENET_OK) print_evaluation(config, &evaluation, &data);
    if (status == LENET_OK) status = lenet_evaluation_path(config, &evaluation, path, err);
    if (status == LENET_OK && path[0]) status = lenet_evaluation_write(path, config, &evaluation, &data, err);
    if (status == LENET_OK && !path[0] && config->run[0])
        printf("\nnot kept in %s/eval.json, which is for the run's own weights and data; --json FILE keeps it\n",
               config->run);
    lenet_evaluation_free(&evaluation);
    lenet_dataset_free(&data);
    return status;
}
