/* class_names.h - what the classes of a data set are called: a text with a name in each line. */
#ifndef LENET_DATA_CLASS_NAMES_H
#define LENET_DATA_CLASS_NAMES_H
#include "data/data_dir.h"
#include "lenet/data.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Reads PREFIX-classes.txt or classes.txt beside the files of a data set with so many classes; where there is neither,
 * names->count is 0. LENET_ERR_FORMAT where the lines are not as many, or no names; more are allowed where the largest
 * label is not known. LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_class_names_find(const struct lenet_data_dir *dir, int classes, int more_allowed,
                                         struct lenet_class_names *names, struct lenet_error *err);

/* Takes them from a text, in which path is what messages begin with. LENET_ERR_FORMAT. */
enum lenet_status lenet_class_names_parse(const char *path, const char *text, size_t size,
                                          struct lenet_class_names *names, struct lenet_error *err);

/* The text of all names, for the caller to free; NULL where there is no memory. */
char *lenet_class_names_text(const struct lenet_class_names *names);

#ifdef __cplusplus
}
#endif
#endif
