/* test_rbf.cc - rbf_forward, rbf_backward_input and rbf_backward_second. */
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

using reference::RbfSize;

/* Components are +1 or -1 at random, and so are the bits past the last one, which must not matter. */
rbf_targets RandomTargets(uint32_t stream) {
    rbf_targets targets = {};
    uint64_t index = 0;
    for (auto &unit : targets.plus)
        for (uint32_t &word : unit) word = RandomWord(stream, index++);
    return targets;
}

/* t[o][i], as a plain loop over the bits finds it. */
auto TargetOf(const rbf_targets &targets) {
    return [=](int o, int i) {
        const uint32_t word = targets.plus[o][i / 32], bit = (uint32_t)1 << (i % 32);
        return (word & bit) != 0 ? 1.0 : -1.0;
    };
}

/* The layer's tensors on a device, outputs poisoned. */
struct RbfOnDevice {
    RbfOnDevice(const Device &device, const RbfSize &s, const rbf_targets &of, const Values &host_x,
                const Values &host_dy)
        : size(s), targets(of), x(device, host_x, {s.R, s.N}), dy(device, host_dy, {s.R, s.N}),
          y(device, Poison(s.Outputs()), {s.R, s.N}), dx(device, Poison(s.Inputs()), {s.R, s.N}),
          d2x(device, Poison(s.Inputs()), {s.R, s.N}) {}
    rbf_forward Forward() const { return {size.R, size.N, size.I, size.O, targets, x, y}; }
    rbf_backward_input BackwardInput() const { return {size.R, size.N, size.I, size.O, targets, x, dy, dx}; }
    rbf_backward_second BackwardSecond() const { return {size.R, size.N, size.I, size.O, dy, d2x}; }
    void Run(const Device &device) const {
        device.Run(Forward());
        device.Run(BackwardInput());
        device.Run(BackwardSecond());
    }

    const RbfSize size;
    const rbf_targets targets;
    const Input x, dy;
    const Tensor y, dx, d2x;
};

class Rbf : public BackendTest {
  protected:
    RbfSize Size(int R, int groups, int I, int O) const { return {R, groups * lanes(), I, O}; }
    std::vector<RbfSize> Sizes() const {
        return {
            Size(1, 1, 1, 1),   Size(1, 1, 84, 10),               /* LeNet-5's output                       */
            Size(3, 2, 84, 10), Size(3, 5, LENET_MAX_TARGET, 10), /* the longest target                      */
            Size(1, 9, 32, 3),  Size(3, 1, 33, 2),                /* the last bit of a word, the first of one */
            Size(3, 3, 7, 9),   Size(1, 33, 5, 4),
        };
    }
};
LENET_ON_ALL_BACKENDS(Rbf);

std::string Name(const RbfSize &s) {
    return "R" + std::to_string(s.R) + " N" + std::to_string(s.N) + " I" + std::to_string(s.I) + " O" +
           std::to_string(s.O);
}

/* The targets (+1 -1 +1) and (-1 -1 +1), and in all images x = (2 0 -1): its distances are (1 1 -2) and (3 1 -2).
 *   y = -(1 + 1 + 4), -(9 + 1 + 4)
 *   with dy = (1 3), dx = -2 (1*1 + 3*3), -2 (1*1 + 3*1), -2 (1*-2 + 3*-2), and d2x = -2 (1 + 3) */
TEST_P(Rbf, HandComputed) {
    const RbfSize s = Size(1, 1, 3, 2);
    const auto in_all_images = [&](const Values &units) { return InAllImages((size_t)s.N, units); };
    rbf_targets targets = {};
    targets.plus[0][0] = 1 << 0 | 1 << 2;
    targets.plus[1][0] = 1 << 2;
    const RbfOnDevice on(device(), s, targets, in_all_images({2, 0, -1}), in_all_images({1, 3}));
    on.Run(device());
    EXPECT_TRUE(Equal(in_all_images({-6, -14}), on.y.Host()));
    EXPECT_TRUE(Equal(in_all_images({-20, -8, 16}), on.dx.Host()));
    EXPECT_TRUE(Equal(in_all_images({-8, -8, -8}), on.d2x.Host()));
}

/* The bit of each component, and no other: x = 0 is 1 away from every target; with x[i] = 1, a target of +1 there is
 * one nearer and one of -1 is three further away. */
