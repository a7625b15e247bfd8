/* sweep_plan.c - see sweep_plan.h. */
#include "lenet/sweep_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/rng.h"
#include "train/run_dir.h"

static const size_t MOST_RUNS = 10000000;
enum { VALUE = 64 }; /* bytes of a value's text */

/* ---- an axis from text ------------------------------------------------------------------ */

/* "log:1e-3..1e-1:8" taken apart; count is 0 where none is given. */
struct range {
    int logarithmic, whole; /* whole: every whole number in it */
    double low, high;
    size_t count;
};

/* Returns 0 where text is no range; the fault, where it is a bad one, is left to check_range. */
static int parse_range(const char *text, struct range *range) {
    char *end;
    *range = (struct range){0};
    const int spaced = strncmp(text, "lin:", 4) == 0 || strncmp(text, "log:", 4) == 0;
    range->logarithmic = strncmp(text, "log:", 4) == 0;
    range->whole = !spaced;
    if (spaced) text += 4;
    if (!strstr(text, "..")) return 0;
    range->low = strtod(text, &end); /* "0..31": strtod takes "0." and leaves ".31" */
    if (end > text && end[-1] == '.' && end[0] == '.') end--;
    if (end == text || strncmp(end, "..", 2) != 0) return 0;
    text = end + 2;
    range->high = strtod(text, &end);
    if (end == text) return 0;
    if (*end == ':' && spaced) {
        text = end + 1;
        const double count = strtod(text, &end);
        range->count = count >= 1 && count <= (double)MOST_RUNS && count == floor(count) ? (size_t)count : SIZE_MAX;
        if (end == text) return 0;
    }
    return *end == 0;
}

static enum lenet_status check_range(const struct lenet_option *option, const char *text, const struct range *range,
                                     struct lenet_error *err) {
    const char *fault = NULL;
    if (option->type != LENET_OPTION_INTEGER && option->type != LENET_OPTION_REAL)
        fault = "a range is for numbers";
    else if (range->whole && option->type != LENET_OPTION_INTEGER)
        fault = "for a number with a fraction, say how: lin:A..B:COUNT or log:A..B:COUNT";
    else if (!(range->low <= range->high) || !isfinite(range->high - range->low))
        fault = "the first end must not be above the second";
    else if (option->type == LENET_OPTION_INTEGER &&
             (range->low != floor(range->low) || range->high != floor(range->high)))
        fault = "wanted whole numbers";
    else if (range->whole && range->high - range->low >= (double)MOST_RUNS)
        fault = "ten million values at most";
    else if (range->logarithmic && range->low <= 0)
        fault = "log: wants ends above 0";
    else if (range->count == SIZE_MAX)
        fault = "the count must be a whole number from 1";
    return fault ? lenet_fail(err, LENET_ERR_ARG, "--%s: '%s': %s", option->name, text, fault) : LENET_OK;
}

/* From low to high as t goes from 0 to 1. */
static double between(const struct range *range, double low, double high, double t) {
    return range->logarithmic ? low * pow(high / low, t) : low + t * (high - low);
}

/* Between the ends at t from 0 to 1, as a text of six digits: what is recorded is what was used. More digits at the
 * ends and where six would lead out of the range. */
static void range_text(const struct lenet_option *option, const struct range *range, double t, char text[VALUE]) {
    const double value = fmin(fmax(between(range, range->low, range->high, t), range->low), range->high);
    snprintf(text, VALUE, option->type == LENET_OPTION_INTEGER ? "%.0f" : "%.6g", value);
    const double rounded = strtod(text, NULL);
    if (t <= 0 || t >= 1 || rounded < range->low || rounded > range->high)
        lenet_real_text(t <= 0 ? range->low : t >= 1 ? range->high : value, text);
}

static enum lenet_status add_value(const struct lenet_config *base, struct lenet_axis *axis, const char *text,
                                   struct lenet_error *err) {
    struct lenet_config scratch = *base;
    LENET_TRY(lenet_option_set(&scratch, axis->option, text, err));
    char **longer = lenet_grow(axis->values, axis->count, sizeof *longer);
    if (!longer) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    axis->values = longer;
    char *copy = malloc(strlen(text) + 1);
    if (!copy) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    axis->values[axis->count++] = strcpy(copy, text);
    return LENET_OK;
}

