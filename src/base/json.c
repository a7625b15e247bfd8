/* json.c - see json.h. */
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

void lenet_json_add_real(cJSON *object, const char *name, double value) {
    char text[32] = "null";
    if (isfinite(value)) lenet_real_text(value, text);
    cJSON_AddRawToObject(object, name, text);
}

enum lenet_status lenet_json_write(const char *path, cJSON *json, struct lenet_error *err) {
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    const enum lenet_status status =
        text ? lenet_file_replace(path, text, strlen(text), err) : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    free(text);
    return status;
}
