/* digit.h - finds a digit in a picture, and makes of it what a network was trained on: MNIST's form. */
#ifndef LENET_IMAGE_DIGIT_H
#define LENET_IMAGE_DIGIT_H
#include "image/image.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { LENET_DIGIT_SIDE = 28, LENET_DIGIT_PIXELS = LENET_DIGIT_SIDE * LENET_DIGIT_SIDE };

/* Light on black, the longer side of the digit 20 pixels, its centre of mass in the middle. A picture that is so
 * already stays as it is; one that is so but for dark and light being swapped is swapped. *found is 0 where there is no
 * digit, and digit then black. LENET_ERR_MEMORY. */
enum lenet_status lenet_digit_find(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS], int *found,
                                   struct lenet_error *err);

/* The whole picture, only scaled. */
enum lenet_status lenet_digit_as_is(const struct lenet_image *image, uint8_t digit[LENET_DIGIT_PIXELS],
                                    struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
