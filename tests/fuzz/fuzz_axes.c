/* fuzz_axes.c - the axes of sweeps, a word of the command line in each line.
 * Reads with: src/sweep/sweep_plan.c */
#include <string.h>

#include "fuzz.h"
#include "lenet/sweep_plan.h"

static void look_at(const struct lenet_sweep_plan *plan, size_t run) {
    struct lenet_config config;
    struct lenet_error err = {{0}};
    char text[512], id[LENET_RUN_ID];
    if (!fuzz_ok(lenet_sweep_config(plan, run, &config, &err), &err)) return;
    lenet_sweep_describe(plan, &config, text, sizeof text);
    FUZZ_CHECK(lenet_run_id(&config, "0", id, &err) == LENET_OK && strlen(id) == LENET_RUN_ID - 1);
    int fits;
    FUZZ_CHECK(lenet_run_id_fits(&config, "0", id, &fits, &err) == LENET_OK && fits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lenet_sweep_plan plan;
    struct lenet_error err = {{0}};
    char *words[FUZZ_WORDS], text[2048];
    const int n = fuzz_words(data, size, words);
    if (fuzz_ok(lenet_sweep_plan_parse(n, words, &plan, &err), &err)) {
        FUZZ_CHECK(plan.runs > 0);
        look_at(&plan, 0);
        look_at(&plan, plan.runs - 1);
        lenet_sweep_plan_text(&plan, text, sizeof text);
    }
    lenet_sweep_plan_free(&plan);
    return 0;
}
