/* test_conv_maxpool.cc - conv_maxpool_forward, maxpool_backward_input and conv_maxpool_backward_params: against the
 * operations that they stand for, to the bit, and against plain loops. */
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

using Places = std::vector<uint8_t>;

/* A convolution and the maxima of its outputs: the sizes of a network's tensors and what follows from them. */
struct ConvMaxpool : reference::ConvSize {
    lenet_activation activation;

    reference::SubsampleSize Pool() const { return {R, N, O, OH(), OW(), 2, LENET_POOL_MAX, activation}; }
    size_t Inputs() const { return reference::Layout(R, C, H, W, N).Count(); }
    size_t Weights() const { return (size_t)O * C * K * K; }
    size_t Stride() const { return Weights() + (size_t)O + 3; } /* of a network's parameters: others follow */
    std::string Name() const {
        std::string name = std::vector<std::string>{"tanh", "relu", "squash", "linear"}[activation];
        const char *const letters[] = {" R", " N", " C", " H", " W", " O", " K"};
        const int sizes[] = {R, N, C, H, W, O, K};
        for (int i = 0; i < 7; i++) name += letters[i] + std::to_string(sizes[i]);
        return name;
    }
};

struct Arguments {
    Values x, parameters, dy; /* parameters: [R][weights, biases, three of others] */
};
struct Results {
    Values y, dx, gradient; /* dx: the gradient of the convolution's outputs; gradient: of parameters */
    Places place;
};

template <class Fill> Arguments Make(const ConvMaxpool &s, Fill fill) {
    return {fill(s.Inputs(), 1), fill((size_t)s.R * s.Stride(), 2), fill(s.Pool().Outputs(), 3)};
}
Arguments RealArguments(const ConvMaxpool &s) {
    return Make(s, [](size_t n, uint32_t stream) { return Reals(n, stream); });
}
/* So small that there are many ties, some in the middle of a window. */
Arguments IntegerArguments(const ConvMaxpool &s) {
    return Make(s, [](size_t n, uint32_t stream) { return Integers(n, stream, 1); });
}

/* Of a part of the networks, or of the images. */
Values Part(const Values &all, size_t first, size_t count) {
    return Values(all.begin() + (ptrdiff_t)first, all.begin() + (ptrdiff_t)(first + count));
}

/* Of the convolution in parts. */
Values Scratch(const ConvMaxpool &s) { return Poison((size_t)s.R * LENET_PARTS * (s.Weights() + (size_t)s.O)); }

/* The operations; outputs are poisoned at first. */
Results Fused(const Device &device, const ConvMaxpool &s, const Arguments &in) {
    const BatchSize batch = {s.R, s.N};
    const Input x(device, in.x, batch), parameters(device, in.parameters), dy(device, in.dy, batch);
    const Tensor y(device, Poison(in.dy.size()), batch), dx(device, Poison(4 * in.dy.size()), batch);
    const Array<uint8_t> place(device, Places(in.dy.size(), 99));
    device.Run(conv_maxpool_forward{s.R, s.N, s.C, s.H, s.W, s.O, s.K, s.activation, s.Stride(), x, parameters,
                                    parameters.At(s.Weights()), y, place});
    device.Run(maxpool_backward_input{s.R, s.N, s.O, s.OH(), s.OW(), s.activation, y, place, dy, dx});
    const Tensor gradient(device, Values(in.parameters.size())), scratch(device, Scratch(s));
    const Tensor between(device, Poison(4 * in.dy.size()), batch);
    conv_maxpool_backward_params params = {};
    params.R = s.R;
    params.N = s.N;
    params.C = s.C;
    params.H = s.H;
    params.W = s.W;
    params.O = s.O;
    params.K = s.K;
    params.activation = s.activation;
    params.stride = s.Stride();
    params.x = x;
    params.y = y;
    params.place = place;
    params.dy = dy;
    params.dw = gradient;
    params.db = gradient.At(s.Weights());
    params.scratch = scratch;
    params.between = between;
    device.Run(params);
    const Places lying = place.Host();
    Places places = lying;
    const std::vector<size_t> where = PlacesOf(device, lying.size(), batch);
    for (size_t i = 0; i < where.size(); i++) places[i] = lying[where[i]];
    return {y.Host(), dx.Host(), gradient.Host(), places};
}

