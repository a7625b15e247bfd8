/* json.c - prints numbers so that they read back the same, writes whole JSON files, and reads files of JSON lines. */
#include "base/json.h"

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

cJSON *lenet_json_real(double value) {
    char text[32] = "null";
    if (isfinite(value)) lenet_real_text(value, text);
    return cJSON_CreateRaw(text);
}

void lenet_json_add_real(cJSON *object, const char *name, double value) {
    cJSON_AddItemToObject(object, name, lenet_json_real(value));
}

const char *lenet_json_text(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
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

void lenet_json_add_text(cJSON *object, const char *name, const char *text) {
    static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
    const size_t size = strlen(text);
    char *utf8 = calloc(3 * size + 1, 1), *to = utf8; /* each byte may become one of those */
    for (size_t i = 0, n; utf8 && i < size; i += n ? n : 1) {
        n = lenet_utf8_length(text + i, size - i);
        memcpy(to, n ? text + i : replacement, n ? n : 3);
        to += n ? n : 3;
    }
    cJSON_AddStringToObject(object, name, utf8 ? utf8 : "");
    free(utf8);
}

enum lenet_status lenet_json_write(const char *path, cJSON *json, struct lenet_error *err) {
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    const enum lenet_status status =
        text ? lenet_file_replace(path, text, strlen(text), err) : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    free(text);
    return status;
}

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next line's text without the spaces around it. */
static size_t trim(const char **line, size_t length) {
    while (length && is_space((*line)[length - 1])) length--;
    for (; length && is_space(**line); length--) ++*line;
    return length;
}

static enum lenet_status take_line(const char *text, size_t length, struct lenet_json_line *line, lenet_take_line *take,
                                   void *self, struct lenet_error *err) {
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    line->json = json;
    const enum lenet_status status =
        cJSON_IsObject(json) && end == text + length && !memchr(text, 0, length) /* which cJSON takes for a space */
            ? take(self, line, err)
            : lenet_fail(err, LENET_ERR_FORMAT,
                         "%s: not a JSON object on a line of its own; damaged, or edited by hand?", line->where);
    cJSON_Delete(json);
    return status;
}

/* The length of the line that begins there; -1 for a torn one. */
static ptrdiff_t line_length(const char *line, size_t left) {
    const char *end = memchr(line, '\n', left);
    if (!end) return -1;
    const size_t length = (size_t)(end - line);
    return length + 1 == left && memchr(line, 0, length) ? -1 : (ptrdiff_t)length;
}

static enum lenet_status take_lines(const char *path, const char *text, size_t size, lenet_take_line *take, void *self,
                                    size_t *torn, struct lenet_error *err) {
    char where[1100];
    ptrdiff_t length;
    size_t whole = 0; /* bytes up to the last line's end */
    for (size_t number = 1; whole < size; number++) {
        const char *line = text + whole;
        if ((length = line_length(line, size - whole)) < 0) break;
        struct lenet_json_line found = {.where = where, .begin = whole};
        const size_t trimmed = trim(&line, (size_t)length);
        snprintf(where, sizeof where, "%s line %zu", path, number);
        if (trimmed) LENET_TRY(take_line(line, trimmed, &found, take, self, err));
        whole += (size_t)length + 1;
    }
    *torn = whole < size ? whole : SIZE_MAX;
    return LENET_OK;
}

enum lenet_status lenet_json_lines(const char *path, lenet_take_line *take, void *self, size_t *torn,
                                   struct lenet_error *err) {
    char *text;
    size_t size;
    LENET_TRY(lenet_file_read(path, &text, &size, err));
    const enum lenet_status status = take_lines(path, text, size, take, self, torn, err);
    free(text);
    return status;
}
