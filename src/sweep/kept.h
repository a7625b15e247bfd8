/* kept.h - runs that are trained again, and the files of weights/ and predictions/ that have them from before. */
#ifndef LENET_SWEEP_KEPT_H
#define LENET_SWEEP_KEPT_H
#include "sweep/sweep_dir.h"

struct kept {
    size_t n;
    struct kept_run {
        char id[LENET_RUN_ID], *path;
    } * runs; /* [n] those of one file one after another */
};

/* Remembers that a file has a run which is to be trained again. LENET_ERR_MEMORY. */
enum lenet_status sweep_remember_kept(struct kept *kept, const char *id, const char *path, struct lenet_error *err);
void sweep_free_kept(struct kept *kept);

/* Takes runs, ids[n], out of the files that have them from before, all but those called NAME.safetensors, which are
 * their new ones and on the disk: a file that has no others is removed, and any other is replaced. LENET_ERR_IO;
 * LENET_ERR_FORMAT; LENET_ERR_MEMORY. */
enum lenet_status sweep_drop_kept(const struct kept *kept, const struct lenet_sweep_dir *dir, const char *name,
                                  char (*ids)[LENET_RUN_ID], size_t n, struct lenet_error *err);

#endif
