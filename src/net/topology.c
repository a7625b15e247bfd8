/* topology.c - what follows from an architecture: every shape, the initial weights, and the parameters as tensors. */
#include "lenet/topology.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

enum { DIGIT_WIDTH = 7, DIGIT_HEIGHT = 12, DIGIT_PIXELS = DIGIT_WIDTH * DIGIT_HEIGHT };

size_t lenet_layer_outputs(const struct lenet_layer *layer) { return (size_t)layer->O * layer->OH * layer->OW; }

size_t lenet_layer_inputs(const struct lenet_layer *layer) { return (size_t)layer->C * layer->H * layer->W; }

const char *lenet_topology_layer_name(const struct lenet_topology *topology, int l, char name[LENET_MAX_TENSOR_NAME]) {
    if (l < 0) return strcpy(name, "input");
    const struct lenet_layer *layer = &topology->layers[l];
    const enum lenet_layer_kind kind = layer->spec.kind;
    strcpy(name, layer[kind == LENET_ACTIVATION ? -1 : 0].spec.name);
    return strcat(name, kind == LENET_ACTIVATION ? " activated" : kind == LENET_SCALE ? " scaled" : "");
}

/* Tensors start at multiples of 64 floats: 256 bytes, for vector loads and cuBLAS. */
static size_t aligned(size_t count) { return (count + 63) / 64 * 64; }

static int is_connected(const struct lenet_layer *layer, int o, int c) {
    return !layer->spec.table || (layer->spec.table[o] >> c & 1);
}

/* Maps that feed map o of a convolution. */
static int inputs_of(const struct lenet_layer *layer, int o) {
    int n = 0;
    for (int c = 0; c < layer->C; c++) n += is_connected(layer, o, c);
    return n;
}

/* A connection table, where there is one, has room for the layer's maps. */
static int table_fits(const struct lenet_layer *layer) {
    return !layer->spec.table || (layer->spec.maps <= LENET_TABLE_MAPS && layer->C <= LENET_TABLE_INPUTS);
}

/* Works out the output's shape and the number of parameters from the input's shape; 0 where the layer does not fit. */
static int layer_shapes(struct lenet_layer *layer, int classes) {
    const int size = layer->spec.size;
    layer->O = layer->C;
    layer->OH = layer->H;
    layer->OW = layer->W;
    switch (layer->spec.kind) {
    case LENET_CONV:
        if (size < 1 || size > LENET_MAX_KERNEL || size > layer->H || size > layer->W) return 0;
        if (layer->spec.maps > LENET_MAX_MAPS || !table_fits(layer)) return 0;
        layer->O = layer->spec.maps;
        layer->OH = layer->H - size + 1;
        layer->OW = layer->W - size + 1;
        layer->w_count = (size_t)layer->O * layer->C * size * size;
        layer->b_count = (size_t)layer->O;
        for (int o = 0; o < layer->O; o++) layer->absent += (size_t)(layer->C - inputs_of(layer, o)) * size * size;
        return 1;
    case LENET_SCALE: layer->w_count = layer->b_count = (size_t)layer->C; return 1;
    case LENET_RBF:
        layer->O = classes;
        layer->OH = layer->OW = 1;
        return lenet_layer_inputs(layer) == DIGIT_PIXELS;
    case LENET_SUBSAMPLE:
        if (size < 1) return 0;
        layer->OH = layer->H / size;
        layer->OW = layer->W / size;
        return layer->H % size == 0 && layer->W % size == 0;
    case LENET_DENSE:
        layer->O = layer->spec.maps ? layer->spec.maps : classes;
        layer->OH = layer->OW = 1;
        layer->w_count = (size_t)layer->O * lenet_layer_inputs(layer);
        layer->b_count = (size_t)layer->O;
        return 1;
    case LENET_ACTIVATION: return 1;
    }
    return 0;
}

