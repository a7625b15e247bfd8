/* text.h - a stream into memory that cannot lose a part of what was printed to it: those of the C library forget that
 * an allocation has failed. */
#ifndef LENET_BASE_TEXT_H
#define LENET_BASE_TEXT_H
#include <stdio.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* All zero bytes: empty. */
struct lenet_text {
    char *bytes; /* with a zero byte behind them; to be freed */
    size_t size;
};

/* A stream whose text is in *text when it has been closed. NULL without memory. */
FILE *lenet_text_open(struct lenet_text *text);

/* Closes the stream, NULL included. LENET_ERR_MEMORY, with *text empty, where it does not have all of it. */
enum lenet_status lenet_text_close(FILE *stream, struct lenet_text *text, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
