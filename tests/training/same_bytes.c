/* same_bytes.c IMAGES LABELS THREADS - trains networks of every kind for a few steps on the CPU, on images in raw IDX
 * files, and prints a hash of what became of each: of its weights and of its loss on 300 images. The first line says
 * what these bits depend on. For tests/training/test_same_bytes.py, which has it compiled in many ways. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/network.h"

enum { COUNT = 1000, SIDE = 28, STEPS = 20, MOST_NETWORKS = 2 };

struct kind {
    const char *name, *arch;
    const struct lenet_backend *(*backend)(void);
    enum lenet_activation activation;
    enum lenet_pooling pooling;
    enum lenet_optimizer optimizer;
    enum lenet_schedule schedule;
    int R, B;
    float rate, distortion;
};

static const struct kind kinds[] = {
    {"lenet5", "lenet5", lenet_backend_cpu, LENET_RELU, LENET_POOL_MAX, LENET_NESTEROV, LENET_SCHEDULE_ONE_CYCLE, 2, 50,
     0.02f, 1},
    {"lenet5 of double", "lenet5", lenet_backend_cpu64, LENET_TANH, LENET_POOL_AVERAGE, LENET_MOMENTUM,
     LENET_SCHEDULE_COSINE, 1, 20, 0.02f, 1},
    {"lenet5 of 1", "lenet5", lenet_backend_cpu_batch1, LENET_TANH, LENET_POOL_MAX, LENET_NESTEROV,
     LENET_SCHEDULE_CONSTANT, 1, 1, 0.005f, 0},
    {"adamw", "lenet5", lenet_backend_cpu, LENET_TANH, LENET_POOL_AVERAGE, LENET_ADAMW, LENET_SCHEDULE_STEP, 1, 33,
     0.002f, 0},
    {"lenet5-1998", "lenet5-1998", lenet_backend_cpu, LENET_SQUASH, LENET_POOL_SUM, LENET_SDLM,
     LENET_SCHEDULE_PUBLISHED, 1, 20, 5e-4f, 1},
    {"lenet5-1998 of 1", "lenet5-1998", lenet_backend_cpu_batch1, LENET_SQUASH, LENET_POOL_SUM, LENET_SDLM,
     LENET_SCHEDULE_PUBLISHED, 1, 1, 5e-4f, 0},
    {"lenet1", "lenet1", lenet_backend_cpu, LENET_TANH, LENET_POOL_AVERAGE, LENET_SGD, LENET_SCHEDULE_COSINE, 1, 16,
     0.05f, 0},
    {"mlp-300", "mlp-300", lenet_backend_cpu, LENET_RELU, LENET_POOL_MAX, LENET_SGD, LENET_SCHEDULE_COSINE, 1, 130,
     0.05f, 0},
};

static void require(enum lenet_status status, const char *what) {
    if (status == LENET_OK) return;
    fprintf(stderr, "same_bytes: %s: %s\n", what, lenet_status_name(status));
    exit(1);
}

/* FNV-1a. */
static uint64_t add_to_hash(uint64_t hash, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}

static struct lenet_hyper hyper_of(const struct kind *kind, int r) {
    return (struct lenet_hyper){.seed = 1 + (uint64_t)r,
                                .train_first = 5 * (uint32_t)r,
                                .train_count = 600,
                                .learning_rate = kind->rate,
                                .momentum = 0.9f,
                                .weight_decay = 1e-3f,
                                .beta2 = 0.999f,
                                .epsilon = kind->optimizer == LENET_SDLM ? 0.02f : 1e-5f,
                                .schedule = kind->schedule,
                                .warmup_steps = 4,
                                .total_steps = 2 * STEPS,
                                .decay_every = 3,
                                .decay_factor = 0.7f,
                                .shift = 1.5f * kind->distortion,
                                .rotate = 10 * kind->distortion,
                                .scale = 0.1f * kind->distortion,
                                .shear = 0.1f * kind->distortion,
                                .elastic = 2 * kind->distortion,
                                .label_noise = 0.1f * kind->distortion};
}

