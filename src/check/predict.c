/* predict.c - reads picture files on all threads, finds the digits in them, and asks the networks about batches. */
#include "lenet/predict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/processors.h"
#include "check/ensemble.h"
#include "cpu/parallel.h"
#include "image/digit.h"
#include "lenet/data.h"
#include "train/settings.h"

enum { BATCH = 512 };

/* ---- which files ---------------------------------------------------------------------------------------- */

struct source {
    char *path;
    char *why;     /* it is not to be read, or NULL */
    int is_listed; /* it was found in a directory   */
};

struct sources {
    struct source *all;
    size_t n;
};

static enum lenet_status add_source(struct sources *s, const char *path, const char *why, int is_listed,
                                    struct lenet_error *err) {
    LENET_TRY(lenet_grow(&s->all, s->n, sizeof *s->all, err));
    struct source source = {.path = strdup(path), .why = why ? strdup(why) : NULL, .is_listed = is_listed};
    s->all[s->n++] = source;
    return source.path && (!why || source.why) ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

/* Adds a file, or what is in a directory but for hidden files; in directories in directories no further ones. */
static enum lenet_status add_path(struct sources *s, const char *path, int depth, struct lenet_error *err) {
    enum { DEEPEST = 2 };
    struct lenet_error why;
    char **names, *below = NULL;
    int n;
    enum lenet_path is = LENET_FILE;
    if (depth < DEEPEST && lenet_path_look(path, &is, &why) != LENET_OK) return add_source(s, path, why.text, 0, err);
    if (is != LENET_DIRECTORY) return add_source(s, path, NULL, depth > 0, err);
    if (lenet_directory_list(path, "", "", &names, &n, &why) != LENET_OK) return add_source(s, path, why.text, 0, err);
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < n; i++) {
        const size_t size = strlen(path) + strlen(names[i]) + 2;
        if (status == LENET_OK && names[i][0] != '.') {
            if ((below = malloc(size)))
                snprintf(below, size, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", names[i]);
            status = below ? add_path(s, below, depth + 1, err) : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
            free(below);
        }
        free(names[i]);
    }
    free(names);
    return status;
}

static void free_sources(struct sources *s) {
    for (size_t i = 0; i < s->n; i++) {
        free(s->all[i].path);
        free(s->all[i].why);
    }
    free(s->all);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

struct batch {
    const struct source *sources;
    size_t n;
    int as_is, first_label;
    enum lenet_outcome outcome[BATCH];
    struct lenet_error why[BATCH];
    uint8_t shown[BATCH][LENET_DIGIT_PIXELS];
    uint8_t asked[BATCH][LENET_DIGIT_PIXELS]; /* those of them that the networks are asked about */
    double *probabilities;                    /* [BATCH][classes]                                */
};

static enum lenet_status read_digit(struct batch *b, size_t i, int *found, struct lenet_image *image) {
    struct lenet_error *err = &b->why[i];
    if (b->sources[i].why) return lenet_fail(err, LENET_ERR_IO, "%s", b->sources[i].why);
    LENET_TRY(lenet_image_read(b->sources[i].path, image, err));
    if (!b->as_is) return lenet_digit_find(image, b->shown[i], found, err);
    *found = 1;
    return lenet_digit_as_is(image, b->shown[i], err);
}

static void read_one(const void *args, ptrdiff_t i) {
    struct batch *b = *(struct batch *const *)args;
    struct lenet_image image = {.H = 0};
    int found = 0;
    memset(b->shown[i], 0, LENET_DIGIT_PIXELS);
    b->why[i].text[0] = 0;
    const enum lenet_status status = read_digit(b, (size_t)i, &found, &image);
    const int is_other = status == LENET_ERR_FORMAT && !image.format;
    if (status == LENET_OK)
        b->outcome[i] = found ? LENET_ANSWERED : LENET_NO_DIGIT;
    else
        b->outcome[i] = is_other && b->sources[i].is_listed ? LENET_PASSED_OVER : LENET_NOT_READ;
    lenet_image_free(&image);
}

/* Asks about those in which there was something. */
static enum lenet_status ask(struct batch *b, struct lenet_ensemble *ensemble, struct lenet_error *err) {
    size_t asked = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->outcome[i] == LENET_ANSWERED) memcpy(b->asked[asked++], b->shown[i], LENET_DIGIT_PIXELS);
    if (!asked) return LENET_OK;
    return lenet_ensemble_ask(ensemble, b->asked[0], asked, LENET_DIGIT_SIDE, b->probabilities, err);
}

static enum lenet_status report(const struct batch *b, const struct lenet_ensemble *ensemble,
                                lenet_take_prediction *take, void *self, size_t *unread, struct lenet_error *err) {
    const int classes = ensemble ? lenet_ensemble_classes(ensemble) : 0;
    const double *next = b->probabilities;
    for (size_t i = 0; i < b->n; i++) {
        const int answered = classes && b->outcome[i] == LENET_ANSWERED;
        const struct lenet_prediction prediction = {.path = b->sources[i].path,
                                                    .outcome = b->outcome[i],
                                                    .why = b->why[i].text,
                                                    .shown = b->shown[i],
                                                    .classes = answered ? classes : 0,
                                                    .probabilities = answered ? next : NULL,
                                                    .names = answered ? lenet_ensemble_names(ensemble) : NULL,
                                                    .first_label = b->first_label};
        if (answered) next += classes;
        *unread += b->outcome[i] == LENET_NOT_READ;
        LENET_TRY(take(self, &prediction, err));
    }
    return LENET_OK;
}

static enum lenet_status predict_all(struct parallel *pool, const struct sources *s, struct batch *b,
                                     struct lenet_ensemble *ensemble, lenet_take_prediction *take, void *self,
                                     size_t *unread, struct lenet_error *err) {
    const int classes = ensemble ? lenet_ensemble_classes(ensemble) : 0;
    b->probabilities = malloc(BATCH * (size_t)(classes + 1) * sizeof *b->probabilities);
    if (!b->probabilities) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (size_t first = 0; first < s->n; first += BATCH) {
        b->sources = s->all + first;
        b->n = s->n - first < BATCH ? s->n - first : BATCH;
        parallel_for(pool, (ptrdiff_t)b->n, read_one, &b);
        if (ensemble) LENET_TRY(ask(b, ensemble, err));
        LENET_TRY(report(b, ensemble, take, self, unread, err));
    }
    return LENET_OK;
}

enum lenet_status lenet_predict(struct lenet_config *config, char **paths, int n, lenet_take_prediction *take,
                                void *self, size_t *unread, struct lenet_error *err) {
    struct sources sources = {.n = 0};
    struct lenet_ensemble *ensemble = NULL;
    enum lenet_status status = LENET_OK;
    *unread = 0;
    if (config->run[0] || config->weights[0]) LENET_TRY(lenet_ensemble_open(config, &ensemble, err));
    if (ensemble) status = lenet_config_spare_weights(config, err);
    struct batch *batch = calloc(1, sizeof *batch);
    struct parallel *pool = parallel_create(config->threads ? (int)config->threads : lenet_processors(), 0);
    if (!batch || !pool) status = lenet_fail(err, LENET_ERR_MEMORY, "out of memory, or of threads");
    for (int i = 0; i < n && status == LENET_OK; i++) status = add_path(&sources, paths[i], 0, err);
    if (status == LENET_OK && config->show[0]) status = lenet_shown_check(config->show, sources.n, err);
    if (status == LENET_OK && !sources.n) status = lenet_fail(err, LENET_ERR_IO, "%s: an empty directory", paths[0]);
    if (status == LENET_OK) {
        batch->as_is = config->as_is;
        batch->first_label = (int)config->first_label;
        status = predict_all(pool, &sources, batch, ensemble, take, self, unread, err);
        free(batch->probabilities);
    }
    parallel_free(pool);
    free(batch);
    free_sources(&sources);
    lenet_ensemble_close(ensemble);
    return status;
}

/* ---- one prediction ------------------------------------------------------------------------------------- */

int lenet_prediction_best(const struct lenet_prediction *prediction, int n, int *classes) {
    int count = 0;
    for (; count < n && count < prediction->classes; count++) {
        int best = -1;
        for (int c = 0; c < prediction->classes; c++) {
            int is_taken = 0;
            for (int i = 0; i < count; i++) is_taken |= classes[i] == c;
            if (!is_taken && (best < 0 || prediction->probabilities[c] > prediction->probabilities[best])) best = c;
        }
        classes[count] = best;
    }
    return count;
}

void lenet_prediction_add_json(struct lenet_json *json, const struct lenet_prediction *prediction) {
    static const char *const statuses[] = {"ok", "no digit", "error", "error"};
    int order[LENET_MAX_CLASSES];
    const int n = lenet_prediction_best(prediction, prediction->classes, order);
    lenet_json_open_object(json, NULL);
    lenet_json_add_text(json, "file", prediction->path);
    lenet_json_add_string(json, "status", statuses[prediction->outcome]);
    if (prediction->outcome == LENET_NOT_READ) lenet_json_add_text(json, "error", prediction->why);
    if (n) {
        lenet_json_open_array(json, "classes");
        for (int i = 0; i < n; i++) lenet_json_add_number(json, NULL, order[i] + prediction->first_label);
        lenet_json_close(json);
        lenet_json_open_array(json, "probabilities");
        for (int i = 0; i < n; i++) lenet_json_add_real(json, NULL, prediction->probabilities[order[i]]);
        lenet_json_close(json);
    }
    if (n && prediction->names->count) {
        lenet_json_open_array(json, "names");
        for (int i = 0; i < n; i++) lenet_json_add_string(json, NULL, prediction->names->text[order[i]]);
        lenet_json_close(json);
    }
    lenet_json_close(json);
}
