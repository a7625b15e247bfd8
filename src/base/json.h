/* json.h - JSON, written and read so that a failed allocation cannot be overlooked: an incomplete text is never
 * printed, and a text that could not be read for memory is not taken for a damaged one. Nothing but json.c calls cJSON.
 */
#ifndef LENET_BASE_JSON_H
#define LENET_BASE_JSON_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

struct cJSON; /* a value that was read */

/* The shortest text that strtod reads back as this finite value; at most 31 characters. */
void lenet_real_text(double value, char text[32]);

/* Bytes of the UTF-8 character at the beginning of a text; 0 where there is none. Source: RFC 3629, section 4. */
size_t lenet_utf8_length(const char *character, size_t size);

/* ---- writing --------------------------------------------------------------------------------------------- */

enum { LENET_JSON_DEPTH = 8 };

/* A value that is being made: {0} at first. Where memory runs out it is broken, and takes in nothing more; that is
 * looked at once, by lenet_json_print or lenet_json_write, which fail then. */
struct lenet_json {
    struct cJSON *whole;
    struct cJSON *open[LENET_JSON_DEPTH]; /* objects and arrays, the whole first */
    int depth;                            /* how many are open: in the end none, or the whole alone */
    int is_broken;
};

/* Begins an object or an array, which what follows is added to until it is closed. name: in an object; in an array, and
 * of the whole, NULL. */
void lenet_json_open_object(struct lenet_json *json, const char *name);
void lenet_json_open_array(struct lenet_json *json, const char *name);
void lenet_json_close(struct lenet_json *json);

void lenet_json_add_null(struct lenet_json *json, const char *name);
void lenet_json_add_bool(struct lenet_json *json, const char *name, int value);
void lenet_json_add_string(struct lenet_json *json, const char *name, const char *value);
/* A text that may be in another encoding than UTF-8, such as a file's name: JSON has U+FFFD in place of it. */
void lenet_json_add_text(struct lenet_json *json, const char *name, const char *value);
/* A path likewise; where it is not UTF-8, NAME_bytes has it as it is, in hexadecimal. */
void lenet_json_add_path(struct lenet_json *json, const char *name, const char *value);
/* A number of which 15 digits are enough, such as a count; null where it is NaN or infinite, as in the next one. */
void lenet_json_add_number(struct lenet_json *json, const char *name, double value);
/* A number that comes back to the last bit. */
void lenet_json_add_real(struct lenet_json *json, const char *name, double value);
/* What is JSON already. */
void lenet_json_add_raw(struct lenet_json *json, const char *name, const char *value);
/* All that an object, which was read, has; nothing of NULL. */
void lenet_json_add_all(struct lenet_json *json, const struct cJSON *object);
void lenet_json_add_ints(struct lenet_json *json, const char *name, const int *values, int n);

/* Makes the value a text, the caller's to free: one line without an end, or lines that are indented. The value is freed
 * also on failure. LENET_ERR_MEMORY, where *text is NULL. */
enum lenet_json_form { LENET_JSON_LINE, LENET_JSON_INDENTED };
enum lenet_status lenet_json_print(struct lenet_json *json, enum lenet_json_form form, char **text,
                                   struct lenet_error *err);
/* Replaces path by the indented text, as lenet_file_replace does. The value is freed also on failure. */
enum lenet_status lenet_json_write(const char *path, struct lenet_json *json, struct lenet_error *err);
/* Frees a value that is not wanted any more; nothing of one that is {0}. */
void lenet_json_drop(struct lenet_json *json);

/* ---- reading --------------------------------------------------------------------------------------------- */

enum { LENET_JSON_MOST_VALUES = 16000000 }; /* of a text; in memory up to 2 GB */

/* Reads the value that a text begins with: *json is the caller's to free. *used, unless NULL, becomes the bytes that it
 * takes, or those before the fault. LENET_ERR_FORMAT, naming `where`, for what is no JSON, or has more values than
 * that; LENET_ERR_MEMORY. */
enum lenet_status lenet_json_parse(const char *where, const char *text, size_t size, size_t *used, struct cJSON **json,
                                   struct lenet_error *err);
void lenet_json_free(struct cJSON *json);

/* All of these take NULL for a value that is not there. */
int lenet_json_is_object(const struct cJSON *value);
int lenet_json_is_array(const struct cJSON *value);
int lenet_json_is_null(const struct cJSON *value);
int lenet_json_is_true(const struct cJSON *value);
/* 1 where it is a number, which *number becomes. */
int lenet_json_number(const struct cJSON *value, double *number);
/* NULL where it is no string. */
const char *lenet_json_string(const struct cJSON *value);

/* The value of this name in an object; NULL where there is none. And its string. */
const struct cJSON *lenet_json_get(const struct cJSON *object, const char *name);
const char *lenet_json_text(const struct cJSON *object, const char *name);
/* Copies the path of this name. Returns 0 where there is none of fewer than so many bytes. */
int lenet_json_path(const struct cJSON *object, const char *name, char *path, size_t size);

/* The values in an object or an array, one after the other: how many, the one at a place, the first, the next, NULL
 * after the last. */
int lenet_json_count(const struct cJSON *container);
const struct cJSON *lenet_json_at(const struct cJSON *array, int place);
const struct cJSON *lenet_json_first(const struct cJSON *container);
const struct cJSON *lenet_json_next(const struct cJSON *value);
/* The name of a value in an object. */
const char *lenet_json_name(const struct cJSON *value);
/* The value as one line, for messages: to be freed; NULL without memory. */
char *lenet_json_line_of(const struct cJSON *value);

/* A line of a file of JSON lines. */
struct lenet_json_line {
    const char *where;        /* "runs.jsonl line 3", for messages        */
    size_t begin;             /* of the line, in bytes of the file        */
    const struct cJSON *json; /* an object                                */
};

/* Calls take(self, line) for each line of a file, of at most so many bytes, until it fails. Lines may end in CRLF and
 * be blank. A last line that has no end, or zero bytes in it, is torn: it is being written, or its writer was killed,
 * or the power failed; it is not read, and *torn becomes the bytes before it, else SIZE_MAX. LENET_ERR_FORMAT, naming
 * file and line, where any other line is no JSON object, or longer; LENET_ERR_MEMORY. */
typedef enum lenet_status lenet_take_line(void *self, const struct lenet_json_line *line, struct lenet_error *err);
enum lenet_status lenet_json_lines(const char *path, size_t most, lenet_take_line *take, void *self, size_t *torn,
                                   struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
