/* device.c - finds and opens the backend that --device names. */
#include "lenet/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/version.h"

enum lenet_status lenet_device_open(const char *name, struct lenet_open_options options, struct lenet_device *device,
                                    struct lenet_error *err) {
    const char *why = "";
    options.index = 0;
    *device = (struct lenet_device){0};
    if (strcmp(name, "cpu") == 0) {
        device->backend = lenet_backend_cpu();
    } else if (strcmp(name, "auto") == 0) {
        device->backend = lenet_backend_cuda(&why);
        if (!device->backend) device->backend = lenet_backend_cpu();
    } else if (strncmp(name, "cuda", 4) == 0 && (name[4] == 0 || name[4] == ':')) {
        const size_t digits = name[4] ? strspn(name + 5, "0123456789") : 0;
        if (name[4] && (name[5 + digits] || digits < 1 || digits > 9)) /* more are no int */
            return lenet_fail(err, LENET_ERR_ARG, "--device: '%s'; wanted cuda:INDEX with a whole number", name);
        if (name[4]) options.index = atoi(name + 5);
        device->backend = lenet_backend_cuda(&why);
        if (!device->backend) return lenet_fail(err, LENET_ERR_DEVICE, "--device %s: %s", name, why);
    } else {
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' is not one of auto, cpu, cuda, cuda:INDEX", name);
    }
    const enum lenet_status status = device->backend->open(&device->ctx, &options, err);
    if (status != LENET_OK) *device = (struct lenet_device){0}; /* what fails to open leaves nothing behind */
    if (status == LENET_OK && options.index)
        snprintf(device->name, sizeof device->name, "%s:%d", device->backend->name, options.index);
    else if (status == LENET_OK)
        snprintf(device->name, sizeof device->name, "%s", device->backend->name);
    return status;
}

enum lenet_status lenet_device_explain(const struct lenet_device *device, enum lenet_status status,
                                       struct lenet_error *err) {
    if (status == LENET_OK || !device->ctx || !err || err->text[0]) return status;
    const char *message = device->backend->message(device->ctx);
    return lenet_fail(err, status, "%s: %s", device->backend->name, message[0] ? message : lenet_status_name(status));
}

void lenet_device_close(struct lenet_device *device) {
    if (device->ctx) device->backend->close(device->ctx);
    *device = (struct lenet_device){0};
}

void lenet_device_machine(const struct lenet_device *device, char text[LENET_MACHINE]) {
    char backend[LENET_MACHINE];
    device->backend->describe(device->ctx, backend);
    snprintf(text, LENET_MACHINE, "lenet " LENET_VERSION " (%.200s)", backend);
}

const struct lenet_backend *lenet_device_backend_for(const struct lenet_device *device, int B) {
    return device->backend == lenet_backend_cpu() && B == 1 ? lenet_backend_cpu_batch1() : device->backend;
}
