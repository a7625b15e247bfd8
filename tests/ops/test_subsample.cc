/* test_subsample.cc - subsample_forward and subsample_backward_input. */
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

using reference::SubsampleSize;

/* A subsampling's tensors on a device, outputs poisoned. */
struct SubsampleOnDevice {
    SubsampleOnDevice(const Device &device, const SubsampleSize &s, const Values &host_x, const Values &host_dy)
        : size(s), x(device, host_x, {s.R, s.N}), dy(device, host_dy, {s.R, s.N}),
          y(device, Poison(s.Outputs()), {s.R, s.N}), dx(device, Poison(s.Inputs()), {s.R, s.N}) {}
    subsample_forward Forward() const {
        return {size.R, size.N, size.C, size.H, size.W, size.S, size.pooling, size.activation, x, y};
    }
    subsample_backward_input BackwardInput() const {
        return {size.R, size.N, size.C, size.H, size.W, size.S, size.pooling, size.activation, x, dy, dx};
    }
    void Run(const Device &device) const {
        device.Run(Forward());
        device.Run(BackwardInput());
    }

    const SubsampleSize size;
    const Input x, dy;
    const Tensor y, dx;
};

class Subsample : public BackendTest {
  protected:
    SubsampleSize Size(int R, int groups, int C, int H, int W, int S, lenet_pooling pooling) const {
        return {R, groups * lanes(), C, H, W, S, pooling, LENET_LINEAR};
    }
    static std::vector<SubsampleSize> With(lenet_activation activation, std::vector<SubsampleSize> sizes) {
        for (SubsampleSize &s : sizes) s.activation = activation;
        return sizes;
    }
    std::vector<SubsampleSize> Sizes(lenet_pooling pooling) const {
        return {
            Size(1, 1, 1, 1, 1, 1, pooling),    Size(1, 1, 6, 28, 28, 2, pooling), /* LeNet-5's S2 */
            Size(3, 2, 16, 10, 10, 2, pooling),                                    /* and S4       */
            Size(3, 5, 5, 4, 6, 2, pooling),    Size(1, 9, 3, 8, 4, 4, pooling),
            Size(1, 2, 2, 4, 4, 4, pooling),    Size(3, 1, 7, 5, 3, 1, pooling),
            Size(2, 1, 1, 2, 72, 2, pooling),   Size(1, 1, 2, 3, 35, 1, pooling), /* more columns than threads */
        };
    }
    /* A third is no whole number, and inexact. */
    std::vector<SubsampleSize> SizesWithThirds(lenet_pooling pooling) const {
        std::vector<SubsampleSize> sizes = Sizes(pooling);
        sizes.push_back(Size(3, 5, 5, 9, 6, 3, pooling));
        sizes.push_back(Size(1, 2, 2, 3, 12, 3, pooling));
        return sizes;
    }
};
LENET_ON_ALL_BACKENDS(Subsample);

constexpr lenet_pooling kPoolings[] = {LENET_POOL_AVERAGE, LENET_POOL_MAX, LENET_POOL_SUM};

std::string Name(const SubsampleSize &s) {
    const char *const functions[] = {"tanh, ", "relu, ", "squash, ", ""}, *const poolings[] = {"average", "max", "sum"};
    std::string name = functions[s.activation] + std::string(poolings[s.pooling]);
    const char *const letters[] = {" R", " N", " C", " H", " W", " S"};
    const int sizes[] = {s.R, s.N, s.C, s.H, s.W, s.S};
    for (int i = 0; i < 6; i++) name += letters[i] + std::to_string(sizes[i]);
    return name;
}

/* One map of 2 x 4 pixels: the windows {1 2 5 8} and {7 7 3 7}, whose first maximum is at the left above. */
TEST_P(Subsample, HandComputed) {
    const auto in_all_images = [&](const Values &picture) { return InAllImages((size_t)lanes(), picture); };
    const Values x = in_all_images({1, 2, 7, 7, 5, 8, 3, 7}), dy = in_all_images({4, 8});
    const auto expect = [&](lenet_pooling pooling, const Values &y, const Values &dx) {
        const SubsampleOnDevice on(device(), Size(1, 1, 1, 2, 4, 2, pooling), x, dy);
        on.Run(device());
        EXPECT_TRUE(Equal(in_all_images(y), on.y.Host()));
        EXPECT_TRUE(Equal(in_all_images(dx), on.dx.Host()));
    };
    expect(LENET_POOL_AVERAGE, {4, 6}, {1, 1, 2, 2, 1, 1, 2, 2});
    expect(LENET_POOL_MAX, {8, 7}, {0, 0, 8, 0, 0, 4, 0, 0});
    expect(LENET_POOL_SUM, {16, 24}, {4, 4, 8, 8, 4, 4, 8, 8});
}

