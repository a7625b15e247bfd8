/* completion.c - lenet help --bash and --zsh: prints what completes command lines, made from the tables of commands and
 * options. The value of an option is one of its choices, a file or a directory; of others nothing is proposed. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "lenet/topology.h"

/* Prints words, or those of "tanh|relu", with a space between. */
static void print_choices(const char *choices) {
    for (; *choices; choices++) putchar(*choices == '|' ? ' ' : *choices);
}

/* ---- what an option's value is ------------------------------------------------------------------------------ */

static int has_choices(const struct lenet_option *option) {
    return option->type == LENET_OPTION_CHOICE || option->type == LENET_OPTION_ARCH;
}
static void print_option_choices(const struct lenet_option *option) {
    if (option->type == LENET_OPTION_CHOICE) print_choices(option->choices);
    for (const struct lenet_arch *arch = lenet_archs; option->type == LENET_OPTION_ARCH && arch->name; arch++)
        printf("%s%s", arch == lenet_archs ? "" : " ", arch->name);
}
static int is_switch(const struct lenet_option *option) { return strcmp(option_values(option), "off|on") == 0; }
static int is_file(const struct lenet_option *option) { return strcmp(option->argument, "FILE") == 0; }
static int is_directory(const struct lenet_option *option) { return strcmp(option->argument, "DIR") == 0; }

/* "PATH...: means of ..." */
static int takes_files(const struct command *command) { return strstr(command->help, "...: ") != NULL; }

/* ---- bash --------------------------------------------------------------------------------------------------- */

static const char bash_head[] = //
    "# bash completion for lenet, made by: lenet help --bash\n"
    "_lenet_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\"); }\n"
    "_lenet_files() {\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$2\")\n"
    "    compopt -o filenames 2>/dev/null || true\n"
    "}\n"
    "# _lenet_value OPTION CURRENT: completes the option's value; fails where it may have none.\n"
    "_lenet_value() {\n"
    "    case $1 in\n";
static const char bash_middle[] = //
    "    *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "_lenet() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    COMPREPLY=()\n"
    "    # --name=value is three words to bash.\n"
    "    if [[ $current == = ]]; then\n"
    "        current=''\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    if ((COMP_CWORD > 2)) && [[ $current != -* ]] && _lenet_value \"$before\" \"$current\"; then return; fi\n"
    "    case $((COMP_CWORD > 1)):${COMP_WORDS[1]} in\n";
static const char bash_tail[] = //
    "    esac\n"
    "}\n"
    "complete -F _lenet lenet\n";

static void print_bash_value(const struct lenet_option *option) {
    if (!has_choices(option) && !is_file(option) && !is_directory(option)) {
        printf("    --%s) ;;\n", option->name);
        return;
    }
    printf("    --%s) ", option->name);
    if (has_choices(option)) {
        printf("_lenet_words '");
        print_option_choices(option);
        printf("' \"$2\" ;;\n");
    } else {
        printf("_lenet_files %s \"$2\" ;;\n", is_file(option) ? "-f" : "-d");
    }
}

static void print_bash_command(const struct command *command) {
    printf("    1:%s)\n", command->name);
    if (takes_files(command))
        printf("        if [[ $current != -* ]]; then\n"
               "            _lenet_files -f \"$current\"\n"
               "            return\n"
               "        fi\n");
    printf("        _lenet_words '");
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (option->commands & (int)command->bit) printf("--%s ", option->name);
    printf("--help' \"$current\" ;;\n");
}

void print_bash_completion(void) {
    fputs(bash_head, stdout);
    for (const struct lenet_option *option = lenet_options; option->name; option++) print_bash_value(option);
    fputs(bash_middle, stdout);
    for (const struct command *c = commands; c->name; c++) print_bash_command(c);
    printf("    0:*) _lenet_words '");
    for (const struct command *c = commands; c->name; c++) printf("%s ", c->name);
    printf("help --help --version' \"$current\" ;;\n    1:help) _lenet_words '");
    for (const struct command *c = commands; c->name; c++) printf("%s ", c->name);
    printf("' \"$current\" ;;\n");
    fputs(bash_tail, stdout);
}

/* ---- zsh ---------------------------------------------------------------------------------------------------- */

/* Text inside single quotes, where zsh's functions take brackets and colons for their own. */
static void print_zsh_text(const char *text) {
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void print_zsh_option(const struct lenet_option *option) {
    printf(" \\\n            '--%s=[", option->name);
    print_zsh_text(option->help);
    printf("]%s%s:", is_switch(option) ? "::" : ":", option->argument);
    if (has_choices(option)) {
        putchar('(');
        print_option_choices(option);
        putchar(')');
    } else if (is_file(option) || is_directory(option)) {
        printf("_files%s", is_file(option) ? "" : " -/");
    }
    putchar('\'');
}

static void print_zsh_command(const struct command *command) {
    printf("    %s)\n        _arguments '--help[list the options]'", command->name);
    for (const struct lenet_option *option = lenet_options; option->name; option++)
        if (option->commands & (int)command->bit) print_zsh_option(option);
    printf("%s ;;\n", takes_files(command) ? " '*:file:_files'" : "");
}

void print_zsh_completion(void) {
    printf("#compdef lenet\n# zsh completion for lenet, made by: lenet help --zsh\n_lenet() {\n"
           "    local -a commands=(\n");
    for (const struct command *c = commands; c->name; c++) {
        printf("        '%s:", c->name);
        print_zsh_text(c->help);
        printf("'\n");
    }
    printf("        'help:list the commands, or the options of one'\n    )\n"
           "    if ((CURRENT == 2)); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    shift words\n"
           "    ((CURRENT--))\n"
           "    case $words[1] in\n"
           "    help) _describe command commands ;;\n");
    for (const struct command *c = commands; c->name; c++) print_zsh_command(c);
    printf("    esac\n}\n_lenet \"$@\"\n");
}
