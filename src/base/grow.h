/* grow.h - arrays that grow by one element at a time. */
#ifndef LENET_BASE_GROW_H
#define LENET_BASE_GROW_H
#include <stddef.h>
#include <stdlib.h>

/* Makes room for element n, n being how many there are: the array's new place, or NULL without memory, when the old one
 * is still good. Room doubles whenever n is a power of two, so no capacity needs to be kept. */
static inline void *lenet_grow(void *array, size_t n, size_t element_size) {
    if ((n & (n - 1)) != 0) return array;
    return realloc(array, (n ? 2 * n : 1) * element_size);
}

#endif
