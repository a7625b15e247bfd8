/* info.c - lenet info: prints an architecture layer by layer, a weights file tensor by tensor, and the devices. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "data/places.h"
#include "lenet/device.h"
#include "lenet/model.h"
#include "train/run_dir.h"
#include "train/settings.h"

static void print_weights(const char *path, const struct lenet_topology *topology, const float *host_w) {
    struct lenet_tensor tensors[2 * LENET_MAX_LAYERS];
    const int n = lenet_topology_tensors(topology, "", (float *)host_w, tensors);
    printf("\n%s\n%-16s %10s %10s %10s %10s %10s\n", path, "tensor", "values", "mean", "deviation", "least", "largest");
    for (int i = 0; i < n; i++) {
        const float *values = tensors[i].data;
        const size_t count = lenet_tensor_bytes(&tensors[i]) / sizeof *values;
        double sum = 0, squares = 0, least = values[0], largest = values[0];
        for (size_t k = 0; k < count; k++) {
            sum += values[k];
            squares += (double)values[k] * values[k];
            least = fmin(least, values[k]);
            largest = fmax(largest, values[k]);
        }
        const double mean = sum / (double)count, variance = squares / (double)count - mean * mean;
        char texts[4][32];
        printf("%-16s %10zu %10s %10s %10s %10s\n", tensors[i].name, count, number_text(mean, texts[0]),
               number_text(sqrt(fmax(variance, 0)), texts[1]), number_text(least, texts[2]),
               number_text(largest, texts[3]));
    }
}

static void count_labels(const struct lenet_samples *half, size_t counts[LENET_MAX_CLASSES]) {
    memset(counts, 0, LENET_MAX_CLASSES * sizeof *counts);
    for (size_t i = 0; i < half->count; i++) counts[half->labels[i]]++;
}

static void print_data(const char *directory, const struct lenet_dataset *data) {
    size_t train[LENET_MAX_CLASSES], test[LENET_MAX_CLASSES];
    count_labels(&data->train, train);
    count_labels(&data->test, test);
    printf("\n%s from %s: %d class%s, images of %d x %d pixels\n%-8s %12s %12s\n", data->name, directory, data->classes,
           data->classes == 1 ? "" : "es", data->H, data->W, "class", "training", "test");
    for (int c = 0; c < data->classes; c++)
        printf("%-8d %12zu %12zu%s%s\n", c, train[c], test[c], data->names.count ? "  " : "",
               data->names.count ? data->names.text[c] : "");
    printf("%-8s %12zu %12zu\n", "total", data->train.count, data->test.count);
}

static void print_devices(void) {
    struct lenet_device device;
    struct lenet_error err;
    static const char *const names[] = {"cpu", "cuda"};
    printf("\ndevices\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int there = lenet_device_open(names[i], (struct lenet_open_options){0}, &device, &err) == LENET_OK;
        if (there)
            printf("  %-5s batches %sin multiples of %d images\n", names[i],
                   lenet_device_backend_for(&device, 1)->lanes == 1 ? "of one image, or " : "", device.backend->lanes);
        else
            printf("  %-5s not available: %s\n", names[i], err.text);
        if (there && device.backend == lenet_backend_cpu()) {
            char level[LENET_MACHINE];
            lenet_cpu_level(level);
            printf("  %-5s %s\n", "", level);
        }
        if (there) lenet_device_close(&device);
    }
}

/* Settings such as "batch=128 epochs=2", as they are written on a command line, in lines of 80 characters. */
static void print_settings(const char *settings) {
    size_t column = 80;
    for (const char *item = settings; *item; item += strspn(item, " ")) {
        const size_t length = strcspn(item, " "), name = strcspn(item, "=");
        if (column + 3 + length > 80) column = (size_t)printf("%s%14s", item == settings ? "" : "\n", "");
        column += (size_t)printf(" --%.*s %.*s", (int)name, item, (int)(length - name - 1), item + name + 1);
        item += length;
    }
    if (settings[0]) printf("\n");
}

static void print_recipes(void) {
    printf("\nrecipes\n");
    for (const struct lenet_recipe *recipe = lenet_recipes; recipe < lenet_recipes + LENET_RECIPES; recipe++) {
        printf("  %-12s %s\n", recipe->name, recipe->description);
        print_settings(recipe->settings);
    }
}

