/* json.c - the one place that calls cJSON: it looks at the result of every call, prints numbers so that they read back
 * the same, writes whole JSON files, and reads files of JSON lines. */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"

void lenet_real_text(double value, char text[32]) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

size_t lenet_utf8_length(const char *character, size_t size) {
    const unsigned char *text = (const unsigned char *)character;
    const unsigned char first = text[0], second = size > 1 ? text[1] : 0;
    const size_t length = first < 0x80   ? 1
                          : first < 0xC2 ? 0
                          : first < 0xE0 ? 2
                          : first < 0xF0 ? 3
                          : first < 0xF5 ? 4
                                         : 0;
    if (length > size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0)) return 0;
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90)) return 0;
    return length;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

/* Takes the item, whatever happens: NULL, without memory, breaks the value. */
static void add(struct lenet_json *json, const char *name, cJSON *item) {
    cJSON *into = json->depth > 0 && json->depth <= LENET_JSON_DEPTH ? json->open[json->depth - 1] : NULL;
    if (item && !json->is_broken && into &&
        (name ? cJSON_AddItemToObject(into, name, item) : cJSON_AddItemToArray(into, item)))
        return;
    cJSON_Delete(item);
    json->is_broken = 1;
}

static void open_container(struct lenet_json *json, const char *name, cJSON *item) {
    if (json->whole || !item)
        add(json, name, item);
    else
        json->whole = item;
    if (json->depth < LENET_JSON_DEPTH) json->open[json->depth] = item;
    json->depth++;
}

void lenet_json_open_object(struct lenet_json *json, const char *name) {
    open_container(json, name, cJSON_CreateObject());
}

void lenet_json_open_array(struct lenet_json *json, const char *name) {
    open_container(json, name, cJSON_CreateArray());
}

void lenet_json_close(struct lenet_json *json) { json->depth--; }

void lenet_json_add_null(struct lenet_json *json, const char *name) { add(json, name, cJSON_CreateNull()); }

void lenet_json_add_bool(struct lenet_json *json, const char *name, int value) {
    add(json, name, cJSON_CreateBool(value));
}

void lenet_json_add_string(struct lenet_json *json, const char *name, const char *value) {
    add(json, name, cJSON_CreateString(value));
}

void lenet_json_add_text(struct lenet_json *json, const char *name, const char *value) {
    static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
    const size_t size = strlen(value);
    char *utf8 = calloc(3 * size + 1, 1), *to = utf8; /* each byte may become one of those */
    for (size_t i = 0, n; utf8 && i < size; i += n ? n : 1) {
        n = lenet_utf8_length(value + i, size - i);
        memcpy(to, n ? value + i : replacement, n ? n : 3);
        to += n ? n : 3;
    }
    add(json, name, utf8 ? cJSON_CreateString(utf8) : NULL);
    free(utf8);
}

static int is_utf8(const char *text) {
    const size_t size = strlen(text);
    size_t i = 0, n = 1;
    for (; i < size && n; i += n) n = lenet_utf8_length(text + i, size - i);
    return n != 0;
}

void lenet_json_add_path(struct lenet_json *json, const char *name, const char *value) {
    const size_t size = strlen(value);
    char key[64];
    lenet_json_add_text(json, name, value);
    if (is_utf8(value)) return;
    char *bytes = malloc(2 * size + 1);
    for (size_t i = 0; i < size && bytes; i++) snprintf(bytes + 2 * i, 3, "%02x", (unsigned char)value[i]);
    snprintf(key, sizeof key, "%s_bytes", name);
    add(json, key, bytes ? cJSON_CreateString(bytes) : NULL);
    free(bytes);
}

void lenet_json_add_number(struct lenet_json *json, const char *name, double value) {
    add(json, name, cJSON_CreateNumber(value));
}

void lenet_json_add_real(struct lenet_json *json, const char *name, double value) {
    char text[32] = "null";
    if (isfinite(value)) lenet_real_text(value, text);
    lenet_json_add_raw(json, name, text);
}

void lenet_json_add_raw(struct lenet_json *json, const char *name, const char *value) {
    add(json, name, cJSON_CreateRaw(value));
}

