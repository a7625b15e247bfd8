/* metrics.h - what a measurement of a network says. */
#ifndef LENET_METRICS_H
#define LENET_METRICS_H
#include <stdint.h>

/* One line of metrics.jsonl. Accuracies are fractions of 1. */
struct lenet_metrics {
    uint64_t epoch, step;
    double train_loss, train_accuracy; /* of the epoch's own batches, while they were trained on */
    double test_loss, test_accuracy;
    int has_validation;
    double validation_loss, validation_accuracy;
    double images_per_s; /* of training alone                  */
    double seconds;      /* since the run began, all together  */
};

#endif
