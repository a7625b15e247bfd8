/* fill.h - test data: a function of LENET_TEST_SEED, of a stream's number and of the index, and of nothing else. */
#ifndef LENET_TEST_FILL_H
#define LENET_TEST_FILL_H
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/rng.h"

using Values = std::vector<double>;

/* The fixture prints it where a test fails. */
inline uint64_t TestSeed() {
    const char *text = std::getenv("LENET_TEST_SEED");
    return text ? std::strtoull(text, nullptr, 0) : 1998;
}

inline uint32_t RandomWord(uint32_t stream, uint64_t index) {
    return lenet_philox(TestSeed(), LENET_RNG_CHECK, stream, index / 4).v[index % 4];
}

/* Whole numbers from -limit to limit. Products and sums of a few million of them are
 * exact in float, so that any order of addition gives the same number. */
inline Values Integers(size_t n, uint32_t stream, int limit = 4) {
    Values values(n);
    for (size_t i = 0; i < n; i++) values[i] = (int)(RandomWord(stream, i) % (uint32_t)(2 * limit + 1)) - limit;
    return values;
}

/* Uniform on [-scale, scale). Exact in float where scale is a power of two, so
 * that every backend starts from the same numbers. */
inline Values Reals(size_t n, uint32_t stream, double scale = 1) {
    Values values(n);
    for (size_t i = 0; i < n; i++) values[i] = scale * (double)lenet_signed_unit(RandomWord(stream, i));
    return values;
}

/* The same picture in N images, which are innermost. */
inline Values InAllImages(size_t N, const Values &picture) {
    Values tensor;
    for (double pixel : picture) tensor.insert(tensor.end(), N, pixel);
    return tensor;
}

#endif
