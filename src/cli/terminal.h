/* terminal.h - how the commands write to a terminal. */
#ifndef LENET_CLI_TERMINAL_H
#define LENET_CLI_TERMINAL_H

/* The columns of the terminal that stdout is; INT_MAX where it is none. */
int terminal_width(void);

/* Shows how far the work is in one line of stderr, which is written over each time. Does nothing where stdout or stderr
 * is no terminal, or one that cannot erase (TERM=dumb). Whatever else is printed comes after clear_bar. */
void show_bar(const char *text);
void clear_bar(void);

/* Prints lines on stdout, of which those that are wider than the terminal go on in the next one, indented. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void print_wrapped(const char *format, ...);

/* Four digits after the point; of large numbers, four in all: "0.0123", "2.000e+23", "inf". */
const char *number_text(double value, char text[32]);
/* "1:05", or "2 h 10 min"; "?" where it is not known. */
const char *duration_text(double seconds, char text[32]);

/* Prints a line on stdout, and again on stderr where only that is a terminal, or stdout cannot be written any more: of
 * lenet train | tee log, Ctrl-C ends tee, too. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void print_last_words(const char *format, ...);

/* A line on stderr, which need not be an error: "lenet COMMAND: TEXT", or "lenet: TEXT" where there is no command.
 * Control characters in it, of a path or a file's text, do not reach the terminal. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void print_note(const char *command, const char *format, ...);

#endif
