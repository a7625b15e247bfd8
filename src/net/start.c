/* start.c - finds the layers of an architecture among the tensors of a file, whatever their names are. */
#include "net/start.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/choice.h"
#include "base/files.h"
#include "base/json.h"
#include "data/class_names.h"
#include "lenet/model.h"

enum { MAX_TENSORS = 2 * LENET_MAX_LAYERS, SHAPE = 64 };

/* ---- the file --------------------------------------------------------------------------------------- */

/* The file of a population of one network, as a sweep keeps it, has a dimension of 1 more in front of each shape. */
static enum lenet_status drop_population(struct lenet_start *start, struct lenet_error *err) {
    struct cJSON *members;
    LENET_TRY(lenet_members_from_file(start->path, &start->file, &members, err));
    const int R = members ? lenet_json_count(members) : 0;
    lenet_json_free(members);
    if (R > 1)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: weights of a population of %d networks; wanted those of one",
                          start->path, R);
    for (int i = 0; i < start->file.n && R; i++) {
        struct lenet_tensor *t = &start->file.tensors[i];
        if (t->rank > 1 && t->shape[0] == 1) memmove(t->shape, t->shape + 1, (size_t)--t->rank * sizeof *t->shape);
    }
    return LENET_OK;
}

/* Proposes a file in a directory: the weights of a run, those of one population of a sweep, or any. */
static enum lenet_status fail_directory(const char *path, struct lenet_error *err) {
    char directory[4096 + 16], **names;
    int n, has_weights, is_run, is_sweep;
    LENET_TRY(lenet_directory_has(path, "weights", &has_weights, err));
    LENET_TRY(lenet_directory_has(path, "last.safetensors", &is_run, err));
    LENET_TRY(lenet_directory_has(path, "sweep.json", &is_sweep, err));
    snprintf(directory, sizeof directory, "%s%s", path, is_sweep && has_weights ? "/weights" : "");
    LENET_TRY(lenet_directory_list(directory, "", ".safetensors", &names, &n, err));
    const enum lenet_status status =
        n ? lenet_fail(err, LENET_ERR_IO, "--from %.400s: a directory; did you mean --from %.400s/%.200s?", path,
                       directory, is_run ? "last.safetensors" : names[0])
          : lenet_fail(err, LENET_ERR_IO, "--from %.400s: a directory%s; wanted a weights file (.safetensors)", path,
                       is_sweep ? " of a sweep without --keep-weights" : "");
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
    return status;
}

enum lenet_status lenet_start_open(const char *path, struct lenet_start *start, struct lenet_error *err) {
    char *bytes;
    size_t size;
    *start = (struct lenet_start){.path = path};
    enum lenet_path is;
    LENET_TRY(lenet_path_look(path, &is, err));
    if (is == LENET_DIRECTORY) return fail_directory(path, err);
    LENET_TRY(lenet_tensors_bytes(path, &bytes, &size, err));
    enum lenet_status status = lenet_sha256(&(struct lenet_piece){bytes, size}, 1, start->sha256, err);
    if (status == LENET_OK)
        status = lenet_tensors_parse(path, bytes, size, &start->file, err);
    else
        free(bytes);
    if (status == LENET_OK) status = drop_population(start, err);
    if (status != LENET_OK) lenet_start_close(start);
    return status;
}

void lenet_start_close(struct lenet_start *start) {
    lenet_tensors_free(&start->file);
    *start = (struct lenet_start){.path = NULL};
}

/* ---- which tensor is which --------------------------------------------------------------------------- */

/* The file's tensors but those of a checkpoint, and for each of the network's its own or NULL. */
struct match {
    const struct lenet_start *start;
    const struct lenet_topology *topology;
    int n_found, n_wanted;
    const struct lenet_tensor **found; /* [n_found] sorted by name; NULL once taken */
    struct lenet_tensor wanted[MAX_TENSORS];
    const struct lenet_tensor *source[MAX_TENSORS];
};

static const char *shape_text(const struct lenet_tensor *t, char text[SHAPE]) {
    size_t used = (size_t)snprintf(text, SHAPE, "[");
    for (int i = 0; i < t->rank && used < SHAPE; i++)
        used += (size_t)snprintf(text + used, SHAPE - used, "%s%zu", i ? ", " : "", t->shape[i]);
    if (used < SHAPE) snprintf(text + used, SHAPE - used, "]");
    return text;
}

