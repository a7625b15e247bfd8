/* eval.h - how good a network is on a test set. */
#ifndef LENET_EVAL_H
#define LENET_EVAL_H
#include "lenet/model.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_evaluation {
    int classes;
    uint64_t count, correct;
    double loss;                                              /* mean; an ensemble's: see below */
    uint64_t confusion[LENET_MAX_CLASSES][LENET_MAX_CLASSES]; /* [true][predicted] */
    uint8_t *predicted;                                       /* [count], in the order of the file */

    /* Of an ensemble; the figures above are then those of its mean answer, the loss its cross-entropy. */
    int members;
    uint64_t *member_correct; /* [members] */
    uint64_t vote_correct;    /* of the class that most members name; of several, the mean answer's likelier one */

    int of_run; /* 1: of config->run's last weights on the data that it was trained on */
};

/* Sets config->weights, where it is "", to config->run's last ones, and config->data likewise to what that run was
 * trained on. LENET_ERR_ARG and LENET_ERR_IO, naming what was probably meant, where neither is given or it is none. */
enum lenet_status lenet_evaluate_files(struct lenet_config *config, struct lenet_error *err);

/* Evaluates the networks of config->weights, a file or a directory of them (or config->run's last one), on the test
 * set of config->data, of which the training half need not be there; sets config->weights and data to what was chosen.
 * Several networks need config->ensemble: their answer is the mean of their softmax outputs (RBF outputs: softmax of
 * minus the distances). To be freed. LENET_ERR_FORMAT where they are of different kinds. */
enum lenet_status lenet_evaluate(struct lenet_config *config, struct lenet_evaluation *evaluation,
                                 struct lenet_dataset *data, struct lenet_error *err);

void lenet_evaluation_free(struct lenet_evaluation *evaluation);

/* Wilson's score interval of 95 % for correct of count. Source: Wilson 1927. */
void lenet_wilson_interval(uint64_t correct, uint64_t count, double interval[2]);

/* Of one class: correct / predicted as it, correct / truly it; NaN where there is none. */
double lenet_precision(const struct lenet_evaluation *evaluation, int class_index);
double lenet_recall(const struct lenet_evaluation *evaluation, int class_index);

/* Sets path to where the results are to be written: config->json; where that is "", config->run's eval.json if they are
 * the run's own; else "". LENET_ERR_ARG where the path is too long. */
enum lenet_status lenet_evaluation_path(const struct lenet_config *config, const struct lenet_evaluation *evaluation,
                                        char path[LENET_MAX_PATH], struct lenet_error *err);

/* Writes everything above as JSON. */
enum lenet_status lenet_evaluation_write(const char *path, const struct lenet_config *config,
                                         const struct lenet_evaluation *evaluation, const struct lenet_dataset *data,
                                         struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
