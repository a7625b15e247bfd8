/* report.c - see report.h. */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lenet/version.h"

/* ---- eval ----------------------------------------------------------------------------------------- */

static void print_ensemble(const struct lenet_evaluation *e) {
    const double count = (double)e->count;
    double sum = 0, least = count, most = 0;
    for (int r = 0; r < e->members; r++) {
        const double wrong = count - (double)e->member_correct[r];
        sum += wrong;
        least = fmin(least, wrong);
        most = fmax(most, wrong);
    }
    printf("error of %d networks: each alone %.3f %% on average, %.2f to %.2f; by vote %.2f %%; by the mean of their "
           "outputs, as above and below, %.2f %%\n\n",
           e->members, 100 * sum / count / e->members, 100 * least / count, 100 * most / count,
           100 * (count - (double)e->vote_correct) / count, 100 * (count - (double)e->correct) / count);
}

/* "-" for NaN: of a class without images, or that was never predicted. */
static void print_share(double share) {
    if (isnan(share))
        printf("  %6s  ", "-");
    else
        printf("  %6.2f %%", 100 * share);
}

void lenet_print_evaluation(const struct lenet_config *config, const struct lenet_evaluation *e,
                            const struct lenet_dataset *data) {
    double interval[2];
    lenet_wilson_interval(e->correct, e->count, interval);
    printf("%s on the %" PRIu64 " test images of %s (%s)\n", config->weights, e->count, data->name, config->data);
    printf("accuracy %.2f %%, 95 %% interval %.2f to %.2f; error %.2f %% (%" PRIu64 " wrong); %s %.4f\n\n",
           100.0 * (double)e->correct / (double)e->count, 100 * interval[0], 100 * interval[1],
           100.0 * (double)(e->count - e->correct) / (double)e->count, e->count - e->correct,
           e->members > 1 ? "cross-entropy of the mean" : "loss", e->loss);
    if (e->members > 1) print_ensemble(e);
    printf("true    predicted\n     ");
    for (int c = 0; c < e->classes; c++) printf("%6d", c);
    printf("   recall  precision\n");
    for (int t = 0; t < e->classes; t++) {
        printf("%4d ", t);
        for (int p = 0; p < e->classes; p++) printf("%6" PRIu64, e->confusion[t][p]);
        print_share(lenet_recall(e, t));
        printf(" ");
        print_share(lenet_precision(e, t));
        printf("\n");
    }
}

/* ---- info ----------------------------------------------------------------------------------------- */

static void print_weights(const char *path, const struct lenet_topology *topology, const float *host_w) {
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    const int n = lenet_topology_tensors(topology, "", (float *)host_w, tensors);
    printf("\n%s\n%-16s %10s %10s %10s %10s %10s\n", path, "tensor", "values", "mean", "deviation", "least", "largest");
    for (int i = 0; i < n; i++) {
        const float *values = tensors[i].data;
        const size_t count = lenet_tensor_bytes(&tensors[i]) / sizeof *values;
        double sum = 0, squares = 0, least = values[0], largest = values[0];
        for (size_t k = 0; k < count; k++) {
            sum += values[k];
            squares += (double)values[k] * values[k];
            least = fmin(least, values[k]);
            largest = fmax(largest, values[k]);
        }
        const double mean = sum / (double)count, variance = squares / (double)count - mean * mean;
        printf("%-16s %10zu %10.4f %10.4f %10.4f %10.4f\n", tensors[i].name, count, mean, sqrt(fmax(variance, 0)),
               least, largest);
    }
}

static void print_devices(void) {
    struct lenet_device device;
    struct lenet_error err;
    static const char *const names[] = {"cpu", "cuda"};
    printf("\ndevices\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int there = lenet_device_open(names[i], (struct lenet_open_options){0}, &device, &err) == LENET_OK;
        if (there)
            printf("  %-5s batches %sin multiples of %d images\n", names[i],
                   lenet_device_backend_for(&device, 1)->lanes == 1 ? "of one image, or " : "", device.backend->lanes);
        else
            printf("  %-5s not available: %s\n", names[i], err.text);
        if (there) lenet_device_close(&device);
    }
}