static enum lenet_status add_range(const struct lenet_config *base, struct lenet_axis *axis, const char *text,
                                   const struct range *range, struct lenet_error *err) {
    LENET_TRY(check_range(axis->option, text, range, err));
    const size_t count = range->whole ? (size_t)(range->high - range->low) + 1 : range->count;
    for (size_t i = 0; i < count; i++) {
        char value[VALUE];
        if (range->whole)
            snprintf(value, VALUE, "%.0f", range->low + (double)i);
        else
            range_text(axis->option, range, count > 1 ? (double)i / (double)(count - 1) : 0, value);
        LENET_TRY(add_value(base, axis, value, err));
    }
    return LENET_OK;
}

/* One item of a list, or a whole range. */
static enum lenet_status add_item(const struct lenet_config *base, struct lenet_axis *axis, const char *text, int alone,
                                  struct lenet_error *err) {
    struct range range;
    if (!parse_range(text, &range)) return add_value(base, axis, text, err);
    if (range.whole || range.count) return add_range(base, axis, text, &range, err);
    LENET_TRY(check_range(axis->option, text, &range, err));
    if (!alone)
        return lenet_fail(err, LENET_ERR_ARG, "--%s: '%s' is drawn from, which cannot be one value of a list",
                          axis->option->name, text);
    axis->logarithmic = range.logarithmic;
    axis->low = range.low;
    axis->high = range.high;
    return LENET_OK;
}

static enum lenet_status fill_axis(const struct lenet_config *base, struct lenet_axis *axis, const char *list,
                                   struct lenet_error *err) {
    char *copy = malloc(strlen(list) + 1);
    if (!copy) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    strcpy(copy, list);
    const int alone = strchr(list, ',') == NULL;
    enum lenet_status status = LENET_OK;
    for (char *item = copy, *next; item && status == LENET_OK; item = next) {
        next = strchr(item, ',');
        if (next) *next++ = 0;
        status = add_item(base, axis, item, alone, err);
    }
    free(copy);
    return status;
}

static void free_axis(struct lenet_axis *axis) {
    for (size_t i = 0; i < axis->count; i++) free(axis->values[i]);
    free(axis->values);
    *axis = (struct lenet_axis){0};
}

/* ---- the command line -------------------------------------------------------------------- */

static int may_be_axis(const struct lenet_option *option) {
    return option->identity || option->type == LENET_OPTION_AUGMENT;
}

/* An option that is given again replaces what was said before, as in every command. */
static void drop_axis(struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    for (int a = 0; a < plan->axes; a++) {
        if (plan->axis[a].option != option) continue;
        free_axis(&plan->axis[a]);
        plan->axes--;
        memmove(&plan->axis[a], &plan->axis[a + 1], (size_t)(plan->axes - a) * sizeof *plan->axis);
        return;
    }
}

/* --augment-shift 2 after --augment none,standard is for both of them, so it must be set after the axis. */
static int changes_an_axis(const struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    if (strncmp(option->name, "augment-", strlen("augment-")) != 0) return 0;
    for (int a = 0; a < plan->axes; a++)
        if (plan->axis[a].option->type == LENET_OPTION_AUGMENT) return 1;
    return 0;
}

static enum lenet_status take_option(void *self, const struct lenet_option *option, const char *text,
                                     struct lenet_error *err) {
    struct lenet_sweep_plan *plan = self;
    if (!may_be_axis(option)) return lenet_option_set(&plan->base, option, text, err);
    drop_axis(plan, option);
    if (plan->axes == LENET_MAX_AXES) return lenet_fail(err, LENET_ERR_ARG, "more than %d axes", LENET_MAX_AXES);
    struct lenet_axis *axis = &plan->axis[plan->axes];
    *axis = (struct lenet_axis){.option = option};
    plan->axes++;
    LENET_TRY(fill_axis(&plan->base, axis, text, err));
    if (axis->count != 1 || changes_an_axis(plan, option)) return LENET_OK;
    const enum lenet_status status = lenet_option_set(&plan->base, option, axis->values[0], err);
    drop_axis(plan, option);
    return status;
}

static enum lenet_status parse_shard(struct lenet_sweep_plan *plan, struct lenet_error *err) {
    const char *text = plan->base.shard;
    char same[LENET_MAX_CHOICE] = "";
    if (!text[0]) return LENET_OK;
    if (sscanf(text, "%d/%d", &plan->shard, &plan->shards) == 2)
        snprintf(same, sizeof same, "%d/%d", plan->shard, plan->shards); /* scanf skips blanks and lets numbers wrap */
    if (strcmp(same, text) == 0 && plan->shard >= 1 && plan->shard <= plan->shards) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "--shard: '%s'; wanted I/N with I from 1 to N, such as 1/4", text);
}

