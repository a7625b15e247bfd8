/* export.c - lenet export: writes a network as a C file, and prints what it needs and how good it is. */
#include "lenet/export.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "lenet/eval.h"
#include "lenet/summary.h"

static enum lenet_status check_format(const struct lenet_config *config, struct lenet_error *err) {
    if (config->format == LENET_FORMAT_C) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "%s; scripts/export.py writes onnx and npz",
                      lenet_option_is_given(config, lenet_option_find("format")) ? "--format: wanted c"
                                                                                 : "give --format c");
}

static void print_accuracy(const char *what, const struct lenet_export_accuracy *a) {
    if (a->count)
        printf("  on %" PRIu64 " %s images %.2f %% right, before %.2f %%\n", a->count, what,
               100.0 * (double)a->after / (double)a->count, 100.0 * (double)a->before / (double)a->count);
}

static void print_facts(const struct lenet_config *config, const struct lenet_export *facts) {
    char text[400];
    printf("%s: %s in weights of %d bits, %zu bytes of constants, %zu bytes of RAM\n", config->out,
           facts->topology.arch->name, facts->bits, facts->constants, facts->ram);
    print_accuracy("calibration", &facts->calibration);
    print_accuracy("test", &facts->test);
    lenet_export_loss_text(facts, text, sizeof text);
    if (text[0]) print_note("export", "%s: %s", config->out, text);
}

enum lenet_status export_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_export facts;
    LENET_TRY(lenet_options_parse(LENET_CMD_EXPORT, argc, argv, config, err));
    LENET_TRY(check_format(config, err));
    LENET_TRY(lenet_evaluate_files(config, err));
    enum lenet_status status = lenet_export_c(config, &facts, err);
    if (status == LENET_OK) print_facts(config, &facts);
    if (status == LENET_OK && config->json[0]) status = lenet_export_write(config->json, &facts, err);
    lenet_export_free(&facts);
    return status;
}
