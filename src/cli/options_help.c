/* options_help.c - prints the table of options: one command's for --help, all of them as Markdown. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

const char *option_values(const struct lenet_option *option) {
    return option->choices ? option->choices : option->argument;
}

static const char *initial_of(enum lenet_command command, const struct lenet_option *option) {
    return command == LENET_CMD_GRADCHECK && strcmp(option->name, "seed") == 0 ? GRADCHECK_SEED : option->initial;
}

void print_options(enum lenet_command command) {
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        if (!(option->commands & (int)command)) continue;
        char left[128];
        const int width = snprintf(left, sizeof left, "--%s %s", option->name, option_values(option));
        printf("  %-44s ", left);
        if (width > 44) printf("\n%47s", "");
        printf("%s", option->help);
        const char *initial = initial_of(command, option);
        if (initial[0]) printf(" [%s]", initial);
        printf("\n");
    }
}

void print_options_markdown(void) {
    printf("| option | initially | what it does | commands |\n|---|---|---|---|\n");
    for (const struct lenet_option *option = lenet_options; option->name; option++) {
        printf("| `--%s ", option->name);
        for (const char *c = option_values(option); *c; c++) printf(*c == '|' ? "\\|" : "%c", *c);
        printf("` | %s | %s |", option->initial, option->help);
        for (int bit = LENET_CMD_TRAIN; bit < LENET_CMD_END; bit *= 2)
            if (option->commands & bit) printf(" %s", lenet_command_name((enum lenet_command)bit));
        printf(" |\n");
    }
}