/* The windows {-1 2 -5 8} and {-7 -7 0 -3} of ReLU: the second is 0 all over, and has no gradient. */
TEST_P(Subsample, ReluHandComputed) {
    const auto in_all_images = [&](const Values &picture) { return InAllImages((size_t)lanes(), picture); };
    const Values x = in_all_images({-1, 2, -7, -7, -5, 8, 0, -3}), dy = in_all_images({4, 8});
    const auto expect = [&](lenet_pooling pooling, const Values &y, const Values &dx) {
        SubsampleSize s = Size(1, 1, 1, 2, 4, 2, pooling);
        s.activation = LENET_RELU;
        const SubsampleOnDevice on(device(), s, x, dy);
        on.Run(device());
        EXPECT_TRUE(Equal(in_all_images(y), on.y.Host()));
        EXPECT_TRUE(Equal(in_all_images(dx), on.dx.Host()));
    };
    expect(LENET_POOL_AVERAGE, {2.5, 0}, {0, 1, 0, 0, 0, 1, 0, 0});
    expect(LENET_POOL_MAX, {8, 0}, {0, 0, 0, 0, 0, 4, 0, 0});
    expect(LENET_POOL_SUM, {10, 0}, {0, 4, 0, 0, 0, 4, 0, 0});
}

/* Integers from -4 to 4 have many ties, some of them in the middle of a window;
 * gradients are multiples of 16, so that a 4 x 4 window's share is whole. */
TEST_P(Subsample, MatchesPlainLoopsExactlyOnIntegers) {
    std::vector<SubsampleSize> sizes = Sizes(LENET_POOL_AVERAGE);
    for (lenet_pooling pooling : {LENET_POOL_MAX, LENET_POOL_SUM})
        for (const SubsampleSize &s : SizesWithThirds(pooling)) sizes.push_back(s);
    for (const SubsampleSize &s : With(LENET_RELU, sizes)) sizes.push_back(s);
    for (const SubsampleSize &s : sizes) {
        SCOPED_TRACE(Name(s));
        const Values x = Integers(s.Inputs(), 1), dy = Times(16, Integers(s.Outputs(), 2));
        const SubsampleOnDevice on(device(), s, x, dy);
        on.Run(device());
        EXPECT_TRUE(Equal(SubsampleForward(s, x), on.y.Host()));
        EXPECT_TRUE(Equal(SubsampleBackwardInput(s, x, dy), on.dx.Host()));
    }
}

/* The maximum is one of the inputs, its gradient one of dy: exact. The sum
 * of S*S numbers takes S*S - 1 additions, and is relative to the sum of |x|; its
 * gradient is exact. The average takes one or two more roundings (a
 * division, or a product with a rounded 1/(S*S)) of numbers whose mean magnitude
 * is the average of |x|; its gradient only the latter. */
TEST_P(Subsample, MatchesPlainLoopsOnReals) {
    for (lenet_pooling pooling : kPoolings)
        for (const SubsampleSize &s : SizesWithThirds(pooling)) {
            SCOPED_TRACE(Name(s));
            const Values x = Reals(s.Inputs(), 1), dy = Reals(s.Outputs(), 2);
            const SubsampleOnDevice on(device(), s, x, dy);
            on.Run(device());
            const double u = device().roundoff(), of_average = pooling == LENET_POOL_AVERAGE ? 2 : 0;
            const double additions = pooling == LENET_POOL_MAX ? 0 : s.S * s.S - 1;
            const Values want_dx = SubsampleBackwardInput(s, x, dy);
            EXPECT_TRUE(Near(SubsampleForward(s, x), on.y.Host(),
                             Times(Gamma(additions + of_average, u), SubsampleForward(s, Abs(x)))));
            EXPECT_TRUE(Near(want_dx, on.dx.Host(), Times(Gamma(of_average, u), Abs(want_dx))));
        }
}

/* tanh is right to 4 units u of its value (activation.h and CUDA's manual say 3 and 2 units in the last place), and the
 * gradient's 1 - y*y takes twice its error and a rounding of something below 1: 10 u. The rest is as above. */
TEST_P(Subsample, TanhMatchesPlainLoopsOnReals) {
    for (lenet_pooling pooling : kPoolings)
        for (const SubsampleSize &s : With(LENET_TANH, SizesWithThirds(pooling))) {
            SCOPED_TRACE(Name(s));
            const Values x = Reals(s.Inputs(), 1, 2), dy = Reals(s.Outputs(), 2);
            const SubsampleOnDevice on(device(), s, x, dy);
            on.Run(device());
            const double u = device().roundoff();
            SubsampleSize linear = s;
            linear.activation = LENET_LINEAR;
            EXPECT_TRUE(Near(SubsampleForward(s, x), on.y.Host(),
                             Times(Gamma(s.S * s.S + 6, u),
                                   SubsampleForward(linear, Abs(reference::ActivationForward(LENET_TANH, x))))));
            const Values want_dx = SubsampleBackwardInput(s, x, dy);
            EXPECT_TRUE(Near(want_dx, on.dx.Host(), Times(Gamma(12, u), Abs(SubsampleBackwardInput(linear, x, dy)))));
        }
}

