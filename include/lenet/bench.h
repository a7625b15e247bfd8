/* bench.h - how fast a training step is, as a fraction of what the machine can do. */
#ifndef LENET_BENCH_H
#define LENET_BENCH_H
#include "lenet/device.h"
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_BENCH_ROWS = 64 };

/* One call of an operation in the step, at its own shape. */
struct lenet_bench_row {
    char name[64];
    double seconds; /* per call: the median over steps */
    double flops;   /* of its matrix products, 0 for others */
};

struct lenet_bench {
    const char *backend;
    double peak_flops;           /* per second: the most that was measured between the steps */
    double step_seconds;         /* the median of whole steps, not taken apart               */
    double fastest_step_seconds; /* what the machine can do when nothing else runs on it     */
    double step_flops;           /* of the step's matrix products                            */
    double images_per_s;         /* of all networks together, by the median                  */
    int n;
    struct lenet_bench_row rows[LENET_MAX_BENCH_ROWS];
};

/* How long one batch takes, from its bytes on the device to its outputs on the host, over many of them; in seconds. */
struct lenet_bench_forward {
    const char *backend;
    int n;
    double median, p99, fastest;
    double images_per_s; /* of all networks together, by the median */
};

/* Times the answers of config's network for batches of random data. */
enum lenet_status lenet_bench_forward(const struct lenet_config *config, struct lenet_bench_forward *result,
                                      struct lenet_error *err);

/* Times training steps of config's network, batch and optimizer on random data. */
enum lenet_status lenet_bench_run(const struct lenet_config *config, struct lenet_bench *result,
                                  struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