/* Where a command finds its data without --data. */
static void print_places(const struct lenet_data_places *places) {
    printf("\ndata\n");
    for (int i = 0; i < places->n; i++)
        printf("  %s: %s%s\n", places->place[i].path, places->place[i].is_there ? "there" : "not there",
               i == places->chosen ? ", used without --data" : "");
}

static const char *kind_name(const struct lenet_topology *topology, const struct lenet_layer *layer, char text[32]) {
    static const char *const functions[] = {"tanh", "ReLU", "squash", ""}; /* as enum lenet_activation */
    static const char *const poolings[] = {"average", "maximum", "sum"};   /* as enum lenet_pooling */
    const int size = layer->spec.size;
    switch (layer->spec.kind) {
    case LENET_CONV: snprintf(text, 32, "convolution %dx%d", size, size); break;
    case LENET_SUBSAMPLE:
        snprintf(text, 32, "%s%s%s %dx%d", functions[layer->activation], layer->activation == LENET_LINEAR ? "" : ", ",
                 poolings[topology->pooling], size, size);
        break;
    case LENET_SCALE: snprintf(text, 32, "coefficient and bias"); break;
    case LENET_RBF: snprintf(text, 32, "RBF, fixed targets"); break;
    case LENET_ACTIVATION: snprintf(text, 32, "%s", functions[topology->activation]); break;
    case LENET_DENSE: snprintf(text, 32, "fully connected"); break;
    }
    return text;
}

static void print_info(const struct lenet_config *config, const struct lenet_model *model, const float *host_w,
                       const struct lenet_dataset *data, const struct lenet_data_places *places) {
    const struct lenet_topology *topology = &model->topology;
    printf("%s: %s\n\n%-8s %-20s %12s %12s %12s %12s\n", topology->arch->name, topology->arch->description, "layer",
           "kind", "output", "parameters", "connections", "FLOP/image");
    double connections = 0;
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        char kind[32], shape[32];
        const double pixels = (double)layer->OH * layer->OW;
        const double of_layer = lenet_layer_connections(layer);
        snprintf(shape, sizeof shape, "%dx%dx%d", layer->O, layer->OH, layer->OW);
        printf("%-8s %-20s %12s %12zu %12.0f %12.0f\n", layer->spec.name, kind_name(topology, layer, kind), shape,
               layer->w_count - layer->absent + layer->b_count, of_layer, 2 * (double)layer->w_count * pixels);
        connections += of_layer;
    }
    printf("%-8s %-20s %12s %12zu %12.0f %12.0f\n", "total", "", "", topology->parameters, connections,
           lenet_topology_flops(topology, 0));
    printf("a training step: %.2f MFLOP an image\n", lenet_topology_flops(topology, 1) / 1e6);
    if (host_w) print_weights(config->weights, topology, host_w);
    for (int c = 0; host_w && c < model->names.count; c++)
        printf("%s%d %s", c ? ", " : "classes: ", c, model->names.text[c]);
    if (host_w && model->names.count) printf("\n");
    if (data->classes) print_data(config->data, data);
    if (host_w || data->classes) return;
    printf("\narchitectures\n");
    for (const struct lenet_arch *arch = lenet_archs; arch->name; arch++)
        printf("  %-12s %s\n", arch->name, arch->description);
    print_recipes();
    print_devices();
    print_places(places);
}

/* What a script has to know of a layer, besides its shapes and weights, to compute it. */
static void add_function(struct lenet_json *json, const struct lenet_topology *topology,
                         const struct lenet_layer *layer) {
    const int is_activation = layer->spec.kind == LENET_ACTIVATION, is_subsample = layer->spec.kind == LENET_SUBSAMPLE;
    const enum lenet_activation activation = is_activation ? topology->activation : layer->activation;
    char name[32];
    if (is_activation || (is_subsample && activation != LENET_LINEAR)) {
        lenet_choice_name(LENET_ACTIVATIONS, (int)activation, name, sizeof name);
        lenet_json_add_string(json, "activation", name);
    }
    if (is_subsample) {
        lenet_choice_name(LENET_POOLINGS, (int)topology->pooling, name, sizeof name);
        lenet_json_add_string(json, "pooling", name);
    }
}

