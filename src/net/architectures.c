/* architectures.c - the architectures as tables of layers: the only file that knows their sizes. A row is the kind of a
 * layer, its name, its maps, the size of its kernel or window, and its connection table. */
#include <string.h>

#include "lenet/topology.h"

/* Table I of the paper: the S2 maps that feed each C3 map. */
#define MAPS(a, b, c)     (1u << a | 1u << b | 1u << c)
#define MAPS4(a, b, c, d) (MAPS(a, b, c) | 1u << d)
static const uint32_t table_1[LENET_TABLE_MAPS] = {
    MAPS(0, 1, 2),     MAPS(1, 2, 3),     MAPS(2, 3, 4),     MAPS(3, 4, 5),
    MAPS(0, 4, 5),     MAPS(0, 1, 5),     MAPS4(0, 1, 2, 3), MAPS4(1, 2, 3, 4),
    MAPS4(2, 3, 4, 5), MAPS4(0, 3, 4, 5), MAPS4(0, 1, 4, 5), MAPS4(0, 1, 2, 5),
    MAPS4(0, 1, 3, 4), MAPS4(1, 2, 4, 5), MAPS4(0, 2, 3, 5), 63};

const struct lenet_arch lenet_archs[] = {
    {.name = "lenet5",
     .description = "LeNet-5 with a full C3 and a softmax (after LeCun et al. 1998)",
     .field = 32,
     .layer_count = 11,
     .layers = {{LENET_CONV, "C1", 6, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S2", 0, 2, NULL},
                {LENET_CONV, "C3", 16, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S4", 0, 2, NULL},
                {LENET_DENSE, "C5", 120, 0, NULL}, /* 5x5 on 5x5 maps: a convolution that is fully connected */
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "F6", 84, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "lenet5-1998",
     .description = "LeNet-5 as published: Table I, trainable subsampling, RBF outputs; --arch sets its recipe, too",
     .settings =
         "activation=squash pooling=sum inputs=published init=root-average loss=map map-j=10 optimizer=sdlm lr=0.0005 "
         "epsilon=0.02 schedule=published decay-every=1 order=constant weight-decay=0 batch=1 epochs=20",
     .field = 32,
     .layer_count = 15,
     .layers = {{LENET_CONV, "C1", 6, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S2", 0, 2, NULL},
                {LENET_SCALE, "S2", 0, 2, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_CONV, "C3", 16, 5, table_1},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S4", 0, 2, NULL},
                {LENET_SCALE, "S4", 0, 2, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "C5", 120, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "F6", 84, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_RBF, "output", 0, 0, NULL}}},
    {.name = "lenet4",
     .description = "LeNet-4: 4 and 16 maps, 120 units",
     .field = 32,
     .layer_count = 9,
     .layers = {{LENET_CONV, "C1", 4, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S2", 0, 2, NULL},
                {LENET_CONV, "C3", 16, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S4", 0, 2, NULL},
                {LENET_DENSE, "C5", 120, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "lenet1",
     .description = "LeNet-1: 4 and 12 maps",
     .field = 28,
     .layer_count = 7,
     .layers = {{LENET_CONV, "C1", 4, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S2", 0, 2, NULL},
                {LENET_CONV, "C3", 12, 5, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_SUBSAMPLE, "S4", 0, 2, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "mlp-300",
     .description = "one hidden layer of 300 units",
     .field = 28,
     .layer_count = 3,
     .layers = {{LENET_DENSE, "hidden", 300, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "mlp-1000",
     .description = "one hidden layer of 1000 units",
     .field = 28,
     .layer_count = 3,
     .layers = {{LENET_DENSE, "hidden", 1000, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "mlp-300-100",
     .description = "two hidden layers of 300 and 100 units",
     .field = 28,
     .layer_count = 5,
     .layers = {{LENET_DENSE, "hidden1", 300, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "hidden2", 100, 0, NULL},
                {LENET_ACTIVATION, "", 0, 0, NULL},
                {LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = "linear",
     .description = "no hidden layer",
     .field = 28,
     .layer_count = 1,
     .layers = {{LENET_DENSE, "output", 0, 0, NULL}}},
    {.name = NULL}};

const struct lenet_arch *lenet_arch_find(const char *name) {
    for (const struct lenet_arch *arch = lenet_archs; arch->name; arch++)
        if (strcmp(arch->name, name) == 0) return arch;
    return NULL;
}
