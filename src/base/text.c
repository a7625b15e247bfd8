/* text.c - a stream whose bytes go to an array that grows. */
#define _GNU_SOURCE /* fopencookie */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* 0 bytes without memory, which the stream remembers as an error. */
static ssize_t append(void *self, const char *bytes, size_t size) {
    struct lenet_text *text = self;
    char *longer = realloc(text->bytes, text->size + size + 1);
    if (!longer) return 0;
    memcpy(longer + text->size, bytes, size);
    text->bytes = longer;
    text->size += size;
    text->bytes[text->size] = '\0';
    return (ssize_t)size;
}

FILE *lenet_text_open(struct lenet_text *text) {
    *text = (struct lenet_text){.size = 0};
    return fopencookie(text, "w", (cookie_io_functions_t){.write = append});
}

enum lenet_status lenet_text_close(FILE *stream, struct lenet_text *text, struct lenet_error *err) {
    const int lost = !stream || fflush(stream) != 0 || ferror(stream);
    if (stream) (void)fclose(stream);
    if (!lost) append(text, "", 0); /* there is a text also where nothing was printed */
    if (!lost && text->bytes) return LENET_OK;
    free(text->bytes);
    *text = (struct lenet_text){.size = 0};
    return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
}