static void add_targets(struct lenet_json *json, const struct rbf_targets *targets, int inputs, int outputs) {
    lenet_json_open_array(json, "targets");
    for (int o = 0; o < outputs; o++) {
        lenet_json_open_array(json, NULL);
        for (int i = 0; i < inputs; i++)
            lenet_json_add_number(json, NULL, targets->plus[o][i / 32] >> i % 32 & 1 ? 1 : -1);
        lenet_json_close(json);
    }
    lenet_json_close(json);
}

static void add_layer(struct lenet_json *json, const struct lenet_topology *topology, const struct lenet_layer *layer) {
    static const char *const kinds[] = {"conv",       "subsample", "scale",
                                        "activation", "dense",     "rbf"}; /* as enum lenet_layer_kind */
    lenet_json_open_object(json, NULL);
    lenet_json_add_string(json, "name", layer->spec.name);
    lenet_json_add_string(json, "kind", kinds[layer->spec.kind]);
    lenet_json_add_number(json, "size", layer->spec.size);
    lenet_json_add_ints(json, "input", (const int[]){layer->C, layer->H, layer->W}, 3);
    lenet_json_add_ints(json, "output", (const int[]){layer->O, layer->OH, layer->OW}, 3);
    lenet_json_add_number(json, "weights", (double)(layer->w_count - layer->absent));
    lenet_json_add_number(json, "connections", lenet_layer_connections(layer));
    lenet_json_add_number(json, "biases", (double)layer->b_count);
    add_function(json, topology, layer);
    if (layer->spec.kind == LENET_RBF) add_targets(json, &topology->targets, (int)lenet_layer_inputs(layer), layer->O);
    lenet_json_close(json);
}

static enum lenet_status write_info(const struct lenet_config *config, const struct lenet_model *model,
                                    const struct lenet_dataset *data, struct lenet_error *err) {
    const struct lenet_topology *topology = &model->topology;
    struct lenet_json json = {.whole = NULL};
    lenet_json_open_object(&json, NULL);
    lenet_json_open_array(&json, "layers");
    for (int l = 0; l < topology->layer_count; l++) add_layer(&json, topology, &topology->layers[l]);
    lenet_json_close(&json);
    lenet_json_add_string(&json, "arch", topology->arch->name);
    lenet_json_add_number(&json, "field", topology->arch->field);
    lenet_json_add_number(&json, "parameters", (double)topology->parameters);
    lenet_json_add_number(&json, "training_flops", lenet_topology_flops(topology, 1));
    if (data->classes) lenet_data_add_json(&json, "data", config->data, data);
    lenet_json_add_classes(&json, data->classes ? &data->names : &model->names);
    return lenet_json_write(config->json, &json, err);
}

/* With --data, of a network for its classes. */
static enum lenet_status make_model(struct lenet_config *config, struct lenet_model *model, float **host_w,
                                    struct lenet_dataset *data, struct lenet_error *err) {
    if (config->weights[0]) LENET_TRY(lenet_model_read(config->weights, model, host_w, err));
    if (config->data[0]) LENET_TRY(lenet_config_dataset(config, LENET_TEST_HALF, INT_MAX, data, err));
    if (data->note[0]) print_note("info", "%s", data->note);
    return *host_w ? LENET_OK
                   : lenet_config_topology(config, data->classes ? data->classes : LENET_DIGITS, &model->topology, err);
}

enum lenet_status info_command(int argc, char **argv, struct lenet_config *config, struct lenet_error *err) {
    struct lenet_model model = {0};
    struct lenet_dataset data = {0};
    struct lenet_data_places places;
    float *host_w = NULL;
    LENET_TRY(lenet_options_parse(LENET_CMD_INFO, argc, argv, config, err));
    LENET_TRY(lenet_config_spare_weights(config, err));
    enum lenet_status status = make_model(config, &model, &host_w, &data, err);
    if (status == LENET_OK) status = lenet_data_places_look(&places, err);
    if (status == LENET_OK) print_info(config, &model, host_w, &data, &places);
    if (status == LENET_OK && config->json[0]) status = write_info(config, &model, &data, err);
    free(host_w);
    lenet_dataset_free(&data);
    return status;
}
