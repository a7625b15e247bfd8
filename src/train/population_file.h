/* population_file.h - the networks of a population in one safetensors file.
 *
 * Tensors are those of a weights file with one more dimension in front, the member: C1.weight is
 * [R][O][C][K][K]. The metadata have the model and, as "members", a JSON array with an object of each. */
#ifndef LENET_TRAIN_POPULATION_FILE_H
#define LENET_TRAIN_POPULATION_FILE_H
#include "base/json.h"
#include "train/population.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Writes the weights of n members, which[n], as of the last look; members is a JSON array of n objects. */
enum lenet_status lenet_population_write_weights(const char *path, const struct lenet_population *pop, const int *which,
                                                 int n, const cJSON *members, struct lenet_error *err);

/* Writes all members, with all that lenet_population_read_checkpoint needs to go on. `device` names the backend. */
enum lenet_status lenet_population_write_checkpoint(const char *path, const struct lenet_population *pop,
                                                    const char *device, const cJSON *members, struct lenet_error *err);

/* Reads the array of members and the device's name of a checkpoint, without its tensors' contents. *members is
 * the caller's to delete. LENET_ERR_FORMAT where it is none. */
enum lenet_status lenet_population_read_members(const char *path, cJSON **members, char device[32],
                                                struct lenet_error *err);

/* Sets step, seconds, tallies and state from a checkpoint of this population, on the host and on the device.
 * LENET_ERR_FORMAT where it is damaged or of another one. */
enum lenet_status lenet_population_read_checkpoint(const char *path, struct lenet_population *pop,
                                                   struct lenet_error *err);

/* Reads the weights of a file of either kind, a single network's or a population's: *host_w[*R][stride], freed by the
 * caller. *members is the array of members, the caller's to delete, or NULL for a single network. */
enum lenet_status lenet_weights_read(const char *path, struct lenet_model *model, int *R, float **host_w,
                                     cJSON **members, struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
