/* class_names.c - reads the names of classes, and says why a text has none. */
#include "data/class_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "data/contents.h"

enum { MOST_BYTES = LENET_MAX_CLASSES * (LENET_CLASS_NAME + 4) };

/* What makes a line no name, or NULL. */
static const char *fault_of(const char *line, size_t length) {
    if (length == 0) return "empty";
    if (length >= LENET_CLASS_NAME) return "a longer text";
    for (size_t i = 0, n; i < length; i += n) {
        const unsigned char *text = (const unsigned char *)line + i;
        if (*text < ' ' || *text == 127 || (*text == 0xC2 && length - i > 1 && text[1] < 0xA0))
            return "a control character, such as a tab";
        if ((n = lenet_utf8_length(line + i, length - i)) == 0) return "another encoding than UTF-8";
    }
    return NULL;
}

enum lenet_status lenet_class_names_parse(const char *path, const char *text, size_t size,
                                          struct lenet_class_names *names, struct lenet_error *err) {
    static const char mark[] = "\xef\xbb\xbf";
    *names = (struct lenet_class_names){0};
    size_t at = 0;
    while (size - at >= 3 && memcmp(text + at, mark, 3) == 0)
        at += 3; /* all of them, so that what is kept reads back */
    while (size > at && strchr("\r\n ", text[size - 1]) && text[size - 1]) size--;
    for (int line = 1; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        const size_t next = at + length + 1;
        if (length && text[at + length - 1] == '\r') length--;
        const char *fault = line > LENET_MAX_CLASSES ? "one class too many" : fault_of(text + at, length);
        if (fault)
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: line %d is %s; wanted a name of 1 to %d bytes in UTF-8 for each of at most %d "
                              "classes, in the order of their labels; likely another file",
                              path, line, fault, LENET_CLASS_NAME - 1, LENET_MAX_CLASSES);
        memcpy(names->text[names->count++], text + at, length);
        at = next;
    }
    return LENET_OK;
}

static enum lenet_status read_names(const char *path, struct lenet_class_names *names, struct lenet_error *err) {
    char *text;
    size_t size;
    _Static_assert(LENET_MAX_CLASSES == 62, "the message says so");
    LENET_TRY(lenet_file_read(path, "a text with the names of 62 classes", MOST_BYTES, &text, &size, err));
    const enum lenet_status status = lenet_class_names_parse(path, text, size, names, err);
    free(text);
    return status;
}

enum lenet_status lenet_class_names_find(const struct lenet_data_dir *dir, int classes, int more_allowed,
                                         struct lenet_class_names *names, struct lenet_error *err) {
    char path[LENET_IDX_MAX_PATH + LENET_DATA_PREFIX + 16];
    names->count = 0;
    snprintf(path, sizeof path, "%s/%s-classes.txt", dir->path, dir->prefix);
    enum lenet_path is = LENET_NOTHING;
    if (dir->prefix[0]) LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING) snprintf(path, sizeof path, "%s/classes.txt", dir->path);
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_NOTHING) return LENET_OK;
    LENET_TRY(read_names(path, names, err));
    if (names->count == classes || (more_allowed && names->count > classes)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: names %d class%s, the labels have %d; likely another data set's file%s", path, names->count,
                      names->count == 1 ? "" : "es", classes,
                      names->count == classes - 1 ? ", or labels that begin at 1: --first-label 1" : "");
}

char *lenet_class_names_text(const struct lenet_class_names *names) {
    char *text = calloc(LENET_MAX_CLASSES, LENET_CLASS_NAME);
    for (int c = 0; text && c < names->count; c++) {
        if (c) strcat(text, "\n");
        strcat(text, names->text[c]);
    }
    return text;
}
