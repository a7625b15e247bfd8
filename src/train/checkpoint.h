/* checkpoint.h - a population's file: what its networks need to go on, or their weights alone.
 *
 * A weights file (see model.h) that also has, while training is under way, the moments as checkpoint.m.* and
 * checkpoint.v.*, the counters checkpoint.step, .seconds, .loss [R] and .count_correct_nonfinite_diverged [R][4], and
 * the device and a checksum of the tensors among its metadata. */
#ifndef LENET_TRAIN_CHECKPOINT_H
#define LENET_TRAIN_CHECKPOINT_H

#include "base/json.h"
#include "train/population.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What a checkpoint says besides the networks' state; text that is NULL is left out. */
struct lenet_checkpoint_labels {
    const char *device;  /* "cpu", "cuda": bytes are the same on the same one only                               */
    const char *machine; /* as of lenet_device_machine                                                           */
    const char *run;     /* of a single run: its lenet_run_identity                                              */
    const char *members; /* of a population: JSON, an array with an object for each; NULL: R is 1, and no member */
};

/* Writes the snapshot. */
enum lenet_status lenet_checkpoint_write(const char *path, const struct lenet_model *model,
                                         const struct lenet_snapshot *snapshot,
                                         const struct lenet_checkpoint_labels *labels, struct lenet_error *err);

/* Writes the weights alone of n networks, which[n]: members[n], or NULL for a single one. */
enum lenet_status lenet_checkpoint_write_weights(const char *path, const struct lenet_model *model,
                                                 const struct lenet_snapshot *snapshot, const int *which, int n,
                                                 const char *members, struct lenet_error *err);

/* Fills a snapshot, whose R and moments say what is wanted. *ended becomes 1, and nothing else is touched, where the
 * file has weights alone. run: the identity that it must have, where it says so; NULL: any. LENET_ERR_FORMAT where the
 * file is damaged or of other networks. */
enum lenet_status lenet_checkpoint_read(const char *path, const struct lenet_model *model, const char *run,
                                        struct lenet_snapshot *snapshot, int *ended, struct lenet_error *err);

/* On what a checkpoint was written, and the name of the one that it was cut from; "" where it does not say so. */
struct lenet_checkpoint_origin {
    char device[32], machine[LENET_MACHINE], part_of[32];
};

/* Writes members first ... first+n-1 of a population's checkpoint as one of their own, which says that it is a part of
 * `whole`. LENET_ERR_FORMAT where the file has not so many. */
enum lenet_status lenet_checkpoint_cut(const char *path, const char *whole, int first, int n, const char *part,
                                       struct lenet_error *err);

/* What to say of networks that go on from there with another machine; "" where it is the same, or not known. */
void lenet_checkpoint_compare(const struct lenet_checkpoint_origin *origin, const char *machine, char text[768]);

/* Reads the origin and, where members is not NULL, their array, the caller's to delete. LENET_ERR_FORMAT where it is
 * wanted and there is none. */
enum lenet_status lenet_checkpoint_read_origin(const char *path, struct lenet_checkpoint_origin *origin,
                                               struct cJSON **members, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
