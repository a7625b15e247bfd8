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

/* What the bounds know of a function A tanh(Bx): how many roundings its value has, relative to which, and how many its
 * gradient, of numbers of at most AB and beside those of y.
 * The squash: B and its product with x are rounded, which tanh does not make larger, then A and its product. In the
 * gradient B (A - y*y/A) with y within A, 3 roundings of y*y/A, of A, of the difference, of B, of the product with it
 * and of that with dy: 8. Of tanh there are y*y, the difference and the product. ReLU is exact. */
struct Curve {
    lenet_activation activation;
    double A, B, roundings, of_gradient;
};
const Curve kTanh = {LENET_TANH, 1, 1, kTanhRoundings, 3},
            kSquash = {LENET_SQUASH, reference::kSquashHeight, reference::kSquashSlope, kTanhRoundings + 4, 8},
            kRelu = {LENET_RELU, 1, 1, 0, 0};
const Curve kCurves[] = {kTanh, kRelu, kSquash};
constexpr lenet_activation kActivations[] = {LENET_TANH, LENET_RELU, LENET_SQUASH};

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

std::string Name(lenet_activation activation) {
    return activation == LENET_TANH ? "tanh" : activation == LENET_RELU ? "relu" : "squash";
}

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

/* A sigmoid that is 1 at 1 and -1 at -1 (to the digits that its constants have), and steepest at 0. */
TEST_P(Activation, SquashHandComputed) {
    const int N = lanes();
    const double u = device().roundoff(), A = 1.7159, steepest = A * 2 / 3, tanh_of_1 = 0.7615941559557649;
    const auto forward = [&](const Values &x) {
        return Forward(device(), 1, (int)x.size(), LENET_SQUASH, InFirstImage(x, N));
    };
    EXPECT_TRUE(Near(InFirstImage({1, -1}, N), forward({1, -1}), 1e-4));
    EXPECT_TRUE(Equal(InFirstImage({0}, N), forward({0})));
    EXPECT_TRUE(
        Near(InFirstImage({A * tanh_of_1, -A * tanh_of_1}, N), forward({1.5, -1.5}), kSquash.roundings * A * u));
    /* At its ends, y = A, the gradient is none. */
    const Values y = InFirstImage({0, A / 2, -A / 2, A, -A}, N), dy(y.size(), 3);
    const Values got = BackwardInput(device(), 1, 5, LENET_SQUASH, y, dy);
    const Values want = {3 * steepest, 3 * steepest * 3 / 4, 3 * steepest * 3 / 4, 0, 0};
    for (size_t i = 0; i < want.size(); i++) /* y itself is rounded, too, which counts twice. */
        EXPECT_NEAR(got[i * (size_t)N], want[i], (kSquash.of_gradient + 2) * 3 * steepest * u) << i;
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
        for (const Curve &curve : kCurves) {
            const Values want = reference::ActivationForward(curve.activation, x);
            EXPECT_TRUE(Near(want, Forward(device(), s.R, s.F, curve.activation, x),
                             Times(Gamma(curve.roundings, device().roundoff()), Abs(want))))
                << Name(curve.activation);
        }
    }
}

TEST_P(Activation, GradientMatchesPlainLoopsOnReals) {
    for (const Size &s : sizes_)
        for (const Curve &curve : kCurves) {
            const Values y = Reals(Count(s), 1), dy = Reals(Count(s), 2);
            const Values want = reference::ActivationBackwardInput(curve.activation, y, dy);
            EXPECT_TRUE(Near(want, BackwardInput(device(), s.R, s.F, curve.activation, y, dy),
                             Times(curve.A * curve.B * Gamma(curve.of_gradient, device().roundoff()), Abs(dy))))
                << Name(curve.activation);
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

TEST_P(Activation, SquashStaysWithinItsHeight) {
    const double infinity = std::numeric_limits<double>::infinity(), A = reference::kSquashHeight;
    const Values ends = {30, 1e4, 1e30, infinity, -30, -infinity};
    const Values got = Forward(device(), 1, (int)ends.size(), LENET_SQUASH, InFirstImage(ends, lanes()));
    for (size_t i = 0; i < ends.size(); i++)
        EXPECT_NEAR(got[i * (size_t)lanes()], ends[i] > 0 ? A : -A, A * device().roundoff()) << ends[i];
}

/* A network that diverges must be seen to: a NaN does not become a number on its way. */
TEST_P(Activation, NanStaysNan) {
    for (lenet_activation activation : kActivations) {
        const Values y = Forward(device(), 1, 2, activation, InFirstImage({NAN, 0.5}, lanes()));
        EXPECT_TRUE(std::isnan(y[0])) << Name(activation);
        EXPECT_FALSE(std::isnan(y[(size_t)lanes()])) << Name(activation);
    }
}

/* Central differences of the double twin's forward pass: with a step of h the
 * slope is off by h^2/6 of the third derivative (at most 2 for tanh, and 2 A B^3 < 2 for the squash), and by
 * roundings of u = 2^-53 in each of two outputs, divided by 2h. The gradient under
 * test has y^2 from an output that is off by a few roundings itself.
 * Inputs are at least h away from relu's kink. */
TEST_P(Activation, GradientIsTheSlope) {
    const Device cpu64(lenet_backend_cpu64(), 1);
    const double h = 0x1p-13;
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
    for (const Curve &curve : kCurves) {
        const Values up = forward64(curve.activation, h), down = forward64(curve.activation, -h);
        Values slope(x.size());
        for (size_t i = 0; i < x.size(); i++) slope[i] = (up[i] - down[i]) / (2 * h);
        const Values y = Forward(device(), 1, F, curve.activation, x);
        /* Of relu a step from x to x+h is rounded, too: x is below 4, or 2^2. */
        const double of_output = curve.activation == LENET_RELU ? 4 : curve.A * curve.roundings;
        const double slope_error = h * h / 3 + of_output * 0x1p-53 / h;
        const double own = curve.A * curve.B * (2 * curve.roundings + curve.of_gradient) * device().roundoff();
        EXPECT_TRUE(
            Near(slope, BackwardInput(device(), 1, F, curve.activation, y, Values(x.size(), 1)), slope_error + own))
            << Name(curve.activation);
    }
}

TEST_P(Activation, InPlaceGivesTheSameBits) {
    for (lenet_activation activation : kActivations)
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

} // namespace
