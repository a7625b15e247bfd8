/* sweep_plan.c - the axes of a sweep from its command line, and each run of their product. */
#include "lenet/sweep_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/elementary.h"
#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/rng.h"

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
    const char *end;
    *range = (struct range){0};
    const int spaced = strncmp(text, "lin:", 4) == 0 || strncmp(text, "log:", 4) == 0;
    range->logarithmic = strncmp(text, "log:", 4) == 0;
    range->whole = !spaced;
    if (spaced) text += 4;
    if (!strstr(text, "..")) return 0;
    if (!(end = lenet_decimal_end(text)) || strncmp(end, "..", 2) != 0) return 0;
    range->low = strtod(text, NULL);
    text = end + 2;
    if (!(end = lenet_decimal_end(text))) return 0;
    range->high = strtod(text, NULL);
    if (*end == ':' && spaced) {
        text = end + 1;
        if (!(end = lenet_decimal_end(text))) return 0;
        const double count = strtod(text, NULL);
        range->count = count >= 1 && count <= (double)MOST_RUNS && count == floor(count) ? (size_t)count : SIZE_MAX;
    }
    return *end == 0;
}

static enum lenet_status check_range(const struct lenet_option *option, const char *text, const struct range *range,
                                     struct lenet_error *err) {
    const char *fault = NULL;
    if (!lenet_option_is_number(option))
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
    return range->logarithmic ? low * lenet_pow(high / low, t) : low + t * (high - low);
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

/* Values are kept as lenet_option_get writes them, so that equal ones are equal texts. */
static enum lenet_status add_value(const struct lenet_config *base, struct lenet_axis *axis, const char *text,
                                   struct lenet_error *err) {
    struct lenet_config scratch = *base;
    char value[LENET_MAX_PATH];
    LENET_TRY(lenet_option_set(&scratch, axis->option, text, err));
    lenet_option_get(&scratch, axis->option, value, sizeof value);
    LENET_TRY(lenet_grow(&axis->values, axis->count, sizeof *axis->values, err));
    if (!(axis->values[axis->count] = strdup(value))) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    axis->count++;
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
    const int is_range = parse_range(text, &range);
    if (!is_range && lenet_option_is_number(axis->option) && (strstr(text, "..") || strchr(text, ':')))
        return lenet_fail(err, LENET_ERR_ARG,
                          "--%s: '%.60s' is no range; wanted A..B, lin:A..B:COUNT or log:A..B:COUNT",
                          axis->option->name, text);
    if (!is_range) return add_value(base, axis, text, err);
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

/* ---- lists that may mean something else ----------------------------------------------------- */

/* A list cut at its commas. */
struct list {
    const char *text; /* the whole */
    char **items;
    size_t n;
};

static int is_digits(const char *item) { return item[0] && !item[strspn(item, "0123456789")]; }

/* 05, 000: how a part of a number is written, but no number. */
static int begins_with_zero(const char *item, size_t length) {
    return is_digits(item) && item[0] == '0' && strlen(item) >= length;
}

/* Joins items to a list with fewer commas: join(list, i) is what stands between items i - 1 and i. */
static void join_items(const struct list *list, const char *(*join)(const struct list *list, size_t i), char *text,
                       size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < list->n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? join(list, i) : "", list->items[i]);
}

static int is_of_digits(const struct list *list) {
    for (size_t i = 0; i < list->n; i++)
        if (!is_digits(list->items[i])) return 0;
    return 1;
}

/* In 0,05,0,1 every second comma stands before a fraction; in 0,05,0.1 only the first one does. */
static const char *decimal_point(const struct list *list, size_t i) {
    const int pairs = list->n % 2 == 0 && is_of_digits(list);
    return (pairs ? i % 2 == 1 : begins_with_zero(list->items[i], 2) && is_digits(list->items[i - 1])) ? "." : ",";
}

/* 1 where every item of a list is a value of its option: what is proposed must be. */
static int are_values(const struct lenet_option *option, const char *list) {
    struct lenet_config scratch = {.given = {0}};
    char item[128];
    for (;; list++) {
        const size_t length = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)(length < sizeof item ? length : sizeof item), list);
        if (lenet_option_set(&scratch, option, item, NULL) != LENET_OK) return 0;
        list += length;
        if (!*list) return 1;
    }
}

