/* run_id.h - the id by which a run of a sweep is known. */
#ifndef LENET_RUN_ID_H
#define LENET_RUN_ID_H
#include "lenet/options.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_RUN_ID = 17 }; /* bytes of an id, its zero byte included */

/* The hash of everything that makes a run what it is, its data included: 16 hexadecimal digits. Options without effect
 * are no part of it (lenet_config_canonical). */
enum lenet_status lenet_run_id(const struct lenet_config *config, const char *data_hash, char id[LENET_RUN_ID],
                               struct lenet_error *err);

/* *fits becomes 1 where id is that of a recorded run; also where an older program gave it, to which every option was a
 * part of it; else 0. LENET_ERR_MEMORY. */
enum lenet_status lenet_run_id_fits(const struct lenet_config *config, const char *data_hash, const char *id, int *fits,
                                    struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
