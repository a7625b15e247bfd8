/* gradcheck.c - lenet gradcheck: checks the gradients and the device, and prints the tables of both. */
#include "lenet/gradcheck.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "cli/commands.h"
#include "lenet/crosscheck.h"
#include "lenet/device.h"
#include "train/settings.h"

static void print_gradcheck(const struct lenet_config *config, const struct lenet_gradcheck *result) {
    printf("%s: gradients against central differences of step %g in double; seed %" PRId64 "\n\n", config->arch,
           result->step, result->seed);
    printf("%-16s %10s %10s %8s %12s %10s\n", "tensor", "values", "checked", "kinks", "error", "bound");
    for (int i = 0; i < result->n; i++) {
        const struct lenet_check *c = &result->checks[i];
        printf("%-16s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %12.3g %10.3g  %s\n", c->tensor, c->size, c->entries,
               c->kinks, c->error, c->bound, c->passed ? "ok" : "FAILED");
    }
}

static void print_crosscheck(const struct lenet_crosscheck *result) {
    printf("\n%s against the CPU in double, %d training steps; seed %" PRId64
           "; errors as fractions of the norm, of the largest value and of the bound\n\n%-22s %-13s %10s %10s %10s\n",
           result->backend, result->steps, result->seed, "tensor", "quantity", "of norm", "of largest", "of bound");
    for (int i = 0; i < result->n; i++) {
        const struct lenet_crosscheck_row *row = &result->rows[i];
        printf("%-22s %-13s %10.3g %10.3g %10.3g  %s\n", row->tensor, row->quantity, row->norm_error, row->max_error,
               row->of_bound, row->passed ? "ok" : "FAILED");
    }
}

static void add_crosscheck(struct lenet_json *json, const char *key, const struct lenet_crosscheck *crosscheck) {
    lenet_json_open_array(json, key);
    for (int i = 0; i < crosscheck->n; i++) {
        const struct lenet_crosscheck_row *check = &crosscheck->rows[i];
        lenet_json_open_object(json, NULL);
        lenet_json_add_string(json, "tensor", check->tensor);
        lenet_json_add_string(json, "quantity", check->quantity);
        lenet_json_add_real(json, "norm_error", check->norm_error);
        lenet_json_add_real(json, "max_error", check->max_error);
        lenet_json_add_real(json, "of_bound", check->of_bound);
        lenet_json_add_bool(json, "passed", check->passed);
        lenet_json_close(json);
    }
    lenet_json_close(json);
}

static enum lenet_status write_gradcheck(const char *path, const struct lenet_config *config,
                                         const struct lenet_gradcheck *slopes,
                                         const struct lenet_crosscheck *crosschecks, int n, struct lenet_error *err) {
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_json_add_string(&json, "arch", config->arch);
    lenet_json_add_string(&json, "device", crosschecks[0].backend);
    lenet_json_add_number(&json, "seed", (double)slopes->seed);
    lenet_json_open_array(&json, "against_slope");
    for (int i = 0; i < slopes->n; i++) {
        const struct lenet_check *check = &slopes->checks[i];
        lenet_json_open_object(&json, NULL);
        lenet_json_add_string(&json, "tensor", check->tensor);
        lenet_json_add_number(&json, "checked", (double)check->entries);
        lenet_json_add_real(&json, "error", check->error);
        lenet_json_add_real(&json, "bound", check->bound);
        lenet_json_add_bool(&json, "passed", check->passed);
        lenet_json_close(&json);
    }
    lenet_json_close(&json);
    add_crosscheck(&json, "against_double", &crosschecks[0]);
    if (n > 1) add_crosscheck(&json, "against_double_single_images", &crosschecks[1]);
    return lenet_json_write(path, &json, err);
}

static int is_verdict(enum lenet_status status) { return status == LENET_OK || status == LENET_ERR_CHECK; }

/* The gradients in double against the slope, then the device against double, and the CPU's operations for single
 * images, too: all tables, whatever the first says. */
static enum lenet_status check_all(const struct lenet_device *device, struct lenet_config *config,
                                   struct lenet_error *err) {
    const struct lenet_device single = {.backend = lenet_device_backend_for(device, 1), .ctx = device->ctx};
    const int n = single.backend == device->backend ? 1 : 2;
    struct lenet_gradcheck slopes;
    struct lenet_crosscheck crosschecks[2];
    struct lenet_error later;
    enum lenet_status verdict = lenet_gradcheck_run(config, &slopes, err);
    if (!is_verdict(verdict)) return verdict;
    print_gradcheck(config, &slopes);
    config->seed = slopes.seed;
    for (int i = 0; i < n; i++) {
        const enum lenet_status status = lenet_crosscheck_run(i == 0 ? device : &single, config, LENET_CROSSCHECK_STEPS,
                                                              &crosschecks[i], verdict == LENET_OK ? err : &later);
        if (verdict == LENET_OK) verdict = status;
        if (!is_verdict(status)) return verdict;
        print_crosscheck(&crosschecks[i]);
    }
    if (config->json[0]) LENET_TRY(write_gradcheck(config->json, config, &slopes, crosschecks, n, err));
    return verdict;
}

enum lenet_status gradcheck_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_device device;
    lenet_option_set(config, lenet_option_find("seed"), GRADCHECK_SEED, NULL);
    LENET_TRY(lenet_options_parse(LENET_CMD_GRADCHECK, argc, argv, config, err));
    LENET_TRY(lenet_device_open(config->device, lenet_open_options_of(config), &device, err));
    const enum lenet_status status = lenet_device_explain(&device, check_all(&device, config, err), err);
    lenet_device_close(&device);
    return status;
}
