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

/* All of them, ended by one without a name. What stands in capitals before a colon in its help are its words. */
struct command {
    const char *name;
    enum lenet_command bit;
    enum lenet_status (*run)(int argc, char **argv, struct lenet_config *config, struct lenet_error *err);
    const char *help;
};
extern const struct command commands[];

/* Random data that is fresh each time, unless a seed is given. */
#define GRADCHECK_SEED "0"

/* A command's options, for --help; and all of them as a Markdown table. */
void print_options(enum lenet_command command);
void print_options_markdown(void);
/* The values that an option takes, "tanh|relu|squash", or what they are, "FILE". */
const char *option_values(const struct lenet_option *option);

/* For an installation: the manual page, and what completes command lines in bash and zsh. */
void print_man(void);
void print_bash_completion(void);
void print_zsh_completion(void);

#endif