void lenet_json_add_all(struct lenet_json *json, const cJSON *object) {
    for (const cJSON *item = lenet_json_first(object); item; item = item->next)
        add(json, item->string, cJSON_Duplicate(item, 1));
}

void lenet_json_add_ints(struct lenet_json *json, const char *name, const int *values, int n) {
    add(json, name, cJSON_CreateIntArray(values, n));
}

void lenet_json_drop(struct lenet_json *json) {
    cJSON_Delete(json->whole);
    *json = (struct lenet_json){.whole = NULL};
}

enum lenet_status lenet_json_print(struct lenet_json *json, enum lenet_json_form form, char **text,
                                   struct lenet_error *err) {
    const int is_whole = json->whole && !json->is_broken && json->depth <= 1;
    *text = !is_whole ? NULL : form == LENET_JSON_LINE ? cJSON_PrintUnformatted(json->whole) : cJSON_Print(json->whole);
    lenet_json_drop(json);
    return *text ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}

enum lenet_status lenet_json_write(const char *path, struct lenet_json *json, struct lenet_error *err) {
    char *text;
    LENET_TRY(lenet_json_print(json, LENET_JSON_INDENTED, &text, err));
    const enum lenet_status status = lenet_file_replace(path, text, strlen(text), err);
    free(text);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

/* A value takes 80 bytes of memory or more, and may take two in the text. Commas in strings are counted, too. */
static int has_too_many_values(const char *text, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return count > LENET_JSON_MOST_VALUES;
}

/* cJSON says of neither why it has failed; the errno of malloc does. */
enum lenet_status lenet_json_parse(const char *where, const char *text, size_t size, size_t *used, cJSON **json,
                                   struct lenet_error *err) {
    const char *end = text;
    *json = NULL;
    if (used) *used = 0;
    if (has_too_many_values(text, size))
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: JSON of more than %d values; damaged?", where,
                          LENET_JSON_MOST_VALUES);
    errno = 0;
    *json = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    if (used) *used = (size_t)(end - text);
    if (*json) return LENET_OK;
    if (errno == ENOMEM) return lenet_fail(err, LENET_ERR_MEMORY, "%s: out of memory", where);
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: not JSON from byte %td on; damaged?", where, end - text);
}

void lenet_json_free(cJSON *json) { cJSON_Delete(json); }

int lenet_json_is_object(const cJSON *value) { return cJSON_IsObject(value); }

int lenet_json_is_array(const cJSON *value) { return cJSON_IsArray(value); }

int lenet_json_is_null(const cJSON *value) { return cJSON_IsNull(value); }

int lenet_json_is_true(const cJSON *value) { return cJSON_IsTrue(value); }

int lenet_json_number(const cJSON *value, double *number) {
    if (cJSON_IsNumber(value)) *number = value->valuedouble;
    return cJSON_IsNumber(value);
}

const char *lenet_json_string(const cJSON *value) { return cJSON_GetStringValue(value); }

