/* fuzz_run_json.c - run.json: what it sets can be written and is then read as the same; and the identity of a run in a
 * checkpoint.
 * Reads with: src/train/run_dir.c */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "train/run_dir.h"

static void write_and_read_path(const char *path) {
    char again[LENET_MAX_PATH];
    cJSON *json = cJSON_CreateObject();
    lenet_json_add_path(json, "directory", path);
    char *text = cJSON_PrintUnformatted(json);
    for (size_t i = 0, n, size = strlen(text); i < size; i += n)
        FUZZ_CHECK((n = lenet_utf8_length(text + i, size - i)) > 0);
    cJSON *parsed = cJSON_Parse(text);
    FUZZ_CHECK(lenet_json_path(parsed, "directory", again, sizeof again) && strcmp(path, again) == 0);
    cJSON_Delete(parsed);
    free(text);
    cJSON_Delete(json);
}

static void write_and_read(const struct lenet_config *config) {
    struct lenet_error err = {{0}};
    struct lenet_config again = *config;
    cJSON *json = lenet_config_json(config);
    char *text = cJSON_PrintUnformatted(json);
    cJSON *parsed = cJSON_Parse(text);
    FUZZ_CHECK(parsed);
    FUZZ_CHECK(fuzz_ok(lenet_config_from_json("again", parsed, &again, &err), &err));
    FUZZ_CHECK(lenet_run_same(config, &again, &err) == LENET_OK);
    write_and_read_path(config->data);
    cJSON_Delete(parsed);
    free(text);
    cJSON_Delete(json);
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
