/* test_activation.cc - activation_forward and activation_backward_input. */
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

/* Shapes are R x F x N, and every element is for itself. */
Values Forward(const Device &device, int R, int F, lenet_activation activation, const Values &host_x) {
    const Input x(device, host_x);
    const Tensor y(device, Poison(host_x.size()));
    device.Run(activation_forward{R, (int)host_x.size() / R / F, F, activation, x, y});
    return y.Host();
}

Values BackwardInput(const Device &device, int R, int F, lenet_activation activation, const Values &host_y,
                     const Values &host_dy) {
    const Input y(device, host_y), dy(device, host_dy);
    const Tensor dx(device, Poison(host_y.size()));
    device.Run(activation_backward_input{R, (int)host_y.size() / R / F, F, activation, y, dy, dx});
    return dx.Host();
}

/* Unit i of the first image, and 0 in all others. */
Values InFirstImage(const Values &units, int N) {
    Values x(units.size() * (size_t)N);
    for (size_t i = 0; i < units.size(); i++) x[i * (size_t)N] = units[i];
    return x;
}

/* A tanh within three units in the last place: two roundings each, where the last place is largest. */
constexpr double kTanhRoundings = 6;

class Activation : public BackendTest {
  protected:
    struct Size {
        int R, groups, F;
    };
    const std::vector<Size> sizes_ = {
        {1, 1, 1}, {1, 1, 6 * 28 * 28} /* LeNet-5's C1 */, {3, 2, 16 * 10 * 10}, {3, 5, 7}, {1, 9, 33}, {3, 1, 84}};
    size_t Count(const Size &s) const { return (size_t)s.R * (size_t)s.F * (size_t)s.groups * (size_t)lanes(); }
};
LENET_ON_ALL_BACKENDS(Activation);

std::string Name(lenet_activation activation) { return activation == LENET_TANH ? "tanh" : "relu"; }

TEST_P(Activation, HandComputed) {
    const int N = lanes();
    EXPECT_TRUE(
        Equal(InFirstImage({2, 0, 0.5}, N), Forward(device(), 1, 3, LENET_RELU, InFirstImage({2, -3, 0.5}, N))));
    EXPECT_TRUE(Equal(InFirstImage({5, 0, 0}, N), BackwardInput(device(), 1, 3, LENET_RELU, InFirstImage({2, 0, -1}, N),
                                                                Values(3 * (size_t)N, 5))));
    EXPECT_TRUE(Equal(InFirstImage({0, 0, 0}, N), Forward(device(), 1, 3, LENET_TANH, InFirstImage({0, 0, 0}, N))));
    EXPECT_TRUE(Equal(Values(3 * (size_t)N, 3.75),
                      BackwardInput(device(), 1, 3, LENET_TANH, Values(3 * (size_t)N, 0.5), Values(3 * (size_t)N, 5))));
}

/* 1 - y^2 is exact where y is a small integer, whatever it means. */
TEST_P(Activation, MatchesPlainLoopsExactlyOnIntegers) {
    for (const Size &s : sizes_) {
        const Values x = Integers(Count(s), 1), dy = Integers(Count(s), 2);
        EXPECT_TRUE(Equal(reference::ActivationForward(LENET_RELU, x), Forward(device(), s.R, s.F, LENET_RELU, x)));
        for (lenet_activation activation : {LENET_TANH, LENET_RELU})
            EXPECT_TRUE(Equal(reference::ActivationBackwardInput(activation, x, dy),
                              BackwardInput(device(), s.R, s.F, activation, x, dy)))
                << Name(activation);
    }
}

/* Over every magnitude: from where tanh(x) is x to where it is 1. The bound is
 * relative, since a small input must not lose its digits. */
TEST_P(Activation, MatchesPlainLoopsOnReals) {
    for (const Size &s : sizes_) {
        Values x = Reals(Count(s), 1);
        for (size_t i = 0; i < x.size(); i++) x[i] = std::ldexp(x[i], (int)(i % 29) - 20);
        for (lenet_activation activation : {LENET_TANH, LENET_RELU}) {
            const Values want = reference::ActivationForward(activation, x);
            const double roundings = activation == LENET_TANH ? kTanhRoundings : 0;
            EXPECT_TRUE(Near(want, Forward(device(), s.R, s.F, activation, x),
                             Times(Gamma(roundings, device().roundoff()), Abs(want))))
                << Name(activation);
        }
    }
}

/* y*y, the subtraction and the product: an error of at most u y^2 and two of u times the result. */
TEST_P(Activation, GradientMatchesPlainLoopsOnReals) {
    for (const Size &s : sizes_) {
        const Values y = Reals(Count(s), 1), dy = Reals(Count(s), 2);
        const Values want = reference::ActivationBackwardInput(LENET_TANH, y, dy);
        EXPECT_TRUE(Near(want, BackwardInput(device(), s.R, s.F, LENET_TANH, y, dy),
                         Times(Gamma(3, device().roundoff()), Abs(dy))));
    }
}

TEST_P(Activation, TanhStaysWithinOneAndKeepsItsSign) {
    const double infinity = std::numeric_limits<double>::infinity();
    const Values ends = {20, 90, 1e4, 1e30, infinity};
    const int N = lanes();
    EXPECT_TRUE(Equal(InFirstImage(Values(ends.size(), 1), N),
                      Forward(device(), 1, (int)ends.size(), LENET_TANH, InFirstImage(ends, N))));
    EXPECT_TRUE(Equal(InFirstImage(Values(ends.size(), -1), N),
                      Forward(device(), 1, (int)ends.size(), LENET_TANH, InFirstImage(Times(-1, ends), N))));
    /* Where tanh is nearly 1, an approximation may step over it; the gradient would change its sign. */
    const int F = 200;
    Values x((size_t)F * (size_t)N);
    for (size_t i = 0; i < x.size(); i++) x[i] = 3.0 + 17.0 * (double)i / (double)x.size();
    for (double y : Forward(device(), 1, F, LENET_TANH, x)) ASSERT_LE(y, 1);
}

