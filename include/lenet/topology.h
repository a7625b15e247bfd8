/* topology.h - architectures as tables of layers, and the shapes that follow from them. */
#ifndef LENET_TOPOLOGY_H
#define LENET_TOPOLOGY_H
#include "lenet/ops.h"
#include "lenet/weights.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_MAX_LAYERS = 16, LENET_MAX_FIELD = 32 };

enum lenet_layer_kind { LENET_CONV, LENET_SUBSAMPLE, LENET_SCALE, LENET_ACTIVATION, LENET_DENSE, LENET_RBF };

/* The names of enum lenet_activation, lenet_pooling and lenet_loss, in options and in weights files. */
#define LENET_ACTIVATIONS "tanh|relu|squash"
#define LENET_POOLINGS    "average|max|sum"
#define LENET_LOSSES      "cross-entropy|mse|map"

/* A row of an architecture's table. */
struct lenet_layer_spec {
    enum lenet_layer_kind kind;
    const char *name;      /* the paper's; "" for an activation; a scale has the name of its subsampling */
    int maps;              /* of the output: conv and dense (0: the number of classes)  */
    int size;              /* of the kernel (conv) or the window (subsample, and a scale after it) */
    const uint32_t *table; /* of a conv, the connection table: bit c of table[o] where map c feeds map o; or NULL */
};

struct lenet_arch {
    const char *name, *description;
    int field; /* inputs are field x field pixels, the image in the middle */
    int layer_count;
    struct lenet_layer_spec layers[LENET_MAX_LAYERS];
    const char *settings; /* "activation=squash batch=1 ...": options that --arch sets, too, or NULL */
};

/* All architectures. The last one has no name and is none. */
extern const struct lenet_arch lenet_archs[];

/* The architecture of that name, or NULL. */
const struct lenet_arch *lenet_arch_find(const char *name);

/* A layer with its shapes: input C x H x W, output O x OH x OW. Its parameters start
 * at w and b in a network's parameters; w_count is 0 where it has none. */
struct lenet_layer {
    struct lenet_layer_spec spec;
    enum lenet_activation activation; /* of a subsampling: what is done to its inputs first */
    int C, H, W, O, OH, OW;
    size_t w, w_count, b, b_count;
    size_t absent; /* of the weights: those that the connection table leaves out, which are 0 for ever */
    int frozen;    /* 1: its parameters stay as they are */
};

enum lenet_loss { LENET_CROSS_ENTROPY, LENET_MSE, LENET_MAP };

/* How weights begin, where F is a unit's fan-in. With STANDARD they are uniform in +-sqrt(3/F), and biases are 0; with
 * PRINTED they are uniform in +-2.4/F, and with ROOT in +-2.4/sqrt(F). With PRINTED and ROOT the coefficients and
 * biases of a subsampling are drawn from +-2.4/F, too; with the others they make it an average. */
enum lenet_init {
    LENET_INIT_STANDARD,
    LENET_INIT_PRINTED,
    LENET_INIT_PRINTED_AVERAGE,
    LENET_INIT_ROOT,
    LENET_INIT_ROOT_AVERAGE
};

/* The layers as they are computed: an activation before a subsampling is a part of it. */
struct lenet_topology {
    const struct lenet_arch *arch;
    enum lenet_activation activation;
    enum lenet_pooling pooling;
    int classes, layer_count;
    struct lenet_layer layers[LENET_MAX_LAYERS];
    size_t parameters; /* that are trained                                            */
    enum lenet_loss loss;
    struct rbf_targets targets; /* of RBF outputs */
    double map_j;               /* of LENET_MAP: the rubbish class has exp(-j) */
    size_t stride;              /* of a network's parameters in memory: every tensor is aligned */
};

/* Works out every shape. LENET_ERR_ARG where a layer does not fit its input. */
enum lenet_status lenet_topology_make(const struct lenet_arch *arch, enum lenet_activation activation,
                                      enum lenet_pooling pooling, int classes, struct lenet_topology *topology,
                                      struct lenet_error *err);

/* Freezes the layers of a list, whose names are joined by "," or "+"; "none" or "" for none. LENET_ERR_ARG, naming the
 * layers with parameters, where one is not among them, or none is left to train. */
enum lenet_status lenet_topology_freeze(struct lenet_topology *topology, const char *list, struct lenet_error *err);

/* 1 where the list has the name. */
int lenet_layers_have(const char *list, const char *name);

/* 1 where the layer's parameters are trained; where those of a layer below l are. */
int lenet_layer_trains(const struct lenet_layer *layer);
int lenet_topology_trains_below(const struct lenet_topology *topology, int l);

/* What layer l is called: "S2", "S2 scaled" for its coefficients and biases, "S2 activated" for the activation that
 * follows; "input" where l is -1. */
const char *lenet_topology_layer_name(const struct lenet_topology *topology, int l, char name[LENET_MAX_TENSOR_NAME]);

/* How many values a layer gives, and takes, for one image. */
size_t lenet_layer_outputs(const struct lenet_layer *layer);
size_t lenet_layer_inputs(const struct lenet_layer *layer);

/* Floating-point operations (an addition and a multiplication are two) of the
 * layer's matrix products for one image: forward, and in a training step, where
 * the first layer that trains, and those below it, need no input gradient. */
double lenet_topology_flops(const struct lenet_topology *topology, int training);

/* Whether there is such a parameter: a weight that a connection table leaves out does not exist. */
int lenet_parameter_exists(const struct lenet_topology *topology, size_t at);

/* The connections of a layer's units to their inputs and biases, as the paper counts them. */
double lenet_layer_connections(const struct lenet_layer *layer);

/* The outputs' targets: stylised digits of 7 x 12 pixels, ink being +1. Source: LeCun et al. 1998, fig. 3. */
struct rbf_targets lenet_digit_targets(void);

/* Fills host_w[stride] with the initial weights of a seed: what is drawn, times scale. With LENET_INIT_STANDARD a
 * unit's input has the variance of its inputs (LeCun et al. 1998, "Efficient BackProp"). */
void lenet_topology_init(const struct lenet_topology *topology, enum lenet_init init, uint64_t seed, float scale,
                         float *host_w);

/* Describes the parameters as tensors "C1.weight", "C1.bias", ... of data[0 ... stride-1],
 * named with a prefix. Returns how many; at most 2*LENET_MAX_LAYERS. */
int lenet_topology_tensors(const struct lenet_topology *topology, const char *prefix, float *data,
                           struct lenet_tensor *tensors);

#ifdef __cplusplus
}
#endif
#endif
