/* data_dir.c - finds the four files of a data set by the words in their names; where one is missing, looks at what the
 * directory holds instead and says what is likely to be done. */
#include "data/data_dir.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "data/contents.h"

static const char *const FILE_NAMES[LENET_DATA_FILES] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                                         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/* ---- names -------------------------------------------------------------------------------------------- */

/* What a file's name says. */
struct role {
    int which;  /* of enum lenet_data_file    */
    int packed; /* 1: gzip                    */
    int prefix; /* bytes of what comes before */
};

int lenet_name_has(const char *name, const char *part) {
    while (*name && strncasecmp(name, part, strlen(part)) != 0) name++;
    return *name != '\0';
}

static int is_among(const char *words, const char *word) {
    char spaced[40];
    snprintf(spaced, sizeof spaced, " %s ", word);
    return strstr(words, spaced) != NULL;
}

/* Copies the next word, of letters and digits, in lower case. Returns where the name goes on; NULL at its end. */
static const char *next_word(const char *name, char word[32]) {
    size_t n = 0;
    while (*name && !isalnum((unsigned char)*name)) name++;
    if (!*name) return NULL;
    for (; isalnum((unsigned char)*name); name++)
        if (n < 31) word[n++] = (char)tolower((unsigned char)*name);
    word[n] = '\0';
    return name;
}

/* Whether a name has any words as a prefix, then a half and a kind, and then nothing but what the format is called and
 * numbers: "emnist-letters-test-images-idx3-ubyte", "TRAIN-LABELS.IDX1-UBYTE", "t10k-images-idx3-ubyte (1).gz". */
static int read_role(const char *name, struct role *role) {
    int half = -1, kind = -1;
    char word[32];
    *role = (struct role){0};
    for (const char *at = name; (at = next_word(at, word));) {
        if (half < 0 && is_among(" train training t10k test ", word))
            half = word[1] == 'r' ? LENET_TRAIN_IMAGES : LENET_TEST_IMAGES;
        else if (half < 0)
            role->prefix = (int)(at - name);
        else if (kind < 0 && is_among(" image images label labels ", word))
            kind = word[0] == 'l';
        else if (kind < 0 || !(is_among(" idx idx1 idx2 idx3 ubyte int gz ", word) || isdigit((unsigned char)word[0])))
            return 0;
        role->packed |= strcmp(word, "gz") == 0;
    }
    role->which = half + kind;
    return half >= 0 && kind >= 0 && role->prefix < LENET_DATA_PREFIX;
}

/* ---- the files of a folder ------------------------------------------------------------------------------ */

static int join(char path[LENET_IDX_MAX_PATH], const char *directory, const char *name) {
    const int length = snprintf(path, LENET_IDX_MAX_PATH, "%s/%s", directory, name);
    return length > 0 && length < LENET_IDX_MAX_PATH;
}

typedef enum lenet_status take_name(void *self, const char *directory, const char *name, struct lenet_error *err);

/* Calls take for the name of each entry that is not hidden, until it fails. What is no directory has none. */
static enum lenet_status each_name(const char *directory, take_name *take, void *self, struct lenet_error *err) {
    enum lenet_path is;
    char **names;
    int n;
    LENET_TRY(lenet_path_look(directory, &is, err));
    if (is != LENET_DIRECTORY) return LENET_OK;
    LENET_TRY(lenet_directory_list(directory, "", "", &names, &n, err));
    enum lenet_status status = LENET_OK;
    for (int i = 0; i < n; i++) {
        if (names[i][0] != '.' && status == LENET_OK) status = take(self, directory, names[i], err);
        free(names[i]);
    }
    free(names);
    return status;
}

/* A file whose name has a role. */
struct candidate {
    struct role role;
    int empty;
    const char *name; /* the path's last part */
    char path[LENET_IDX_MAX_PATH];
};

struct walk {
    void (*take)(void *self, const struct candidate *candidate);
    void *self;
    int inside; /* 1: in a folder with the name of a file, which some programs make of an archive's file */
};

static enum lenet_status visit(void *self, const char *directory, const char *name, struct lenet_error *err) {
    const struct walk *walk = self;
    struct walk inside = {walk->take, walk->self, 1};
    struct candidate found = {.name = name};
    enum lenet_path is;
    if (!read_role(name, &found.role) || !join(found.path, directory, name)) return LENET_OK;
    LENET_TRY(lenet_path_look(found.path, &is, err));
    if (is == LENET_DIRECTORY) return walk->inside ? LENET_OK : each_name(found.path, visit, &inside, err);
    if (is == LENET_NOTHING) return LENET_OK; /* a link that leads nowhere */
    LENET_TRY(lenet_path_is_empty(found.path, &found.empty, err));
    walk->take(walk->self, &found);
    return LENET_OK;
}

