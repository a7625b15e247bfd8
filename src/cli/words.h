/* words.h - words on a command line that are neither options nor their values. */
#ifndef LENET_CLI_WORDS_H
#define LENET_CLI_WORDS_H
#include "lenet/options.h"

/* Moves such words to the front of argv, and returns how many there are. Those behind an option that the command does
 * not have stay where they are: which of them is its value is not known. All behind "--" are such words. */
int take_words(enum lenet_command command, int argc, char **argv);

/* LENET_ERR_ARG where a command that takes no words is given a path, with the option that was probably meant. Other
 * words are left to whoever reads the options. */
enum lenet_status refuse_path(enum lenet_command command, int argc, char **argv, struct lenet_error *err);

#endif
