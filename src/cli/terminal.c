/* terminal.c - the progress bar's line, durations, and notes on stderr without control characters. */
#include "cli/terminal.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

struct terminal terminal_open(void) {
    return (struct terminal){.has_bar = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO)};
}

void terminal_clear_bar(const struct terminal *terminal) {
    if (terminal->has_bar) fputs("\r\033[K", stderr);
}

const char *duration_text(double seconds, char text[32]) {
    const long left = (long)ceil(seconds);
    if (left < 3600)
        snprintf(text, 32, "%ld:%02ld", left / 60, left % 60);
    else
        snprintf(text, 32, "%ld h %02ld min", left / 3600, left / 60 % 60);
    return text;
}

void print_note(const char *command, const char *text) {
    fprintf(stderr, "lenet %s: ", command);
    for (const char *c = text; *c; c++) fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
    fputc('\n', stderr);
}
