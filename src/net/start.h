/* start.h - trained weights to begin from: a file of this program, or of PyTorch, with the weights of one network. */
#ifndef LENET_NET_START_H
#define LENET_NET_START_H
#include "lenet/data.h"
#include "lenet/topology.h"
#ifdef __cplusplus
extern "C" {
#endif

struct lenet_start {
    const char *path; /* borrowed */
    char sha256[65];
    struct lenet_tensor_file file;
};

/* Reads the file, to be freed with lenet_start_close, which does no harm where nothing is open. LENET_ERR_IO;
 * LENET_ERR_FORMAT where it is no safetensors file, or has several networks; LENET_ERR_MEMORY. */
enum lenet_status lenet_start_open(const char *path, struct lenet_start *start, struct lenet_error *err);
void lenet_start_close(struct lenet_start *start);

/* Puts the file's weights over those of host_w[stride], which are drawn. Tensors that have this program's names are
 * taken by name, and all others by shape, those of one shape in the order of their names: PyTorch's layouts are ours,
 * and a matrix [inputs][outputs] is transposed. A last layer for another number of classes stays as it is drawn.
 * LENET_ERR_FORMAT, naming the tensor, its shape and what is
 * wanted, where they are of another architecture, and where a weight is NaN, infinite or of a connection that the
 * architecture leaves out. */
enum lenet_status lenet_start_fill(const struct lenet_start *start, const struct lenet_topology *topology,
                                   float *host_w, struct lenet_error *err);

/* Whether that will do, before anything is begun, for classes of these names. note becomes what is no error, but should
 * be known, or "". */
enum lenet_status lenet_start_check(const struct lenet_start *start, const struct lenet_topology *topology,
                                    const struct lenet_class_names *names, char note[256], struct lenet_error *err);

/* *drawn becomes 0 where all layers are in the file, so that no weight is drawn; 1 for NULL. Fails likewise. */
enum lenet_status lenet_start_draws(const struct lenet_start *start, const struct lenet_topology *topology, int *drawn,
                                    struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
