/* run_id.c - the id of a run: a hash of its configuration and its data. */
#include "lenet/run_id.h"

#include <stdio.h>
#include <string.h>

#include "base/files.h"

static size_t add_bytes(char *text, size_t used, const char *more, size_t n) {
    memcpy(text + used, more, n);
    return used + n;
}

enum { IDENTITY = 8192 }; /* bytes: less than 100 for each option, and a path or two */

/* {"arch":"lenet5","activation":"relu",...}: the JSON that is recorded of the run. A sweep of millions has no time for
 * cJSON; no name of an architecture or a choice needs escapes. */
static size_t identity_text(const struct lenet_config *config, char *text) {
    size_t used = 0;
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        char value[LENET_MAX_PATH];
        if (!lenet_option_is_recorded(config, option)) continue;
        lenet_option_get(config, option, value, sizeof value);
        const int is_raw = lenet_option_is_number(option) && strcmp(value, "auto") != 0;
        used = add_bytes(text, used, used ? ",\"" : "{\"", 2);
        used = add_bytes(text, used, option->name, strlen(option->name));
        used = add_bytes(text, used, "\":\"", is_raw ? 2 : 3);
        used = add_bytes(text, used, value, strlen(value));
        used = add_bytes(text, used, "\"", is_raw ? 0 : 1);
    }
    return add_bytes(text, used, "}", 1);
}

static enum lenet_status hash_identity(const struct lenet_config *config, const char *data_hash, char id[LENET_RUN_ID],
                                       struct lenet_error *err) {
    char text[IDENTITY], hex[65];
    const struct lenet_piece pieces[] = {{text, identity_text(config, text)}, {data_hash, strlen(data_hash)}};
    const enum lenet_status status = lenet_sha256(pieces, 2, hex, err);
    snprintf(id, LENET_RUN_ID, "%.16s", hex);
    return status;
}

enum lenet_status lenet_run_id(const struct lenet_config *config, const char *data_hash, char id[LENET_RUN_ID],
                               struct lenet_error *err) {
    struct lenet_config canonical;
    lenet_config_canonical(config, &canonical);
    return hash_identity(&canonical, data_hash, id, err);
}

enum lenet_status lenet_run_id_fits(const struct lenet_config *config, const char *data_hash, const char *id, int *fits,
                                    struct lenet_error *err) {
    char now[LENET_RUN_ID], older[LENET_RUN_ID];
    LENET_TRY(lenet_run_id(config, data_hash, now, err));
    *fits = strcmp(now, id) == 0;
    if (*fits) return LENET_OK;
    LENET_TRY(hash_identity(config, data_hash, older, err));
    *fits = strcmp(older, id) == 0;
    return LENET_OK;
}
