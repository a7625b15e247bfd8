/* fuzz_classes.c - classes.txt, whose names can be written and are then read as the same.
 * Reads with: src/data/class_names.c */
#include "data/class_names.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_class_names names, again;
    struct lenet_data_dir dir = {.prefix = ""};
    struct lenet_error err = {{0}};
    strcpy(dir.path, fuzz_directory());
    fuzz_put("classes.txt", data, size);
    if (!fuzz_ok(lenet_class_names_find(&dir, 1, 1, &names, &err), &err)) return 0;
    char *text = lenet_class_names_text(&names);
    FUZZ_CHECK(fuzz_ok(lenet_class_names_parse("again", text, strlen(text), &again, &err), &err));
    FUZZ_CHECK(names.count == again.count && memcmp(&names, &again, sizeof names) == 0);
    free(text);
    return 0;
}