static enum lenet_status each_candidate(const char *directory,
                                        void (*take)(void *self, const struct candidate *candidate), void *self,
                                        struct lenet_error *err) {
    struct walk walk = {take, self, 0};
    return each_name(directory, visit, &walk, err);
}

/* ---- the file of a role --------------------------------------------------------------------------------- */

struct search {
    const struct lenet_data_dir *dir;
    enum lenet_data_file which;
    int found;
    struct candidate best;
};

static int is_wanted(const struct search *search, const struct candidate *c) {
    const size_t length = strlen(search->dir->prefix);
    return c->role.which == (int)search->which && (size_t)c->role.prefix == length &&
           strncasecmp(c->name, search->dir->prefix, length) == 0;
}

/* A file that is not empty goes before one that is, then a shorter name before a longer one: raw before .gz. */
static int is_better(const struct candidate *a, const struct candidate *b) {
    const size_t length = strlen(a->path), other = strlen(b->path);
    if (a->empty != b->empty) return b->empty;
    return length != other ? length < other : strcasecmp(a->path, b->path) < 0;
}

static void take_best(void *self, const struct candidate *candidate) {
    struct search *search = self;
    if (!is_wanted(search, candidate) || (search->found && !is_better(candidate, &search->best))) return;
    search->best = *candidate;
    search->found = 1;
}

enum lenet_status lenet_data_dir_has(const struct lenet_data_dir *dir, enum lenet_data_file which, int *has,
                                     struct lenet_error *err) {
    struct search search = {.dir = dir, .which = which};
    const enum lenet_status status = each_candidate(dir->path, take_best, &search, err);
    *has = search.found;
    return status;
}

/* Takes another file of this role than the best one. */
static void take_other(void *self, const struct candidate *candidate) {
    struct search *search = self;
    if (search->found || candidate->empty || !is_wanted(search, candidate)) return;
    search->found = strcmp(candidate->path, search->best.path) != 0;
    if (search->found) search->best = *candidate;
}

void lenet_data_dir_note_others(const struct lenet_data_dir *dir, enum lenet_data_file which,
                                const struct lenet_idx *file, struct lenet_error *err) {
    struct search search = {.dir = dir, .which = which};
    if (!err) return;
    strcpy(search.best.path, file->path);
    if (each_candidate(dir->path, take_other, &search, NULL) != LENET_OK) return; /* it is only a hint */
    const size_t used = strlen(err->text);
    if (search.found)
        snprintf(err->text + used, sizeof err->text - used, "; %s is there, too: remove the bad file to have it read",
                 search.best.path + strlen(dir->path) + 1);
}

/* ---- where the files lie ---------------------------------------------------------------------------------- */

enum { MOST_PREFIXES = 8 };

/* What the names in a directory begin with. */
struct prefixes {
    int n, plain; /* different ones; 1: some begin with nothing */
    char text[MOST_PREFIXES][LENET_DATA_PREFIX];
};

static void take_prefix(void *self, const struct candidate *c) {
    struct prefixes *all = self;
    char prefix[LENET_DATA_PREFIX];
    snprintf(prefix, sizeof prefix, "%.*s", c->role.prefix, c->name);
    all->plain |= !prefix[0];
    for (int i = 0; i < all->n; i++)
        if (strcasecmp(all->text[i], prefix) == 0) return;
    if (all->n < MOST_PREFIXES) strcpy(all->text[all->n++], prefix);
}

static enum lenet_status find_prefixes(const char *directory, struct prefixes *all, struct lenet_error *err) {
    *all = (struct prefixes){.n = 0};
    return each_candidate(directory, take_prefix, all, err);
}

/* "emnist-balanced, emnist-letters" */
static const char *list_prefixes(const struct prefixes *all, char *text, size_t room) {
    size_t used = 0;
    for (int i = 0; i < all->n; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%s", i ? ", " : "", all->text[i]);
    return text;
}

/* The functions below succeed, with *found = 0 and the reason in *err, where there is no data set, or more than one. */

/* Of several data sets in one directory, the one without a prefix is meant. */
static enum lenet_status choose_prefix(struct lenet_data_dir *dir, int *found, struct lenet_error *err) {
    struct prefixes all;
    char list[MOST_PREFIXES * LENET_DATA_PREFIX];
    LENET_TRY(find_prefixes(dir->path, &all, err));
    if (all.n == 1 && !all.plain) strcpy(dir->prefix, all.text[0]);
    *found = all.n <= 1 || all.plain;
    if (*found) return LENET_OK;
    return lenet_fail(err, LENET_OK, "%.400s: files of several data sets, %s; choose one by its name: --data %.400s/%s",
                      dir->path, list_prefixes(&all, list, sizeof list), dir->path, all.text[0]);
}

/* Folders with a data set. */
struct folders {
    int n;
    char first[LENET_IDX_MAX_PATH], list[400];
};

static enum lenet_status take_folder(void *self, const char *directory, const char *name, struct lenet_error *err) {
    static const char *const below[] = {"", "/raw", "/MNIST/raw"};
    struct folders *folders = self;
    char folder[LENET_IDX_MAX_PATH], path[LENET_IDX_MAX_PATH];
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        const size_t used = strlen(folders->list);
        snprintf(folder, sizeof folder, "%s%s", name, below[i]);
        struct prefixes all;
        if (!join(path, directory, folder)) continue;
        LENET_TRY(find_prefixes(path, &all, err));
        if (all.n == 0) continue;
        if (folders->n++ == 0) strcpy(folders->first, path);
        snprintf(folders->list + used, sizeof folders->list - used, "%s%.60s", used ? ", " : "", folder);
    }
    return LENET_OK;
}

