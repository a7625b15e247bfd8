/* summary.h - what the runs of a sweep come to: reads their records, groups them by options, and gives each group's
 * mean with what it is worth.
 *
 * A sweep's directory holds files runs*.jsonl of one JSON object a line:
 *   {"id", "status": "done" or "diverged", "config": as in run.json, "data": as there, "metrics": [as metrics.jsonl]}
 * A run's value is that of its last epoch. The best epoch's would be chosen on the very images that it is measured on,
 * and too good. */
#ifndef LENET_SUMMARY_H
#define LENET_SUMMARY_H
#include "lenet/metrics.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

/* In the order of the choices of --metric and --format. */
enum lenet_metric {
    LENET_TEST_ERROR,
    LENET_TEST_LOSS,
    LENET_TRAIN_ERROR,
    LENET_TRAIN_LOSS,
    LENET_VALIDATION_ERROR,
    LENET_VALIDATION_LOSS,
    LENET_SECONDS,
};
enum lenet_format { LENET_FORMAT_TABLE, LENET_FORMAT_CSV, LENET_FORMAT_JSON, LENET_FORMAT_C };

enum { LENET_MAX_ID = 64, LENET_MAX_BY = 64 };

/* ---- reading ------------------------------------------------------------------------------------ */

struct lenet_record {
    char id[LENET_MAX_ID];
    int diverged;
    char hash[65];              /* of its data                              */
    struct lenet_config config; /* with the directory that its data were in */
    struct lenet_metrics last;  /* its last epoch; of a diverged run nothing */
    size_t order;               /* of its line among all that were read      */
};

struct lenet_records {
    struct lenet_record **records;
    size_t n;
    char hash[65];             /* of the data that all were trained on                      */
    char torn[LENET_MAX_PATH]; /* the first file whose last line has no end and is left out */
    int torn_files;            /* how many there are                                        */
};

/* Calls take(self, where, record) for every record of a file, until it fails; where is the file and the line, for
 * messages. *torn becomes the length of what is whole where the last line is torn, else SIZE_MAX. LENET_ERR_FORMAT,
 * naming file and line, where a line is no record, or its id, where it is one of this program's, is not that of its
 * configuration and data: then one of them was edited. */
typedef enum lenet_status lenet_take_record(void *self, const char *where, const struct lenet_record *record,
                                            struct lenet_error *err);
enum lenet_status lenet_records_each(const char *path, lenet_take_record *take, void *self, size_t *torn,
                                     struct lenet_error *err);

/* Reads every path: a directory's runs*.jsonl in the order of their names, or one file. Where an id occurs more than
 * once its last "done" line counts, or else its last line. Lines that are no records, runs on different data and no
 * runs at all are LENET_ERR_FORMAT, naming file and line; LENET_ERR_IO; LENET_ERR_MEMORY. To be freed where it
 * succeeds. */
enum lenet_status lenet_records_read(char *const *paths, int n, struct lenet_records *records, struct lenet_error *err);
void lenet_records_free(struct lenet_records *records);

/* ---- statistics ------------------------------------------------------------------------------------ */

/* The t that a variable of Student's distribution stays within, on both sides, with this probability (below 1). */
double lenet_student_t(double probability, size_t degrees);

/* NaN where there is none: of no values, the deviation and the interval of one, everything where a value is not finite.
 */
struct lenet_statistics {
    double mean, deviation; /* the sample's, by n - 1                                  */
    double interval[2];     /* 95 % of the mean, by Student's t of n - 1 degrees of freedom */
    double min, max;
};
struct lenet_statistics lenet_statistics_of(const double *values, size_t n);

/* Cuts the interval to what values of a metric can be: none is below 0, and no error above 1. Student's interval does
 * not know that, and of two or three runs, or of errors near 0, it reaches beyond. What is cut off holds no possible
 * mean, so the probability is at least what it was. */
void lenet_interval_cut(enum lenet_metric metric, double interval[2]);

/* ---- groups ------------------------------------------------------------------------------------------ */

struct lenet_group {
    const struct lenet_config *config; /* of one of its runs */
    size_t n, diverged;                /* runs that are done, and that are not    */
    const double *values;              /* of the n, in the order of their seeds */
    const int64_t *seeds;
    struct lenet_statistics statistics; /* of the values */
};

struct lenet_summary {
    const struct lenet_option *by[LENET_MAX_BY];
    int by_count;
    size_t runs, diverged; /* of all groups, listed or not */
    struct lenet_group *groups;
    size_t n;
    double *values; /* where the groups' are */
    int64_t *seeds;
};

/* Groups the runs as config->by, ->metric and ->best say. The summary points into *records. Errors are fractions of 1.
 * LENET_ERR_ARG where by is no list of recorded options or a run lacks the metric; LENET_ERR_MEMORY. */
enum lenet_status lenet_summarize(const struct lenet_records *records, const struct lenet_config *config,
                                  struct lenet_summary *summary, struct lenet_error *err);
void lenet_summary_free(struct lenet_summary *summary);

/* The listed group of the lowest mean; NULL where none has a mean. */
const struct lenet_group *lenet_summary_best(const struct lenet_summary *summary);

/* Adds {"metric", "by", "runs", "diverged", "groups"}. */
struct lenet_json;
void lenet_summary_add_json(struct lenet_json *json, const struct lenet_config *config,
                            const struct lenet_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
