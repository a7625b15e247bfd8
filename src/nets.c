/* nets.c - the architectures: the only file that knows their sizes. */
#include "lenet/nets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lenet/rng.h"

const struct lenet_arch lenet_archs[] = {
    {.name = "lenet5",
     .description = "LeNet-5 with a full C3 and a softmax (after LeCun et al. 1998)",
     .field = 32,
     .layer_count = 11,
     .layers = {{LENET_CONV, "C1", 6, 5},
                {LENET_ACTIVATION, "", 0, 0},
                {LENET_SUBSAMPLE, "S2", 0, 2},
                {LENET_CONV, "C3", 16, 5},
                {LENET_ACTIVATION, "", 0, 0},
                {LENET_SUBSAMPLE, "S4", 0, 2},
                {LENET_DENSE, "C5", 120, 0}, /* 5x5 on 5x5 maps: a convolution that is fully connected */
                {LENET_ACTIVATION, "", 0, 0},
                {LENET_DENSE, "F6", 84, 0},
                {LENET_ACTIVATION, "", 0, 0},
                {LENET_DENSE, "output", 0, 0}}},
    {.name = "mlp-300",
     .description = "one hidden layer of 300 units",
     .field = 28,
     .layer_count = 3,
     .layers = {{LENET_DENSE, "hidden", 300, 0}, {LENET_ACTIVATION, "", 0, 0}, {LENET_DENSE, "output", 0, 0}}},
    {.name = "linear",
     .description = "no hidden layer",
     .field = 28,
     .layer_count = 1,
     .layers = {{LENET_DENSE, "output", 0, 0}}},
    {.name = NULL}};

const struct lenet_arch *lenet_arch_find(const char *name) {
    for (const struct lenet_arch *arch = lenet_archs; arch->name; arch++)
        if (strcmp(arch->name, name) == 0) return arch;
    return NULL;
}

size_t lenet_layer_outputs(const struct lenet_layer *layer) { return (size_t)layer->O * layer->OH * layer->OW; }

size_t lenet_layer_inputs(const struct lenet_layer *layer) { return (size_t)layer->C * layer->H * layer->W; }

/* Tensors start at multiples of 64 floats: 256 bytes, for vector loads and cuBLAS. */
static size_t aligned(size_t count) { return (count + 63) / 64 * 64; }

static int layer_fits(const struct lenet_layer *layer) {
    switch (layer->spec.kind) {
    case LENET_CONV:
        return layer->spec.size <= LENET_MAX_KERNEL && layer->spec.size <= layer->H && layer->spec.size <= layer->W;
    case LENET_SUBSAMPLE: return layer->H % layer->spec.size == 0 && layer->W % layer->spec.size == 0;
    case LENET_ACTIVATION:
    case LENET_DENSE: return 1;
    }
    return 0;
}

/* The output's shape and the number of parameters, from the input's shape. */
static void layer_shapes(struct lenet_layer *layer, int classes) {
    const int size = layer->spec.size;
    layer->O = layer->C;
    layer->OH = layer->H;
    layer->OW = layer->W;
    switch (layer->spec.kind) {
    case LENET_CONV:
        layer->O = layer->spec.maps;
        layer->OH = layer->H - size + 1;
        layer->OW = layer->W - size + 1;
        layer->w_count = (size_t)layer->O * layer->C * size * size;
        layer->b_count = (size_t)layer->O;
        break;
    case LENET_SUBSAMPLE:
        layer->OH = layer->H / size;
        layer->OW = layer->W / size;
        break;
    case LENET_DENSE:
        layer->O = layer->spec.maps ? layer->spec.maps : classes;
        layer->OH = layer->OW = 1;
        layer->w_count = (size_t)layer->O * lenet_layer_inputs(layer);
        layer->b_count = (size_t)layer->O;
        break;
    case LENET_ACTIVATION: break;
    }
}