enum lenet_status lenet_topology_make(const struct lenet_arch *arch, enum lenet_activation activation,
                                      enum lenet_pooling pooling, int classes, struct lenet_topology *topology,
                                      struct lenet_error *err) {
    *topology = (struct lenet_topology){.arch = arch,
                                        .activation = activation,
                                        .pooling = pooling,
                                        .classes = classes,
                                        .targets = lenet_digit_targets()};
    int C = 1, H = arch->field, W = H;
    enum lenet_activation before = LENET_LINEAR;
    for (int l = 0; l < arch->layer_count; l++) {
        if (arch->layers[l].kind == LENET_ACTIVATION && l + 1 < arch->layer_count &&
            arch->layers[l + 1].kind == LENET_SUBSAMPLE) {
            before = activation;
            continue;
        }
        struct lenet_layer *layer = &topology->layers[topology->layer_count++];
        *layer = (struct lenet_layer){.spec = arch->layers[l], .activation = before, .C = C, .H = H, .W = W};
        before = LENET_LINEAR;
        if (layer->spec.kind == LENET_RBF && classes > LENET_TARGETS)
            return lenet_fail(err, LENET_ERR_ARG,
                              "%s: its RBF outputs have targets for the %d digits, and no more; the data set has %d "
                              "classes, for which another --arch, such as lenet5, has softmax outputs",
                              arch->name, LENET_TARGETS, classes);
        if (!layer_shapes(layer, classes))
            return lenet_fail(err, LENET_ERR_ARG, "%s: layer %d (%s) of size %d does not fit its %d x %d input",
                              arch->name, l, layer->spec.name, layer->spec.size, H, W);
        layer->w = topology->stride;
        layer->b = layer->w + aligned(layer->w_count);
        topology->stride = layer->b + aligned(layer->b_count);
        topology->parameters += layer->w_count - layer->absent + layer->b_count;
        C = layer->O;
        H = layer->OH;
        W = layer->OW;
    }
    return LENET_OK;
}

double lenet_topology_flops(const struct lenet_topology *topology, int training) {
    double flops = 0;
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        const int backward = lenet_layer_trains(layer) + lenet_topology_trains_below(topology, l);
        flops += 2.0 * (double)layer->w_count * layer->OH * layer->OW * (1 + (training ? backward : 0));
    }
    return flops;
}

/* ---- layers that stay as they are ----------------------------------------------------------------- */

int lenet_layer_trains(const struct lenet_layer *layer) { return layer->w_count > 0 && !layer->frozen; }

int lenet_topology_trains_below(const struct lenet_topology *topology, int l) {
    for (int below = 0; below < l; below++)
        if (lenet_layer_trains(&topology->layers[below])) return 1;
    return 0;
}

static const char SEPARATORS[] = ",+";

int lenet_layers_have(const char *list, const char *name) {
    for (const char *item = list; *item; item += strspn(item, SEPARATORS)) {
        const size_t length = strcspn(item, SEPARATORS);
        if (length == strlen(name) && strncmp(item, name, length) == 0) return 1;
        item += length;
    }
    return 0;
}

/* The layers with parameters: "C1, C3, ...". */
static void list_layers(const struct lenet_topology *topology, char text[128]) {
    size_t used = 0;
    for (int l = 0; l < topology->layer_count; l++)
        if (topology->layers[l].w_count)
            used += (size_t)snprintf(text + used, 128 - used, "%s%s", used ? ", " : "", topology->layers[l].spec.name);
}

