/* data_dir.c - finds the four files of a data set under the names that are usual; where one is missing, looks at what
 * the directory holds instead and says what is likely to be done. */
#include "data/data_dir.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/files.h"
#include "data/contents.h"

enum { SPELLINGS = 2, CANDIDATES = 2 * SPELLINGS }; /* raw and .gz of each */

static const char *const FILE_NAMES[LENET_DATA_FILES][SPELLINGS] = {
    {"train-images-idx3-ubyte", "train-images.idx3-ubyte"},
    {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"},
    {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"},
};

/* ---- finding ------------------------------------------------------------------------------------------ */

enum presence { ABSENT, EMPTY, PRESENT };

/* Sets the i-th path that the file may have. A directory is not the file. */
static enum presence candidate(const char *directory, enum lenet_data_file which, int i, struct lenet_idx *file) {
    struct stat info;
    file->packed = i % 2;
    const int length = snprintf(file->path, sizeof file->path, "%s/%s%s", directory, FILE_NAMES[which][i / 2],
                                file->packed ? ".gz" : "");
    if (length < 0 || (size_t)length >= sizeof file->path) return ABSENT;
    if (stat(file->path, &info) != 0 || S_ISDIR(info.st_mode)) return ABSENT;
    return S_ISREG(info.st_mode) && info.st_size == 0 ? EMPTY : PRESENT;
}

/* Returns the best candidate's number; -1 where there is none. */
static int best_candidate(const char *directory, enum lenet_data_file which, struct lenet_idx *file) {
    int best = -1;
    for (int i = 0; i < CANDIDATES; i++) {
        const enum presence found = candidate(directory, which, i, file);
        if (found == PRESENT) return i;
        if (found == EMPTY && best < 0) best = i;
    }
    if (best >= 0) candidate(directory, which, best, file);
    return best;
}

int lenet_data_dir_has(const char *directory, enum lenet_data_file which) {
    struct lenet_idx file;
    return best_candidate(directory, which, &file) >= 0;
}

void lenet_data_dir_note_others(const char *directory, enum lenet_data_file which, const struct lenet_idx *file,
                                struct lenet_error *err) {
    struct lenet_idx other;
    for (int i = 0; err && i < CANDIDATES; i++) {
        const size_t used = strlen(err->text);
        if (candidate(directory, which, i, &other) != PRESENT || strcmp(other.path, file->path) == 0) continue;
        snprintf(err->text + used, sizeof err->text - used, "; %s is there, too: remove the bad file to have it read",
                 strrchr(other.path, '/') + 1);
        return;
    }
}

/* ---- what is there instead ------------------------------------------------------------------------------ */

static int ends(const char *name, const char *with) {
    const size_t length = strlen(name), last = strlen(with);
    return length >= last && strcasecmp(name + length - last, with) == 0;
}

static int ends_in_one_of(const char *name, const char *const *endings) {
    for (; *endings; endings++)
        if (ends(name, *endings)) return 1;
    return 0;
}

/* Of files that are to be unpacked, or fetched to their end; and of other formats. */
static const char *const PACKED[] = {".zip", ".tar", ".tar.gz", ".tgz",  ".7z",         ".rar", ".xz",
                                     ".bz2", ".zst", ".Z",      ".part", ".crdownload", NULL};
static const char *const EXPORTS[] = {".csv", ".npz", ".npy", ".parquet", ".pt",  ".pkl",
                                      ".h5",  ".mat", ".png", ".jpg",     ".bmp", NULL};

/* Whether a name says that it is this file: EMNIST's, upper case, "train_images(1)". */
static int has_role(const char *name, enum lenet_data_file which) {
    char lower[256];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof lower; n++) lower[n] = (char)tolower((unsigned char)name[n]);
    lower[n] = '\0';
    const int images = which == LENET_TRAIN_IMAGES || which == LENET_TEST_IMAGES;
    if (!strstr(lower, images ? "image" : "label")) return 0;
    if (which == LENET_TRAIN_IMAGES || which == LENET_TRAIN_LABELS) return strstr(lower, "train") != NULL;
    return strstr(lower, "test") || strstr(lower, "t10k");
}

/* Where the file lies in a folder of the directory, its path relative to it. */
static int find_below(const char *directory, const char *name, enum lenet_data_file which, char *below, size_t room) {
    static const char *const folders[] = {"", "/raw", "/MNIST/raw"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[LENET_IDX_MAX_PATH];
        snprintf(below, room, "%s%s", name, folders[i]);
        const int length = snprintf(path, sizeof path, "%s/%s", directory, below);
        if (length > 0 && (size_t)length < sizeof path && lenet_data_dir_has(path, which)) return 1;
    }
    return 0;
}

/* What one entry tells about the missing file, the most telling with the highest number; 0: nothing. */
enum clue { NOTHING, FOREIGN_FORMAT, SIBLING, RUN, IN_A_PACKAGE, UNDER_ANOTHER_NAME, BROKEN_LINK, OWN_FOLDER, BELOW };

static enum clue clue_of(const char *directory, const char *name, enum lenet_data_file which, char *below,
                         size_t room) {
    const int likely = has_role(name, which);
    char path[LENET_IDX_MAX_PATH];
    snprintf(below, room, "%s", name);
    const int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length > 0 && (size_t)length < sizeof path && lenet_path_is_directory(path)) {
        if (!find_below(directory, name, which, below, room)) return NOTHING;
        return likely ? OWN_FOLDER : BELOW;
    }
    if (likely && !lenet_path_exists(path)) return BROKEN_LINK;
    if (ends_in_one_of(name, PACKED)) return IN_A_PACKAGE;
    if (strcmp(name, "run.json") == 0 || strcmp(name, "sweep.json") == 0) return RUN;
    if (ends_in_one_of(name, EXPORTS)) return FOREIGN_FORMAT;
    if (likely) return UNDER_ANOTHER_NAME;
    return strstr(name, "-ubyte") ? SIBLING : NOTHING;
}

