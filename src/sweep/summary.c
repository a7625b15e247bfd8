/* summary.c - collects the records of a sweep, groups them by options, and works out each group's mean and what it is
 * worth. */
#include "lenet/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "lenet/topology.h"
#include "train/run_dir.h"

/* ---- reading ------------------------------------------------------------------------------------ */

/* Averages over different data would mean nothing. */
static enum lenet_status same_data(const char *where, const char *hash, struct lenet_records *records,
                                   struct lenet_error *err) {
    if (!records->hash[0]) strcpy(records->hash, hash);
    if (strcmp(records->hash, hash) == 0) return LENET_OK;
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: a run on other data (%.12s...) than the first one (%.12s...); report them apart", where,
                      hash, records->hash);
}

static enum lenet_status keep_record(void *self, const char *where, const struct lenet_record *record,
                                     struct lenet_error *err) {
    struct lenet_records *records = self;
    LENET_TRY(same_data(where, record->hash, records, err));
    LENET_TRY(lenet_grow(&records->records, records->n, sizeof *records->records, err));
    struct lenet_record *copy = malloc(sizeof *copy);
    if (!copy) return lenet_fail(err, LENET_ERR_MEMORY, "no memory for more than %zu runs", records->n);
    *copy = *record;
    copy->order = records->n;
    records->records[records->n++] = copy;
    return LENET_OK;
}

static enum lenet_status read_file(void *self, const char *path, struct lenet_error *err) {
    struct lenet_records *records = self;
    size_t torn;
    LENET_TRY(lenet_records_each(path, keep_record, records, &torn, err));
    if (torn != SIZE_MAX && !records->torn_files++) snprintf(records->torn, sizeof records->torn, "%s", path);
    return LENET_OK;
}

static enum lenet_status count_name(void *self, const char *path, struct lenet_error *err) {
    (void)path, (void)err;
    ++*(int *)self;
    return LENET_OK;
}

/* How many names of a directory, which need not be there, begin and end so. */
static enum lenet_status count_names(const char *directory, const char *begin, const char *end, int *n,
                                     struct lenet_error *err) {
    *n = 0;
    return lenet_directory_each(directory, begin, end, count_name, n, err);
}

/* What a directory without records is, and what was probably meant. */
static enum lenet_status describe_directory(const char *path, char text[160], struct lenet_error *err) {
    static const struct {
        const char *begin, *end, *text;
    } kinds[] = {
        {"", ".safetensors", "it holds weights, which lenet eval --weights evaluates"},
        {"", "-ubyte", "it is a data set's; wanted the directory of a sweep"},
        {"", "-ubyte.gz", "it is a data set's; wanted the directory of a sweep"},
        {"run.json", "", "it is a single run's, which lenet eval --run evaluates"},
    };
    char progress[LENET_MAX_PATH];
    int n;
    snprintf(text, 160, "wanted the directory of a sweep");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        LENET_TRY(count_names(path, kinds[i].begin, kinds[i].end, &n, err));
        if (n) snprintf(text, 160, "%s", kinds[i].text);
    }
    LENET_TRY(count_names(path, "sweep.json", "", &n, err));
    if (!n) return LENET_OK;
    LENET_TRY(lenet_run_path(path, "progress", progress, err));
    LENET_TRY(count_names(progress, "", ".safetensors", &n, err));
    snprintf(text, 160, "the sweep is under way or was stopped (%d checkpoints); the same command goes on with it", n);
    return LENET_OK;
}

static enum lenet_status read_path(const char *path, struct lenet_records *records, struct lenet_error *err) {
    char kind[160];
    enum lenet_path is;
    int n;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is != LENET_DIRECTORY) return read_file(records, path, err);
    LENET_TRY(count_names(path, "runs", ".jsonl", &n, err));
    if (n) return lenet_directory_each(path, "runs", ".jsonl", read_file, records, err);
    LENET_TRY(describe_directory(path, kind, err));
    return lenet_fail(err, LENET_ERR_IO, "%s: no runs*.jsonl in it; %s", path, kind);
}

