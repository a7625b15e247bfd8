/* fuzz_metrics.c - metrics.jsonl, of which what a resumed run will record again is cut off.
 * Reads with: src/train/run_dir.c src/base/json.c */
#include <stdlib.h>

#include "fuzz.h"
#include "train/run_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_metrics *metrics, *again;
    struct lenet_error err = {{0}};
    int n, m;
    if (size < 1) return 0;
    const uint64_t step = data[0] == 255 ? UINT64_MAX : 10 * (uint64_t)data[0];
    fuzz_put("metrics.jsonl", data + 1, size - 1);
    if (!fuzz_ok(lenet_metrics_rewind(fuzz_directory(), step, &metrics, &n, &err), &err)) return 0;
    for (int i = 0; i < n; i++) FUZZ_CHECK(metrics[i].step <= step);
    /* What is left is whole, and the same. */
    FUZZ_CHECK(fuzz_ok(lenet_metrics_rewind(fuzz_directory(), UINT64_MAX, &again, &m, &err), &err));
    FUZZ_CHECK(n == m);
    free(metrics);
    free(again);
    return 0;
}