/* With A = 1.7159 and B = 2/3, A tanh(Bx): B and its product with x are rounded, which tanh does not make larger, nor
 * do its own 4 u; A and its product are rounded: 8 u of the value. In the gradient B (A - y*y/A), y*y has twice that,
 * and it, A and the quotient are rounded: 19 u of at most A; A and the difference are: 21 u; B and its product with
 * it: 23 u of AB; and the product with dy's share, which has two roundings itself: 26 u. */
TEST_P(Subsample, SquashMatchesPlainLoopsOnReals) {
    for (lenet_pooling pooling : kPoolings)
        for (const SubsampleSize &s : With(LENET_SQUASH, SizesWithThirds(pooling))) {
            SCOPED_TRACE(Name(s));
            const Values x = Reals(s.Inputs(), 1, 4), dy = Reals(s.Outputs(), 2);
            const SubsampleOnDevice on(device(), s, x, dy);
            on.Run(device());
            const double u = device().roundoff(), steepest = reference::kSquashHeight * reference::kSquashSlope;
            SubsampleSize linear = s;
            linear.activation = LENET_LINEAR;
            EXPECT_TRUE(Near(SubsampleForward(s, x), on.y.Host(),
                             Times(Gamma(s.S * s.S + 1 + 8, u),
                                   SubsampleForward(linear, Abs(reference::ActivationForward(LENET_SQUASH, x))))));
            EXPECT_TRUE(Near(SubsampleBackwardInput(s, x, dy), on.dx.Host(),
                             Times(steepest * Gamma(26, u), Abs(SubsampleBackwardInput(linear, x, dy)))));
        }
}

/* Linear: exact with a step of 4 on integers (the average is then a whole number).
 * The maximum is linear as long as no other pixel becomes the largest: all
 * pixels of a window are at least 8 apart. */
TEST_P(Subsample, GradientIsTheSlope) {
    for (lenet_pooling pooling : kPoolings) {
        const SubsampleSize s = Size(1, 1, 2, 4, 4, 2, pooling);
        SCOPED_TRACE(Name(s));
        Values x(s.Inputs());
        for (size_t i = 0; i < x.size(); i++) x[i] = 8.0 * (double)(RandomWord(3, i) % 1000 * x.size() + i);
        const Values dy = Times(4, Integers(s.Outputs(), 2));
        const SubsampleOnDevice at_x(device(), s, x, dy);
        at_x.Run(device());
        const auto loss = [&](const Values &at) {
            const SubsampleOnDevice on(device(), s, at, dy);
            device().Run(on.Forward());
            const Values y = on.y.Host();
            double sum = 0;
            for (size_t i = 0; i < y.size(); i++) sum += dy[i] * y[i];
            return sum;
        };
        const double before = loss(x);
        const Values dx = at_x.dx.Host();
        for (size_t i = 0; i < x.size(); i++) {
            Values stepped = x;
            stepped[i] += 4;
            EXPECT_EQ((loss(stepped) - before) / 4, dx[i]) << "dx[" << i << "]";
        }
    }
}

/* Not linear: by central differences, in double, to which the other backends are held above. With a step of 2^-12 their
 * error is some h^2 = 6e-8 of the third derivative, below 2 (the squash's is half of tanh's). */
TEST(SubsampleInDouble, GradientIsTheSlope) {
    const Device cpu64(lenet_backend_cpu64(), 1);
    for (const auto &[pooling, activation] : {std::pair{LENET_POOL_AVERAGE, LENET_TANH},
                                              {LENET_POOL_MAX, LENET_TANH},
                                              {LENET_POOL_SUM, LENET_TANH},
                                              {LENET_POOL_AVERAGE, LENET_SQUASH},
                                              {LENET_POOL_MAX, LENET_SQUASH},
                                              {LENET_POOL_SUM, LENET_SQUASH}}) {
        const SubsampleSize s = {1, cpu64.lanes(), 2, 4, 4, 2, pooling, activation};
        SCOPED_TRACE(Name(s));
        const Values x = Reals(s.Inputs(), 1), dy = Reals(s.Outputs(), 2);
        const SubsampleOnDevice at_x(cpu64, s, x, dy);
        at_x.Run(cpu64);
        const Values dx = at_x.dx.Host();
        const auto loss = [&](const Values &at) {
            const SubsampleOnDevice on(cpu64, s, at, dy);
            cpu64.Run(on.Forward());
            const Values y = on.y.Host();
            double sum = 0;
            for (size_t i = 0; i < y.size(); i++) sum += dy[i] * y[i];
            return sum;
        };
        for (size_t i = 0; i < x.size(); i += 3) {
            Values above = x, below = x;
            above[i] += 0x1p-12;
            below[i] -= 0x1p-12;
            EXPECT_NEAR((loss(above) - loss(below)) / 0x1p-11, dx[i], 1.2e-7) << "dx[" << i << "]";
        }
    }
}

} // namespace