static enum lenet_status fail_empty(const char *path, struct lenet_error *err) {
    char kind[160];
    LENET_TRY(describe_directory(path, kind, err));
    return lenet_fail(err, LENET_ERR_FORMAT, "%s: no run in it has ended yet; %s", path, kind);
}

/* By id; of the same id the one that counts is the last. */
static int compare_ids(const void *a, const void *b) {
    const struct lenet_record *x = *(struct lenet_record *const *)a, *y = *(struct lenet_record *const *)b;
    const int ids = strcmp(x->id, y->id);
    if (ids) return ids;
    if (x->diverged != y->diverged) return y->diverged - x->diverged;
    return (x->order > y->order) - (x->order < y->order);
}

static void drop_repeated(struct lenet_records *records) {
    struct lenet_record **all = records->records;
    size_t kept = 0;
    qsort(all, records->n, sizeof *all, compare_ids);
    for (size_t i = 0; i < records->n; i++)
        if (i + 1 < records->n && strcmp(all[i]->id, all[i + 1]->id) == 0)
            free(all[i]);
        else
            all[kept++] = all[i];
    records->n = kept;
}

enum lenet_status lenet_records_read(char *const *paths, int n, struct lenet_records *records,
                                     struct lenet_error *err) {
    enum lenet_status status = LENET_OK;
    *records = (struct lenet_records){0};
    for (int i = 0; i < n && status == LENET_OK; i++) status = read_path(paths[i], records, err);
    if (status == LENET_OK && !records->n) status = fail_empty(n ? paths[0] : "", err);
    if (status == LENET_OK)
        drop_repeated(records);
    else
        lenet_records_free(records);
    return status;
}

void lenet_records_free(struct lenet_records *records) {
    for (size_t i = 0; i < records->n; i++) free(records->records[i]);
    free(records->records);
    *records = (struct lenet_records){0};
}

/* ---- statistics ------------------------------------------------------------------------------------ */

/* P(|T| <= t) of Student's t by its finite series for whole degrees of freedom, Abramowitz & Stegun 26.7.3 and 26.7.4,
 * where theta = atan(t / sqrt(degrees)). Its terms are positive: nothing cancels. */
static double student_within(double theta, size_t degrees) {
    const double pi = acos(-1.0), cosine = cos(theta), square = cosine * cosine;
    const int odd = (int)(degrees % 2);
    double term = odd ? cosine : 1, sum = 0;
    for (size_t k = odd ? 3 : 2; k <= degrees; k += 2) {
        sum += term;
        term *= square * (double)(k - 1) / (double)k;
    }
    return odd ? 2 / pi * (theta + sin(theta) * sum) : sin(theta) * sum;
}

double lenet_student_t(double probability, size_t degrees) {
    double low = 0, high = acos(-1.0) / 2;
    for (;;) { /* bisection, until no number is between the two */
        const double middle = low + (high - low) / 2;
        if (!(middle > low && middle < high)) break;
        if (student_within(middle, degrees) < probability)
            low = middle;
        else
            high = middle;
    }
    return sqrt((double)degrees) * tan(high);
}

