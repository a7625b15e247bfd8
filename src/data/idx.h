/* idx.h - one IDX file of unsigned bytes, raw or gzip. */
#ifndef LENET_DATA_IDX_H
#define LENET_DATA_IDX_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"

enum { LENET_IDX_LABELS = 1, LENET_IDX_IMAGES = 3 }; /* their numbers of dimensions */
enum { LENET_IDX_MAX_PATH = 4096, LENET_IDX_MAX_SIDE = 256 };

struct lenet_idx {
    char path[LENET_IDX_MAX_PATH];
    int packed;     /* path ends in .gz */
    uint8_t *bytes; /* [size], header included, unpacked; the caller's to free whatever is returned */
    size_t size;    /* without padding */
    int more;       /* 1: the file goes on after them, which is an error */
    size_t header;  /* bytes before the first value */
    uint32_t count;
    uint32_t H, W; /* 1 x 1 for labels */
};

/* Reads file->path, which file->packed tells about, and holds it against its header. LENET_ERR_IO: it cannot be read.
 * LENET_ERR_FORMAT: it is something else, damaged, cut short, or followed by other bytes than a MiB of zeros.
 * LENET_ERR_FORMAT also where a packed file has, or unpacks to, a GiB or more; of a raw one memory is the limit.
 * LENET_ERR_MEMORY. */
enum lenet_status lenet_idx_read(struct lenet_idx *file, int dimensions, struct lenet_error *err);

#endif
