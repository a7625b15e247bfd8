/* places.h - where a data set is looked for when no --data names one. */
#ifndef LENET_DATA_PLACES_H
#define LENET_DATA_PLACES_H
#include "data/idx.h"

/* What $LENET_DATA names, if it is set, and nowhere else; otherwise data/mnist here, then lenet/mnist in
 * $XDG_DATA_HOME, which is $HOME/.local/share unless it is set to an absolute path, then data/sample here. Empty
 * variables are not set. */
enum { LENET_DATA_PLACES = 3 };
struct lenet_data_places {
    int n, chosen; /* the first that is there, or $LENET_DATA whether it is there or not; -1: none is */
    struct lenet_data_place {
        char path[LENET_IDX_MAX_PATH]; /* absolute, but for those here */
        int is_there;
    } place[LENET_DATA_PLACES];
};

/* LENET_ERR_IO where one of them cannot be looked at, or its path is too long. */
enum lenet_status lenet_data_places_look(struct lenet_data_places *places, struct lenet_error *err);

#endif
