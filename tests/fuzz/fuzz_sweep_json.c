/* fuzz_sweep_json.c - the sweep.json of a directory in which no run has ended.
 * Reads with: src/sweep/sweep_dir.c */
#include "fuzz.h"
#include "sweep/sweep_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_sweep_dir dir;
    struct lenet_error err = {{0}};
    fuzz_put("sweep.json", data, size);
    fuzz_ok(lenet_sweep_dir_look(fuzz_directory(), "0", &dir, &err), &err);
    lenet_sweep_dir_close(&dir);
    return 0;
}