static const char *kind_name(const struct lenet_topology *topology, const struct lenet_layer *layer, char text[32]) {
    static const char *const functions[] = {"tanh", "ReLU", "squash", ""}; /* as enum lenet_activation */
    static const char *const poolings[] = {"average", "maximum", "sum"};   /* as enum lenet_pooling */
    const int size = layer->spec.size;
    switch (layer->spec.kind) {
    case LENET_CONV: snprintf(text, 32, "convolution %dx%d", size, size); break;
    case LENET_SUBSAMPLE:
        snprintf(text, 32, "%s%s%s %dx%d", functions[layer->activation], layer->activation == LENET_LINEAR ? "" : ", ",
                 poolings[topology->pooling], size, size);
        break;
    case LENET_SCALE: snprintf(text, 32, "coefficient and bias"); break;
    case LENET_RBF: snprintf(text, 32, "RBF, fixed targets"); break;
    case LENET_ACTIVATION: snprintf(text, 32, "%s", functions[topology->activation]); break;
    case LENET_DENSE: snprintf(text, 32, "fully connected"); break;
    }
    return text;
}

void lenet_print_info(const struct lenet_config *config, const struct lenet_model *model, const float *host_w) {
    const struct lenet_topology *topology = &model->topology;
    printf("%s: %s\n\n%-8s %-20s %12s %12s %12s %12s\n", topology->arch->name, topology->arch->description, "layer",
           "kind", "output", "parameters", "connections", "FLOP/image");
    double connections = 0;
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        char kind[32], shape[32];
        const double pixels = (double)layer->OH * layer->OW;
        const double links = lenet_layer_connections(layer);
        snprintf(shape, sizeof shape, "%dx%dx%d", layer->O, layer->OH, layer->OW);
        printf("%-8s %-20s %12s %12zu %12.0f %12.0f\n", layer->spec.name, kind_name(topology, layer, kind), shape,
               layer->w_count - layer->absent + layer->b_count, links, 2 * (double)layer->w_count * pixels);
        connections += links;
    }
    printf("%-8s %-20s %12s %12zu %12.0f %12.0f\n", "total", "", "", topology->parameters, connections,
           lenet_topology_flops(topology, 0));
    printf("a training step: %.2f MFLOP an image\n", lenet_topology_flops(topology, 1) / 1e6);
    if (host_w) {
        print_weights(config->weights, topology, host_w);
        return;
    }
    printf("\narchitectures\n");
    for (const struct lenet_arch *arch = lenet_archs; arch->name; arch++)
        printf("  %-12s %s\n", arch->name, arch->description);
    print_devices();
}

enum lenet_status lenet_info_write(const char *path, const struct lenet_topology *topology, struct lenet_error *err) {
    static const char *const kinds[] = {"conv",       "subsample", "scale",
                                        "activation", "dense",     "rbf"}; /* as enum lenet_layer_kind */
    cJSON *json = cJSON_CreateObject(), *layers = cJSON_AddArrayToObject(json, "layers");
    cJSON_AddStringToObject(json, "arch", topology->arch->name);
    cJSON_AddNumberToObject(json, "field", topology->arch->field);
    cJSON_AddNumberToObject(json, "parameters", (double)topology->parameters);
    cJSON_AddNumberToObject(json, "training_flops", lenet_topology_flops(topology, 1));
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", layer->spec.name);
        cJSON_AddStringToObject(row, "kind", kinds[layer->spec.kind]);
        cJSON_AddNumberToObject(row, "size", layer->spec.size);
        cJSON_AddItemToObject(row, "input", cJSON_CreateIntArray((const int[]){layer->C, layer->H, layer->W}, 3));
        cJSON_AddItemToObject(row, "output", cJSON_CreateIntArray((const int[]){layer->O, layer->OH, layer->OW}, 3));
        cJSON_AddNumberToObject(row, "weights", (double)(layer->w_count - layer->absent));
        cJSON_AddNumberToObject(row, "connections", lenet_layer_connections(layer));
        cJSON_AddNumberToObject(row, "biases", (double)layer->b_count);
        cJSON_AddItemToArray(layers, row);
    }
    return lenet_json_write(path, json, err);
}

/* ---- gradcheck ------------------------------------------------------------------------------------ */