enum lenet_status lenet_topology_freeze(struct lenet_topology *topology, const char *list, struct lenet_error *err) {
    char layers[128], name[32];
    list_layers(topology, layers);
    if (!*list || strcmp(list, "none") == 0) return LENET_OK;
    for (const char *item = list; item; item = strpbrk(item, SEPARATORS) ? strpbrk(item, SEPARATORS) + 1 : NULL) {
        int found = 0;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(item, SEPARATORS), item);
        for (int l = 0; l < topology->layer_count; l++) {
            struct lenet_layer *layer = &topology->layers[l];
            if (!layer->w_count || strcmp(layer->spec.name, name) != 0) continue;
            layer->frozen = found = 1;
        }
        if (!found)
            return lenet_fail(err, LENET_ERR_ARG, "--freeze: '%s' is no layer of %s with parameters; wanted some of %s",
                              name, topology->arch->name, layers);
    }
    if (lenet_topology_trains_below(topology, topology->layer_count)) return LENET_OK;
    return lenet_fail(err, LENET_ERR_ARG, "--freeze: leaves nothing to train of %s, which has %s", topology->arch->name,
                      layers);
}

int lenet_parameter_exists(const struct lenet_topology *topology, size_t at) {
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        if (!layer->absent || at < layer->w || at >= layer->w + layer->w_count) continue;
        const size_t kernel = (at - layer->w) / (size_t)(layer->spec.size * layer->spec.size);
        return is_connected(layer, (int)(kernel / (size_t)layer->C), (int)(kernel % (size_t)layer->C));
    }
    return 1;
}

double lenet_layer_connections(const struct lenet_layer *layer) {
    const double units = (double)lenet_layer_outputs(layer), pixels = (double)layer->OH * layer->OW;
    if (layer->spec.kind == LENET_SCALE) return units * (layer->spec.size * layer->spec.size + 1);
    if (layer->spec.kind == LENET_RBF) return units * (double)lenet_layer_inputs(layer);
    return (double)(layer->w_count - layer->absent + layer->b_count) * pixels;
}

/* ---- the outputs' targets ---------------------------------------------------------------------------- */

static const char *const digits[LENET_TARGETS][DIGIT_HEIGHT] = {
    {".#####.", ".......", "..###..", ".##.##.", "##...##", "##...##", "##...##", "##...##", ".##.##.", "..###..",
     ".......", "......."},
    {"...##..", "..###..", ".####..", "...##..", "...##..", "...##..", "...##..", "...##..", "...##..", ".######",
     ".......", "......."},
    {".#####.", ".......", ".#####.", "##...##", "#....##", "....##.", "..###..", ".##....", "##.....", "#######",
     ".......", "......."},
    {"#######", ".....##", "....##.", "...##..", "..####.", ".....##", ".....##", ".....##", "##...##", ".#####.",
     ".......", "......."},
    {".#####.", ".......", ".......", ".##..##", ".##..##", "###..##", "##...##", "##...##", "##..###", ".######",
     ".....##", ".....##"},
    {".#####.", ".......", "#######", "##.....", "##.....", ".####..", "..####.", ".....##", "##...##", ".#####.",
     ".......", "......."},
    {"..####.", ".##....", "##.....", "##.....", "######.", "###..##", "##...##", "##...##", "###..##", ".#####.",
     ".......", "......."},
    {"#######", ".....##", ".....##", "....##.", "...##..", "...##..", "..##...", "..##...", "..##...", "..##...",
     ".......", "......."},
    {".#####.", "##...##", "##...##", "##...##", ".#####.", "##...##", "##...##", "##...##", "##...##", ".#####.",
     ".......", "......."},
    {".#####.", "##..###", "##...##", "##...##", "##..###", ".######", ".....##", ".....##", "....##.", ".####..",
     ".......", "......."},
};

struct rbf_targets lenet_digit_targets(void) {
    struct rbf_targets targets = {0};
    for (int digit = 0; digit < LENET_TARGETS; digit++)
        for (int i = 0; i < DIGIT_PIXELS; i++)
            if (digits[digit][i / DIGIT_WIDTH][i % DIGIT_WIDTH] == '#') targets.plus[digit][i / 32] |= 1u << i % 32;
    return targets;
}

/* ---- initial weights ------------------------------------------------------------------------------ */

/* Uniform in +-limit, parameter `at` of a network. */
static float draw(uint64_t seed, size_t at, float limit) {
    return limit * lenet_signed_unit(lenet_philox(seed, LENET_RNG_INIT, 0, at / 4).v[at % 4]);
}