TEST_P(Rbf, EveryComponentHasItsBit) {
    const RbfSize s = Size(1, 1, LENET_MAX_TARGET, 10);
    const rbf_targets targets = RandomTargets(3);
    const auto target = TargetOf(targets);
    for (int i = 0; i < s.I; i++) {
        Values x(s.Inputs());
        x[reference::Layout(s.I, s.N)(i, 0)] = 1;
        const RbfOnDevice on(device(), s, targets, x, Values(s.Outputs(), 1));
        device().Run(on.Forward());
        const Values y = on.y.Host();
        for (int o = 0; o < s.O; o++)
            EXPECT_EQ(y[reference::Layout(s.O, s.N)(o, 0)], -s.I + (target(o, i) > 0 ? 1 : -3)) << o << ", " << i;
    }
}

/* A distance is at most 5, and a sum of 96 of their squares is exact. */
TEST_P(Rbf, MatchesPlainLoopsExactlyOnIntegers) {
    for (const RbfSize &s : Sizes()) {
        SCOPED_TRACE(Name(s));
        const rbf_targets targets = RandomTargets(3);
        const Values x = Integers(s.Inputs(), 1), dy = Integers(s.Outputs(), 2);
        const RbfOnDevice on(device(), s, targets, x, dy);
        on.Run(device());
        EXPECT_TRUE(Equal(RbfForward(s, TargetOf(targets), x), on.y.Host())) << "y";
        EXPECT_TRUE(Equal(RbfBackwardInput(s, TargetOf(targets), x, dy).dx, on.dx.Host())) << "dx";
        EXPECT_TRUE(Equal(reference::RbfBackwardSecond(s, dy), on.d2x.Host())) << "d2x";
    }
}

/* A term of y is the square of a rounded distance: three roundings, and I - 1 additions follow; all terms are of one
 * sign, so that |y| is the sum of their magnitudes. A term of dx has a rounded distance and a product, and O - 1
 * additions follow; one of d2x has these alone. Products with 2 are exact. */
TEST_P(Rbf, MatchesPlainLoopsOnReals) {
    for (const RbfSize &s : Sizes()) {
        SCOPED_TRACE(Name(s));
        const rbf_targets targets = RandomTargets(3);
        const Values x = Reals(s.Inputs(), 1, 2), dy = Reals(s.Outputs(), 2);
        const RbfOnDevice on(device(), s, targets, x, dy);
        on.Run(device());
        const double u = device().roundoff();
        const Values y = RbfForward(s, TargetOf(targets), x);
        EXPECT_TRUE(Near(y, on.y.Host(), Times(Gamma(s.I + 2, u), Abs(y)))) << "y";
        const reference::RbfGradient gradient = RbfBackwardInput(s, TargetOf(targets), x, dy);
        EXPECT_TRUE(Near(gradient.dx, on.dx.Host(), Times(Gamma(s.O + 1, u), gradient.size))) << "dx";
        EXPECT_TRUE(Near(reference::RbfBackwardSecond(s, dy), on.d2x.Host(),
                         Times(Gamma(s.O - 1, u), Abs(reference::RbfBackwardSecond(s, Abs(dy))))))
            << "d2x";
    }
}

/* The loss sum(dy * y) is a quadratic of each input, of which a central difference is the slope and a second one the
 * second derivative: exactly, on integers. */
TEST_P(Rbf, GradientIsTheSlope) {
    for (const RbfSize &s : {Size(1, 2, 5, 3), Size(3, 1, 3, 4)}) {
        SCOPED_TRACE(Name(s));
        const rbf_targets targets = RandomTargets(3);
        const Values x = Integers(s.Inputs(), 1), dy = Integers(s.Outputs(), 2);
        const auto loss = [&](const Values &at) {
            const RbfOnDevice on(device(), s, targets, at, dy);
            device().Run(on.Forward());
            const Values y = on.y.Host();
            double sum = 0;
            for (size_t i = 0; i < y.size(); i++) sum += dy[i] * y[i];
            return sum;
        };
        const RbfOnDevice on(device(), s, targets, x, dy);
        on.Run(device());
        const Values dx = on.dx.Host(), d2x = on.d2x.Host();
        const double here = loss(x);
        for (size_t i = 0; i < x.size(); i += 3) {
            Values above = x, below = x;
            above[i] += 1;
            below[i] -= 1;
            const double up = loss(above), down = loss(below);
            EXPECT_EQ((up - down) / 2, dx[i]) << "dx[" << i << "]";
            EXPECT_EQ(up - 2 * here + down, d2x[i]) << "d2x[" << i << "]";
        }
    }
}

