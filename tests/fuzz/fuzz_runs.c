/* fuzz_runs.c - runs.jsonl as lenet report reads it and the sweep that goes on with it, and what is made of it.
 * Reads with: src/sweep/record.c src/sweep/summary.c src/sweep/sweep_dir.c src/base/json.c */
#include <stdlib.h>

#include "base/json.h"
#include "fuzz.h"
#include "lenet/summary.h"
#include "sweep/sweep_dir.h"

static void report(const char *path, int metric) {
    struct lenet_config config;
    struct lenet_records records;
    struct lenet_summary summary;
    struct lenet_error err = {{0}};
    char *paths[] = {(char *)path};
    lenet_config_init(&config);
    config.metric = metric;
    if (!fuzz_ok(lenet_records_read(paths, 1, &records, &err), &err)) return;
    FUZZ_CHECK(records.n > 0);
    if (fuzz_ok(lenet_summarize(&records, &config, &summary, &err), &err)) {
        struct lenet_json json = {.whole = NULL};
        char *text;
        lenet_summary_add_json(&json, &config, &summary);
        FUZZ_CHECK(lenet_json_print(&json, LENET_JSON_LINE, &text, &err) == LENET_OK);
        free(text);
        lenet_summary_free(&summary);
    }
    lenet_records_free(&records);
}

static void go_on(void) {
    struct lenet_sweep_dir dir;
    struct lenet_error err = {{0}};
    fuzz_ok(lenet_sweep_dir_look(fuzz_directory(), "16c983f0a2bf823dab3039e91560840eb0e3ce548aacc2297a7d4e2ca4c1b9f5",
                                 &dir, &err),
            &err);
    lenet_sweep_dir_close(&dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    fuzz_put("runs.jsonl", data + 1, size - 1);
    report(fuzz_directory(), data[0] % 7);
    go_on();
    return 0;
}