/* 0,05 is surely meant to be 0.05. 0,5 may be 0.5 or the values 0 and 5, which can be written 0.0,5 to be clear. */
static enum lenet_status check_decimal_commas(const struct lenet_option *option, const struct list *list,
                                              struct lenet_error *err) {
    int sure = 0, maybe = list->n % 2 == 0 && is_of_digits(list);
    char text[128];
    for (size_t i = 1; i < list->n; i++) {
        sure |= begins_with_zero(list->items[i], 2);
        maybe &= i % 2 == 0 || strcmp(list->items[i - 1], "0") == 0;
    }
    if (!sure && !maybe) return LENET_OK;
    join_items(list, decimal_point, text, sizeof text);
    if (!are_values(option, text)) return LENET_OK; /* the faulty one is named later */
    sure |= !are_values(option, list->text);
    return lenet_fail(err, LENET_ERR_ARG, "--%s: '%.60s' %s decimal commas, but a comma separates values; write %s%s%s",
                      option->name, list->text, sure ? "has" : "may have", text,
                      sure ? "" : ", or for several values 0.0", sure ? "" : list->text + 1);
}

static const char *no_separator(const struct list *list, size_t i) {
    return strlen(list->items[i]) == 3 && (list->items[i][0] == '0' || (i > 1 && *no_separator(list, i - 1) == 0))
               ? ""
               : ",";
}

/* 10,000 is meant to be 10000. */
static enum lenet_status check_thousands(const struct lenet_option *option, const struct list *list,
                                         struct lenet_error *err) {
    char text[128];
    int sure = 0;
    for (size_t i = 1; i < list->n; i++) sure |= begins_with_zero(list->items[i], 3);
    if (!sure) return LENET_OK;
    join_items(list, no_separator, text, sizeof text);
    return lenet_fail(err, LENET_ERR_ARG,
                      "--%s: '%.60s' has commas between thousands, but a comma separates values; write %s",
                      option->name, list->text, are_values(option, text) ? text : "numbers without them");
}

/* The next distortion's name in shift=1e+1+rotate=8, and its length; NULL where there is none. */
static const char *next_name(const char *item, size_t *length) {
    for (; *item; item++) {
        *length = strspn(item, "abcdefghijklmnopqrstuvwxyz");
        if (*length && item[*length] == '=') return item;
    }
    return NULL;
}

static int share_a_name(const char *a, const char *b) {
    size_t n, m;
    for (const char *x = a; (x = next_name(x, &n)); x += n + 1)
        for (const char *y = b; (y = next_name(y, &m)); y += m + 1)
            if (n == m && strncmp(x, y, n) == 0) return 1;
    return 0;
}

/* shift=1.5,rotate=8 is one network to lenet train, so here it must be clear how many it is. */
static enum lenet_status check_distortions(const struct lenet_option *option, const struct list *list,
                                           struct lenet_error *err) {
    for (size_t i = 1; i < list->n && are_values(option, list->text); i++) {
        const char *a = list->items[i - 1], *b = list->items[i];
        if (!strchr(a, '=') || !strchr(b, '=') || share_a_name(a, b)) continue;
        return lenet_fail(err, LENET_ERR_ARG,
                          "--augment: '%s,%s' may be one network or two; write %s+%s for one, %s,%s+%.*s=0 for two", a,
                          b, a, b, a, b, (int)strcspn(a, "="), a);
    }
    return LENET_OK;
}

/* C1,C3 is one network with two frozen layers to lenet train. */
static enum lenet_status check_layers(const struct list *list, struct lenet_error *err) {
    for (size_t i = 0; i < list->n; i++)
        if (list->n == 1 || strchr(list->items[i], '+') || strcmp(list->items[i], "none") == 0) return LENET_OK;
    const char *a = list->items[0], *b = list->items[1];
    return lenet_fail(err, LENET_ERR_ARG,
                      "--freeze: '%s,%s' may be one network or two; write %s+%s for one, %s,%s+%s for two", a, b, a, b,
                      a, b, b);
}

static enum lenet_status check_list(const struct lenet_option *option, const struct list *list,
                                    struct lenet_error *err) {
    for (size_t i = 0; i < list->n; i++)
        if (!list->items[i][0] || list->items[i][strcspn(list->items[i], " \t\r\n")])
            return lenet_fail(err, LENET_ERR_ARG,
                              "--%s: '%.60s' has %s; a list has a value on each side of every comma, and no spaces",
                              option->name, list->text, list->items[i][0] ? "a space in it" : "an empty value");
    if (option->type == LENET_OPTION_REAL) return check_decimal_commas(option, list, err);
    if (option->type == LENET_OPTION_INTEGER) return check_thousands(option, list, err);
    if (strcmp(option->name, "freeze") == 0) return check_layers(list, err);
    return option->type == LENET_OPTION_AUGMENT ? check_distortions(option, list, err) : LENET_OK;
}