/* fc2 comes before fc10. */
static int by_name(const void *a, const void *b) {
    const char *x = (*(const struct lenet_tensor *const *)a)->name, *y = (*(const struct lenet_tensor *const *)b)->name;
    while (*x && *y) {
        if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
            char *x_end, *y_end;
            const unsigned long m = strtoul(x, &x_end, 10), n = strtoul(y, &y_end, 10);
            if (m != n) return m < n ? -1 : 1;
            x = x_end;
            y = y_end;
        } else if (*x != *y)
            break;
        else {
            x++;
            y++;
        }
    }
    return (unsigned char)*x - (unsigned char)*y;
}

static size_t count_of(const struct lenet_tensor *t) {
    size_t count = 1; /* they lie in memory: it does not wrap around */
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

static int is_transposed(const struct lenet_tensor *found, const struct lenet_tensor *wanted) {
    return found->rank == 2 && wanted->rank == 2 && found->shape[0] == wanted->shape[1] &&
           found->shape[1] == wanted->shape[0] && found->shape[0] != found->shape[1];
}

/* A convolution over the whole of its input, [120, 16, 5, 5], is a fully connected layer, [120, 400], of 16 maps of
 * 5 x 5. */
static int is_convolution_of(const struct lenet_tensor *found, const struct lenet_tensor *wanted,
                             const struct lenet_topology *topology) {
    for (int l = 0; l < topology->layer_count; l++) {
        const struct lenet_layer *layer = &topology->layers[l];
        const size_t length = strlen(layer->spec.name);
        if (!layer->w_count || strncmp(wanted->name, layer->spec.name, length) != 0 || wanted->name[length] != '.')
            continue;
        return found->rank == 4 && found->shape[0] == wanted->shape[0] && found->shape[1] == (size_t)layer->C &&
               found->shape[2] == (size_t)layer->H && found->shape[3] == (size_t)layer->W;
    }
    return 0;
}

/* The same numbers in the same order, or transposed. Of one count may be others: [16, 5, 5, 6] is not [16, 6, 5, 5]. */
static int fits(const struct match *m, const struct lenet_tensor *found, const struct lenet_tensor *wanted) {
    if (found->rank == wanted->rank)
        return memcmp(found->shape, wanted->shape, (size_t)found->rank * sizeof *found->shape) == 0 ||
               is_transposed(found, wanted);
    if (found->rank < 2 || wanted->rank < 2 || count_of(found) != count_of(wanted)) return 0;
    return found->rank == 2 ? found->shape[0] == wanted->shape[0] : is_convolution_of(found, wanted, m->topology);
}

static const struct lenet_tensor *take(struct match *m, int i) {
    const struct lenet_tensor *taken = m->found[i];
    m->found[i] = NULL;
    return taken;
}

static int has_own_name(const struct match *m, const char *name) {
    for (int w = 0; w < m->n_wanted; w++)
        if (strcmp(m->wanted[w].name, name) == 0) return 1;
    return 0;
}

static int ends_in(const char *name, const char *ending) {
    const size_t length = strlen(name), n = strlen(ending);
    return length >= n && strcmp(name + length - n, ending) == 0;
}

/* A .bias is no weight and a .weight no bias, and fc1.bias belongs to fc1.weight: layers may have biases of one shape.
 */
static int may_be(const struct match *m, int w, const char *name) {
    static const char weight[] = ".weight", bias[] = ".bias";
    char sibling[LENET_MAX_TENSOR_NAME];
    const int is_bias = ends_in(m->wanted[w].name, bias);
    if (ends_in(name, is_bias ? weight : bias)) return 0;
    const struct lenet_tensor *of = is_bias ? m->source[w - 1] : NULL; /* the weight is wanted before its bias */
    if (!of || !ends_in(of->name, weight)) return 1;
    snprintf(sibling, sizeof sibling, "%.*s%s", (int)(strlen(of->name) - strlen(weight)), of->name, bias);
    return strcmp(name, sibling) == 0 || !lenet_tensors_find(&m->start->file, sibling);
}

/* By name, or, where it has not got that name, by shape. */
static void find_source(struct match *m, int w) {
    const int by_own_name = lenet_tensors_find(&m->start->file, m->wanted[w].name) != NULL;
    for (int i = 0; i < m->n_found && !m->source[w]; i++) {
        if (!m->found[i] || !fits(m, m->found[i], &m->wanted[w])) continue;
        if (by_own_name ? strcmp(m->found[i]->name, m->wanted[w].name) == 0
                        : !has_own_name(m, m->found[i]->name) && may_be(m, w, m->found[i]->name))
            m->source[w] = take(m, i);
    }
}

static enum lenet_status fail_missing(const struct match *m, int w, struct lenet_error *err) {
    const struct lenet_tensor *wanted = &m->wanted[w], *nearest = lenet_tensors_find(&m->start->file, wanted->name);
    char want[SHAPE], shape[SHAPE];
    for (int i = 0; i < m->n_found && !nearest; i++)
        if (m->found[i] && (m->found[i]->rank > 1) == (wanted->rank > 1)) nearest = m->found[i];
    shape_text(wanted, want);
    if (!nearest)
        return lenet_fail(err, LENET_ERR_FORMAT, "%s: no tensor for %s %s of %s; weights of another architecture?",
                          m->start->path, wanted->name, want, m->topology->arch->name);
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: tensor '%s' is %s, wanted %s for %s of %s; weights of another architecture?", m->start->path,
                      nearest->name, shape_text(nearest, shape), want, wanted->name, m->topology->arch->name);
}