void lenet_print_gradcheck(const struct lenet_config *config, const struct lenet_gradcheck *result) {
    printf("%s: gradients against central differences of step %g in double; seed %" PRId64 "\n\n", config->arch,
           result->step, result->seed);
    printf("%-16s %10s %10s %8s %12s %10s\n", "tensor", "values", "checked", "kinks", "error", "bound");
    for (int i = 0; i < result->n; i++) {
        const struct lenet_check *c = &result->checks[i];
        printf("%-16s %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %12.3g %10.3g  %s\n", c->tensor, c->size, c->entries,
               c->kinks, c->error, c->bound, c->passed ? "ok" : "FAILED");
    }
}

void lenet_print_crosscheck(const struct lenet_crosscheck *result) {
    printf("\n%s against the CPU in double, %d training steps; seed %" PRId64
           "; errors as fractions of the norm, of the largest value and of the bound\n\n%-22s %-13s %10s %10s %10s\n",
           result->backend, result->steps, result->seed, "tensor", "quantity", "of norm", "of largest", "of bound");
    for (int i = 0; i < result->n; i++) {
        const struct lenet_crosscheck_row *row = &result->rows[i];
        printf("%-22s %-13s %10.3g %10.3g %10.3g  %s\n", row->tensor, row->quantity, row->norm_error, row->max_error,
               row->of_bound, row->passed ? "ok" : "FAILED");
    }
}

static void add_crosscheck(cJSON *json, const char *key, const struct lenet_crosscheck *crosscheck) {
    cJSON *rows = cJSON_AddArrayToObject(json, key);
    for (int i = 0; i < crosscheck->n; i++) {
        const struct lenet_crosscheck_row *check = &crosscheck->rows[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "tensor", check->tensor);
        cJSON_AddStringToObject(row, "quantity", check->quantity);
        lenet_json_add_real(row, "norm_error", check->norm_error);
        lenet_json_add_real(row, "max_error", check->max_error);
        lenet_json_add_real(row, "of_bound", check->of_bound);
        cJSON_AddBoolToObject(row, "passed", check->passed);
        cJSON_AddItemToArray(rows, row);
    }
}

enum lenet_status lenet_gradcheck_write(const char *path, const struct lenet_config *config,
                                        const struct lenet_gradcheck *slopes,
                                        const struct lenet_crosscheck *crosschecks, int n, struct lenet_error *err) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "arch", config->arch);
    cJSON_AddStringToObject(json, "device", crosschecks[0].backend);
    cJSON_AddNumberToObject(json, "seed", (double)slopes->seed);
    cJSON *rows = cJSON_AddArrayToObject(json, "against_slope");
    for (int i = 0; i < slopes->n; i++) {
        const struct lenet_check *check = &slopes->checks[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "tensor", check->tensor);
        cJSON_AddNumberToObject(row, "checked", (double)check->entries);
        lenet_json_add_real(row, "error", check->error);
        lenet_json_add_real(row, "bound", check->bound);
        cJSON_AddBoolToObject(row, "passed", check->passed);
        cJSON_AddItemToArray(rows, row);
    }
    add_crosscheck(json, "against_double", &crosschecks[0]);
    if (n > 1) add_crosscheck(json, "against_double_single_images", &crosschecks[1]);
    return lenet_json_write(path, json, err);
}

/* ---- bench ---------------------------------------------------------------------------------------- */

void lenet_print_bench(const struct lenet_config *config, const struct lenet_bench *b) {
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

enum lenet_status lenet_bench_write(const char *path, const struct lenet_config *config, const struct lenet_bench *b,
                                    struct lenet_error *err) {
    cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "operations");
    cJSON_AddStringToObject(json, "arch", config->arch);
    cJSON_AddStringToObject(json, "device", b->backend);
    cJSON_AddStringToObject(json, "version", LENET_VERSION);
    cJSON_AddStringToObject(json, "compiler", LENET_COMPILER);
    cJSON_AddNumberToObject(json, "networks", (double)config->networks);
    cJSON_AddNumberToObject(json, "batch", (double)config->batch);
    cJSON_AddNumberToObject(json, "threads", (double)config->threads);
    cJSON_AddNumberToObject(json, "peak_flops_per_s", b->peak_flops);
    cJSON_AddNumberToObject(json, "step_seconds", b->step_seconds);
    cJSON_AddNumberToObject(json, "fastest_step_seconds", b->fastest_step_seconds);
    cJSON_AddNumberToObject(json, "step_flops", b->step_flops);
    cJSON_AddNumberToObject(json, "images_per_s", b->images_per_s);
    for (int i = 0; i < b->n; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "operation", b->rows[i].name);
        cJSON_AddNumberToObject(row, "seconds", b->rows[i].seconds);
        cJSON_AddNumberToObject(row, "flops", b->rows[i].flops);
        cJSON_AddItemToArray(rows, row);
    }
    return lenet_json_write(path, json, err);
}

