/* device.h - opens the backend that --device names. */
#ifndef LENET_DEVICE_H
#define LENET_DEVICE_H
#include "lenet/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_DEVICE_NAME = 16, LENET_MAX_DEVICES = 16 };

struct lenet_device {
    const struct lenet_backend *backend;
    struct lenet_ctx *ctx;
    char name[LENET_DEVICE_NAME]; /* that lenet_device_open takes to open the same one: "cpu", "cuda", "cuda:1" */
};

/* name: cpu, cuda, cuda:INDEX, or auto (a GPU where there is one, else the CPU); options.index is taken from it.
 * LENET_ERR_ARG for another name, LENET_ERR_DEVICE where the named one is not there: never another one instead.
 * On failure *device is zero. */
enum lenet_status lenet_device_open(const char *name, struct lenet_open_options options, struct lenet_device *device,
                                    struct lenet_error *err);
/* A list of different GPUs: "cuda:0,cuda:1". */
struct lenet_device_names {
    int n;
    char names[LENET_MAX_DEVICES][LENET_DEVICE_NAME];
};
/* LENET_ERR_ARG where it has something else in it, or a GPU twice. */
enum lenet_status lenet_device_list(const char *text, struct lenet_device_names *names, struct lenet_error *err);

/* Hands status on, with the device's own words in err where nobody has written there yet. */
enum lenet_status lenet_device_explain(const struct lenet_device *device, enum lenet_status status,
                                       struct lenet_error *err);
void lenet_device_close(struct lenet_device *device);

/* This program's version and compiler, and what its backend says of itself: where two texts are equal, so are the bytes
 * of weights. */
void lenet_device_machine(const struct lenet_device *device, char text[LENET_MACHINE]);

/* The table for batches of B images: the device's own, or another one for the same context. */
const struct lenet_backend *lenet_device_backend_for(const struct lenet_device *device, int B);

#ifdef __cplusplus
}
#endif
#endif
