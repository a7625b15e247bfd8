/* test_elementwise.cc - square and accumulate. */
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/backends.h"

namespace {

Values Square(const Device &device, const Values &host_x) {
    const Input x(device, host_x);
    const Tensor y(device, Poison(host_x.size()));
    device.Run(square{host_x.size(), x, y});
    return y.Host();
}

Values Accumulate(const Device &device, float keep, float factor, const Values &host_x, const Values &host_y) {
    const Input x(device, host_x);
    const Tensor y(device, host_y);
    device.Run(accumulate{host_x.size(), keep, factor, x, y});
    return y.Host();
}

/* keep*y + factor*x, element by element. */
Values PlainAccumulate(double keep, double factor, const Values &x, Values y) {
    for (size_t i = 0; i < y.size(); i++) y[i] = keep * y[i] + factor * x[i];
    return y;
}
Values PlainSquare(Values x) {
    for (double &v : x) v *= v;
    return x;
}

class Elementwise : public BackendTest {
  protected:
    /* Beside what threads and blocks of threads hold: a count need not be a multiple of anything. */
    const std::vector<size_t> counts_ = {1, 7, 31, 255, 256, 257, 61706, (1 << 16) - 1, 1 << 16, (1 << 17) + 1};
};
LENET_ON_ALL_BACKENDS(Elementwise);

TEST_P(Elementwise, HandComputed) {
    EXPECT_TRUE(Equal({9, 4, 0, 0.25}, Square(device(), {3, -2, 0, 0.5})));
    EXPECT_TRUE(Equal({1, -9.5, 1.25}, Accumulate(device(), 0.5f, -3, {0, 4, -0.25}, {2, 5, 1})));
}

TEST_P(Elementwise, MatchesPlainLoopsExactlyOnIntegers) {
    for (size_t count : counts_) {
        SCOPED_TRACE(count);
        const Values x = Integers(count, 1), y = Integers(count, 2);
        EXPECT_TRUE(Equal(PlainSquare(x), Square(device(), x)));
        EXPECT_TRUE(Equal(PlainAccumulate(3, -2, x, y), Accumulate(device(), 3, -2, x, y)));
        EXPECT_TRUE(Equal(PlainAccumulate(1, 0.5, x, y), Accumulate(device(), 1, 0.5f, x, y)));
    }
}

/* A square is rounded once; of the sum each product is, and then the sum. */
TEST_P(Elementwise, MatchesPlainLoopsOnReals) {
    const float keep = 0.99f, factor = -0.01f;
    for (size_t count : counts_) {
        SCOPED_TRACE(count);
        const Values x = Reals(count, 1, 4), y = Reals(count, 2);
        const double u = device().roundoff();
        EXPECT_TRUE(Near(PlainSquare(x), Square(device(), x), Times(Gamma(1, u), PlainSquare(x))));
        EXPECT_TRUE(Near(PlainAccumulate(keep, factor, x, y), Accumulate(device(), keep, factor, x, y),
                         Times(Gamma(2, u), PlainAccumulate(std::fabs(keep), std::fabs(factor), Abs(x), Abs(y)))));
    }
}

/* So the first of a sum's terms needs no memory that was zeroed. */
TEST_P(Elementwise, KeepOf0DoesNotLookAtWhatWasThere) {
    const Values x = Integers(1000, 1);
    EXPECT_TRUE(Equal(Times(-2, x), Accumulate(device(), 0, -2, x, Poison(x.size()))));
}

/* In float, numbers below the least normal one, 2^-126, are zero: as results, as operands, and in every thread. In
 * double, where gradients are checked, they are what they are. */
TEST_P(Elementwise, DenormalsAreZeroInFloatOnly) {
    const bool is_float = device().backend().element_size == sizeof(float);
    const Values small(70000, 0x1p-70), denormal(70000, is_float ? 0x1p-130 : 0x1p-1030);
    EXPECT_TRUE(Equal(is_float ? Values(70000, 0) : Values(70000, 0x1p-140), Square(device(), small)));
    EXPECT_TRUE(Equal(is_float ? Values(70000, 0) : Values(70000, 0x1p-1000),
                      Accumulate(device(), 0, 0x1p30f, denormal, denormal)));
    EXPECT_TRUE(Equal(Values(70000, 0x1p-126), Accumulate(device(), 0, 0x1p-56f, small, small))) << "the least normal";
}

TEST_P(Elementwise, NanStaysNan) {
    EXPECT_TRUE(std::isnan(Square(device(), {NAN})[0]));
    EXPECT_TRUE(std::isnan(Accumulate(device(), 1, 0, {NAN}, {1})[0]));
    EXPECT_TRUE(std::isnan(Accumulate(device(), 1, 1, {1}, {NAN})[0]));
}

} // namespace