enum lenet_status lenet_sweep_plan_parse(int argc, char **argv, struct lenet_sweep_plan *plan,
                                         struct lenet_error *err) {
    *plan = (struct lenet_sweep_plan){0};
    lenet_config_init(&plan->base);
    LENET_TRY(lenet_options_each(LENET_CMD_SWEEP, argc, argv, take_option, plan, err));
    LENET_TRY(parse_shard(plan, err));
    const size_t samples = (size_t)plan->base.samples;
    plan->runs = samples ? samples : 1;
    for (int a = 0; a < plan->axes; a++) {
        const struct lenet_axis *axis = &plan->axis[a];
        const size_t values = axis->count ? axis->count : 1;
        if (!axis->count && !samples)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--%s: a range without a count is drawn from: give --samples N, or %s:%g..%g:COUNT",
                              axis->option->name, axis->logarithmic ? "log" : "lin", axis->low, axis->high);
        plan->drawn += !axis->count;
        if (plan->runs > MOST_RUNS / values)
            return lenet_fail(err, LENET_ERR_ARG, "more than ten million runs; split the sweep up");
        plan->runs *= values;
    }
    if (samples && !plan->drawn)
        return lenet_fail(err, LENET_ERR_ARG,
                          "--samples %zu: nothing to draw; give an option a range, such as --lr log:1e-3..1e-1",
                          samples);
    return LENET_OK;
}

void lenet_sweep_plan_free(struct lenet_sweep_plan *plan) {
    for (int a = 0; a < plan->axes; a++) free_axis(&plan->axis[a]);
    plan->axes = 0;
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* A number for an option's name, so that its draws are the same whatever else is drawn. */
static uint32_t name_key(const char *name) {
    uint32_t key = 0;
    for (; *name; name++) key = lenet_mix32(key ^ (uint8_t)*name);
    return key;
}

static void draw_value(const struct lenet_axis *axis, size_t sample, char text[VALUE]) {
    const struct range range = {.logarithmic = axis->logarithmic, .low = axis->low, .high = axis->high};
    const struct lenet_random random = lenet_philox(0, LENET_RNG_SWEEP, name_key(axis->option->name), sample);
    const double t = lenet_unit(random.v[0]);       /* below 1 */
    if (axis->option->type == LENET_OPTION_INTEGER) /* rounded down, so that the ends come as often as the others */
        snprintf(text, VALUE, "%.0f", fmin(floor(between(&range, axis->low, axis->high + 1, t)), axis->high));
    else
        range_text(axis->option, &range, t, text);
}

enum lenet_status lenet_sweep_config(const struct lenet_sweep_plan *plan, size_t i, struct lenet_config *config,
                                     struct lenet_error *err) {
    size_t place[LENET_MAX_AXES];
    for (int a = plan->axes - 1; a >= 0; a--) {
        const size_t count = plan->axis[a].count;
        place[a] = count ? i % count : 0;
        if (count) i /= count;
    }
    *config = plan->base;
    for (int a = 0; a < plan->axes; a++) { /* what is left of i is the sample */
        const struct lenet_axis *axis = &plan->axis[a];
        char drawn[VALUE];
        if (!axis->count) draw_value(axis, i, drawn);
        LENET_TRY(lenet_option_set(config, axis->option, axis->count ? axis->values[place[a]] : drawn, err));
    }
    return LENET_OK;
}

void lenet_sweep_describe(const struct lenet_sweep_plan *plan, const struct lenet_config *config, char *text,
                          size_t size) {
    size_t used = 0;
    if (size) text[0] = 0;
    for (int a = 0; a < plan->axes && used < size; a++) {
        char value[LENET_MAX_PATH];
        lenet_option_get(config, plan->axis[a].option, value, sizeof value);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", a ? " " : "", plan->axis[a].option->name, value);
    }
}

enum lenet_status lenet_run_id(const struct lenet_config *config, const struct lenet_dataset *data,
                               char id[LENET_RUN_ID], struct lenet_error *err) {
    char hex[65];
    cJSON *json = lenet_config_json(config);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    if (!text) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const struct lenet_piece pieces[] = {{text, strlen(text)}, {data->hash, strlen(data->hash)}};
    const enum lenet_status status = lenet_sha256(pieces, 2, hex, err);
    free(text);
    snprintf(id, LENET_RUN_ID, "%.16s", hex);
    return status;
}