/* Goes down into the only folder with a data set, where the directory itself has none. */
static enum lenet_status go_below(struct lenet_data_dir *dir, int *found, struct lenet_error *err) {
    struct folders folders = {.n = 0};
    struct prefixes all;
    LENET_TRY(find_prefixes(dir->path, &all, err));
    if (all.n) return LENET_OK;
    LENET_TRY(each_name(dir->path, take_folder, &folders, err));
    *found = folders.n <= 1;
    if (!*found)
        return lenet_fail(err, LENET_OK, "%.400s: %d folders with a data set, %s; choose one: --data %.400s", dir->path,
                          folders.n, folders.list, folders.first);
    if (folders.n) strcpy(dir->path, folders.first);
    return LENET_OK;
}

/* DIRECTORY/PREFIX, which is no directory. */
static enum lenet_status open_prefix(const char *where, struct lenet_data_dir *dir, int *found,
                                     struct lenet_error *err) {
    const char *slash = strrchr(where, '/'), *name = slash ? slash + 1 : where;
    char list[MOST_PREFIXES * LENET_DATA_PREFIX];
    size_t length = strlen(name);
    if (slash)
        snprintf(dir->path, sizeof dir->path, "%.*s", slash > where ? (int)(slash - where) : 1, where);
    else
        strcpy(dir->path, ".");
    while (length && !isalnum((unsigned char)name[length - 1])) length--;
    struct prefixes all;
    LENET_TRY(find_prefixes(dir->path, &all, err));
    for (int i = 0; i < all.n && length; i++)
        if (strlen(all.text[i]) == length && strncasecmp(all.text[i], name, length) == 0) {
            strcpy(dir->prefix, all.text[i]);
            *found = 1;
            return LENET_OK;
        }
    *found = 0;
    if (all.n > all.plain)
        return lenet_fail(err, LENET_OK, "%.400s: no such data set; the names in %.400s begin with %s", where,
                          dir->path, list_prefixes(&all, list, sizeof list));
    return lenet_fail(err, LENET_OK,
                      "%s: no such data directory; likely a mistyped --data or LENET_DATA, or data not yet "
                      "downloaded (scripts/get_mnist.sh)",
                      where);
}

enum lenet_status lenet_data_dir_look(const char *where, struct lenet_data_dir *dir, int *found,
                                      struct lenet_error *err) {
    enum lenet_path is;
    *dir = (struct lenet_data_dir){.prefix = ""};
    *found = 0;
    const size_t length = strlen(where) + strlen("/train-images-idx3-ubyte.gz");
    if (length >= sizeof dir->path)
        return lenet_fail(err, LENET_OK, "%.200s...: this path has %zu bytes; wanted fewer than %d", where, length,
                          LENET_IDX_MAX_PATH);
    LENET_TRY(lenet_path_look(where, &is, err));
    if (is == LENET_NOTHING) return open_prefix(where, dir, found, err);
    if (is == LENET_FILE)
        return lenet_fail(err, LENET_OK,
                          "%s: a file, wanted the directory of a data set's files; likely --data names one of them",
                          where);
    strcpy(dir->path, where);
    *found = 1;
    LENET_TRY(go_below(dir, found, err));
    return *found ? choose_prefix(dir, found, err) : LENET_OK;
}

