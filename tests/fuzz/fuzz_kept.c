/* fuzz_kept.c - a file of weights or predictions that a run is taken out of, which is trained again.
 * Reads with: src/sweep/kept.c */
#define _GNU_SOURCE
#include "sweep/kept.h"

#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "fuzz.h"
#include "lenet/weights.h"

/* The id of the first member; "0" where there is none. */
static void find_id(const uint8_t *data, size_t size, char id[LENET_RUN_ID]) {
    static const char before[] = "\\\"id\\\":\\\"";
    const size_t length = sizeof before - 1;
    const char *found = memmem(data, size, before, length);
    const size_t left = found ? size - (size_t)(found + length - (const char *)data) : 0;
    snprintf(id, LENET_RUN_ID, "0");
    if (left >= LENET_RUN_ID - 1) memcpy(id, found + length, LENET_RUN_ID - 1);
    id[LENET_RUN_ID - 1] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_sweep_dir dir = {.n = 0};
    struct kept kept = {.n = 0};
    struct lenet_tensor_file file;
    struct lenet_error err = {{0}};
    char path[LENET_MAX_PATH], ids[1][LENET_RUN_ID];
    snprintf(dir.path, sizeof dir.path, "%s", fuzz_directory());
    snprintf(path, sizeof path, "%s/old.safetensors", fuzz_directory());
    find_id(data, size, ids[0]);
    fuzz_put("old.safetensors", data, size);
    FUZZ_CHECK(sweep_remember_kept(&kept, ids[0], path, &err) == LENET_OK);
    enum lenet_path is;
    if (fuzz_ok(sweep_drop_kept(&kept, &dir, "new", ids, 1, &err), &err) &&
        lenet_path_look(path, &is, &err) == LENET_OK && is == LENET_FILE) {
        FUZZ_CHECK(fuzz_ok(lenet_tensors_read(path, &file, &err), &err));
        lenet_tensors_free(&file);
    }
    sweep_free_kept(&kept);
    return 0;
}
