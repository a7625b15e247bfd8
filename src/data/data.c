/* data.c - reads the four IDX files of a data set, and holds them against each other. */
#include "lenet/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "data/class_names.h"
#include "data/data_dir.h"
#include "data/places.h"
#include "ops/draw.h"

/* ---- labels ---------------------------------------------------------------------------------------------- */

/* The labels of a file, or of several, as they are there. */
struct labels {
    int least, largest, distinct;
};

static struct labels labels_of(const struct lenet_idx *file) {
    struct labels found = {.least = 255};
    uint8_t seen[256] = {0};
    for (size_t i = 0; i < file->count; i++) {
        const int label = file->bytes[file->header + i];
        found.distinct += !seen[label];
        seen[label] = 1;
        if (label < found.least) found.least = label;
        if (label > found.largest) found.largest = label;
    }
    return found;
}

/* "0" to "9" in ASCII. */
static int are_characters(const struct labels *l, int first) {
    return first == 0 && l->least >= '0' && l->largest <= '9';
}

/* Why labels are out of range. */
static const char *cause_of_labels(const struct labels *l, int first) {
    if (are_characters(l, first)) return "digits as characters: --first-label 48";
    if (l->least < first) return "labels that begin before --first-label";
    if (l->least > first && l->largest - l->least < LENET_MAX_CLASSES)
        return l->least == 1 ? "labels that begin at 1: --first-label 1" : "labels that begin later: --first-label";
    if (l->least == 1 && first == 0) return "a data set of too many classes, whose labels begin at 1 besides";
    if (l->least == first && l->distinct == l->largest - first + 1) return "a data set of too many classes";
    return "a damaged file, or a data set of too many classes";
}

/* Whether all labels are of one of the classes that begin with `first`. Adds the file's range to that of the set. */
static enum lenet_status check_labels(const struct lenet_idx *file, int first, struct labels *all,
                                      struct lenet_error *err) {
    const struct labels found = labels_of(file);
    const int last = first + LENET_MAX_CLASSES - 1, characters = are_characters(&found, first);
    for (size_t i = 0; i < file->count; i++) {
        const int label = file->bytes[file->header + i];
        if (label >= first && label <= last && !characters) continue;
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: label %d at index %zu, labels %d to %d in all, wanted %d to %d for at most %d classes; "
                          "likely %s",
                          file->path, label, i, found.least, found.largest, first, last, LENET_MAX_CLASSES,
                          cause_of_labels(&found, first));
    }
    if (found.least < all->least) all->least = found.least;
    if (found.largest > all->largest) all->largest = found.largest;
    return LENET_OK;
}

/* ---- files against each other ------------------------------------------------------------------------------ */

static enum lenet_status check_counts(const struct lenet_idx *images, const struct lenet_idx *labels,
                                      struct lenet_error *err) {
    if (images->count == labels->count) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: %" PRIu32 " labels, wanted one for each of the %" PRIu32 " images of %s; likely files of "
                      "two data sets or of both halves mixed up",
                      labels->path, labels->count, images->count, images->path);
}

static enum lenet_status check_halves(const struct lenet_idx *train, const struct lenet_idx *test,
                                      struct lenet_error *err) {
    if (train->H != test->H || train->W != test->W)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: images of %" PRIu32 "x%" PRIu32 ", wanted %" PRIu32 "x%" PRIu32
                          " as in %s; likely files of two data sets mixed up",
                          test->path, test->H, test->W, train->H, train->W, train->path);
    if (train->size == test->size && memcmp(train->bytes, test->bytes, train->size) == 0)
        return lenet_fail(err, LENET_ERR_FORMAT,
                          "%s: the same images as in %s, wanted images not trained on; likely one file copied over "
                          "the other",
                          test->path, train->path);
    return LENET_OK;
}

static enum lenet_status hash_files(const struct lenet_idx *files, int n, char hash[65], struct lenet_error *err) {
    struct lenet_piece pieces[LENET_DATA_FILES];
    for (int i = 0; i < n; i++) pieces[i] = (struct lenet_piece){files[i].bytes, files[i].size};
    return lenet_sha256(pieces, n, hash, err);
}

