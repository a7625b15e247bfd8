/* terminal.h - how the commands write to a terminal. */
#ifndef LENET_CLI_TERMINAL_H
#define LENET_CLI_TERMINAL_H

struct terminal {
    int has_bar; /* 1: progress is shown on stderr, in one line that is written over again and again */
};

struct terminal terminal_open(void);
/* Before anything else is printed. */
void terminal_clear_bar(const struct terminal *terminal);

/* "1:05", or "2 h 10 min". */
const char *duration_text(double seconds, char text[32]);

/* A line on stderr, which need not be an error: "lenet COMMAND: TEXT". Control characters in it, of a path or a file's
 * text, do not reach the terminal. */
void print_note(const char *command, const char *text);

#endif