/* The operations that they stand for, and the places of the maxima of what these have in between. */
Results OneByOne(const Device &device, const ConvMaxpool &s, const Arguments &in) {
    const BatchSize batch = {s.R, s.N};
    const Input x(device, in.x, batch), parameters(device, in.parameters), dy(device, in.dy, batch);
    const Tensor between(device, Poison(4 * in.dy.size()), batch), y(device, Poison(in.dy.size()), batch);
    const Tensor dx(device, Poison(4 * in.dy.size()), batch);
    device.Run(conv_forward{s.R, s.N, s.C, s.H, s.W, s.O, s.K, s.Stride(), x, parameters, parameters.At(s.Weights()),
                            between});
    const reference::SubsampleSize pool = s.Pool();
    device.Run(subsample_forward{pool.R, pool.N, pool.C, pool.H, pool.W, 2, LENET_POOL_MAX, s.activation, between, y});
    device.Run(subsample_backward_input{pool.R, pool.N, pool.C, pool.H, pool.W, 2, LENET_POOL_MAX, s.activation,
                                        between, dy, dx});
    const Tensor gradient(device, Values(in.parameters.size())), scratch(device, Scratch(s));
    device.Run(conv_backward_params{
        s.R, s.N, s.C, s.H, s.W, s.O, s.K, s.Stride(), x, dx, gradient, gradient.At(s.Weights()), scratch, {}});
    const Values pixels = between.Host();
    Places place(in.dy.size());
    reference::ForEachWindow(pool, [&](size_t at, const std::vector<size_t> &window) {
        for (uint8_t k = 1; k < 4; k++)
            if (pixels[window[k]] > pixels[window[place[at]]]) place[at] = k;
    });
    return {y.Host(), dx.Host(), gradient.Host(), place};
}

class ConvMaxpoolTest : public BackendTest {
  protected:
    ConvMaxpool Size(int R, int groups, int C, int H, int W, int O, int K,
                     lenet_activation activation = LENET_RELU) const {
        return {{R, groups * lanes(), C, H, W, O, K}, activation};
    }
    /* The GPU has tiles of one image for little work, and of two, with several turns, for much; of 6 maps, and of 4 or
     * 8; blocks in which warps are left over; and more maps of x than have their weights in shared memory at a time. */
    std::vector<ConvMaxpool> Sizes() const {
        return {
            Size(1, 1, 1, 6, 6, 1, 5),     /* one window                                               */
            Size(1, 1, 1, 32, 32, 6, 5),   /* LeNet-5's C1 and S2                                      */
            Size(1, 2, 6, 14, 14, 16, 5),  /* and C3 and S4                                            */
            Size(3, 5, 2, 8, 10, 7, 5),    /* more than a tile of maps, an odd number of groups        */
            Size(2, 3, 3, 5, 13, 5, 2),    /* other kernels than 5 x 5                                 */
            Size(2, 1, 9, 8, 40, 3, 1),    /* the smallest, and more columns than a block of threads    */
            Size(1, 1, 33, 9, 9, 4, 8),    /* and the largest, of whose weights those of 32 maps fit   */
            Size(1, 2, 82, 6, 8, 9, 5),    /* of 5 x 5 those of 81                                     */
            Size(11, 4, 1, 32, 32, 2, 5),  /* two images                                               */
            Size(118, 4, 1, 14, 18, 5, 5), /* two images and two turns, the last one not of all warps  */
            Size(59, 4, 2, 14, 18, 9, 5),  /* the same and two tiles of eight maps                     */
            Size(2, 1, 1, 12, 38, 8, 5),   /* quads of the gradient of parameters in two spans and bands */
            Size(2, 2 * LENET_PARTS + 3, 2, 3, 5, 3, 2), /* parts of several groups of the CPU's images       */
        };
    }
};
LENET_ON_ALL_BACKENDS(ConvMaxpoolTest);

/* One map of 3 x 5 pixels and a kernel of 2 x 2 that adds the two on its diagonal: the outputs are
 *
 *     1 2 0 0 3        1+3 2+1 0+4 0+1        4 3 4 1
 *     0 3 1 4 1   ->   0+2 3+0 1+4 4+0   =    2 3 5 4
 *     0 2 0 4 0
 *
 * and with a bias of 1, windows have the maxima 5, in the corner, and 6, at the left below. */
