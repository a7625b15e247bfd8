/* bench.c - lenet bench: prints how long each operation of a training step takes, against the machine's peak. */
#include "lenet/bench.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "lenet/version.h"

static void print_bench(const struct lenet_config *config, const struct lenet_bench *b) {
    double sum = 0;
    for (int i = 0; i < b->n; i++) sum += b->rows[i].seconds;
    printf("%" PRId64 " x %s, batch %" PRId64 ", on %s: peak %.1f GFLOP/s (multiply-adds, measured now)\n\n",
           config->networks, config->arch, config->batch, b->backend, b->peak_flops / 1e9);
    printf("%-28s %10s %8s %10s %8s\n", "operation", "us", "of step", "GFLOP/s", "of peak");
    for (int i = 0; i < b->n; i++) {
        const struct lenet_bench_row *row = &b->rows[i];
        printf("%-28s %10.1f %6.1f %% ", row->name, 1e6 * row->seconds, 100 * row->seconds / sum);
        if (row->flops > 0)
            printf("%10.1f %6.1f %%", row->flops / row->seconds / 1e9, 100 * row->flops / row->seconds / b->peak_flops);
        printf("\n");
    }
    printf("\nwhole step: %.1f us (fastest %.1f), %.0f images/s, %.1f GFLOP/s, %.1f %% of peak\n",
           1e6 * b->step_seconds, 1e6 * b->fastest_step_seconds, b->images_per_s, b->step_flops / b->step_seconds / 1e9,
           100 * b->step_flops / b->step_seconds / b->peak_flops);
    printf("an epoch of 60,000 images: %.4g s; %.4g network-epochs/s\n",
           60000 * (double)config->networks / b->images_per_s, b->images_per_s / 60000);
}

static void add_machine(struct lenet_json *json, const struct lenet_config *config, const char *device) {
    lenet_json_add_string(json, "arch", config->arch);
    lenet_json_add_string(json, "device", device);
    lenet_json_add_string(json, "version", LENET_VERSION);
    lenet_json_add_string(json, "compiler", LENET_COMPILER);
    lenet_json_add_number(json, "networks", (double)config->networks);
    lenet_json_add_number(json, "batch", (double)config->batch);
    lenet_json_add_number(json, "threads", (double)config->threads);
}

static enum lenet_status write_bench(const char *path, const struct lenet_config *config, const struct lenet_bench *b,
                                     struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_json_open_array(&json, "operations");
    for (int i = 0; i < b->n; i++) {
        lenet_json_open_object(&json, NULL);
        lenet_json_add_string(&json, "operation", b->rows[i].name);
        lenet_json_add_number(&json, "seconds", b->rows[i].seconds);
        lenet_json_add_number(&json, "flops", b->rows[i].flops);
        lenet_json_close(&json);
    }
    lenet_json_close(&json);
    add_machine(&json, config, b->backend);
    lenet_json_add_number(&json, "peak_flops_per_s", b->peak_flops);
    lenet_json_add_number(&json, "step_seconds", b->step_seconds);
    lenet_json_add_number(&json, "fastest_step_seconds", b->fastest_step_seconds);
    lenet_json_add_number(&json, "step_flops", b->step_flops);
    lenet_json_add_number(&json, "images_per_s", b->images_per_s);
    return lenet_json_write(path, &json, err);
}

static void print_forward(const struct lenet_config *config, const struct lenet_bench_forward *b) {
    printf("%" PRId64 " x %s, answers for a batch of %" PRId64 ", on %s, %d times:\n"
           "median %.1f us, 99 %% within %.1f us, fastest %.1f us; %.0f images/s\n",
           config->networks, config->arch, config->batch, b->backend, b->n, 1e6 * b->median, 1e6 * b->p99,
           1e6 * b->fastest, b->images_per_s);
}

static enum lenet_status write_forward(const char *path, const struct lenet_config *config,
                                       const struct lenet_bench_forward *b, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    add_machine(&json, config, b->backend);
    lenet_json_add_number(&json, "passes", b->n);
    lenet_json_add_number(&json, "median_seconds", b->median);
    lenet_json_add_number(&json, "p99_seconds", b->p99);
    lenet_json_add_number(&json, "fastest_seconds", b->fastest);
    lenet_json_add_number(&json, "images_per_s", b->images_per_s);
    return lenet_json_write(path, &json, err);
}

static enum lenet_status forward_command(const struct lenet_config *config, struct lenet_error *err) {
    struct lenet_bench_forward result;
    LENET_TRY(lenet_bench_forward(config, &result, err));
    print_forward(config, &result);
    return config->json[0] ? write_forward(config->json, config, &result, err) : LENET_OK;
}

enum lenet_status bench_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_bench result;
    LENET_TRY(lenet_options_parse(LENET_CMD_BENCH, argc, argv, config, err));
    if (config->forward) return forward_command(config, err);
    LENET_TRY(lenet_bench_run(config, &result, err));
    print_bench(config, &result);
    return config->json[0] ? write_bench(config->json, config, &result, err) : LENET_OK;
}
