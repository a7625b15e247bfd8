/* places.c - where a data set is looked for when no --data names one. */
#include "data/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/files.h"
#include "lenet/data.h"

/* NULL where it is not set, or empty. */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* Adds FIRST/SECOND, or SECOND alone where FIRST is NULL. */
static enum lenet_status add(struct lenet_data_places *places, const char *first, const char *second,
                             struct lenet_error *err) {
    struct lenet_data_place *place = &places->place[places->n];
    enum lenet_path is;
    const int length =
        snprintf(place->path, sizeof place->path, "%s%s%s", first ? first : "", first ? "/" : "", second);
    if (length < 0 || (size_t)length >= sizeof place->path)
        return lenet_fail(err, LENET_ERR_IO, "%.200s...: this path has %d bytes; wanted fewer than %zu", place->path,
                          length, sizeof place->path);
    LENET_TRY(lenet_path_look(place->path, &is, err));
    place->is_there = is != LENET_NOTHING;
    if (place->is_there && places->chosen < 0) places->chosen = places->n;
    places->n++;
    return LENET_OK;
}

static enum lenet_status add_named(struct lenet_data_places *places, const char *named, struct lenet_error *err) {
    char here[LENET_IDX_MAX_PATH];
    const int is_absolute = named[0] == '/';
    if (!is_absolute && !getcwd(here, sizeof here))
        return lenet_fail(err, LENET_ERR_IO, "LENET_DATA=%.200s: the current directory's path cannot be had", named);
    LENET_TRY(add(places, is_absolute ? NULL : here, named, err));
    places->chosen = 0;
    struct lenet_data_place *place = &places->place[0];
    return place->is_there ? LENET_OK : lenet_dataset_is_in(place->path, &place->is_there, err); /* by a prefix */
}

static enum lenet_status add_users(struct lenet_data_places *places, struct lenet_error *err) {
    const char *share = variable("XDG_DATA_HOME"), *home = variable("HOME");
    if (share && share[0] == '/') return add(places, share, "lenet/mnist", err);
    return home ? add(places, home, ".local/share/lenet/mnist", err) : LENET_OK;
}

enum lenet_status lenet_data_places_look(struct lenet_data_places *places, struct lenet_error *err) {
    const char *named = variable("LENET_DATA");
    *places = (struct lenet_data_places){.chosen = -1};
    if (named) return add_named(places, named, err);
    LENET_TRY(add(places, NULL, "data/mnist", err));
    LENET_TRY(add_users(places, err));
    return add(places, NULL, "data/sample", err);
}
