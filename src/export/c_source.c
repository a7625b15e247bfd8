/* c_source.c - prints an integer network as a C file: what is known of it, its constants, and the code that computes
 * it, which is printed_runtime.h as it was compiled here. */
#include "export/c_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/version.h"

/* CMake makes these of the two headers, as lists of bytes. */
static const char runtime[] = {
#include LENET_PRINTED_RUNTIME
    0};
static const char trial[] = {
#include LENET_PRINTED_MAIN
    0};

/* ---- sizes ------------------------------------------------------------------------------------------------ */

static size_t rescaling_bytes(const struct rescaling *r, size_t maps) {
    return (r->factor ? maps * sizeof *r->factor : 0) + (r->bias ? maps * sizeof *r->bias : 0);
}

static int has_table(const struct lenet_integer_network *network) {
    for (int i = 0; i < network->net.layer_count; i++)
        if (network->layers[i].first.table || network->layers[i].second.table) return 1;
    return 0;
}

size_t lenet_constant_bytes(const struct lenet_integer_network *network) {
    size_t bytes = sizeof network->net + (has_table(network) ? sizeof network->table : 0);
    for (int i = 0; i < network->net.layer_count; i++) {
        const struct layer *l = &network->layers[i];
        const size_t maps = (size_t)l->maps;
        bytes += sizeof *l + lenet_weight_bytes(l) + maps * sizeof *l->bias;
        bytes += l->connections ? maps * sizeof *l->connections : 0;
        bytes += rescaling_bytes(&l->first, maps) + rescaling_bytes(&l->second, maps);
    }
    return bytes;
}

size_t lenet_ram_bytes(const struct lenet_integer_network *network) {
    return (size_t)network->memory_bytes + (size_t)network->sums * sizeof(int32_t);
}

/* ---- the head ---------------------------------------------------------------------------------------------- */

static void print_accuracy(FILE *f, const char *what, const struct lenet_export_accuracy *a) {
    if (!a->count) return;
    fprintf(f, " *   %-24s %8" PRIu64 " images: %.2f %% as trained, %.2f %% here (%" PRIu64 " and %" PRIu64 " right)\n",
            what, a->count, 100.0 * (double)a->before / (double)a->count, 100.0 * (double)a->after / (double)a->count,
            a->before, a->after);
}

static void print_head(FILE *f, const struct lenet_integer_network *network, const struct lenet_export *facts) {
    const struct lenet_topology *topology = &facts->topology;
    fprintf(f,
            "/* A trained network in integers alone, in C99: it needs no library and allocates nothing.\n"
            " * Made by: lenet export --format c --bits %d (lenet " LENET_VERSION ").\n *\n"
            " *   network                  %s: %s\n"
            " *   weights file             SHA-256 %s\n",
            facts->bits, topology->arch->name, topology->arch->description, facts->weights_hash);
    fprintf(f, " *   data set                 %s, SHA-256 %s\n", facts->data_name, facts->data_hash);
    print_accuracy(f, "calibration", &facts->calibration);
    print_accuracy(f, "test", &facts->test);
    fprintf(f,
            " *   constants                %zu bytes at most, of which the weights have %d bits each\n"
            " *   RAM                      %zu bytes, the static variables below, and less than 1 KB of stack\n *\n"
            " *     int lenet_classify(const unsigned char image[%d], int32_t scores[%d]);\n *\n",
            facts->constants, facts->bits, facts->ram, network->net.rows * network->net.columns, network->net.classes);
    fprintf(f,
            " * takes the pixels row by row, 0 being the background and 255 the ink, and returns the class. The class "
            "has the\n * largest score; a score times LENET_SCORE_UNIT is the network's output as trained%s. "
            "Only one call\n * may run at a time. Defining LENET_NO_MAIN leaves out main, which is for trying. */\n",
            topology->layers[topology->layer_count - 1].spec.kind == LENET_RBF
                ? ",\n * up to a term that all classes share"
                : "");
}

/* ---- constants -------------------------------------------------------------------------------------------- */

enum { LINE = 120 }; /* columns */

enum element { BYTE, NUMBER, MASK };
static const char *const element_types[] = {"uint8_t", "int32_t", "uint32_t"};

static int64_t element_at(enum element type, const void *values, size_t i) {
    if (type == BYTE) return ((const uint8_t *)values)[i];
    if (type == NUMBER) return ((const int32_t *)values)[i];
    return ((const uint32_t *)values)[i];
}

/* An array named after its layer; nothing where there are no values. */
static void print_array(FILE *f, enum element type, const char *name, int layer, const void *values, size_t n) {
    int column = LINE;
    if (!values) return;
    fprintf(f, "static const %s %s%d[%zu] = {", element_types[type], name, layer, n);
    for (size_t i = 0; i < n; i++) {
        char text[32];
        const int length = snprintf(text, sizeof text, " %" PRId64 ",", element_at(type, values, i));
        if (column + length > LINE) column = fprintf(f, "\n   ") - 1;
        column += fprintf(f, "%s", text);
    }
    fprintf(f, "\n};\n");
}

