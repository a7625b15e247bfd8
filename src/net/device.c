/* device.c - finds and opens the backend that --device names. */
#include "lenet/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lenet/version.h"

/* Whether a name is that of a GPU: cuda, which is the first one, or cuda:INDEX. */
static int is_gpu(const char *name, int *index) {
    const size_t digits = strncmp(name, "cuda:", 5) == 0 ? strspn(name + 5, "0123456789") : 0;
    *index = digits ? atoi(name + 5) : 0;
    return strcmp(name, "cuda") == 0 || (digits > 0 && digits <= 9 && !name[5 + digits]); /* more are no int */
}

static enum lenet_status find_backend(const char *name, struct lenet_device *device, int *index,
                                      struct lenet_error *err) {
    const char *why = "";
    *index = 0;
    if (strcmp(name, "cpu") == 0) {
        device->backend = lenet_backend_cpu();
    } else if (strcmp(name, "auto") == 0) {
        device->backend = lenet_backend_cuda(&why);
        if (!device->backend) device->backend = lenet_backend_cpu();
    } else if (is_gpu(name, index)) {
        device->backend = lenet_backend_cuda(&why);
        if (!device->backend) return lenet_fail(err, LENET_ERR_DEVICE, "--device %s: %s", name, why);
    } else if (strchr(name, ',')) {
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' is a list of devices, which only lenet sweep takes",
                          name);
    } else if (strncmp(name, "cuda:", 5) == 0) {
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s'; wanted cuda:INDEX with a whole number", name);
    } else {
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' is not one of auto, cpu, cuda, cuda:INDEX", name);
    }
    return LENET_OK;
}

enum lenet_status lenet_device_open(const char *name, struct lenet_open_options options, struct lenet_device *device,
                                    struct lenet_error *err) {
    *device = (struct lenet_device){0};
    enum lenet_status status = find_backend(name, device, &options.index, err);
    if (status == LENET_OK) status = device->backend->open(&device->ctx, &options, err);
    if (status != LENET_OK) *device = (struct lenet_device){0}; /* what fails to open leaves nothing behind */
    if (status == LENET_OK && options.index)
        snprintf(device->name, sizeof device->name, "%s:%d", device->backend->name, options.index);
    else if (status == LENET_OK)
        snprintf(device->name, sizeof device->name, "%s", device->backend->name);
    return status;
}

static enum lenet_status add_to_list(struct lenet_device_names *names, const char *name, const char *text,
                                     struct lenet_error *err) {
    int index, other;
    if (!is_gpu(name, &index))
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' in '%s'; a list is of GPUs, as cuda:0,cuda:1", name,
                          text);
    if (names->n == LENET_MAX_DEVICES)
        return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' is a list of more than %d", text, LENET_MAX_DEVICES);
    for (int i = 0; i < names->n; i++)
        if (is_gpu(names->names[i], &other) && other == index)
            return lenet_fail(err, LENET_ERR_ARG, "--device: '%s' has the GPU cuda:%d twice", text, index);
    strcpy(names->names[names->n++], name);
    return LENET_OK;
}

enum lenet_status lenet_device_list(const char *text, struct lenet_device_names *names, struct lenet_error *err) {
    names->n = 0;
    for (const char *at = text;; at++) {
        char name[LENET_DEVICE_NAME + 1]; /* cut where it is too long for a GPU's, so that it is none */
        const size_t length = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        LENET_TRY(add_to_list(names, name, text, err));
        at += length;
        if (!*at) return LENET_OK;
    }
}

enum lenet_status lenet_device_explain(const struct lenet_device *device, enum lenet_status status,
                                       struct lenet_error *err) {
    if (status == LENET_OK || !device->ctx || !err || err->text[0]) return status;
    const char *message = device->backend->message(device->ctx);
    return lenet_fail(err, status, "%s: %s", device->name, message[0] ? message : lenet_status_name(status));
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