static enum lenet_status fill_axis(const struct lenet_config *base, struct lenet_axis *axis, const char *text,
                                   struct lenet_error *err) {
    char *copy = strdup(text);
    struct list list = {.text = text, .items = malloc((strlen(text) + 1) * sizeof *list.items)};
    enum lenet_status status = copy && list.items ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    if (status == LENET_OK) {
        for (char *item = copy, *next; item; item = next) {
            next = strchr(item, ',');
            if (next) *next++ = 0;
            list.items[list.n++] = item;
        }
        status = check_list(axis->option, &list, err);
    }
    for (size_t i = 0; i < list.n && status == LENET_OK; i++)
        status = add_item(base, axis, list.items[i], list.n == 1, err);
    free(list.items);
    free(copy);
    return status;
}

static void free_axis(struct lenet_axis *axis) {
    for (size_t i = 0; i < axis->count; i++) free(axis->values[i]);
    free(axis->values);
    *axis = (struct lenet_axis){0};
}

/* ---- the command line -------------------------------------------------------------------- */

static void drop_axis(struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    for (int a = 0; a < plan->axes; a++) {
        if (plan->axis[a].option != option) continue;
        free_axis(&plan->axis[a]);
        plan->axes--;
        memmove(&plan->axis[a], &plan->axis[a + 1], (size_t)(plan->axes - a) * sizeof *plan->axis);
        return;
    }
}

/* An option that is given again replaces what was said before, as in every command; --augment, also of its parts. */
static void drop_axes(struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    drop_axis(plan, option);
    for (const struct lenet_option *part = lenet_options; option->type == LENET_OPTION_AUGMENT && part->name; part++)
        if (lenet_option_is_distortion(part)) drop_axis(plan, part);
}

/* --augment-shift 2 after --augment none,standard is for both of them, so it must be set after the axis. */
static int changes_an_axis(const struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    for (int a = 0; lenet_option_is_distortion(option) && a < plan->axes; a++)
        if (plan->axis[a].option->type == LENET_OPTION_AUGMENT) return 1;
    return 0;
}

/* Also an axis, whose values are each run's own, is given: a later --augment can replace it. */
static void mark_given(struct lenet_config *base, const struct lenet_axis *axis) {
    struct lenet_config scratch = *base;
    lenet_option_set(&scratch, axis->option, axis->count ? axis->values[0] : axis->option->initial, NULL);
    memcpy(base->given, scratch.given, sizeof base->given);
    memcpy(base->replaced, scratch.replaced, sizeof base->replaced);
}

/* Whether it says how the data set is to be read, which all runs share. */
static int is_of_data(const struct lenet_option *option) {
    return option->offset == offsetof(struct lenet_config, first_label) ||
           option->offset == offsetof(struct lenet_config, transpose);
}

static enum lenet_status take_option(void *self, const struct lenet_option *option, const char *text,
                                     struct lenet_error *err) {
    struct lenet_sweep_plan *plan = self;
    if (!lenet_option_makes_runs(option)) return lenet_option_set(&plan->base, option, text, err);
    drop_axes(plan, option);
    if (plan->axes == LENET_MAX_AXES) return lenet_fail(err, LENET_ERR_ARG, "more than %d axes", LENET_MAX_AXES);
    struct lenet_axis *axis = &plan->axis[plan->axes];
    *axis = (struct lenet_axis){.option = option};
    plan->axes++;
    LENET_TRY(fill_axis(&plan->base, axis, text, err));
    if (axis->count != 1 && is_of_data(option))
        return lenet_fail(err, LENET_ERR_ARG,
                          "--%s %.100s: wanted one value, for all runs of a sweep share its data set", option->name,
                          text);
    mark_given(&plan->base, axis);
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
    int drawn = 0; /* axes that are ranges */
    plan->runs = samples ? samples : 1;
    for (int a = 0; a < plan->axes; a++) {
        const struct lenet_axis *axis = &plan->axis[a];
        const size_t values = axis->count ? axis->count : 1;
        if (!axis->count && !samples)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--%s: a range without a count is drawn from: give --samples N, or %s:%.15g..%.15g:COUNT",
                              axis->option->name, axis->logarithmic ? "log" : "lin", axis->low, axis->high);
        drawn += !axis->count;
        if (plan->runs > MOST_RUNS / values)
            return lenet_fail(err, LENET_ERR_ARG, "more than ten million runs; split the sweep up");
        plan->runs *= values;
    }
    if (samples && !drawn)
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

