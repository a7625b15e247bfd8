/* json.h - what cJSON leaves to be done: numbers that come back to the last bit, whole files, and files of one object a
 * line. */
#ifndef LENET_BASE_JSON_H
#define LENET_BASE_JSON_H
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The shortest text that strtod reads back as this finite value; at most 31 characters. */
void lenet_real_text(double value, char text[32]);

/* A number; null where it is NaN or infinite. (cJSON's own numbers keep 15 digits, near enough for it.) */
cJSON *lenet_json_real(double value);
void lenet_json_add_real(cJSON *object, const char *name, double value);
/* Bytes of the UTF-8 character at the beginning of a text; 0 where there is none. Source: RFC 3629, section 4. */
size_t lenet_utf8_length(const char *character, size_t size);
/* A text that may be in another encoding than UTF-8, such as a file's name: JSON has U+FFFD in place of it. */
cJSON *lenet_json_string(const char *text);
void lenet_json_add_text(cJSON *object, const char *name, const char *text);
/* Adds a path likewise; where it is not UTF-8, NAME_bytes has it as it is, in hexadecimal. */
void lenet_json_add_path(cJSON *object, const char *name, const char *path);

/* Copies the path of this name. Returns 0 where there is none of fewer than so many bytes. */
int lenet_json_path(const cJSON *object, const char *name, char *path, size_t size);

/* The string of this name in an object; NULL where there is none. */
const char *lenet_json_text(const cJSON *object, const char *name);

/* Replaces path by the text of *json, as lenet_file_replace does, and deletes it whatever happens. */
enum lenet_status lenet_json_write(const char *path, cJSON *json, struct lenet_error *err);

/* A line of a file of JSON lines. */
struct lenet_json_line {
    const char *where; /* "runs.jsonl line 3", for messages        */
    size_t begin;      /* of the line, in bytes of the file        */
    const cJSON *json; /* an object                                */
};

/* Calls take(self, line) for each line of a file, of at most so many bytes, until it fails. Lines may end in CRLF and
 * be blank. A last line that has no end, or zero bytes in it, is torn: it is being written, or its writer was killed,
 * or the power failed; it is not read, and *torn becomes the bytes before it, else SIZE_MAX. LENET_ERR_FORMAT, naming
 * file and line, where any other line is no JSON object, or longer. */
typedef enum lenet_status lenet_take_line(void *self, const struct lenet_json_line *line, struct lenet_error *err);
enum lenet_status lenet_json_lines(const char *path, size_t most, lenet_take_line *take, void *self, size_t *torn,
                                   struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
