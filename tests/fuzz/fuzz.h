/* fuzz.h - what the fuzz targets share: their inputs as files, lines and words, and what holds of every failure.
 *
 * A target is a file fuzz_THING.c, whose head names the files of src/ that it reads with. */
#ifndef LENET_FUZZ_H
#define LENET_FUZZ_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which is a finding, unless it is so. */
#define FUZZ_CHECK(what) ((what) ? (void)0 : fuzz_found(#what, __FILE__, __LINE__))
void fuzz_found(const char *what, const char *file, int line);

/* Checks that a failure says why, and returns whether there was none. */
int fuzz_ok(enum lenet_status status, const struct lenet_error *err);

/* A path under which these bytes are found until the next call. */
const char *fuzz_file(const void *bytes, size_t size);

/* A directory in memory, and a file in it, which is replaced. */
const char *fuzz_directory(void);
void fuzz_put(const char *name, const void *bytes, size_t size);
void fuzz_clear(void);

/* The lines of the input, or what zero bytes end, as words of a command line, which are good until the next call. One
 * that begins with a byte from 0x80 on is the option of that number with a value, so that most are known ones: the hint
 * at what was meant takes a thousand times as long. Returns how many. */
enum { FUZZ_WORDS = 40, FUZZ_WORD = 2048 };
int fuzz_words(const uint8_t *data, size_t size, char *words[FUZZ_WORDS]);

#endif
