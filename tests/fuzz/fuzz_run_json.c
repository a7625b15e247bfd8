/* fuzz_run_json.c - run.json: what it sets can be written and is then read as the same; and the identity of a run in a
 * checkpoint.
 * Reads with: src/train/run_dir.c */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "train/run_dir.h"

static int is_utf8(const char *text) {
    const size_t size = strlen(text);
    for (size_t i = 0, n; i < size; i += n)
        if ((n = lenet_utf8_length(text + i, size - i)) == 0) return 0;
    return 1;
}

/* The printed text is UTF-8, and is read again. */
static struct cJSON *print_and_parse(struct lenet_json *json) {
    struct lenet_error err = {{0}};
    struct cJSON *parsed;
    char *text;
    FUZZ_CHECK(lenet_json_print(json, LENET_JSON_INDENTED, &text, &err) == LENET_OK);
    FUZZ_CHECK(is_utf8(text));
    FUZZ_CHECK(fuzz_ok(lenet_json_parse("again", text, strlen(text), NULL, &parsed, &err), &err));
    free(text);
    return parsed;
}

static void write_and_read(const struct lenet_config *config) {
    struct lenet_error err = {{0}};
    struct lenet_config again = *config;
    struct lenet_json json = {.whole = NULL};
    char path[LENET_MAX_PATH];
    lenet_json_open_object(&json, NULL);
    lenet_config_add_json(&json, "config", config);
    lenet_json_add_path(&json, "directory", config->data);
    struct cJSON *parsed = print_and_parse(&json);
    if (is_utf8(config->arch) && is_utf8(config->freeze) &&
        is_utf8(config->from_sha256)) { /* others are refused later */
        FUZZ_CHECK(fuzz_ok(lenet_config_from_json("again", lenet_json_get(parsed, "config"), &again, &err), &err));
        FUZZ_CHECK(lenet_run_same(config, &again, &err) == LENET_OK);
    }
    FUZZ_CHECK(lenet_json_path(parsed, "directory", path, sizeof path) && strcmp(path, config->data) == 0);
    lenet_json_free(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_config config;
    struct lenet_error err = {{0}};
    char hash[65];
    lenet_config_init(&config);
    fuzz_put("run.json", data, size);
    if (fuzz_ok(lenet_run_read(fuzz_directory(), &config, hash, &err), &err)) write_and_read(&config);

    char *was = malloc(size + 1);
    memcpy(was, data, size);
    was[size] = 0;
    fuzz_ok(lenet_run_check_identity("a checkpoint", was, "{\"config\":{\"arch\":\"lenet5\"},\"data\":\"0\"}", &err),
            &err);
    free(was);
    return 0;
}
