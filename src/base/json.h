/* json.h - what cJSON leaves to be done: numbers that come back to the last bit, and whole files. */
#ifndef LENET_BASE_JSON_H
#define LENET_BASE_JSON_H
#include <cjson/cJSON.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The shortest text that strtod reads back as this finite value; at most 31 characters. */
void lenet_real_text(double value, char text[32]);

/* Adds a number; null where it is NaN or infinite. (cJSON's own numbers keep 15 digits, near enough for it.) */
void lenet_json_add_real(cJSON *object, const char *name, double value);

/* Replaces path by the text of *json, as lenet_file_replace does, and deletes it whatever happens. */
enum lenet_status lenet_json_write(const char *path, cJSON *json, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
