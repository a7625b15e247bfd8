/* eval.c - lenet eval: prints how good a network is, with its confusion matrix, and keeps that as JSON. */
#include "lenet/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/terminal.h"

/* The most classes whose confusion matrix fits a terminal. */
enum { MATRIX = 12 };

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

/* The end of a class's line. */
static void print_shares(const struct lenet_evaluation *e, const struct lenet_class_names *names, int c) {
    print_share(lenet_recall(e, c));
    printf(" ");
    print_share(lenet_precision(e, c));
    printf("%s%s\n", names->count ? "  " : "", names->count ? names->text[c] : "");
}

static void print_matrix(const struct lenet_evaluation *e, const struct lenet_class_names *names) {
    printf("true    predicted\n     ");
    for (int c = 0; c < e->classes; c++) printf("%6d", c);
    printf("   recall  precision\n");
    for (int t = 0; t < e->classes; t++) {
        printf("%4d ", t);
        for (int p = 0; p < e->classes; p++) printf("%6" PRIu64, e->confusion[t][p]);
        print_shares(e, names, t);
    }
}

/* Takes the largest of the errors out of the matrix, and returns how many there were of it. */
static uint64_t take_largest(uint64_t errors[LENET_MAX_CLASSES][LENET_MAX_CLASSES], int classes, int *true_class,
                             int *predicted) {
    *true_class = *predicted = 0;
    for (int t = 0; t < classes; t++)
        for (int p = 0; p < classes; p++)
            if (errors[t][p] > errors[*true_class][*predicted]) {
                *true_class = t;
                *predicted = p;
            }
    const uint64_t count = errors[*true_class][*predicted];
    errors[*true_class][*predicted] = 0;
    return count;
}

/* What a matrix too wide for a terminal has to say: each class, and which classes are taken for which. */
static void print_classes(const struct lenet_evaluation *e, const struct lenet_class_names *names) {
    enum { PAIRS = 12 };
    uint64_t errors[LENET_MAX_CLASSES][LENET_MAX_CLASSES], count;
    memcpy(errors, e->confusion, sizeof errors);
    printf("class  images     recall  precision\n");
    for (int t = 0; t < e->classes; t++) {
        uint64_t images = 0;
        for (int p = 0; p < e->classes; p++) images += e->confusion[t][p];
        printf("%5d %7" PRIu64 " ", t, images);
        print_shares(e, names, t);
        errors[t][t] = 0;
    }
    for (int i = 0, t, p; i < PAIRS && (count = take_largest(errors, e->classes, &t, &p)) > 0; i++) {
        if (i == 0) printf("\nmost often confused\n true  predicted  images\n");
        printf("%5d  %9d %7" PRIu64, t, p, count);
        if (names->count) printf("  %s taken for %s", names->text[t], names->text[p]);
        printf("\n");
    }
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
    if (e->classes <= MATRIX)
        print_matrix(e, &data->names);
    else
        print_classes(e, &data->names);
}

enum lenet_status eval_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_evaluation evaluation;
    struct lenet_dataset data;
    char path[LENET_MAX_PATH];
    LENET_TRY(lenet_options_parse(LENET_CMD_EVAL, argc, argv, config, err));
    enum lenet_status status = lenet_evaluate(config, &evaluation, &data, err);
    if (status == LENET_OK && data.note[0]) print_note("eval", "%s", data.note);
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