/* ---- a sweep's groups ----------------------------------------------------------------------------- */

/* How a metric is shown in the table. */
struct unit {
    const char *name; /* "test error" */
    const char *unit; /* "" or " %"   */
    double factor;
    int digits;
};

static struct unit unit_of(const struct lenet_config *config) {
    switch ((enum lenet_metric)config->metric) {
    case LENET_TEST_ERROR: return (struct unit){"test error", " %", 100, 3};
    case LENET_TEST_LOSS: return (struct unit){"test loss", "", 1, 5};
    case LENET_TRAIN_ERROR: return (struct unit){"training error", " %", 100, 3};
    case LENET_TRAIN_LOSS: return (struct unit){"training loss", "", 1, 5};
    case LENET_VALIDATION_ERROR: return (struct unit){"validation error", " %", 100, 3};
    case LENET_VALIDATION_LOSS: return (struct unit){"validation loss", "", 1, 5};
    case LENET_SECONDS: return (struct unit){"time", " s", 1, 2};
    }
    return (struct unit){"", "", 1, 5};
}

/* "-" for NaN. Large numbers go without digits after the point. */
static const char *cell(const struct unit *unit, double value, char text[32]) {
    const double shown = unit->factor * value;
    if (isnan(value))
        snprintf(text, 32, "-");
    else if (fabs(shown) < 1e6)
        snprintf(text, 32, "%.*f", unit->digits, shown);
    else
        snprintf(text, 32, "%.3e", shown);
    return text;
}

static const char *interval_cell(const struct unit *unit, const double interval[2], char text[80]) {
    char low[32], high[32];
    if (isnan(interval[0]))
        snprintf(text, 80, "-");
    else
        snprintf(text, 80, "%s to %s", cell(unit, interval[0], low), cell(unit, interval[1], high));
    return text;
}

/* Of a column with an option's values. */
static int column_width(const struct lenet_summary *s, const struct lenet_option *option) {
    char text[LENET_MAX_PATH];
    size_t width = strlen(option->name);
    for (size_t i = 0; i < s->n; i++) {
        lenet_option_get(s->groups[i].config, option, text, sizeof text);
        if (strlen(text) > width) width = strlen(text);
    }
    return (int)width;
}

static void print_row(const struct lenet_summary *s, const int *widths, const struct unit *unit,
                      const struct lenet_group *group) {
    const struct lenet_statistics *t = &group->statistics;
    char value[LENET_MAX_PATH], texts[4][32], interval[80];
    for (int i = 0; i < s->by_count; i++) {
        lenet_option_get(group->config, s->by[i], value, sizeof value);
        printf("%-*s  ", widths[i], value);
    }
    printf("%4zu %9zu %10s %10s %22s %10s %10s\n", group->n, group->diverged, cell(unit, t->mean, texts[0]),
           cell(unit, t->deviation, texts[1]), interval_cell(unit, t->interval, interval), cell(unit, t->min, texts[2]),
           cell(unit, t->max, texts[3]));
}

static void print_best(const struct lenet_summary *s, const struct unit *unit) {
    const struct lenet_group *best = lenet_summary_best(s);
    char value[LENET_MAX_PATH], mean[32], interval[80];
    printf("\n%zu run%s, %zu diverged; ", s->runs, s->runs == 1 ? "" : "s", s->diverged);
    if (!best) {
        printf("no group has a mean\n");
        return;
    }
    printf("best: ");
    for (int i = 0; i < s->by_count; i++) {
        lenet_option_get(best->config, s->by[i], value, sizeof value);
        printf("--%s %s ", s->by[i]->name, value);
    }
    printf("%s%s%s", s->by_count ? "with " : "", cell(unit, best->statistics.mean, mean), unit->unit);
    if (!isnan(best->statistics.interval[0]))
        printf(" (95 %% interval %s)", interval_cell(unit, best->statistics.interval, interval));
    printf(", %zu run%s\n", best->n, best->n == 1 ? "" : "s");
}