static void print_arrays(FILE *f, const struct lenet_integer_network *network, int layer) {
    const struct layer *l = &network->layers[layer];
    const size_t maps = (size_t)l->maps;
    fprintf(f, "\n/* %s */\n", network->names[layer]);
    print_array(f, BYTE, "weights", layer, l->weights, lenet_weight_bytes(l));
    print_array(f, NUMBER, "bias", layer, l->bias, maps);
    print_array(f, MASK, "connections", layer, l->connections, maps);
    print_array(f, NUMBER, "first_factor", layer, l->first.factor, maps);
    print_array(f, NUMBER, "second_factor", layer, l->second.factor, maps);
    print_array(f, NUMBER, "second_bias", layer, l->second.bias, maps);
}

/* A member of a struct that is an array: its name, or NULL where there is none. */
static void print_pointer(FILE *f, const char *member, const char *array, int layer, int is_there) {
    if (is_there)
        fprintf(f, ".%s = %s%d, ", member, array, layer);
    else
        fprintf(f, ".%s = NULL, ", member);
}

static void print_rescaling(FILE *f, const char *which, int layer, const struct rescaling *r) {
    char factor[32], bias[32];
    snprintf(factor, sizeof factor, "%s_factor", which);
    snprintf(bias, sizeof bias, "%s_bias", which);
    fprintf(f, "     .%s = {", which);
    print_pointer(f, "factor", factor, layer, r->factor != NULL);
    print_pointer(f, "bias", bias, layer, r->bias != NULL);
    fprintf(f, ".shift = %d,\n       .low = %" PRId32 ", .high = %" PRId32 ", .table = %s},\n", r->shift, r->low,
            r->high, r->table ? "tanh0" : "NULL");
}

static void print_layer(FILE *f, const struct lenet_integer_network *network, int layer) {
    const struct layer *l = &network->layers[layer];
    fprintf(f,
            "    /* %s */\n"
            "    {.inputs = %d, .rows = %d, .columns = %d, .maps = %d, .kernel_rows = %d, .kernel_columns = %d,\n     ",
            network->names[layer], l->inputs, l->rows, l->columns, l->maps, l->kernel_rows, l->kernel_columns);
    print_pointer(f, "connections", "connections", layer, l->connections != NULL);
    fprintf(f, ".bits = %d, .weights = weights%d, .bias = bias%d,\n", l->bits, layer, layer);
    print_rescaling(f, "first", layer, &l->first);
    fprintf(f, "     .window = %d, .adds = %d,\n", l->window, l->adds);
    print_rescaling(f, "second", layer, &l->second);
    fprintf(f, "     .zero = %d},\n", l->zero);
}

static void print_network(FILE *f, const struct lenet_integer_network *network) {
    const struct network *net = &network->net;
    fprintf(f, "\n/* ---- this network ---- */\n");
    if (has_table(network)) print_array(f, BYTE, "tanh", 0, network->table, LENET_TABLE_ENTRIES);
    for (int i = 0; i < net->layer_count; i++) print_arrays(f, network, i);
    fprintf(f, "\nstatic const struct layer layers[%d] = {\n", net->layer_count);
    for (int i = 0; i < net->layer_count; i++) print_layer(f, network, i);
    fprintf(f,
            "};\nstatic const struct network network = {.rows = LENET_ROWS, .columns = LENET_COLUMNS, .field = %d, "
            ".first_bytes = %d,\n    .layer_count = %d, .classes = LENET_CLASSES, .layers = layers};\n\n"
            "/* All that it needs of RAM. */\nstatic uint8_t memory[%d];\nstatic int32_t sums[%d];\n\n",
            net->field, net->first_bytes, net->layer_count, network->memory_bytes, network->sums);
    fprintf(f, "int lenet_classify(const unsigned char *image, int32_t *scores) {\n"
               "    return classify(&network, image, memory, sums, scores);\n}\n");
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* The code in one of the two headers: what is between its guards. */
static void print_code(FILE *f, const char *header) {
    const char *begin = strstr(header, "\n\n"), *end = strstr(header, "\n\n#endif\n");
    for (const char *next = end; next; next = strstr(next + 1, "\n\n#endif\n")) end = next;
    fprintf(f, "%.*s\n", (int)(end - begin - 1), begin + 1);
}

static void print_file(FILE *f, const struct lenet_integer_network *network, const struct lenet_export *facts) {
    print_head(f, network, facts);
    fprintf(f,
            "#include <stddef.h>\n#include <stdint.h>\n\n"
            "enum { LENET_ROWS = %d, LENET_COLUMNS = %d, LENET_CLASSES = %d };\n#define LENET_SCORE_UNIT %.9g\n\n"
            "int lenet_classify(const unsigned char *image, int32_t *scores);\n\n"
            "/* ---- the arithmetic, the same for all networks ---- */\n",
            network->net.rows, network->net.columns, network->net.classes, network->score_unit);
    print_code(f, strstr(runtime, "#include <stdint.h>"));
    print_network(f, network);
    print_code(f, trial);
}

enum lenet_status lenet_c_source(const struct lenet_integer_network *network, const struct lenet_export *facts,
                                 struct lenet_text *text, struct lenet_error *err) {
    FILE *f = lenet_text_open(text);
    if (f) print_file(f, network, facts);
    return lenet_text_close(f, text, err);
}
