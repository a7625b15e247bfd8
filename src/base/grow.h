/* grow.h - arrays that grow by one element at a time. */
#ifndef LENET_BASE_GROW_H
#define LENET_BASE_GROW_H
#include <stdlib.h>
#include <string.h>

#include "lenet/status.h"

/* Makes room for element n of the array that `array` points to, n being how many there are. Room doubles whenever n is
 * a power of two, so no capacity needs to be kept. LENET_ERR_MEMORY, when the array is as it was. */
static inline enum lenet_status lenet_grow(void *array, size_t n, size_t element_size, struct lenet_error *err) {
    void *larger;
    if ((n & (n - 1)) != 0) return LENET_OK;
    memcpy(&larger, array, sizeof larger); /* a pointer to elements of any type */
    larger = realloc(larger, (n ? 2 * n : 1) * element_size);
    if (!larger) return lenet_fail(err, LENET_ERR_MEMORY, "out of memory");
    memcpy(array, &larger, sizeof larger);
    return LENET_OK;
}

#endif
