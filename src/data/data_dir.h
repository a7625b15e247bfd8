/* data_dir.h - the directory of a data set: which file in it is which, and why one may be missing. */
#ifndef LENET_DATA_DATA_DIR_H
#define LENET_DATA_DATA_DIR_H
#include "data/idx.h"

enum lenet_data_file { LENET_TRAIN_IMAGES, LENET_TRAIN_LABELS, LENET_TEST_IMAGES, LENET_TEST_LABELS, LENET_DATA_FILES };

/* Returns 1 where the file is there under one of its names, raw or .gz. */
int lenet_data_dir_has(const char *directory, enum lenet_data_file which);

/* Sets file->path and file->packed: of a file's names the first that is there and not empty. LENET_ERR_IO, with what
 * lies in the directory instead, where none is. */
enum lenet_status lenet_data_dir_find(const char *directory, enum lenet_data_file which, struct lenet_idx *file,
                                      struct lenet_error *err);

/* Adds to the error line of a bad file that the same is there under another name, if it is. */
void lenet_data_dir_note_others(const char *directory, enum lenet_data_file which, const struct lenet_idx *file,
                                struct lenet_error *err);

#endif