enum lenet_status lenet_data_dir_open(const char *where, struct lenet_data_dir *dir, struct lenet_error *err) {
    int found;
    LENET_TRY(lenet_data_dir_look(where, dir, &found, err));
    return found ? LENET_OK : LENET_ERR_IO;
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

/* Whether the words of a role are anywhere in a name: "my_train_images_v2". */
static int has_words(const char *name, enum lenet_data_file which) {
    const int images = which == LENET_TRAIN_IMAGES || which == LENET_TEST_IMAGES;
    if (!lenet_name_has(name, images ? "image" : "label")) return 0;
    if (which < LENET_TEST_IMAGES) return lenet_name_has(name, "train");
    return lenet_name_has(name, "test") || lenet_name_has(name, "t10k");
}

/* What one entry tells about the missing file, the most telling with the highest number; 0: nothing. */
enum clue { NOTHING, FOREIGN_FORMAT, SIBLING, RUN, IN_A_PACKAGE, UNDER_ANOTHER_NAME, BROKEN_LINK };

enum { FEW = 6 };

/* What lies in a directory. */
struct contents {
    enum lenet_data_file which; /* that is missing */
    enum clue clue;
    char entry[256]; /* the one with the most telling clue */
    int n;
    char list[480]; /* the first few names */
};

static enum clue clue_of(enum lenet_path is, const char *name, enum lenet_data_file which) {
    const int likely = has_words(name, which);
    struct role role;
    if (is == LENET_DIRECTORY) return NOTHING;
    if (likely && is == LENET_NOTHING) return BROKEN_LINK;
    if (ends_in_one_of(name, PACKED)) return IN_A_PACKAGE;
    if (strcmp(name, "run.json") == 0 || strcmp(name, "sweep.json") == 0) return RUN;
    if (ends_in_one_of(name, EXPORTS)) return FOREIGN_FORMAT;
    if (likely && !read_role(name, &role)) return UNDER_ANOTHER_NAME; /* otherwise another data set's */
    return lenet_name_has(name, "ubyte") ? SIBLING : NOTHING;
}

static enum lenet_status take_clue(void *self, const char *directory, const char *name, struct lenet_error *err) {
    struct contents *found = self;
    char path[LENET_IDX_MAX_PATH], harmless[64];
    enum lenet_path is;
    if (!join(path, directory, name)) return LENET_OK;
    LENET_TRY(lenet_path_look(path, &is, err));
    const enum clue clue = clue_of(is, name, found->which);
    if (clue > found->clue) {
        found->clue = clue;
        lenet_copy_harmless(found->entry, 160, name, strlen(name));
    }
    if (found->n++ >= FEW) return LENET_OK;
    lenet_copy_harmless(harmless, sizeof harmless, name, strlen(name));
    const size_t used = strlen(found->list);
    snprintf(found->list + used, sizeof found->list - used, "%s%s%s", used ? ", " : "", harmless,
             is == LENET_DIRECTORY ? "/" : "");
    return LENET_OK;
}

/* The likely cause, from the entry with the most telling clue. */
static void explain(const struct contents *found, char *cause, size_t room) {
    const char *name = found->entry;
    switch (found->clue) {
    case BROKEN_LINK: snprintf(cause, room, "%s is a link to what is not there", name); break;
    case UNDER_ANOTHER_NAME:
        snprintf(cause, room, "%s is the file under another name: rename it to %s%s, or make a link", name,
                 FILE_NAMES[found->which], ends(name, ".gz") ? ".gz" : "");
        break;
    case IN_A_PACKAGE: snprintf(cause, room, "%s has not been unpacked, or not been fetched to its end", name); break;
    case RUN: snprintf(cause, room, "--data names the directory of a run or sweep instead of the data's"); break;
    case SIBLING:
        snprintf(cause, room, "an incomplete download (scripts/get_mnist.sh gets MNIST)%s",
                 found->which < LENET_TEST_IMAGES ? ", or a test half alone, with which lenet eval is content" : "");
        break;
    case FOREIGN_FORMAT:
        snprintf(cause, room, "data in another format than IDX (%s): scripts/to_idx.py converts it", name);
        break;
    case NOTHING:
        snprintf(cause, room,
                 "another directory than the data set's, or data not yet downloaded "
                 "(scripts/get_mnist.sh gets MNIST)");
        break;
    }
}

enum lenet_status lenet_data_dir_find(const struct lenet_data_dir *dir, enum lenet_data_file which,
                                      struct lenet_idx *file, struct lenet_error *err) {
    struct search search = {.dir = dir, .which = which};
    struct contents there = {.which = which};
    char cause[400], more[32] = "";
    LENET_TRY(each_candidate(dir->path, take_best, &search, err));
    if (search.found) {
        strcpy(file->path, search.best.path);
        file->packed = search.best.role.packed;
        return LENET_OK;
    }
    LENET_TRY(each_name(dir->path, take_clue, &there, err));
    explain(&there, cause, sizeof cause);
    if (there.n > FEW) snprintf(more, sizeof more, " and %d more", there.n - FEW);
    return lenet_fail(err, LENET_ERR_IO,
                      "%.400s/%s%s%s: not found, nor under a like name, nor with .gz; likely %s; there: %s%s",
                      dir->path, dir->prefix, dir->prefix[0] ? "-" : "", FILE_NAMES[which], cause,
                      there.n ? there.list : "nothing", more);
}
