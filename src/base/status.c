/* status.c - names of statuses, and the one way to fail with a message. */
#include "lenet/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *lenet_status_name(enum lenet_status status) {
    switch (status) {
    case LENET_OK: return "ok";
    case LENET_ERR_CHECK: return "check failed";
    case LENET_ERR_ARG: return "invalid argument";
    case LENET_ERR_MEMORY: return "out of memory";
    case LENET_ERR_FORMAT: return "bad file format";
    case LENET_ERR_IO: return "input/output error";
    case LENET_ERR_DEVICE: return "device error";
    case LENET_ERR_DIVERGED: return "diverged";
    case LENET_STOPPED: return "stopped";
    }
    return "unknown status";
}

enum lenet_status(lenet_fail)(struct lenet_error *err, enum lenet_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}