TEST_P(ConvMaxpoolTest, HandComputed) {
    const ConvMaxpool s = Size(1, 1, 1, 3, 5, 1, 2, LENET_LINEAR);
    const auto in_all_images = [&](const Values &picture) { return InAllImages((size_t)s.N, picture); };
    const Values x = in_all_images({1, 2, 0, 0, 3, 0, 3, 1, 4, 1, 0, 2, 0, 4, 0});
    const Results got = Fused(device(), s, {x, {1, 0, 0, 1, 1, 9, 9, 9}, in_all_images({7, 8})});
    EXPECT_TRUE(Equal(in_all_images({5, 6}), got.y));
    EXPECT_TRUE(Equal(in_all_images({7, 0, 0, 0, 0, 0, 8, 0}), got.dx));
    for (size_t n = 0; n < (size_t)s.N; n++) {
        EXPECT_EQ(got.place[n], 0);
        EXPECT_EQ(got.place[(size_t)s.N + n], 2);
    }
}

void ExpectSameBitsOneByOne(const Device &device, const ConvMaxpool &s) {
    SCOPED_TRACE(s.Name());
    const Arguments in = RealArguments(s);
    const Results want = OneByOne(device, s, in), got = Fused(device, s, in);
    EXPECT_TRUE(SameBytes(ToBytes(want.y), ToBytes(got.y)));
    EXPECT_TRUE(SameBytes(want.place, got.place));
    EXPECT_TRUE(Equal(want.dx, got.dx));
    EXPECT_TRUE(SameBytes(ToBytes(want.gradient), ToBytes(got.gradient)));
}

TEST_P(ConvMaxpoolTest, GivesTheBitsOfTheOperationsThatItStandsFor) {
    int i = 0;
    for (ConvMaxpool s : Sizes()) {
        s.activation = (lenet_activation)(i++ % 4);
        ExpectSameBitsOneByOne(device(), s);
    }
}

TEST_P(ConvMaxpoolTest, GivesTheBitsOfTheOperationsThatItStandsForWithEveryNonlinearity) {
    for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR})
        for (ConvMaxpool s : {Size(2, 3, 2, 8, 10, 7, 5), Size(200, 2, 1, 10, 18, 5, 5)}) {
            s.activation = activation;
            ExpectSameBitsOneByOne(device(), s);
        }
}

/* Whole numbers are exact however they are added, and have many ties, of which the first one counts. */
TEST_P(ConvMaxpoolTest, MatchesPlainLoopsExactlyOnIntegers) {
    int i = 0;
    for (ConvMaxpool s : Sizes()) {
        s.activation = i++ % 2 ? LENET_RELU : LENET_LINEAR;
        SCOPED_TRACE(s.Name());
        const Arguments in = IntegerArguments(s);
        reference::LayerInputs conv = {in.x, {}, {}, Values(s.Pool().Inputs())};
        for (size_t r = 0; r < (size_t)s.R; r++)
            for (size_t k = 0; k < s.Weights() + (size_t)s.O; k++)
                (k < s.Weights() ? conv.w : conv.b).push_back(in.parameters[r * s.Stride() + k]);
        const Values between = reference::Conv(s, conv).y;
        const Results got = Fused(device(), s, in);
        EXPECT_TRUE(Equal(SubsampleForward(s.Pool(), between), got.y));
        EXPECT_TRUE(Equal(SubsampleBackwardInput(s.Pool(), between, in.dy), got.dx));
    }
}

/* In double, to which the other backends are held above by way of the operations one by one: what conv_backward_params
 * makes of the gradient is the slope of the loss sum(dy * y) along every weight and bias. A step of h = 2^-20 crosses
 * no kink here. Of each of the 6 windows of up to 8 images, a central difference is off by h^2 = 1e-12 of a third
 * derivative, below 2, and by the rounding of some numbers of size 1, 2^-52 / h = 2e-10 each. */