static void print_table(const struct lenet_config *config, const struct lenet_summary *s) {
    const struct unit unit = unit_of(config);
    int widths[LENET_MAX_BY];
    printf("%s%s%s after the last epoch: mean over the runs, standard deviation, 95 %% interval of the mean\n\n",
           unit.name, unit.unit[0] ? " in" : "", unit.unit);
    for (int i = 0; i < s->by_count; i++) {
        widths[i] = column_width(s, s->by[i]);
        printf("%-*s  ", widths[i], s->by[i]->name);
    }
    printf("%4s %9s %10s %10s %22s %10s %10s\n", "n", "diverged", "mean", "deviation", "95 % interval", "min", "max");
    for (size_t i = 0; i < s->n; i++) print_row(s, widths, &unit, &s->groups[i]);
    print_best(s, &unit);
}

/* Options' values hold no comma and no quote: they are numbers, choices, architectures and augmentations. */
static void print_csv(const struct lenet_summary *s) {
    for (int i = 0; i < s->by_count; i++) printf("%s,", s->by[i]->name);
    printf("n,diverged,mean,deviation,interval_low,interval_high,min,max\n");
    for (size_t i = 0; i < s->n; i++) {
        const struct lenet_group *group = &s->groups[i];
        const struct lenet_statistics *t = &group->statistics;
        const double numbers[] = {t->mean, t->deviation, t->interval[0], t->interval[1], t->min, t->max};
        char text[LENET_MAX_PATH];
        for (int k = 0; k < s->by_count; k++) {
            lenet_option_get(group->config, s->by[k], text, sizeof text);
            printf("%s,", text);
        }
        printf("%zu,%zu", group->n, group->diverged);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            lenet_real_text(numbers[k], text);
            printf(",%s", isnan(numbers[k]) ? "" : text);
        }
        printf("\n");
    }
}

static enum lenet_status print_json(const struct lenet_config *config, const struct lenet_summary *s,
                                    struct lenet_error *err) {
    cJSON *json = lenet_summary_json(config, s);
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    printf("%s\n", text);
    free(text);
    return LENET_OK;
}

enum lenet_status lenet_print_summary(const struct lenet_config *config, const struct lenet_summary *summary,
                                      struct lenet_error *err) {
    switch ((enum lenet_format)config->format) {
    case LENET_FORMAT_TABLE: print_table(config, summary); break;
    case LENET_FORMAT_CSV: print_csv(summary); break;
    case LENET_FORMAT_JSON: return print_json(config, summary, err);
    }
    return LENET_OK;
}

/* ---- options -------------------------------------------------------------------------------------- */

static const char *values_of(const struct lenet_option *option) {
    return option->choices ? option->choices : option->argument;
}

void lenet_print_options(enum lenet_command command) {
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        if (!(option->commands & (int)command)) continue;
        char left[128];
        const int width = snprintf(left, sizeof left, "--%s %s", option->name, values_of(option));
        printf("  %-44s ", left);
        if (width > 44) printf("\n%47s", "");
        printf("%s", option->help);
        if (option->initial[0]) printf(" [%s]", option->initial);
        printf("\n");
    }
}

void lenet_print_options_markdown(void) {
    static const struct {
        enum lenet_command bit;
        const char *name;
    } names[] = {{LENET_CMD_TRAIN, "train"},   {LENET_CMD_SWEEP, "sweep"}, {LENET_CMD_EVAL, "eval"},
                 {LENET_CMD_REPORT, "report"}, {LENET_CMD_INFO, "info"},   {LENET_CMD_GRADCHECK, "gradcheck"},
                 {LENET_CMD_BENCH, "bench"}};
    printf("| option | initially | what it does | commands |\n|---|---|---|---|\n");
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        printf("| `--%s ", option->name);
        for (const char *c = values_of(option); *c; c++) printf(*c == '|' ? "\\|" : "%c", *c);
        printf("` | %s | %s |", option->initial, option->help);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (option->commands & (int)names[i].bit) printf(" %s", names[i].name);
        printf(" |\n");
    }
}
