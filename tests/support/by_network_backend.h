/* by_network_backend.h - the cpu backend by network, behind the plain layout of ops.h: for tests only. */
#ifndef LENET_TEST_BY_NETWORK_BACKEND_H
#define LENET_TEST_BY_NETWORK_BACKEND_H
#include "lenet/backend.h"

/* Any R and N. Every operation copies its tensors to and fro; see by_network_backend.cc for what it checks then. */
const lenet_backend *lenet_backend_by_network_in_plain_layout();

#endif
