/* fuzz_from.c - the weights to begin from, as lenet train --from matches them with layers.
 * Reads with: src/net/start.c */
#include "net/start.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const archs[] = {"lenet1", "lenet4", "lenet5"};
    const struct lenet_class_names names = {.count = 2, .text = {"a", "b"}};
    struct lenet_topology topology;
    struct lenet_start start;
    struct lenet_error err = {{0}};
    char note[256];
    if (size < 1) return 0;
    const char *arch = archs[data[0] % 3];
    const int classes = data[0] & 4 ? 2 : 10;
    FUZZ_CHECK(lenet_topology_make(lenet_arch_find(arch), LENET_RELU, LENET_POOL_MAX, classes, &topology, &err) ==
               LENET_OK);
    if (fuzz_ok(lenet_start_open(fuzz_file(data + 1, size - 1), &start, &err), &err))
        fuzz_ok(lenet_start_check(&start, &topology, &names, note, &err), &err);
    lenet_start_close(&start);
    return 0;
}
