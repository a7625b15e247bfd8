/* fuzz_image.c - pictures as lenet predict reads them, and the digit in them.
 * Reads with: src/image/image.c src/image/png.c src/image/jpeg.c src/image/pnm.c */
#include "fuzz.h"
#include "image/digit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lenet_image image;
    struct lenet_error err = {{0}};
    uint8_t digit[LENET_DIGIT_PIXELS];
    int found;
    if (fuzz_ok(lenet_image_read(fuzz_file(data, size), &image, &err), &err)) {
        FUZZ_CHECK(image.H > 0 && image.W > 0 && image.H <= LENET_MAX_PLANE_SIDE && image.W <= LENET_MAX_PLANE_SIDE);
        FUZZ_CHECK(fuzz_ok(lenet_digit_find(&image, digit, &found, &err), &err));
        FUZZ_CHECK(fuzz_ok(lenet_digit_as_is(&image, digit, &err), &err));
    } else {
        FUZZ_CHECK(!image.grey);
    }
    lenet_image_free(&image);
    return 0;
}
