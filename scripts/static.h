/* static.h - included before each file by scripts/static.sh: an analyzer looks at one file at a time, and this way sees
 * which status a failing call returns. */
#ifndef LENET_STATIC_H
#define LENET_STATIC_H
#include "lenet/status.h"

#define lenet_fail(err, status, ...) (lenet_fail(err, status, __VA_ARGS__), (status))

#endif
