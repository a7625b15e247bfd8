/* terminal.c - the progress bar, the terminal's width, short numbers, and notes on stderr without control characters.
 */
#include "cli/terminal.h"

#define _GNU_SOURCE /* vasprintf */
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What the terminal says of itself or COLUMNS does; the smaller one, and 80 where both are silent. */
int terminal_width(void) {
    enum { LEAST = 20, USUAL = 80 };
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    const int given = columns ? atoi(columns) : 0;
    if (!isatty(STDOUT_FILENO)) return INT_MAX;
    int width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    if (given > 0 && (width == 0 || given < width)) width = given;
    return width == 0 ? USUAL : width < LEAST ? LEAST : width;
}

static int has_bar(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && isatty(STDOUT_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
}

/* The last column stays free: some terminals go on to the next line from there. */
void show_bar(const char *text) {
    if (has_bar()) fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, text);
}

void clear_bar(void) {
    if (has_bar()) fputs("\r\033[K", stderr);
}

/* Lines go on behind an indentation, and a word that is wider than a line stays whole. */
static void wrap(const char *text, size_t width) {
    size_t column = 0;
    while (*text) {
        const size_t spaces = strspn(text, " "), length = spaces + strcspn(text + spaces, " \n");
        if (column && spaces && column + length > width) {
            column = (size_t)printf("\n   ") - 1;
            text += spaces - 1;
            column += (size_t)printf("%.*s", (int)(length - spaces + 1), text);
            text += length - spaces + 1;
        } else {
            column += (size_t)printf("%.*s", (int)length, text);
            text += length;
        }
        if (*text == '\n') column = 0, putchar(*text++);
    }
}

void print_wrapped(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length >= 0) {
        wrap(text, (size_t)terminal_width());
        free(text);
    } else { /* without memory long lines stay long */
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
    }
    fflush(stdout);
}

const char *number_text(double value, char text[32]) {
    snprintf(text, 32, isfinite(value) && fabs(value) >= 1e4 ? "%.3e" : "%.4f", value);
    return text;
}

const char *duration_text(double seconds, char text[32]) {
    const int is_known = seconds >= 0 && seconds < 1e12;
    const long left = is_known ? (long)ceil(seconds) : 0;
    if (!is_known)
        strcpy(text, "?");
    else if (left < 3600)
        snprintf(text, 32, "%ld:%02ld", left / 60, left % 60);
    else
        snprintf(text, 32, "%ld h %02ld min", left / 3600, left / 60 % 60);
    return text;
}

void print_last_words(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    const int lost = fflush(stdout) != 0 || ferror(stdout);
    va_start(arguments, format);
    if (lost || (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))) vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void print_note(const char *command, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "lenet%s%s: ", command[0] ? " " : "", command);
    for (const char *c = text; *c; c++) fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
    fputc('\n', stderr);
}