static enum lenet_status fail_left_over(const struct match *m, const struct lenet_tensor *left,
                                        struct lenet_error *err) {
    char shape[SHAPE], list[512] = "", each[SHAPE];
    size_t used = 0;
    for (int w = 0; w < m->n_wanted && used < sizeof list; w++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %s", w ? ", " : "", m->wanted[w].name,
                                 shape_text(&m->wanted[w], each));
    return lenet_fail(err, LENET_ERR_FORMAT,
                      "%s: tensor '%s' %s belongs to no layer of %s; wanted %s; weights of another architecture?",
                      m->start->path, left->name, shape_text(left, shape), m->topology->arch->name, list);
}

/* The last layer's weights and biases where they are for other classes: they are left to be drawn. *classes is 0 where
 * there are no such. */
static void leave_output(struct match *m, size_t *classes) {
    const struct lenet_tensor *weight = &m->wanted[m->n_wanted - 2];
    int at[2] = {-1, -1};
    *classes = 0;
    for (int i = 0; i < m->n_found; i++) {
        const struct lenet_tensor *t = m->found[i];
        if (t && t->rank == 2 && (t->shape[1] == weight->shape[1] || t->shape[0] == weight->shape[1])) at[0] = i;
        if (t && t->rank == 1) at[1] = i;
    }
    if (at[0] < 0 || at[1] < 0) return;
    const size_t n = m->found[at[1]]->shape[0];
    if (count_of(m->found[at[0]]) != n * weight->shape[1]) return;
    *classes = n;
    take(m, at[0]);
    take(m, at[1]);
}

/* Whether the last layer has a unit for each class. */
static int output_is_of_classes(const struct lenet_topology *topology) {
    const struct lenet_layer_spec *last = &topology->layers[topology->layer_count - 1].spec;
    return last->kind == LENET_DENSE && last->maps == 0;
}

static enum lenet_status find_sources(struct match *m, char note[256], struct lenet_error *err) {
    const int inner = m->n_wanted - 2;
    size_t classes = 0;
    for (int w = 0; w < m->n_wanted; w++) find_source(m, w);
    if (inner > 0 && !m->source[inner] && !m->source[inner + 1] && output_is_of_classes(m->topology))
        leave_output(m, &classes);
    for (int w = 0; w < (classes ? inner : m->n_wanted); w++)
        if (!m->source[w]) return fail_missing(m, w, err);
    for (int i = 0; i < m->n_found; i++)
        if (m->found[i]) return fail_left_over(m, m->found[i], err);
    if (classes)
        snprintf(note, 256, "%.120s: its last layer is for %zu classes, and these data have %d: drawn anew",
                 m->start->path, classes, m->topology->classes);
    return LENET_OK;
}

/* ---- their values ------------------------------------------------------------------------------------- */

static enum lenet_status copy_values(const struct match *m, int w, struct lenet_error *err) {
    const struct lenet_tensor *from = m->source[w], *to = &m->wanted[w];
    const size_t count = count_of(to), columns = to->rank == 2 ? to->shape[1] : count, rows = count / columns;
    const int turned = is_transposed(from, to);
    const float *values = from->data;
    for (size_t i = 0; i < count; i++) {
        const float value = values[turned ? i % columns * rows + i / columns : i];
        if (!isfinite(value))
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: tensor '%s' has a weight that is NaN or infinite; a run that "
                              "diverged?",
                              m->start->path, from->name);
        ((float *)to->data)[i] = value;
    }
    return LENET_OK;
}

/* The connection table of C3 leaves weights out, which are 0. */
static enum lenet_status check_absent(const struct match *m, const float *host_w, struct lenet_error *err) {
    for (size_t i = 0; i < m->topology->stride; i++)
        if (host_w[i] != 0 && !lenet_parameter_exists(m->topology, i))
            return lenet_fail(err, LENET_ERR_FORMAT, "%s: has weights between maps that %s does not connect",
                              m->start->path, m->topology->arch->name);
    return LENET_OK;
}

