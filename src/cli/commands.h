/* commands.h - the commands, a file each, and the table of options that --help prints. */
#ifndef LENET_CLI_COMMANDS_H
#define LENET_CLI_COMMANDS_H
#include "lenet/options.h"

/* Each reads its options into *config, which holds the initial values, does its work and prints what comes of it. */
enum lenet_status train_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status sweep_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status eval_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status info_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status gradcheck_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status bench_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status report_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status export_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
enum lenet_status predict_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);

/* Random data that is fresh each time, unless a seed is given. */
#define GRADCHECK_SEED "0"

/* A command's options, for --help; and all of them as a Markdown table. */
void print_options(enum lenet_command command);
void print_options_markdown(void);

#endif