struct lenet_statistics lenet_statistics_of(const double *values, size_t n) {
    struct lenet_statistics s = {NAN, NAN, {NAN, NAN}, NAN, NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    if (!n || !isfinite(sum)) return s;
    s.mean = sum / (double)n;
    s.min = s.max = values[0];
    for (size_t i = 0; i < n; i++) {
        s.min = fmin(s.min, values[i]);
        s.max = fmax(s.max, values[i]);
        squares += (values[i] - s.mean) * (values[i] - s.mean);
    }
    if (n == 1) return s;
    s.deviation = sqrt(squares / (double)(n - 1));
    const double half = lenet_student_t(0.95, n - 1) * s.deviation / sqrt((double)n);
    s.interval[0] = s.mean - half;
    s.interval[1] = s.mean + half;
    return s;
}

void lenet_interval_cut(enum lenet_metric metric, double interval[2]) {
    const int is_error = metric == LENET_TEST_ERROR || metric == LENET_TRAIN_ERROR || metric == LENET_VALIDATION_ERROR;
    if (isnan(interval[0])) return;
    interval[0] = fmax(interval[0], 0);
    if (is_error) interval[1] = fmin(interval[1], 1);
}

/* ---- which options make a group ------------------------------------------------------------------- */

static int compare_values(const struct lenet_option *option, const struct lenet_config *a,
                          const struct lenet_config *b) {
    const void *x = (const char *)a + option->offset, *y = (const char *)b + option->offset;
    switch (option->type) {
    case LENET_OPTION_INTEGER:
        return (*(const int64_t *)x > *(const int64_t *)y) - (*(const int64_t *)x < *(const int64_t *)y);
    case LENET_OPTION_REAL:
        return (*(const double *)x > *(const double *)y) - (*(const double *)x < *(const double *)y);
    case LENET_OPTION_CHOICE: return *(const int *)x - *(const int *)y;
    case LENET_OPTION_TEXT:
    case LENET_OPTION_ARCH:
    case LENET_OPTION_AUGMENT: break;
    }
    char texts[2][LENET_MAX_PATH];
    lenet_option_get(a, option, texts[0], sizeof texts[0]);
    lenet_option_get(b, option, texts[1], sizeof texts[1]);
    return strcmp(texts[0], texts[1]);
}

static int varies(const struct lenet_records *records, const struct lenet_option *option) {
    for (size_t i = 1; i < records->n; i++)
        if (compare_values(option, &records->records[0]->config, &records->records[i]->config) != 0) return 1;
    return 0;
}

static int is_by(const struct lenet_summary *s, const struct lenet_option *option) {
    for (int i = 0; i < s->by_count; i++)
        if (s->by[i] == option) return 1;
    return 0;
}

/* Every option that varies but the seed; for the five of an augmentation the one that stands for them. */
static void by_what_varies(const struct lenet_records *records, struct lenet_summary *s) {
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        if (!option->identity || strcmp(option->name, "seed") == 0 || !varies(records, option)) continue;
        const struct lenet_option *column = lenet_option_is_distortion(option) ? lenet_option_find("augment") : option;
        if (!is_by(s, column)) s->by[s->by_count++] = column;
    }
}

static enum lenet_status by_names(const char *list, struct lenet_summary *s, struct lenet_error *err) {
    char copy[LENET_MAX_LIST];
    snprintf(copy, sizeof copy, "%s", list);
    for (char *name = copy, *next; name; name = next) {
        next = strchr(name, ',');
        if (next) *next++ = 0;
        const struct lenet_option *option = lenet_option_find(name);
        if (!option || !lenet_option_makes_runs(option))
            return lenet_fail(err, LENET_ERR_ARG,
                              "--by: '%s' in '%s' is no option that makes a run; wanted some joined by commas, such as "
                              "lr,batch,augment",
                              name, list);
        if (is_by(s, option)) return lenet_fail(err, LENET_ERR_ARG, "--by: '%s' is in '%s' twice", name, list);
        s->by[s->by_count++] = option;
    }
    return LENET_OK;
}

/* ---- groups --------------------------------------------------------------------------------------- */

/* A run, and what it is sorted by. */
struct entry {
    const struct lenet_record *record;
    const struct lenet_summary *summary;
};

static int compare_groups(const struct entry *a, const struct entry *b) {
    int order = 0;
    for (int i = 0; i < a->summary->by_count && !order; i++)
        order = compare_values(a->summary->by[i], &a->record->config, &b->record->config);
    return order;
}