static float limit_of(enum lenet_init init, double fan_in) {
    const int by_root = init == LENET_INIT_ROOT || init == LENET_INIT_ROOT_AVERAGE;
    return (float)(init == LENET_INIT_STANDARD ? sqrt(3 / fan_in) : 2.4 / (by_root ? sqrt(fan_in) : fan_in));
}

/* The weights and the bias of unit (or map) o: `each` weights. */
static void init_unit(const struct lenet_layer *layer, enum lenet_init init, uint64_t seed, float scale, size_t o,
                      float *host_w) {
    const size_t each = layer->w_count / layer->b_count, kernel = (size_t)(layer->spec.size * layer->spec.size);
    const int is_conv = layer->spec.kind == LENET_CONV;
    const double fan_in = is_conv ? (double)inputs_of(layer, (int)o) * (double)kernel : (double)each;
    const float limit = scale * limit_of(init, fan_in);
    for (size_t i = 0; i < each; i++) {
        const size_t at = layer->w + o * each + i;
        host_w[at] = is_conv && !is_connected(layer, (int)o, (int)(i / kernel)) ? 0 : draw(seed, at, limit);
    }
    if (init != LENET_INIT_STANDARD) host_w[layer->b + o] = draw(seed, layer->b + o, limit);
}

/* The coefficient and the bias of each map of a trained subsampling. */
static void init_subsampling(const struct lenet_topology *topology, const struct lenet_layer *layer,
                             enum lenet_init init, uint64_t seed, float scale, float *host_w) {
    const float window = (float)(layer->spec.size * layer->spec.size);
    const float average = topology->pooling == LENET_POOL_SUM ? 1 / window : 1;
    const float limit = scale * limit_of(LENET_INIT_PRINTED, window);
    const int drawn = init == LENET_INIT_PRINTED || init == LENET_INIT_ROOT;
    for (size_t c = 0; c < layer->w_count; c++) {
        host_w[layer->w + c] = drawn ? draw(seed, layer->w + c, limit) : average;
        host_w[layer->b + c] = drawn ? draw(seed, layer->b + c, limit) : 0;
    }
}

void lenet_topology_init(const struct lenet_topology *topology, enum lenet_init init, uint64_t seed, float scale,
                         float *host_w) {
    memset(host_w, 0, topology->stride * sizeof *host_w);
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        if (layer->spec.kind == LENET_SCALE)
            init_subsampling(topology, layer, init, seed, scale, host_w);
        else
            for (size_t o = 0; o < layer->b_count; o++) init_unit(layer, init, seed, scale, o, host_w);
    }
}

/* ---- parameters as tensors ---------------------------------------------------------------------------- */

static void add_tensor(struct lenet_tensor *tensor, const char *prefix, const char *layer, const char *part, int rank,
                       const size_t *shape, float *data) {
    *tensor = (struct lenet_tensor){.dtype = LENET_F32, .rank = rank, .data = data};
    snprintf(tensor->name, sizeof tensor->name, "%s%s.%s", prefix, layer, part);
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
}

int lenet_topology_tensors(const struct lenet_topology *topology, const char *prefix, float *data,
                           struct lenet_tensor *tensors) {
    int n = 0;
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        if (layer->w_count == 0) continue;
        const size_t O = (size_t)layer->O, K = (size_t)layer->spec.size;
        const size_t conv[] = {O, (size_t)layer->C, K, K}, dense[] = {O, lenet_layer_inputs(layer)};
        const int is_conv = layer->spec.kind == LENET_CONV;
        const int rank = is_conv ? 4 : layer->spec.kind == LENET_SCALE ? 1 : 2;
        add_tensor(&tensors[n++], prefix, layer->spec.name, "weight", rank, is_conv ? conv : dense, data + layer->w);
        add_tensor(&tensors[n++], prefix, layer->spec.name, "bias", 1, &O, data + layer->b);
    }
    return n;
}