/* The likely cause, from the entry with the most telling clue. */
static void explain(const char *directory, enum lenet_data_file which, enum clue clue, const char *entry, char *cause,
                    size_t room) {
    char name[160], where[300];
    lenet_copy_harmless(name, sizeof name, entry, strlen(entry));
    lenet_copy_harmless(where, sizeof where, directory, strlen(directory));
    switch (clue) {
    case BELOW: snprintf(cause, room, "it lies in a folder of this one: --data %s/%s", where, name); break;
    case OWN_FOLDER:
        snprintf(cause, room, "each file lies in a folder of its own (%s/): move the four into one directory", name);
        break;
    case BROKEN_LINK: snprintf(cause, room, "%s is a link to what is not there", name); break;
    case UNDER_ANOTHER_NAME:
        snprintf(cause, room, "%s is the file under another name: rename it to %s%s, or make a link", name,
                 FILE_NAMES[which][0], ends(entry, ".gz") ? ".gz" : "");
        break;
    case IN_A_PACKAGE: snprintf(cause, room, "%s has not been unpacked, or not been fetched to its end", name); break;
    case RUN: snprintf(cause, room, "--data names the directory of a run or sweep instead of the data's"); break;
    case SIBLING:
        snprintf(cause, room, "an incomplete download (scripts/get_mnist.sh gets MNIST)%s",
                 which < LENET_TEST_IMAGES ? ", or a test half alone, with which lenet eval is content" : "");
        break;
    case FOREIGN_FORMAT: snprintf(cause, room, "data in another format than IDX (%s): convert it", name); break;
    case NOTHING:
        snprintf(cause, room,
                 "another directory than the data set's, or data not yet downloaded "
                 "(scripts/get_mnist.sh gets MNIST)");
        break;
    }
}

/* The first few names, as text. */
static void list_names(const char *directory, char **names, int n, char *text, size_t room) {
    enum { FEW = 6 };
    size_t used = 0;
    for (int i = 0; i < n && i < FEW; i++) {
        char name[64], path[LENET_IDX_MAX_PATH];
        lenet_copy_harmless(name, sizeof name, names[i], strlen(names[i]));
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        used += (size_t)snprintf(text + used, room - used, "%s%s%s", i ? ", " : "", name,
                                 lenet_path_is_directory(path) ? "/" : "");
    }
    if (n > FEW) snprintf(text + used, room - used, " and %d more", n - FEW);
    if (n == 0) snprintf(text, room, "nothing");
}

static enum lenet_status fail_missing(const char *directory, enum lenet_data_file which, struct lenet_error *err) {
    char **names = NULL, cause[700], list[480], below[300], best_below[300] = "";
    int all = 0, n = 0;
    enum clue best = NOTHING;
    if (lenet_directory_list(directory, "", "", &names, &all, NULL) != LENET_OK) all = 0;
    for (int i = 0; i < all; i++) {
        if (names[i][0] == '.') {
            free(names[i]);
            continue;
        }
        const enum clue clue = clue_of(directory, names[i], which, below, sizeof below);
        if (clue > best) {
            best = clue;
            strcpy(best_below, below);
        }
        names[n++] = names[i];
    }
    explain(directory, which, best, best_below, cause, sizeof cause);
    list_names(directory, names, n, list, sizeof list);
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
    return lenet_fail(err, LENET_ERR_IO, "%s/%s: not found, nor as %s, nor with .gz; likely %s; there: %s", directory,
                      FILE_NAMES[which][0], FILE_NAMES[which][1], cause, list);
}

enum lenet_status lenet_data_dir_find(const char *directory, enum lenet_data_file which, struct lenet_idx *file,
                                      struct lenet_error *err) {
    const size_t length = strlen(directory) + strlen("/train-images-idx3-ubyte.gz");
    if (length >= sizeof file->path)
        return lenet_fail(err, LENET_ERR_IO, "%.200s...: this path has %zu bytes; wanted fewer than %d", directory,
                          length, LENET_IDX_MAX_PATH);
    if (!lenet_path_exists(directory))
        return lenet_fail(err, LENET_ERR_IO,
                          "%s: no such data directory; likely a mistyped --data, or data not yet downloaded "
                          "(scripts/get_mnist.sh)",
                          directory);
    if (!lenet_path_is_directory(directory))
        return lenet_fail(err, LENET_ERR_IO,
                          "%s: a file, wanted the directory of a data set's files; likely --data names one of them",
                          directory);
    return best_candidate(directory, which, file) >= 0 ? LENET_OK : fail_missing(directory, which, err);
}