/* By group, then by seed; ids make the order the same whatever the files'. */
static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = compare_groups(x, y);
    if (!order) order = compare_values(lenet_option_find("seed"), &x->record->config, &y->record->config);
    return order ? order : strcmp(x->record->id, y->record->id);
}

/* An accuracy is a count over a count below 2^31. What 1 - accuracy has beyond 12 digits is rounding. */
static double error_of(double accuracy) { return round(1e12 * (1 - accuracy)) / 1e12; }

static double value_of(const struct lenet_metrics *m, enum lenet_metric metric) {
    switch (metric) {
    case LENET_TEST_ERROR: return error_of(m->test_accuracy);
    case LENET_TEST_LOSS: return m->test_loss;
    case LENET_TRAIN_ERROR: return error_of(m->train_accuracy);
    case LENET_TRAIN_LOSS: return m->train_loss;
    case LENET_VALIDATION_ERROR: return error_of(m->validation_accuracy);
    case LENET_VALIDATION_LOSS: return m->validation_loss;
    case LENET_SECONDS: return m->seconds;
    }
    return NAN;
}

static enum lenet_status check_metric(const struct lenet_records *records, enum lenet_metric metric,
                                      struct lenet_error *err) {
    if (metric != LENET_VALIDATION_ERROR && metric != LENET_VALIDATION_LOSS) return LENET_OK;
    for (size_t i = 0; i < records->n; i++) {
        const struct lenet_record *record = records->records[i];
        if (!record->diverged && !record->last.has_validation)
            return lenet_fail(err, LENET_ERR_ARG,
                              "--metric validation-%s: run %s has no validation set; wanted runs trained with "
                              "--validation, or another metric",
                              metric == LENET_VALIDATION_ERROR ? "error" : "loss", record->id);
    }
    return LENET_OK;
}

static void fill_groups(const struct entry *entries, size_t n, enum lenet_metric metric, struct lenet_summary *s) {
    struct lenet_group *group = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct lenet_record *record = entries[i].record;
        if (!i || compare_groups(&entries[i - 1], &entries[i]) != 0) {
            group = &s->groups[s->n++];
            *group = (struct lenet_group){.config = &record->config, .values = s->values + i, .seeds = s->seeds + i};
        }
        s->diverged += record->diverged != 0;
        if (record->diverged) {
            group->diverged++;
            continue;
        }
        const size_t at = (size_t)(group->values - s->values) + group->n++;
        s->values[at] = value_of(&record->last, metric);
        s->seeds[at] = record->config.seed;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->groups[i].statistics = lenet_statistics_of(s->groups[i].values, s->groups[i].n);
        lenet_interval_cut(metric, s->groups[i].statistics.interval);
    }
}

/* The lowest mean first, none last; equal ones stay as they were, which is the order of their values' places. */
static int compare_means(const void *a, const void *b) {
    const struct lenet_group *x = a, *y = b;
    const double p = isnan(x->statistics.mean) ? INFINITY : x->statistics.mean;
    const double q = isnan(y->statistics.mean) ? INFINITY : y->statistics.mean;
    if (p != q) return p < q ? -1 : 1;
    return (x->values > y->values) - (x->values < y->values);
}

static void keep_best(struct lenet_summary *s, int64_t best) {
    if (!best) return;
    qsort(s->groups, s->n, sizeof *s->groups, compare_means);
    if ((size_t)best < s->n) s->n = (size_t)best;
}

static enum lenet_status group_runs(const struct lenet_records *records, const struct lenet_config *config,
                                    struct lenet_summary *s, struct lenet_error *err) {
    const size_t n = records->n;
    struct entry *entries = calloc(n + 1, sizeof *entries);
    s->groups = calloc(n + 1, sizeof *s->groups);
    s->values = calloc(n + 1, sizeof *s->values);
    s->seeds = calloc(n + 1, sizeof *s->seeds);
    const int there = entries && s->groups && s->values && s->seeds;
    if (there) {
        for (size_t i = 0; i < n; i++) entries[i] = (struct entry){records->records[i], s};
        qsort(entries, n, sizeof *entries, compare_entries);
        fill_groups(entries, n, (enum lenet_metric)config->metric, s);
        keep_best(s, config->best);
    }
    free(entries);
    return there ? LENET_OK : lenet_fail(err, LENET_ERR_MEMORY, "no memory for the groups of %zu runs", n);
}

