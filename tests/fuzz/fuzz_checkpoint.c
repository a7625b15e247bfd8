/* fuzz_checkpoint.c - checkpoints that a run of lenet1 or a population of two goes on from, or that are cut in two.
 * Reads with: src/train/checkpoint.c */
#include "train/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "fuzz.h"

static struct lenet_model model;

/* Of R networks with their moments. */
static void read_checkpoint(const char *path, int R, int moments, const char *run) {
    static float states[2][3 * 4096];
    float *state[2] = {states[0], states[1]};
    struct lenet_tally tally[2] = {{0}};
    int diverged[2] = {0}, ended;
    struct lenet_error err = {{0}};
    struct lenet_snapshot snapshot = {.R = R,
                                      .moments = moments,
                                      .stride = model.topology.stride,
                                      .tally = tally,
                                      .diverged = diverged,
                                      .state = state};
    if (fuzz_ok(lenet_checkpoint_read(path, &model, run, &snapshot, &ended, &err), &err) && !ended)
        for (int r = 0; r < R; r++) FUZZ_CHECK(diverged[r] || lenet_snapshot_is_finite(&snapshot, r));
}

/* What is cut off can be read, and has one member. */
static void cut_checkpoint(const char *path, int first) {
    static const char whole[] = "0123456789abcdef";
    char part[128];
    struct lenet_checkpoint_origin origin;
    struct cJSON *members = NULL;
    struct lenet_error err = {{0}};
    snprintf(part, sizeof part, "%s/part.safetensors", fuzz_directory());
    if (!fuzz_ok(lenet_checkpoint_cut(path, whole, first, 1, part, &err), &err)) return;
    FUZZ_CHECK(lenet_checkpoint_read_origin(part, &origin, &members, &err) == LENET_OK);
    FUZZ_CHECK(strcmp(origin.part_of, whole) == 0 && lenet_json_count(members) == 1);
    lenet_json_free(members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!model.topology.stride) {
        FUZZ_CHECK(lenet_topology_make(lenet_arch_find("lenet1"), LENET_RELU, LENET_POOL_MAX, 10, &model.topology,
                                       NULL) == LENET_OK);
        FUZZ_CHECK(model.topology.stride <= 4096);
    }
    if (size < 1) return 0;
    const char *path = fuzz_file(data + 1, size - 1);
    read_checkpoint(path, 1 + (data[0] & 1), data[0] >> 1 & 1 ? 2 : 1,
                    data[0] & 4 ? "{\"config\":{\"arch\":\"lenet1\"},\"data\":\"\"}" : NULL);
    cut_checkpoint(path, data[0] >> 3 & 1);
    return 0;
}