const cJSON *lenet_json_get(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *lenet_json_text(const cJSON *object, const char *name) {
    return lenet_json_string(lenet_json_get(object, name));
}

int lenet_json_path(const cJSON *object, const char *name, char *path, size_t size) {
    char key[64], digits[3] = "";
    snprintf(key, sizeof key, "%s_bytes", name);
    const char *bytes = lenet_json_text(object, key), *text = lenet_json_text(object, name);
    const size_t length = bytes ? strlen(bytes) / 2 : text ? strlen(text) : size;
    if (length >= size) return 0;
    if (!bytes) return memcpy(path, text, length + 1) != NULL;
    if (strlen(bytes) % 2 || bytes[strspn(bytes, "0123456789abcdef")]) return 0;
    for (size_t i = 0; i < length; i++) path[i] = (char)strtol(memcpy(digits, bytes + 2 * i, 2), NULL, 16);
    path[length] = 0;
    return 1;
}

int lenet_json_count(const cJSON *container) { return cJSON_GetArraySize(container); }

const cJSON *lenet_json_at(const cJSON *array, int place) { return cJSON_GetArrayItem(array, place); }

const cJSON *lenet_json_first(const cJSON *container) { return container ? container->child : NULL; }

const cJSON *lenet_json_next(const cJSON *value) { return value->next; }

const char *lenet_json_name(const cJSON *value) { return value->string; }

char *lenet_json_line_of(const cJSON *value) { return cJSON_PrintUnformatted(value); }

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next line's text without the spaces around it. */
static size_t trim(const char **line, size_t length) {
    while (length && is_space((*line)[length - 1])) length--;
    for (; length && is_space(**line); length--) ++*line;
    return length;
}

static enum lenet_status take_line(const char *text, size_t length, struct lenet_json_line *line, lenet_take_line *take,
                                   void *self, struct lenet_error *err) {
    cJSON *json;
    size_t used;
    const enum lenet_status parsed = lenet_json_parse(line->where, text, length, &used, &json, err);
    if (parsed == LENET_ERR_MEMORY) return parsed;
    line->json = json;
    const enum lenet_status status =
        cJSON_IsObject(json) && used == length && !memchr(text, 0, length) /* which cJSON takes for a space */
            ? take(self, line, err)
            : lenet_fail(err, LENET_ERR_FORMAT,
                         "%s: not a JSON object on a line of its own; damaged, or edited by hand?", line->where);
    cJSON_Delete(json);
    return status;
}

/* Lines of a file, of which no more than one is in memory, and what was read with it. */
struct lines {
    struct lenet_input input;
    size_t at, begin; /* of the next line, in what is in memory and in the file */
    size_t most;      /* bytes of a line                                       */
};

static enum lenet_status read_on(struct lines *lines, struct lenet_error *err) {
    enum { CHUNK = 1 << 16 };
    lenet_input_drop(&lines->input, lines->at);
    lines->at = 0;
    return lenet_input_read(&lines->input, 2 * lines->input.used + CHUNK, err);
}

/* The length of the next line, once it is in memory, and a byte that follows, if any does: the last one may be torn,
 * for which it is -1. */
static enum lenet_status next_line(struct lines *lines, ptrdiff_t *length, struct lenet_error *err) {
    for (;;) {
        const size_t there = lines->input.used - lines->at;
        const char *text = lines->input.bytes + lines->at, *end = there ? memchr(text, '\n', there) : NULL;
        *length = end ? end - text : -1;
        if (end && end + 1 < text + there) return LENET_OK;
        if (there > lines->most)
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: a line of more than %zu bytes from byte %zu on; another file?", lines->input.path,
                              lines->most, lines->begin);
        LENET_TRY(read_on(lines, err));
        if (lines->input.used > there) continue;
        if (end && memchr(lines->input.bytes, 0, (size_t)*length)) *length = -1;
        return LENET_OK;
    }
}

static enum lenet_status take_lines(struct lines *lines, lenet_take_line *take, void *self, size_t *torn,
                                    struct lenet_error *err) {
    char where[1100];
    ptrdiff_t length;
    LENET_TRY(read_on(lines, err));
    for (size_t number = 1;; number++) {
        LENET_TRY(next_line(lines, &length, err));
        if (length < 0) break;
        const char *line = lines->input.bytes + lines->at;
        struct lenet_json_line found = {.where = where, .begin = lines->begin};
        const size_t trimmed = trim(&line, (size_t)length);
        snprintf(where, sizeof where, "%s line %zu", lines->input.path, number);
        if (trimmed) LENET_TRY(take_line(line, trimmed, &found, take, self, err));
        lines->at += (size_t)length + 1;
        lines->begin += (size_t)length + 1;
    }
    *torn = lines->at < lines->input.used ? lines->begin : SIZE_MAX;
    return LENET_OK;
}

enum lenet_status lenet_json_lines(const char *path, size_t most, lenet_take_line *take, void *self, size_t *torn,
                                   struct lenet_error *err) {
    struct lines lines = {.most = most};
    enum lenet_status status = lenet_input_open(path, &lines.input, err);
    if (status == LENET_OK) status = take_lines(&lines, take, self, torn, err);
    lenet_input_close(&lines.input);
    free(lines.input.bytes);
    return status;
}