/* ---- the plan in words ------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* How many values are there already. A range's are not: they rise. */
static size_t count_repeated(const struct lenet_axis *axis) {
    size_t repeated = 0, rising = 1;
    while (lenet_option_is_number(axis->option) && rising < axis->count &&
           strtod(axis->values[rising - 1], NULL) < strtod(axis->values[rising], NULL))
        rising++;
    if (rising >= axis->count) return 0;
    char **sorted = malloc(axis->count * sizeof *sorted);
    if (!sorted) return 0;
    memcpy(sorted, axis->values, axis->count * sizeof *sorted);
    qsort(sorted, axis->count, sizeof *sorted, by_text);
    for (size_t i = 1; i < axis->count; i++) repeated += strcmp(sorted[i - 1], sorted[i]) == 0;
    free(sorted);
    return repeated;
}

/* Text that is added to, as far as there is room. */
struct writer {
    char *text;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct writer *w, const char *format, ...) {
    va_list args;
    if (w->used >= w->size) return;
    va_start(args, format);
    w->used += (size_t)vsnprintf(w->text + w->used, w->size - w->used, format, args);
    va_end(args);
}

static void add_axis(struct writer *w, const struct lenet_axis *axis, size_t samples) {
    enum { MOST = 8, FIRST = 3 };
    if (!axis->count) {
        add(w, "  %s: drawn from %s:%.15g..%.15g (%zu times)\n", axis->option->name, axis->logarithmic ? "log" : "lin",
            axis->low, axis->high, samples);
        return;
    }
    add(w, "  %s: ", axis->option->name);
    for (size_t i = 0; i < axis->count; i++) {
        if (axis->count > MOST && i == FIRST) {
            add(w, ", ...");
            i = axis->count - 1;
        }
        add(w, "%s%s", i ? ", " : "", axis->values[i]);
    }
    const size_t repeated = count_repeated(axis);
    add(w, " (%zu value%s", axis->count, axis->count == 1 ? "" : "s");
    if (repeated) add(w, ", %zu of them repeated: each is trained once", repeated);
    add(w, ")\n");
}

static const struct lenet_axis *axis_of(const struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    for (int a = 0; a < plan->axes; a++)
        if (plan->axis[a].option == option) return &plan->axis[a];
    return NULL;
}

/* The option that leaves this one without effect in every run, or NULL. Only the architecture, whose recipe sets
 * others, and that option itself decide it. */
static const struct lenet_option *idled_in_all(const struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    struct lenet_config config;
    if (lenet_sweep_config(plan, 0, &config, NULL) != LENET_OK) return NULL;
    const struct lenet_option *by = lenet_option_idled_by(&config, option), *arch = lenet_option_find("arch");
    const struct lenet_axis *archs = axis_of(plan, arch), *values = by && by != arch ? axis_of(plan, by) : NULL;
    for (size_t i = 0; by && i < (archs ? archs->count : 1); i++) {
        if (archs) lenet_option_set(&config, arch, archs->values[i], NULL);
        for (size_t j = 0; j < (values && values->count ? values->count : 1); j++) {
            if (values && values->count) lenet_option_set(&config, by, values->values[j], NULL);
            if (!lenet_option_idled_by(&config, option)) return NULL;
        }
    }
    return by;
}

static void add_idle(struct writer *w, const struct lenet_sweep_plan *plan, const struct lenet_option *option) {
    char value[LENET_MAX_CHOICE];
    const struct lenet_option *by = idled_in_all(plan, option);
    if (!by) return;
    lenet_option_get(&plan->base, by, value, sizeof value);
    add(w, "  --%s %s %s--%s%s%s\n", option->name, lenet_option_idle_words(by),
        axis_of(plan, by) ? "any value of " : "", by->name, axis_of(plan, by) ? "" : " ",
        axis_of(plan, by) ? "" : value);
}

void lenet_sweep_plan_text(const struct lenet_sweep_plan *plan, char *text, size_t size) {
    struct writer w = {.text = text, .size = size};
    if (size) text[0] = 0;
    for (int a = 0; a < plan->axes; a++) add_axis(&w, &plan->axis[a], (size_t)plan->base.samples);
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (option->identity && (axis_of(plan, option) || lenet_option_is_given(&plan->base, option)))
            add_idle(&w, plan, option);
}
