/* report.h - the tables that the commands print. */
#ifndef LENET_CLI_REPORT_H
#define LENET_CLI_REPORT_H
#include "lenet/bench.h"
#include "lenet/crosscheck.h"
#include "lenet/eval.h"
#include "lenet/gradcheck.h"
#include "lenet/summary.h"
#ifdef __cplusplus
extern "C" {
#endif

void lenet_print_evaluation(const struct lenet_config *config, const struct lenet_evaluation *evaluation,
                            const struct lenet_dataset *data);

/* host_w: the weights of config->weights, or NULL for an architecture alone. */
void lenet_print_info(const struct lenet_config *config, const struct lenet_model *model, const float *host_w);
/* The layers with their shapes. */
enum lenet_status lenet_info_write(const char *path, const struct lenet_topology *plan, struct lenet_error *err);

void lenet_print_gradcheck(const struct lenet_config *config, const struct lenet_gradcheck *result);
void lenet_print_crosscheck(const struct lenet_crosscheck *result);
/* All tables: one or two of crosschecks[n]. */
enum lenet_status lenet_gradcheck_write(const char *path, const struct lenet_config *config,
                                        const struct lenet_gradcheck *slopes,
                                        const struct lenet_crosscheck *crosschecks, int n, struct lenet_error *err);

void lenet_print_bench(const struct lenet_config *config, const struct lenet_bench *result);
enum lenet_status lenet_bench_write(const char *path, const struct lenet_config *config,
                                    const struct lenet_bench *result, struct lenet_error *err);

/* The groups, as config->format says. LENET_ERR_MEMORY. */
enum lenet_status lenet_print_summary(const struct lenet_config *config, const struct lenet_summary *summary,
                                      struct lenet_error *err);

/* A command's options, for --help; and all of them as the README's table. */
void lenet_print_options(enum lenet_command command);
void lenet_print_options_markdown(void);

#ifdef __cplusplus
}
#endif
#endif