static const char *name_by_hash(const char *hash) {
    static const char *const KNOWN[][2] = {
        {"b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a", "MNIST"},
        {"16c983f0a2bf823dab3039e91560840eb0e3ce548aacc2297a7d4e2ca4c1b9f5", "MNIST sample"}, /* data/sample */
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (strcmp(hash, KNOWN[i][0]) == 0) return KNOWN[i][1];
    return NULL;
}

/* The prefix of the files' names, or the folder's name, which "raw" is none; cut between UTF-8 characters to fit. */
static void name_by_place(const struct lenet_data_dir *dir, char *name, size_t name_size) {
    size_t end = strlen(dir->path);
    while (end > 0 && dir->path[end - 1] == '/') end--;
    if (end > 4 && strncmp(dir->path + end - 4, "/raw", 4) == 0) end -= 4;
    size_t begin = end;
    while (begin > 0 && dir->path[begin - 1] != '/') begin--;
    const char *text = dir->prefix[0] ? dir->prefix : dir->path + begin;
    size_t length = dir->prefix[0] ? strlen(dir->prefix) : end - begin;
    if (length >= name_size) {
        length = name_size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
    }
    snprintf(name, name_size, "%.*s", (int)length, text);
    if (length == 0) snprintf(name, name_size, "unknown");
}

/* Hands over the file's buffer with its values moved to the front: a second
 * buffer would double the peak memory of reading. */
static uint8_t *take_values(struct lenet_idx *file) {
    uint8_t *values = file->bytes;
    memmove(values, values + file->header, file->size - file->header);
    file->bytes = NULL;
    return values;
}

/* Exchanges the rows and the columns of each image. */
static void transpose(uint8_t *images, size_t count, size_t H, size_t W) {
    uint8_t image[LENET_IDX_MAX_SIDE * LENET_IDX_MAX_SIDE];
    for (size_t i = 0; i < count; i++, images += H * W) {
        memcpy(image, images, H * W);
        for (size_t h = 0; h < H; h++)
            for (size_t w = 0; w < W; w++) images[w * H + h] = image[h * W + w];
    }
}

static struct lenet_samples take_samples(struct lenet_idx *images, struct lenet_idx *labels,
                                         const struct lenet_reading *how) {
    struct lenet_samples samples = {images->count, take_values(images), take_values(labels)};
    for (size_t i = 0; i < samples.count; i++) samples.labels[i] = (uint8_t)(samples.labels[i] - how->first_label);
    if (how->transpose) transpose(samples.images, samples.count, images->H, images->W);
    return samples;
}

static enum lenet_status read_file(const struct lenet_data_dir *dir, enum lenet_data_file which, struct lenet_idx *file,
                                   struct lenet_error *err) {
    const int is_images = which == LENET_TRAIN_IMAGES || which == LENET_TEST_IMAGES;
    LENET_TRY(lenet_data_dir_find(dir, which, file, err));
    const enum lenet_status status = lenet_idx_read(file, is_images ? LENET_IDX_IMAGES : LENET_IDX_LABELS, err);
    if (status == LENET_ERR_FORMAT) lenet_data_dir_note_others(dir, which, file, err);
    return status;
}

/* What is no error, and probably not meant. */
static void note(struct lenet_dataset *data, const struct labels *all, const struct lenet_reading *how) {
    const int unused = data->train.count && all->least > how->first_label;
    const int on_side = !how->transpose && lenet_name_has(data->name, "emnist");
    char labels[160] = "";
    if (unused)
        snprintf(labels, sizeof labels,
                 "the labels are %d to %d, and no image is of class 0: --first-label %d, if they begin there",
                 all->least, all->largest, all->least);
    snprintf(data->note, sizeof data->note, "%s%s%s", labels, unused && on_side ? "; " : "",
             on_side ? "EMNIST's own images, unless converted, are on their side: --transpose sets them upright" : "");
}

/* What is in files stays the caller's to free, on success too. */
static enum lenet_status read_dataset(const struct lenet_data_dir *dir, int test_only, const struct lenet_reading *how,
                                      struct lenet_idx files[LENET_DATA_FILES], struct lenet_dataset *data,
                                      struct lenet_error *err) {
    struct labels all = {.least = 255};
    for (int i = test_only ? LENET_TEST_IMAGES : LENET_TRAIN_IMAGES; i < LENET_DATA_FILES; i += 2) {
        LENET_TRY(read_file(dir, (enum lenet_data_file)i, &files[i], err));
        LENET_TRY(read_file(dir, (enum lenet_data_file)(i + 1), &files[i + 1], err));
        LENET_TRY(check_labels(&files[i + 1], how->first_label, &all, err));
        LENET_TRY(check_counts(&files[i], &files[i + 1], err));
    }
    data->classes = all.largest - how->first_label + 1;
    LENET_TRY(lenet_class_names_find(dir, data->classes, test_only, &data->names, err));
    if (!test_only) {
        LENET_TRY(check_halves(&files[LENET_TRAIN_IMAGES], &files[LENET_TEST_IMAGES], err));
        LENET_TRY(hash_files(files, LENET_DATA_FILES, data->hash, err));
        data->train = take_samples(&files[LENET_TRAIN_IMAGES], &files[LENET_TRAIN_LABELS], how);
    }
    LENET_TRY(hash_files(&files[LENET_TEST_IMAGES], 2, data->test_hash, err));
    data->test = take_samples(&files[LENET_TEST_IMAGES], &files[LENET_TEST_LABELS], how);
    const int H = (int)files[LENET_TEST_IMAGES].H, W = (int)files[LENET_TEST_IMAGES].W;
    data->H = how->transpose ? W : H;
    data->W = how->transpose ? H : W;
    if (name_by_hash(data->hash))
        snprintf(data->name, sizeof data->name, "%s", name_by_hash(data->hash));
    else
        name_by_place(dir, data->name, sizeof data->name);
    note(data, &all, how);
    for (int i = 0; i < 2; i++)
        if (!(data->test_files[i] = strdup(files[LENET_TEST_IMAGES + i].path)))
            return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    return LENET_OK;
}

static enum lenet_status read_halves(const struct lenet_data_dir *dir, int test_only, const struct lenet_reading *how,
                                     struct lenet_dataset *data, struct lenet_error *err) {
    struct lenet_idx files[LENET_DATA_FILES] = {0};
    const enum lenet_status status = read_dataset(dir, test_only, how, files, data, err);
    for (int i = 0; i < LENET_DATA_FILES; i++) free(files[i].bytes);
    if (status != LENET_OK) lenet_dataset_free(data);
    return status;
}

enum lenet_status lenet_dataset_read(const char *directory, struct lenet_dataset *data, struct lenet_error *err) {
    struct lenet_data_dir dir;
    *data = (struct lenet_dataset){0};
    LENET_TRY(lenet_data_dir_open(directory, &dir, err));
    return read_halves(&dir, 0, &(struct lenet_reading){0}, data, err);
}

enum lenet_status lenet_dataset_is_in(const char *directory, int *is, struct lenet_error *err) {
    struct lenet_data_dir dir;
    LENET_TRY(lenet_data_dir_look(directory, &dir, is, err));
    return *is ? lenet_data_dir_has(&dir, LENET_TEST_IMAGES, is, err) : LENET_OK;
}

static enum lenet_status fail_by_places(const struct lenet_data_places *places, struct lenet_error *err) {
    char list[LENET_DATA_PLACES * (LENET_IDX_MAX_PATH + 2)];
    size_t used = 0;
    for (int i = 0; i < places->n; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", places->place[i].path);
    return lenet_fail(err, LENET_ERR_IO,
                      "no data set in %s; scripts/get_mnist.sh --user gets MNIST, --data or LENET_DATA names another",
                      list);
}

static enum lenet_status choose_directory(char *directory, size_t room, struct lenet_error *err) {
    struct lenet_data_places places;
    if (directory[0]) return LENET_OK;
    LENET_TRY(lenet_data_places_look(&places, err));
    if (places.chosen < 0) return fail_by_places(&places, err);
    const char *chosen = places.place[places.chosen].path;
    if (strlen(chosen) >= room)
        return lenet_fail(err, LENET_ERR_IO, "%.200s...: this path has %zu bytes; wanted fewer than %zu", chosen,
                          strlen(chosen), room);
    strcpy(directory, chosen);
    return LENET_OK;
}

enum lenet_status lenet_dataset_open(char *directory, size_t room, enum lenet_half needed,
                                     const struct lenet_reading *how, int field, struct lenet_dataset *data,
                                     struct lenet_error *err) {
    struct lenet_data_dir dir;
    *data = (struct lenet_dataset){0};
    LENET_TRY(choose_directory(directory, room, err));
    LENET_TRY(lenet_data_dir_open(directory, &dir, err));
    int has_images = 1, has_labels = 1;
    if (needed == LENET_TEST_HALF) {
        LENET_TRY(lenet_data_dir_has(&dir, LENET_TRAIN_IMAGES, &has_images, err));
        LENET_TRY(lenet_data_dir_has(&dir, LENET_TRAIN_LABELS, &has_labels, err));
    }
    LENET_TRY(read_halves(&dir, !(has_images && has_labels), how, data, err));
    if (data->H <= field && data->W <= field) return LENET_OK;
    const int H = data->H, W = data->W;
    lenet_dataset_free(data);
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: images of %d x %d pixels do not fit the network's %d x %d", directory,
                      H, W, field, field);
}

/* ---- made-up images ----------------------------------------------------------------------------------------- */

/* Random values at GRID x GRID nodes, zero along the rim, and bilinear between them. */
static void smooth_image(uint64_t seed, uint32_t half, uint64_t image, int side, uint8_t *pixels) {
    enum { GRID = 8 };
    uint8_t node[GRID * GRID];
    const float step = (float)(GRID - 1) / (float)(side - 1);
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            const uint64_t index = image * GRID * GRID + (uint64_t)(i * GRID + j);
            const int on_rim = i == 0 || j == 0 || i == GRID - 1 || j == GRID - 1;
            node[i * GRID + j] =
                on_rim ? 0 : (uint8_t)lenet_philox(seed, LENET_RNG_CHECK, half, index / 4).v[index % 4];
        }
    for (int h = 0; h < side; h++)
        for (int w = 0; w < side; w++)
            pixels[h * side + w] = (uint8_t)lenet_bilinear(node, GRID, GRID, step * (float)w, step * (float)h);
}

enum lenet_status lenet_dataset_random(uint64_t seed, size_t count, int side, struct lenet_dataset *data) {
    const size_t pixels = (size_t)side * (size_t)side;
    *data = (struct lenet_dataset){.H = side, .W = side, .classes = LENET_DIGITS, .name = "random"};
    struct lenet_samples *halves[] = {&data->train, &data->test};
    for (uint32_t h = 0; h < 2; h++) {
        *halves[h] = (struct lenet_samples){count, malloc(count * pixels), malloc(count)};
        if (!halves[h]->images || !halves[h]->labels) {
            lenet_dataset_free(data);
            return LENET_ERR_MEMORY;
        }
        for (size_t i = 0; i < count; i++) {
            smooth_image(seed, h, i, side, halves[h]->images + i * pixels);
            halves[h]->labels[i] = (uint8_t)(i % LENET_DIGITS);
        }
    }
    return LENET_OK;
}

void lenet_dataset_free(struct lenet_dataset *data) {
    free(data->train.images);
    free(data->train.labels);
    free(data->test.images);
    free(data->test.labels);
    for (int i = 0; i < 2; i++) free(data->test_files[i]);
    *data = (struct lenet_dataset){0};
}
