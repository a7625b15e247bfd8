/* report.c - lenet report: prints the groups of a sweep's runs as a table, CSV or JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/words.h"
#include "lenet/summary.h"

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
    struct lenet_json json = {.whole = NULL};
    char *text;
    lenet_summary_add_json(&json, config, s);
    LENET_TRY(lenet_json_print(&json, LENET_JSON_INDENTED, &text, err));
    printf("%s\n", text);
    free(text);
    return LENET_OK;
}

static enum lenet_status print_summary(const struct lenet_config *config, const struct lenet_summary *summary,
                                       struct lenet_error *err) {
    switch ((enum lenet_format)config->format) {
    case LENET_FORMAT_TABLE: print_table(config, summary); break;
    case LENET_FORMAT_CSV: print_csv(summary); break;
    case LENET_FORMAT_JSON: return print_json(config, summary, err);
    case LENET_FORMAT_C:
        return lenet_fail(err, LENET_ERR_ARG, "--format c: for lenet export; wanted table, csv or json");
    }
    return LENET_OK;
}

static void note_torn_lines(const struct lenet_records *records) {
    if (records->torn_files)
        print_note("report", "%s: its last line has no end yet and is left out%s", records->torn,
                   records->torn_files > 1 ? " (and so in other files)" : "");
}

static enum lenet_status report_records(const struct lenet_records *records, const struct lenet_config *config,
                                        struct lenet_error *err) {
    struct lenet_summary summary;
    note_torn_lines(records);
    LENET_TRY(lenet_summarize(records, config, &summary, err));
    const enum lenet_status status = print_summary(config, &summary, err);
    lenet_summary_free(&summary);
    return status;
}

enum lenet_status report_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_records records;
    const int paths = take_words(LENET_CMD_REPORT, argc, argv);
    LENET_TRY(lenet_options_parse(LENET_CMD_REPORT, argc - paths, argv + paths, config, err));
    if (!paths)
        return lenet_fail(err, LENET_ERR_ARG,
                          "of which runs? wanted a sweep's directory or .jsonl files, as in lenet report DIR");
    LENET_TRY(lenet_records_read(argv, paths, &records, err));
    const enum lenet_status status = report_records(&records, config, err);
    lenet_records_free(&records);
    return status;
}