enum lenet_status lenet_summarize(const struct lenet_records *records, const struct lenet_config *config,
                                  struct lenet_summary *summary, struct lenet_error *err) {
    *summary = (struct lenet_summary){.runs = records->n};
    if (config->by[0])
        LENET_TRY(by_names(config->by, summary, err));
    else
        by_what_varies(records, summary);
    LENET_TRY(check_metric(records, (enum lenet_metric)config->metric, err));
    const enum lenet_status status = group_runs(records, config, summary, err);
    if (status != LENET_OK) lenet_summary_free(summary);
    return status;
}

void lenet_summary_free(struct lenet_summary *summary) {
    free(summary->groups);
    free(summary->values);
    free(summary->seeds);
    *summary = (struct lenet_summary){0};
}

const struct lenet_group *lenet_summary_best(const struct lenet_summary *summary) {
    const struct lenet_group *best = NULL;
    for (size_t i = 0; i < summary->n; i++) {
        const struct lenet_group *group = &summary->groups[i];
        if (!isnan(group->statistics.mean) && (!best || group->statistics.mean < best->statistics.mean)) best = group;
    }
    return best;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static void add_interval(struct lenet_json *json, const double interval[2]) {
    if (isnan(interval[0])) {
        lenet_json_add_null(json, "interval");
        return;
    }
    lenet_json_open_array(json, "interval");
    for (int i = 0; i < 2; i++) lenet_json_add_real(json, NULL, interval[i]);
    lenet_json_close(json);
}

static void add_group(struct lenet_json *json, const struct lenet_summary *s, const struct lenet_group *group) {
    lenet_json_open_object(json, NULL);
    lenet_json_open_object(json, "by");
    for (int i = 0; i < s->by_count; i++) lenet_option_add_json(json, group->config, s->by[i]);
    lenet_json_close(json);
    lenet_json_add_number(json, "n", (double)group->n);
    lenet_json_add_number(json, "diverged", (double)group->diverged);
    lenet_json_add_real(json, "mean", group->statistics.mean);
    lenet_json_add_real(json, "deviation", group->statistics.deviation);
    add_interval(json, group->statistics.interval);
    lenet_json_add_real(json, "min", group->statistics.min);
    lenet_json_add_real(json, "max", group->statistics.max);
    lenet_json_open_array(json, "values");
    for (size_t i = 0; i < group->n; i++) lenet_json_add_real(json, NULL, group->values[i]);
    lenet_json_close(json);
    lenet_json_open_array(json, "seeds");
    for (size_t i = 0; i < group->n; i++) lenet_json_add_real(json, NULL, (double)group->seeds[i]);
    lenet_json_close(json);
    lenet_json_close(json);
}

void lenet_summary_add_json(struct lenet_json *json, const struct lenet_config *config, const struct lenet_summary *s) {
    char metric[LENET_MAX_CHOICE];
    lenet_json_open_object(json, NULL);
    lenet_option_get(config, lenet_option_find("metric"), metric, sizeof metric);
    lenet_json_add_string(json, "metric", metric);
    lenet_json_open_array(json, "by");
    for (int i = 0; i < s->by_count; i++) lenet_json_add_string(json, NULL, s->by[i]->name);
    lenet_json_close(json);
    lenet_json_add_number(json, "runs", (double)s->runs);
    lenet_json_add_number(json, "diverged", (double)s->diverged);
    lenet_json_open_array(json, "groups");
    for (size_t i = 0; i < s->n; i++) add_group(json, s, &s->groups[i]);
    lenet_json_close(json);
    lenet_json_close(json);
}
