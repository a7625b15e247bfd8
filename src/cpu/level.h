/* level.h - levels of processors: see level.c. */
#ifndef LENET_CPU_LEVEL_H
#define LENET_CPU_LEVEL_H
#include "lenet/status.h"

/* LENET_ERR_ARG or LENET_ERR_DEVICE where the level that is asked for does not exist, or not on this processor. */
enum lenet_status lenet_cpu_level_check(struct lenet_error *err);

#endif