static void train(const struct kind *kind, struct lenet_network *net, const struct lenet_source *source) {
    for (int step = 0; step < STEPS; step++) {
        if (kind->optimizer == LENET_SDLM && step % (STEPS / 2) == 0)
            require(lenet_network_curvature(net, source, 2), "curvature");
        require(lenet_network_step(net, source), "step");
    }
}

static uint64_t result_of(const struct kind *kind, struct lenet_network *net, const struct lenet_source *source) {
    struct lenet_tally tally[MOST_NETWORKS] = {{0}};
    float *w = malloc(net->topology.stride * sizeof *w);
    uint64_t hash = UINT64_C(14695981039346656037);
    require(w ? LENET_OK : LENET_ERR_MEMORY, kind->name);
    require(lenet_network_evaluate(net, source, NULL, 700, 1000, tally, NULL), "evaluation");
    for (int r = 0; r < kind->R; r++) {
        require(lenet_network_get(net, net->w, r, w), "weights");
        hash = add_to_hash(hash, w, net->topology.stride * sizeof *w);
        hash = add_to_hash(hash, &tally[r].loss, sizeof tally[r].loss);
    }
    free(w);
    return hash;
}

static uint64_t hash_of(const struct kind *kind, struct lenet_ctx *ctx, struct lenet_source source) {
    struct lenet_error err = {0};
    struct lenet_topology topology;
    struct lenet_network net;
    struct lenet_hyper hyper[MOST_NETWORKS];
    require(lenet_topology_make(lenet_arch_find(kind->arch), kind->activation, kind->pooling, 10, &topology, &err),
            err.text);
    topology.loss = kind->optimizer == LENET_SDLM ? LENET_MAP : LENET_CROSS_ENTROPY;
    topology.map_j = 10;
    source.OH = source.OW = topology.arch->field;
    const struct lenet_network_options options = {
        .topology = &topology, .optimizer = kind->optimizer, .R = kind->R, .B = kind->B};
    require(lenet_network_create(kind->backend(), ctx, &options, &net, &err), err.text);
    float *w = malloc(topology.stride * sizeof *w);
    require(w ? LENET_OK : LENET_ERR_MEMORY, kind->name);
    for (int r = 0; r < kind->R; r++) {
        hyper[r] = hyper_of(kind, r);
        lenet_topology_init(&topology, LENET_INIT_STANDARD, hyper[r].seed, 1, w);
        require(lenet_network_put(&net, net.w, r, w), "weights");
    }
    require(net.backend->upload(ctx, net.hyper, hyper, (size_t)kind->R * sizeof *hyper), "settings");
    train(kind, &net, &source);
    const uint64_t hash = result_of(kind, &net, &source);
    free(w);
    lenet_network_free(&net);
    return hash;
}

static void read_bytes(const char *path, long header, void *bytes, size_t count) {
    FILE *file = fopen(path, "rb");
    if (file && fseek(file, header, SEEK_SET) == 0 && fread(bytes, 1, count, file) == count && fclose(file) == 0)
        return;
    perror(path);
    exit(1);
}

int main(int argc, char **argv) {
    static uint8_t images[COUNT * SIDE * SIDE], labels[COUNT];
    if (argc != 4) return 2;
    read_bytes(argv[1], 16, images, sizeof images);
    read_bytes(argv[2], 8, labels, sizeof labels);
    const struct lenet_source source = {.count = COUNT,
                                        .H = SIDE,
                                        .W = SIDE,
                                        .classes = 10,
                                        .images = images,
                                        .labels = labels,
                                        .factor = 0.0125f,
                                        .offset = -0.4f};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct lenet_error err = {0};
        struct lenet_ctx *ctx;
        char text[LENET_MACHINE];
        const struct lenet_backend *backend = kinds[i].backend();
        if (backend->open(&ctx, &(struct lenet_open_options){.threads = atoi(argv[3])}, &err) != LENET_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 77;
        }
        backend->describe(ctx, text);
        if (i == 0) printf("%s\n", text);
        printf("%-18s %016llx\n", kinds[i].name, (unsigned long long)hash_of(&kinds[i], ctx, source));
        backend->close(ctx);
    }
    return 0;
}
