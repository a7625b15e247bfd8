/* fuzz_weights.c - safetensors: weights of one network and of many, checkpoints' members, and files of predictions.
 * Reads with: src/net/weights.c src/net/model.c src/sweep/sweep_jobs.c src/export/export.c */
#include <stdlib.h>

#include "base/json.h"
#include "fuzz.h"
#include "lenet/model.h"
#include "train/checkpoint.h"
#include "train/predictions.h"

static void read_tensors(const char *path) {
    struct lenet_tensor_file file;
    struct lenet_config config;
    struct lenet_error err = {{0}};
    lenet_config_init(&config);
    if (!fuzz_ok(lenet_tensors_read(path, &file, &err), &err)) return;
    for (int i = 0; i < file.n; i++) {
        const size_t bytes = lenet_tensor_bytes(&file.tensors[i]);
        volatile char sum = bytes ? ((char *)file.tensors[i].data)[bytes - 1] : 0;
        (void)sum;
    }
    lenet_predictions_suffice(&config, &file);
    lenet_tensors_free(&file);
}

static void read_model(const char *path) {
    struct lenet_model model;
    struct lenet_error err = {{0}};
    struct cJSON *members;
    float *host_w;
    int R;
    if (!fuzz_ok(lenet_weights_read(path, &model, &R, &host_w, &members, &err), &err)) return;
    FUZZ_CHECK(R > 0 && host_w && model.topology.stride > 0);
    volatile float last = host_w[(size_t)R * model.topology.stride - 1];
    (void)last;
    lenet_json_free(members);
    free(host_w);
}

static void read_origin(const char *path) {
    struct lenet_error err = {{0}};
    struct lenet_checkpoint_origin origin;
    struct cJSON *members;
    char text[768];
    if (!fuzz_ok(lenet_checkpoint_read_origin(path, &origin, &members, &err), &err)) return;
    FUZZ_CHECK(lenet_json_count(members) > 0);
    lenet_json_free(members);
    lenet_checkpoint_compare(&origin, "another machine", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_file(data, size);
    read_tensors(path);
    read_model(path);
    read_origin(path);
    return 0;
}
