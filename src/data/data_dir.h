/* data_dir.h - where a data set lies: the folder and the names of its files, and why one may be missing. */
#ifndef LENET_DATA_DATA_DIR_H
#define LENET_DATA_DATA_DIR_H
#include "data/idx.h"

enum lenet_data_file { LENET_TRAIN_IMAGES, LENET_TRAIN_LABELS, LENET_TEST_IMAGES, LENET_TEST_LABELS, LENET_DATA_FILES };

enum { LENET_DATA_PREFIX = 64 };

/* The folder that holds the files, and what their names begin with: "" or "emnist-letters". */
struct lenet_data_dir {
    char path[LENET_IDX_MAX_PATH], prefix[LENET_DATA_PREFIX];
};

/* Finds the data set that --data means: a directory, one with a single data set in its folders (torchvision's
 * MNIST/raw), or DIRECTORY/PREFIX where the names of several sets in one directory begin differently. LENET_ERR_IO,
 * listing what there is to choose from, where there is none or more than one. */
enum lenet_status lenet_data_dir_open(const char *where, struct lenet_data_dir *dir, struct lenet_error *err);
/* The same, but succeeds with *found = 0 and the reason in *err in that case: LENET_ERR_IO is then for what cannot be
 * looked at. */
enum lenet_status lenet_data_dir_look(const char *where, struct lenet_data_dir *dir, int *found,
                                      struct lenet_error *err);

/* *has becomes 1 where the file is there under one of its names, raw or .gz, else 0. LENET_ERR_IO. */
enum lenet_status lenet_data_dir_has(const struct lenet_data_dir *dir, enum lenet_data_file which, int *has,
                                     struct lenet_error *err);

/* Sets file->path and file->packed: of a file's names the shortest that is there and not empty. LENET_ERR_IO, with what
 * lies in the directory instead, where none is. */
enum lenet_status lenet_data_dir_find(const struct lenet_data_dir *dir, enum lenet_data_file which,
                                      struct lenet_idx *file, struct lenet_error *err);

/* Adds to the error line of a bad file that the same is there under another name, if it is. */
void lenet_data_dir_note_others(const struct lenet_data_dir *dir, enum lenet_data_file which,
                                const struct lenet_idx *file, struct lenet_error *err);

/* Returns 1 where a part is in a name, in large or small letters. */
int lenet_name_has(const char *name, const char *part);

#endif