enum lenet_status lenet_plan_make(const struct lenet_arch *arch, enum lenet_activation activation,
                                  enum lenet_pooling pooling, int classes, struct lenet_plan *plan,
                                  struct lenet_error *err) {
    *plan = (struct lenet_plan){.arch = arch, .activation = activation, .pooling = pooling, .classes = classes};
    int C = 1, H = arch->field, W = arch->field;
    enum lenet_activation before = LENET_LINEAR;
    for (int l = 0; l < arch->layer_count; l++) {
        if (arch->layers[l].kind == LENET_ACTIVATION && l + 1 < arch->layer_count &&
            arch->layers[l + 1].kind == LENET_SUBSAMPLE) {
            before = activation;
            continue;
        }
        struct lenet_layer *layer = &plan->layers[plan->layer_count++];
        *layer = (struct lenet_layer){.spec = arch->layers[l], .activation = before, .C = C, .H = H, .W = W};
        before = LENET_LINEAR;
        if (!layer_fits(layer))
            return lenet_fail(err, LENET_ERR_ARG, "%s: layer %d (%s) of size %d does not fit its %d x %d input",
                              arch->name, l, layer->spec.name, layer->spec.size, H, W);
        layer_shapes(layer, classes);
        layer->w = plan->stride;
        layer->b = layer->w + aligned(layer->w_count);
        plan->stride = layer->b + aligned(layer->b_count);
        plan->parameters += layer->w_count + layer->b_count;
        C = layer->O;
        H = layer->OH;
        W = layer->OW;
    }
    return LENET_OK;
}

double lenet_plan_flops(const struct lenet_plan *plan, int training) {
    double flops = 0;
    int first = 1; /* no input gradient below the first layer with parameters */
    for (int l = 0; l < plan->layer_count; l++) {
        const struct lenet_layer *layer = &plan->layers[l];
        if (layer->w_count == 0) continue;
        const double forward = 2.0 * (double)layer->w_count * layer->OH * layer->OW;
        flops += forward * (training ? 3 - first : 1);
        first = 0;
    }
    return flops;
}

void lenet_plan_init(const struct lenet_plan *plan, uint64_t seed, float scale, float *host_w) {
    memset(host_w, 0, plan->stride * sizeof *host_w);
    for (int l = 0; l < plan->layer_count; l++) {
        const struct lenet_layer *layer = &plan->layers[l];
        if (layer->w_count == 0) continue;
        const double fan_in = (double)(layer->w_count / layer->b_count);
        const float limit = scale * (float)sqrt(3.0 / fan_in);
        for (size_t i = 0; i < layer->w_count; i++) {
            const size_t at = layer->w + i;
            host_w[at] = limit * lenet_signed_unit(lenet_philox(seed, LENET_RNG_INIT, 0, at / 4).v[at % 4]);
        }
    }
}

static void add_tensor(struct lenet_tensor *tensor, const char *prefix, const char *layer, const char *part, int rank,
                       const size_t *shape, float *data) {
    *tensor = (struct lenet_tensor){.dtype = LENET_F32, .rank = rank, .data = data};
    snprintf(tensor->name, sizeof tensor->name, "%s%s.%s", prefix, layer, part);
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
}

int lenet_plan_tensors(const struct lenet_plan *plan, const char *prefix, float *data, struct lenet_tensor *tensors) {
    int n = 0;
    for (int l = 0; l < plan->layer_count; l++) {
        const struct lenet_layer *layer = &plan->layers[l];
        if (layer->w_count == 0) continue;
        const size_t O = (size_t)layer->O, K = (size_t)layer->spec.size;
        const size_t conv[] = {O, (size_t)layer->C, K, K}, dense[] = {O, lenet_layer_inputs(layer)};
        const int is_conv = layer->spec.kind == LENET_CONV;
        add_tensor(&tensors[n++], prefix, layer->spec.name, "weight", is_conv ? 4 : 2, is_conv ? conv : dense,
                   data + layer->w);
        add_tensor(&tensors[n++], prefix, layer->spec.name, "bias", 1, &O, data + layer->b);
    }
    return n;
}
