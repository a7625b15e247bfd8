/* fuzz_data_dir.c - the names in the directory of a data set, one in each line; the first is what --data adds to it.
 * Reads with: src/data/data_dir.c */
#include "data/data_dir.h"

#include <stdio.h>
#include <string.h>

#include "fuzz.h"

static int is_name(const char *word) {
    return word[0] && strlen(word) < 200 && !strchr(word, '/') && strcmp(word, ".") != 0 && strcmp(word, "..") != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_data_dir dir;
    struct lenet_idx file;
    struct lenet_error err = {{0}};
    char *words[FUZZ_WORDS], where[FUZZ_WORD + 80];
    const int n = fuzz_words(data, size, words);
    fuzz_clear();
    for (int i = 1; i < n && i < 12; i++)
        if (is_name(words[i])) fuzz_put(words[i], "x", (size_t)i % 2);
    snprintf(where, sizeof where, "%s%s%s", fuzz_directory(), n && words[0][0] ? "/" : "", n ? words[0] : "");
    if (!fuzz_ok(lenet_data_dir_open(where, &dir, &err), &err)) return 0;
    for (int which = 0; which < LENET_DATA_FILES; which++)
        if (fuzz_ok(lenet_data_dir_find(&dir, (enum lenet_data_file)which, &file, &err), &err))
            lenet_data_dir_note_others(&dir, (enum lenet_data_file)which, &file, &err);
    return 0;
}