/* What the second derivatives of a network begin with: of the mean distance to the right target, which distance_loss
 * computes in double. The loss is a quadratic of x; distances are exact, x being multiples of 1/256 below 2 and the
 * step 1/4, and so is the mean over a power of two of labelled images. */
TEST_P(Rbf, SecondDerivativeIsTheSecondDifferenceOfTheDistanceLoss) {
    const RbfSize s = Size(3, 2, 5, 10);
    const rbf_targets targets = RandomTargets(3);
    const Values x = Times(1.0 / 256, Integers(s.Inputs(), 1, 500));
    const size_t R = (size_t)s.R, N = (size_t)s.N;
    const double labelled = s.N / 2, step = 0.25;
    std::vector<uint8_t> host_label(R * N);
    for (size_t i = 0; i < R * N; i++)
        host_label[i] = (uint8_t)(i % 2 ? (uint32_t)LENET_NO_LABEL : RandomWord(4, i) % (uint32_t)s.O);
    const InputArray<uint8_t> label(device(), host_label);
    const Array<uint8_t> predicted(device(), host_label);
    /* The sums of the losses of an x, and their gradient by y in on.dy, which BackwardSecond reads. */
    const auto losses = [&](const Values &at, void *dy) {
        const RbfOnDevice on(device(), s, targets, at, Values(s.Outputs(), 0));
        const Array<lenet_tally> tally(device(), std::vector<lenet_tally>(R));
        const Array<double> losses_of_images(device(), Values(R * N));
        device().Run(on.Forward());
        device().Run(distance_loss{s.R, s.N, s.O, on.y, label, dy, predicted, losses_of_images, tally});
        return tally.Host();
    };
    const Tensor dy(device(), Poison(s.Outputs()), {s.R, s.N}), d2x(device(), Poison(s.Inputs()), {s.R, s.N});
    const std::vector<lenet_tally> here = losses(x, dy);
    device().Run(rbf_backward_second{s.R, s.N, s.I, s.O, dy, d2x});
    const Values got = d2x.Host();
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < (size_t)s.I; i += 2)
            for (size_t n = 0; n < N; n += 3) {
                const size_t at = reference::Layout(s.R, s.I, s.N)(r, i, n);
                Values above = x, below = x;
                above[at] += step;
                below[at] -= step;
                const double up = losses(above, nullptr)[r].loss, down = losses(below, nullptr)[r].loss;
                EXPECT_EQ((up - 2 * here[r].loss + down) / labelled / (step * step), got[at]) << "d2x[" << at << "]";
                EXPECT_EQ(got[at], n % 2 ? 0 : 2 / labelled) << "d2x[" << at << "]";
            }
}

/* A NaN of one image stays in that image. */
TEST_P(Rbf, NanStaysNan) {
    RbfSize s = Size(1, 2, 3, 4);
    if (s.N < 4) s.N = 4; /* images 1 and 3 have one */
    const reference::Layout in(s.I, s.N), out(s.O, s.N);
    Values x = Integers(s.Inputs(), 1), dy = Integers(s.Outputs(), 2);
    x[in(1, 1)] = NAN;
    dy[out(2, 3)] = NAN;
    const RbfOnDevice on(device(), s, RandomTargets(3), x, dy);
    on.Run(device());
    const Values y = on.y.Host(), dx = on.dx.Host(), d2x = on.d2x.Host();
    for (int n = 0; n < s.N; n++) {
        for (int o = 0; o < s.O; o++) EXPECT_EQ(std::isnan(y[out(o, n)]), n == 1) << "y of image " << n;
        for (int i = 0; i < s.I; i++) {
            EXPECT_EQ(std::isnan(dx[in(i, n)]), n == 3 || (n == 1 && i == 1)) << "dx of image " << n;
            EXPECT_EQ(std::isnan(d2x[in(i, n)]), n == 3) << "d2x of image " << n;
        }
    }
}

} // namespace
