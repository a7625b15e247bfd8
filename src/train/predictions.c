/* predictions.c - keeps what networks answer for every image, and which training images each of them had. */
#include "train/predictions.h"

#include <stdlib.h>
#include <string.h>

#include "ops/draw.h"
#include "train/run_dir.h"

enum { OF_TEST, OF_TRAIN, OF_BOTH }; /* of --predictions-of */

enum lenet_status lenet_predictions_check(const struct lenet_config *config, struct lenet_error *err) {
    static const char *const more[] = {"predictions-of", "predictions-loss"};
    for (size_t i = 0; i < sizeof more / sizeof *more && !config->predictions[0] && !config->keep_predictions; i++)
        if (lenet_option_is_given(config, lenet_option_find(more[i])))
            return lenet_fail(err, LENET_ERR_ARG,
                              "--%s: has no effect alone; wanted beside it: --predictions FILE (lenet eval) or "
                              "--keep-predictions (lenet sweep)",
                              more[i]);
    return LENET_OK;
}

enum lenet_status lenet_predictions_make(const struct lenet_config *config, int R, const struct lenet_dataset *data,
                                         struct lenet_predictions *p, struct lenet_error *err) {
    const int of = config->predictions_of;
    *p = (struct lenet_predictions){.R = R, .bytes = (data->train.count + 7) / 8};
    p->half[LENET_TEST].images = of != OF_TRAIN ? data->test.count : 0;
    p->half[LENET_TRAIN].images = of != OF_TEST ? data->train.count : 0;
    int good = (p->training = calloc((size_t)R, p->bytes + 1)) != NULL; /* of a test half alone 0 bytes */
    for (int half = 0; half < LENET_HALVES; half++) {
        const size_t values = (size_t)R * p->half[half].images;
        if (!values) continue;
        good = good && (p->half[half].classes = malloc(values));
        if (config->predictions_loss) good = good && (p->half[half].loss = malloc(values * sizeof *p->half[half].loss));
    }
    return good ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

void lenet_predictions_free(struct lenet_predictions *p) {
    for (int half = 0; half < LENET_HALVES; half++) {
        free(p->half[half].classes);
        free(p->half[half].loss);
    }
    free(p->training);
    *p = (struct lenet_predictions){.R = 0};
}

struct lenet_answers lenet_predictions_answers(const struct lenet_predictions *p, int half, int r) {
    const size_t first = (size_t)r * p->half[half].images;
    struct lenet_answers answers = {.predicted = NULL};
    if (p->half[half].classes) answers.predicted = p->half[half].classes + first;
    if (p->half[half].loss) answers.loss = p->half[half].loss + first;
    return answers;
}

void lenet_predictions_add_training(struct lenet_predictions *p, int r, const struct lenet_hyper *hyper, size_t count) {
    const struct lenet_bijection split = lenet_bijection_make(hyper->seed, LENET_RNG_SPLIT, 0, (uint32_t)count);
    uint8_t *bits = p->training + (size_t)r * p->bytes;
    for (uint32_t i = 0; i < hyper->train_count; i++) {
        const uint32_t image = lenet_permute(&split, hyper->train_first + i);
        bits[image / 8] |= (uint8_t)(1 << image % 8);
    }
    p->known++;
}

/* ---- the file --------------------------------------------------------------------------------------- */

/* Moves the rows which[n] of a table to its beginning. */
static void pick(void *table, size_t row, const int *which, int n) {
    for (int i = 0; table && which && i < n; i++)
        memmove((char *)table + (size_t)i * row, (char *)table + (size_t)which[i] * row, row);
}

static int has_all(const struct lenet_predictions *p, int n, size_t count) {
    for (size_t at = 0; at < (size_t)n * count; at++) {
        const size_t r = at / count, image = at % count;
        if (!(p->training[r * p->bytes + image / 8] >> image % 8 & 1)) return 0;
    }
    return 1;
}

static const char *const losses[] = {"loss", "train_loss"}, *const classes[] = {"predictions", "train_predictions"};

int lenet_predictions_suffice(const struct lenet_config *config, const struct lenet_tensor_file *file) {
    for (int half = 0; half < LENET_HALVES; half++) {
        if (config->predictions_of == (half == LENET_TEST ? OF_TRAIN : OF_TEST)) continue;
        if (!lenet_tensors_find(file, classes[half])) return 0;
        if (config->predictions_loss && !lenet_tensors_find(file, losses[half])) return 0;
    }
    return 1;
}

static void add(struct lenet_tensor *tensors, int *count, const char *name, enum lenet_dtype dtype, int n,
                size_t columns, void *table) {
    struct lenet_tensor *tensor = &tensors[(*count)++];
    *tensor = (struct lenet_tensor){.dtype = dtype, .rank = 2, .shape = {(size_t)n, columns}, .data = table};
    strcpy(tensor->name, name);
}

/* Those of two bytes first, so that each is aligned. */
static int describe(const struct lenet_predictions *p, int n, int with_training, struct lenet_tensor *tensors) {
    int count = 0;
    for (int half = 0; half < LENET_HALVES; half++)
        if (p->half[half].images && p->half[half].loss)
            add(tensors, &count, losses[half], LENET_F16, n, p->half[half].images, p->half[half].loss);
    for (int half = 0; half < LENET_HALVES; half++)
        if (p->half[half].images)
            add(tensors, &count, classes[half], LENET_U8, n, p->half[half].images, p->half[half].classes);
    if (with_training) add(tensors, &count, "training_images", LENET_U8, n, p->bytes, p->training);
    return count;
}

enum lenet_status lenet_predictions_write(const char *path, struct lenet_predictions *p, const int *which, int n,
                                          const char *members, const char *data_directory,
                                          const struct lenet_dataset *data, struct lenet_error *err) {
    struct lenet_tensor tensors[2 * LENET_HALVES + 1];
    char sum[65];
    for (int half = 0; half < LENET_HALVES; half++) {
        pick(p->half[half].classes, p->half[half].images, which, n);
        pick(p->half[half].loss, p->half[half].images * sizeof *p->half[half].loss, which, n);
    }
    pick(p->training, p->bytes, which, n);
    const int known = p->known == p->R, all = known && has_all(p, n, data->train.count);
    const int count = describe(p, n, known && !all, tensors);
    LENET_TRY(lenet_tensors_sha256(tensors, count, sum, err));
    struct lenet_json json = {.whole = NULL};
    char *data_text;
    lenet_data_add_json(&json, NULL, data_directory, data);
    LENET_TRY(lenet_json_print(&json, LENET_JSON_LINE, &data_text, err));
    const struct lenet_metadata metadata[] = {{LENET_TENSORS_SHA256, sum},
                                              {"format", "lenet predictions"},
                                              {"data", data_text},
                                              {"trained_on", !known ? "unknown"
                                                             : all  ? "all"
                                                                    : "training_images"},
                                              {"members", members}};
    const enum lenet_status status =
        lenet_tensors_write(path, tensors, count, metadata, sizeof metadata / sizeof *metadata, err);
    free(data_text);
    return status;
}