/* Weights work with the nonlinearity and the subsampling that they were trained with. */
static void note_others(const struct match *m, char note[256]) {
    char activation[32], pooling[32];
    lenet_choice_name(LENET_ACTIVATIONS, (int)m->topology->activation, activation, sizeof activation);
    lenet_choice_name(LENET_POOLINGS, (int)m->topology->pooling, pooling, sizeof pooling);
    const struct { const char *key, *now; } kinds[] = {{"activation", activation}, {"pooling", pooling}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *was = lenet_metadata_find(&m->start->file, kinds[i].key);
        const size_t used = strlen(note);
        if (was && strcmp(was, kinds[i].now) != 0)
            snprintf(note + used, 256 - used, "%s%.100s: was trained with --%s %.20s, and goes on with %s",
                     used ? "; " : "", m->start->path, kinds[i].key, was, kinds[i].now);
    }
}

/* As many classes may be others, or be in another order. */
static void note_classes(const struct lenet_start *start, const struct lenet_class_names *names, char note[256]) {
    const char *count = lenet_metadata_find(&start->file, "classes"),
               *were = lenet_metadata_find(&start->file, "classes.names");
    char *text = names->count ? lenet_class_names_text(names) : NULL;
    const size_t used = strlen(note);
    if (text && were && count && strtol(count, NULL, 10) == names->count && strcmp(text, were) != 0)
        snprintf(note + used, 256 - used, "%s%.100s: has as many classes, of other names: its last layer is kept",
                 used ? "; " : "", start->path);
    free(text);
}

static enum lenet_status list_found(struct match *m, struct lenet_error *err) {
    const struct lenet_tensor_file *file = &m->start->file;
    m->found = calloc((size_t)file->n + 1, sizeof *m->found);
    if (!m->found) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    for (int i = 0; i < file->n; i++) {
        const struct lenet_tensor *t = &file->tensors[i];
        if (strncmp(t->name, "checkpoint.", strlen("checkpoint.")) == 0) continue;
        if (t->dtype != LENET_F32)
            return lenet_fail(err, LENET_ERR_FORMAT,
                              "%s: tensor '%s' is not of dtype F32, which weights must be; in PyTorch: .float()",
                              m->start->path, t->name);
        m->found[m->n_found++] = t;
    }
    qsort(m->found, (size_t)m->n_found, sizeof *m->found, by_name);
    return LENET_OK;
}

static enum lenet_status fill(struct match *m, float *host_w, char note[256], struct lenet_error *err) {
    m->n_wanted = lenet_topology_tensors(m->topology, "", host_w, m->wanted);
    LENET_TRY(list_found(m, err));
    LENET_TRY(find_sources(m, note, err));
    for (int w = 0; w < m->n_wanted; w++)
        if (m->source[w]) LENET_TRY(copy_values(m, w, err));
    note_others(m, note);
    return check_absent(m, host_w, err);
}

static enum lenet_status fill_and_note(const struct lenet_start *start, const struct lenet_topology *topology,
                                       float *host_w, char note[256], struct lenet_error *err) {
    struct match m = {.start = start, .topology = topology};
    note[0] = 0;
    const enum lenet_status status = fill(&m, host_w, note, err);
    free(m.found);
    return status;
}

enum lenet_status lenet_start_draws(const struct lenet_start *start, const struct lenet_topology *topology, int *drawn,
                                    struct lenet_error *err) {
    struct match m = {.start = start, .topology = topology};
    char note[256];
    *drawn = 1;
    if (!start) return LENET_OK;
    m.n_wanted = lenet_topology_tensors(topology, "", NULL, m.wanted);
    enum lenet_status status = list_found(&m, err);
    if (status == LENET_OK) status = find_sources(&m, note, err);
    *drawn = 0;
    for (int w = 0; w < m.n_wanted; w++) *drawn |= !m.source[w];
    free(m.found);
    return status;
}

enum lenet_status lenet_start_fill(const struct lenet_start *start, const struct lenet_topology *topology,
                                   float *host_w, struct lenet_error *err) {
    char note[256];
    return fill_and_note(start, topology, host_w, note, err);
}

enum lenet_status lenet_start_check(const struct lenet_start *start, const struct lenet_topology *topology,
                                    const struct lenet_class_names *names, char note[256], struct lenet_error *err) {
    float *scratch = calloc(topology->stride, sizeof *scratch);
    if (!scratch) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    const enum lenet_status status = fill_and_note(start, topology, scratch, note, err);
    if (status == LENET_OK) note_classes(start, names, note);
    free(scratch);
    return status;
}