/* A network that diverges must be seen to: a NaN does not become a number on its way. */
TEST_P(Activation, NanStaysNan) {
    for (lenet_activation activation : {LENET_TANH, LENET_RELU}) {
        const Values y = Forward(device(), 1, 2, activation, InFirstImage({NAN, 0.5}, lanes()));
        EXPECT_TRUE(std::isnan(y[0])) << Name(activation);
        EXPECT_FALSE(std::isnan(y[(size_t)lanes()])) << Name(activation);
    }
}

/* Central differences of the double twin's forward pass: with a step of h the
 * slope is off by h^2/6 of the third derivative (at most 2 for tanh), and by a
 * rounding of u = 2^-53 in each of two outputs, divided by 2h. The gradient under
 * test has 1 - y^2 from an output that is off by a few roundings itself.
 * Inputs are at least h away from relu's corner. */
TEST_P(Activation, GradientIsTheSlope) {
    const Device cpu64(lenet_backend_cpu64(), 1);
    const double h = 0x1p-13, slope_error = h * h / 3 + kTanhRoundings * 0x1p-53 / h;
    const double bound = slope_error + (2 * kTanhRoundings + 3) * device().roundoff();
    const int F = 40;
    Values x = Reals((size_t)F * (size_t)lanes(), 1, 4);
    for (double &v : x)
        if (std::fabs(v) < 2 * h) v = 1;
    /* The double twin pads to its own lanes: all of the data as units of one group of images. */
    const int F64 = (int)x.size() / cpu64.lanes();
    const auto forward64 = [&](lenet_activation activation, double step) {
        Values at = x;
        for (double &v : at) v += step;
        return Forward(cpu64, 1, F64, activation, at);
    };
    for (lenet_activation activation : {LENET_TANH, LENET_RELU}) {
        const Values up = forward64(activation, h), down = forward64(activation, -h);
        Values slope(x.size());
        for (size_t i = 0; i < x.size(); i++) slope[i] = (up[i] - down[i]) / (2 * h);
        const Values y = Forward(device(), 1, F, activation, x);
        EXPECT_TRUE(Near(slope, BackwardInput(device(), 1, F, activation, y, Values(x.size(), 1)), bound))
            << Name(activation);
    }
}

TEST_P(Activation, InPlaceGivesTheSameBits) {
    for (lenet_activation activation : {LENET_TANH, LENET_RELU})
        for (const Size &s : sizes_) {
            const Values x = Reals(Count(s), 1, 4), host_dy = Reals(Count(s), 2);
            const Tensor y(device(), x);
            device().Run(activation_forward{s.R, s.groups * lanes(), s.F, activation, y, y});
            EXPECT_TRUE(Equal(Forward(device(), s.R, s.F, activation, x), y.Host())) << Name(activation);
            const Tensor dy(device(), host_dy);
            device().Run(activation_backward_input{s.R, s.groups * lanes(), s.F, activation, y, dy, dy});
            EXPECT_TRUE(Equal(BackwardInput(device(), s.R, s.F, activation, y.Host(), host_dy), dy.Host()))
                << Name(activation);
        }
}

TEST_P(Activation, SameBitsEveryRun) {
    const Size s = {3, 5, 7};
    const Values host_x = Reals(Count(s), 1, 4), host_dy = Reals(Count(s), 2);
    for (lenet_activation activation : {LENET_TANH, LENET_RELU})
        ExpectSameBitsEveryRun([&](const Device &device) {
            const Input x(device, host_x), dy(device, host_dy);
            const Tensor y(device, Poison(host_x.size())), dx(device, Poison(host_x.size()));
            device.Run(activation_forward{s.R, s.groups * device.lanes(), s.F, activation, x, y});
            device.Run(activation_backward_input{s.R, s.groups * device.lanes(), s.F, activation, y, dy, dx});
            std::vector<uint8_t> bytes = y.Bytes();
            Append(bytes, dx.Bytes());
            return bytes;
        });
}

template <class Op> Spoilers<Op> BadActivations(const Op &) {
    return {
        {"R = 0", [](Op &a) { a.R = 0; }},
        {"R < 0", [](Op &a) { a.R = -1; }},
        {"N = 0", [](Op &a) { a.N = 0; }},
        {"N < 0", [](Op &a) { a.N = -a.N; }},
        {"N not a multiple of the lanes", [](Op &a) { a.N -= 1; }},
        {"F = 0", [](Op &a) { a.F = 0; }},
        {"F < 0", [](Op &a) { a.F = -1; }},
        {"no such activation", [](Op &a) { a.activation = (lenet_activation)(LENET_RELU + 1); }},
    };
}

TEST_P(Activation, RejectsBadShapes) {
    const int R = 1, N = 2 * lanes(), F = 3;
    const Values values = Integers((size_t)(R * N * F), 1);
    const Input in(device(), values);
    const Tensor out(device(), Poison(values.size())), out2(device(), Poison(values.size()));
    const activation_forward forward = {R, N, F, LENET_RELU, in, out};
    const activation_backward_input backward = {R, N, F, LENET_RELU, in, in, out2};
    ExpectRejects(device(), forward, out, BadActivations(forward));
    ExpectRejects(device(), backward, out2, BadActivations(backward));
}

} // namespace