TEST(ConvMaxpoolInDouble, GradientIsTheSlope) {
    const Device cpu64(lenet_backend_cpu64(), 1);
    for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR}) {
        const ConvMaxpool s = {{2, cpu64.lanes(), 2, 8, 10, 3, 5}, activation};
        SCOPED_TRACE(s.Name());
        const Arguments in = RealArguments(s);
        const Input x(cpu64, in.x, {s.R, s.N}), between(cpu64, Fused(cpu64, s, in).dx, {s.R, s.N});
        const Tensor gradient(cpu64, Poison(in.parameters.size()));
        const Tensor scratch(cpu64, Poison((size_t)s.R * LENET_PARTS * (s.Weights() + (size_t)s.O)));
        cpu64.Run(conv_backward_params{s.R,
                                       s.N,
                                       s.C,
                                       s.H,
                                       s.W,
                                       s.O,
                                       s.K,
                                       s.Stride(),
                                       x,
                                       between,
                                       gradient,
                                       gradient.At(s.Weights()),
                                       scratch,
                                       {}});
        const Values slopes = gradient.Host();
        const auto loss = [&](size_t entry, double step) {
            Arguments moved = in;
            moved.parameters[entry] += step;
            const Values y = Fused(cpu64, s, moved).y;
            double sum = 0;
            for (size_t i = 0; i < y.size(); i++) sum += in.dy[i] * y[i];
            return sum;
        };
        for (size_t r = 0; r < 2; r++)
            for (size_t i = r * s.Stride(); i < r * s.Stride() + s.Weights() + (size_t)s.O; i++)
                EXPECT_NEAR((loss(i, 0x1p-20) - loss(i, -0x1p-20)) / 0x1p-19, slopes[i], 1e-7) << "parameter " << i;
    }
}

/* In a population large enough for the largest tiles a member gets the bits that it gets alone, in the smallest. */
TEST_P(ConvMaxpoolTest, NetworksAloneGiveTheSameBits) {
    for (const ConvMaxpool &s :
         {Size(3, 3, 2, 10, 8, 7, 3), Size(86, 4, 1, 14, 16, 4, 5, LENET_TANH), Size(86, 4, 2, 10, 20, 9, 5)}) {
        SCOPED_TRACE(s.Name());
        const Arguments in = RealArguments(s);
        const Results together = Fused(device(), s, in);
        const size_t R = (size_t)s.R, x = in.x.size() / R, y = in.dy.size() / R;
        ConvMaxpool one = s;
        one.R = 1;
        for (size_t r : {(size_t)0, R / 2, R - 1}) {
            const Results alone =
                Fused(device(), one,
                      {Part(in.x, r * x, x), Part(in.parameters, r * s.Stride(), s.Stride()), Part(in.dy, r * y, y)});
            EXPECT_TRUE(Equal(Part(together.y, r * y, y), alone.y)) << "network " << r;
            EXPECT_TRUE(Equal(Part(together.dx, r * 4 * y, 4 * y), alone.dx)) << "network " << r;
            EXPECT_TRUE(SameBytes(Places(&together.place[r * y], &together.place[r * y] + y), alone.place));
        }
    }
}

/* An image that is NaN all over is that in all its outputs, and no other image sees it. */
TEST_P(ConvMaxpoolTest, NanIsPassedOnAndStaysInItsImage) {
    for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR})
        for (ConvMaxpool s : {Size(1, 2, 2, 8, 10, 7, 5), Size(200, 2, 1, 10, 18, 5, 5), Size(1, 2, 2, 9, 9, 7, 2)}) {
            s.activation = activation;
            SCOPED_TRACE(s.Name());
            Arguments in = RealArguments(s);
            const size_t N = (size_t)s.N, ill = N - 1;
            for (size_t i = ill; i < in.x.size(); i += N) in.x[i] = NAN;
            const Results got = Fused(device(), s, in);
            size_t wrong = 0;
            for (size_t i = 0; i < got.y.size(); i++) wrong += std::isnan(got.y[i]) != (i % N == ill);
            for (size_t i = 0; i < got.dx.size(); i++) wrong += i % N != ill && std::isnan(got.dx[i]);
            for (uint8_t place : got.place) wrong += place > 3;
            EXPECT_EQ(wrong, 0u);
        }
}

} // namespace
