/* sweep_dir.h - a sweep directory: sweep.json, one line of runs.jsonl for each run that has ended, the checkpoints of
 * populations under way in progress/, and weights/ and predictions/.
 *
 * A shard i/n writes runs.i-of-n.jsonl; every process reads all runs*.jsonl. A process at work holds the lock of a
 * file, `lock` or, of a shard, `lock.i-of-n`. */
#ifndef LENET_SWEEP_SWEEP_DIR_H
#define LENET_SWEEP_SWEEP_DIR_H
#include "base/lock.h"
#include "lenet/sweep_plan.h"
#include "train/population.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A run that has ended. */
struct lenet_run_state {
    char id[LENET_RUN_ID];
    int diverged;
    int warmup_is_3; /* 1: the warm-up of three epochs that older programs took, whatever the run's length */
};

struct lenet_sweep_dir {
    char path[LENET_MAX_PATH], runs[LENET_MAX_PATH]; /* the directory; the file that this process appends to */
    struct lenet_lock lock;                          /* of the whole sweep, or of the shard                  */
    const char *data_hash;
    size_t n;
    struct lenet_run_state *ended; /* [n] sorted by id, as of the opening */
};

/* Opens or creates the directory and locks it: a whole sweep for itself, a shard its own file. Repairs a
 * torn last line of that file, and reads which runs have ended. LENET_ERR_IO where another process is at work there,
 * LENET_ERR_FORMAT where a file is damaged, LENET_ERR_ARG where the sweep is of other data than these. To be closed
 * also on failure. */
enum lenet_status lenet_sweep_dir_open(const char *path, int shard, int shards, const char *data_hash,
                                       struct lenet_sweep_dir *dir, struct lenet_error *err);
/* Only reads which runs have ended, of a directory that need not be there; writes and locks nothing. */
enum lenet_status lenet_sweep_dir_look(const char *path, const char *data_hash, struct lenet_sweep_dir *dir,
                                       struct lenet_error *err);

void lenet_sweep_dir_close(struct lenet_sweep_dir *dir);

/* Waits until no other process opens this directory or changes files there that are not its own. To be released. */
enum lenet_status lenet_sweep_dir_take_turn(const struct lenet_sweep_dir *dir, struct lenet_lock *turn,
                                            struct lenet_error *err);

/* NULL where no such run has ended. */
const struct lenet_run_state *lenet_sweep_dir_find(const struct lenet_sweep_dir *dir, const char *id);

/* path = DIR/kind/NAME.safetensors; the directory is created. */
enum lenet_status lenet_sweep_dir_file(const struct lenet_sweep_dir *dir, const char *kind, const char *name,
                                       char path[LENET_MAX_PATH], struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
