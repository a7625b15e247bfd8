/* man.c - lenet help --man: prints the manual page lenet(1), made from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "lenet/version.h"

/* Plain text in roff: a minus stays what is typed, and no line begins with what roff takes for a request. */
static void print_text(const char *text) {
    if (*text == '.' || *text == '\'') printf("\\&");
    for (; *text; text++) {
        if (*text == '\\')
            printf("\\e");
        else if (*text == '-')
            printf("\\-");
        else if (*text == '~')
            printf("\\(ti");
        else if (*text == '\'')
            printf("\\(aq");
        else
            putchar(*text);
    }
}

static void print_section(const char *title) { printf(".SH %s\n", title); }

/* An entry of a list: in bold what is typed, in italics what stands for something else, and then its explanation. */
static void print_entry(const char *typed, const char *stands_for) {
    printf(".TP\n\\fB");
    print_text(typed);
    printf("\\fR");
    if (!stands_for[0]) {
        printf("\n");
        return;
    }
    printf(" \\fI");
    print_text(stands_for);
    printf("\\fR\n");
}

static void print_commands(void) {
    print_section("COMMANDS");
    for (const struct command *c = commands; c->name; c++) {
        print_entry(c->name, "");
        print_text(c->help);
        printf("\n");
    }
}

static void print_option(const struct lenet_option *option) {
    char name[64];
    const char *joined = "";
    snprintf(name, sizeof name, "--%s", option->name);
    print_entry(name, option_values(option));
    print_text(option->help);
    if (option->initial[0]) {
        printf("; initially ");
        print_text(option->initial);
    }
    printf("\n(");
    for (int bit = LENET_CMD_TRAIN; bit < LENET_CMD_END; bit *= 2) {
        if (!(option->commands & bit)) continue;
        printf("%s%s", joined, lenet_command_name((enum lenet_command)bit));
        joined = ", ";
    }
    printf(")\n");
}

static void print_options_section(void) {
    print_section("OPTIONS");
    print_text(
        "The commands that take an option stand behind it. --lr=0.1 is --lr 0.1, and a switch that is off|on may "
        "stand without a value. To sweep, options that change what a run becomes also take lists and ranges.");
    printf("\n");
    for (const struct lenet_option *option = lenet_options; option->name; option++) print_option(option);
}

struct entry {
    const char *typed, *help;
};
static void print_entries(const char *title, const struct entry *entries) {
    print_section(title);
    for (; entries->typed; entries++) {
        print_entry(entries->typed, "");
        print_text(entries->help);
        printf("\n");
    }
}

static const struct entry variables[] = {
    {"LENET_DATA", "the directory of the data set where no --data is given"},
    {"XDG_DATA_HOME", "the directory in which lenet/mnist is looked for, initially ~/.local/share"},
    {"LENET_CPU", "a level of processors to compute for, lower than the one that lenet info shows: v2, v3 or v4"},
    {NULL, NULL}};
static const struct entry exits[] = {
    {"0", "everything was done"},           {"1", "a check failed"},      {"2", "usage"},
    {"3", "bad input, or input or output"}, {"4", "no such device"},      {"5", "training diverged"},
    {"129, 130, 143", "a signal ended it"}, {.typed = NULL, .help = NULL}};
static const struct entry examples[] = {
    {"lenet train --epochs 5", "trains one network"},
    {"lenet train --resume runs/lenet5-1", "goes on after Ctrl-C, a power cut or a full disk"},
    {"lenet eval --run runs/lenet5-1", "says how good it is on the test images"},
    {"lenet predict --run runs/lenet5-1 photo.jpg", "says which digit is in a picture"},
    {"lenet sweep --out DIR --lr 0.01,0.05 --seed 1..8", "trains all sixteen combinations"},
    {"lenet report DIR", "gives the means with their intervals"},
    {NULL, NULL}};

void print_man(void) {
    printf(".\\\" made by: lenet help --man\n.TH LENET 1 \"\" \"lenet " LENET_VERSION "\" \"User Commands\"\n");
    print_section("NAME");
    printf("lenet \\- train LeNet\\-5 and its relatives on MNIST and data sets like it\n");
    print_section("SYNOPSIS");
    printf(".B lenet\n.I COMMAND\n.RI [ \"\\-\\-OPTION VALUE\" \" ...]\"\n");
    print_section("DESCRIPTION");
    print_text(
        "lenet trains, evaluates and uses LeNet-5 and its relatives on IDX data sets, on a CPU or on a GPU. The same "
        "command gives the same bytes every time. lenet COMMAND --help explains a command.");
    printf("\n");
    print_commands();
    print_options_section();
    print_entries("ENVIRONMENT", variables);
    print_entries("EXIT STATUS", exits);
    print_entries("EXAMPLES", examples);
}
