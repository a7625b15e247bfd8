/* train.h - trains one network and keeps its run directory. */
#ifndef LENET_TRAIN_H
#define LENET_TRAIN_H
#include <signal.h>

#include "lenet/device.h"
#include "lenet/metrics.h"
#include "lenet/model.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Where the run stands, for a progress bar. */
struct lenet_progress {
    uint64_t step, total_steps, epoch, total_epochs;
    double images_per_s, seconds_left, train_loss;
};

/* What training tells whoever started it; every function may be NULL. */
struct lenet_observer {
    void (*begin)(void *self, const struct lenet_config *config, const struct lenet_model *model,
                  const struct lenet_device *device, const struct lenet_dataset *data, uint64_t first_step);
    void (*progress)(void *self, const struct lenet_progress *progress); /* about ten times a second */
    void (*epoch)(void *self, const struct lenet_metrics *metrics, uint64_t total_epochs);
    void *self;
    void (*note)(void *self, const char *text); /* what is no error, but should be known */
};

enum lenet_ending {
    LENET_ENDED,             /* all steps are done                                   */
    LENET_ENDED_EARLY,       /* the validation accuracy had stopped rising           */
    LENET_ENDED_BEFORE,      /* the run that was to be resumed had ended already     */
    LENET_ENDED_INTERRUPTED, /* *stop was set; a checkpoint is there                 */
};

/* Trains config, or goes on with the run that config->resume names, which must have begun with the same
 * configuration, data and backend. Sets config->run and data to what was chosen. Ends after the step under way,
 * with a checkpoint, once *stop is not 0, which threads read: set it by an atomic store. LENET_ERR_DIVERGED where a
 * loss or a weight became NaN or infinite; the last good checkpoint stays. */
enum lenet_status lenet_train(struct lenet_config *config, const struct lenet_observer *observer,
                              const volatile sig_atomic_t *stop, enum lenet_ending *ending, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
