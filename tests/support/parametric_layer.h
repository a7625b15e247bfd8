/* parametric_layer.h - what holds for every layer with weights and a bias: the claims that test_conv.cc,
 * test_dense.cc and test_scale.cc share.
 *
 * A Layer is a size (R, N, ...) that knows its counts, its plain loops and how to call its three operations. */
#ifndef LENET_TEST_PARAMETRIC_LAYER_H
#define LENET_TEST_PARAMETRIC_LAYER_H
#include <gtest/gtest.h>

#include <vector>

#include "support/backends.h"
#include "support/reference.h"

using reference::LayerInputs;
using reference::LayerOutputs;

/* Where a layer's parameters lie among a network's: at odd places, because other layers lie around them, and in
 * either order, so that the weights end where the memory ends, or the biases do. */
struct Placement {
    size_t W, B; /* counts of one network */
    bool bias_last;
    size_t w() const { return bias_last ? 3 : 3 + B + 2; }
    size_t b() const { return bias_last ? 3 + W + 2 : 3; }
    size_t stride() const { return 3 + W + 2 + B; }
};

/* [R][stride] of w [R][W] and b [R][B], with gap everywhere else. */
inline Values Pack(const Placement &at, int R, const Values &w, const Values &b, double gap) {
    Values packed((size_t)R * at.stride(), gap);
    for (size_t r = 0; r < (size_t)R; r++) {
        std::copy_n(&w[r * at.W], at.W, &packed[r * at.stride() + at.w()]);
        std::copy_n(&b[r * at.B], at.B, &packed[r * at.stride() + at.b()]);
    }
    return packed;
}

/* [R][count] of what lies at `first` in every network. */
inline Values Unpack(const Placement &at, int R, const Values &packed, size_t first, size_t count) {
    Values part;
    for (size_t r = 0; r < (size_t)R; r++)
        part.insert(part.end(), &packed[r * at.stride() + first], &packed[r * at.stride() + first] + count);
    return part;
}

/* A layer's tensors on a device: outputs poisoned with NaN, and NaN between the parameters, which must not be read. */
template <class Layer> struct LayerOnDevice {
    LayerOnDevice(const Device &device, const Layer &s, const LayerInputs &in, bool bias_last = true)
        : layer(s), place{s.w_count(), s.b_count(), bias_last}, x(device, in.x, {s.R, s.N}),
          dy(device, in.dy, {s.R, s.N}), params(device, Pack(place, s.R, in.w, in.b, NAN)),
          y(device, Poison(in.dy.size()), {s.R, s.N}), dx(device, Poison(in.x.size()), {s.R, s.N}),
          dparams(device, Pack(place, s.R, Poison(in.w.size()), Poison(in.b.size()), kGap)),
          scratch(device, Poison(s.scratch_count())) {}

    auto Forward() const { return layer.Forward(place.stride(), x, params.At(place.w()), params.At(place.b()), y); }
    auto BackwardInput() const { return layer.BackwardInput(place.stride(), dy, params.At(place.w()), dx); }
    auto BackwardParams() const {
        return layer.BackwardParams(place.stride(), x, dy, dparams.At(place.w()), dparams.At(place.b()), scratch);
    }
    void Run(const Device &device) const {
        device.Run(Forward());
        device.Run(BackwardInput());
        device.Run(BackwardParams());
    }

    LayerOutputs Host() const {
        const Values packed = dparams.Host();
        const Values dw = Unpack(place, layer.R, packed, place.w(), place.W);
        const Values db = Unpack(place, layer.R, packed, place.b(), place.B);
        EXPECT_TRUE(SameBytes(ToBytes(Pack(place, layer.R, dw, db, kGap)), ToBytes(packed)))
            << "what lies between the parameters' gradients was overwritten";
        return {y.Host(), dx.Host(), dw, db};
    }

    static constexpr double kGap = 100;

    const Layer layer;
    const Placement place;
    const Input x, dy, params;
    const Tensor y, dx, dparams, scratch;
};

template <class Layer>
LayerOutputs RunLayer(const Device &device, const Layer &s, const LayerInputs &in, bool bias_last = true) {
    const LayerOnDevice<Layer> on(device, s, in, bias_last);
    on.Run(device);
    return on.Host();
}

/* fill(count, stream) makes the numbers. */
template <class Layer, class Fill> LayerInputs MakeInputs(const Layer &s, Fill fill) {
    const size_t R = (size_t)s.R;
    return {fill(s.x_count(), 1), fill(R * s.w_count(), 2), fill(R * s.b_count(), 3), fill(s.y_count(), 4)};
}
template <class Layer> LayerInputs IntegerInputs(const Layer &s) {
    return MakeInputs(s, [](size_t n, uint32_t stream) { return Integers(n, stream); });
}
template <class Layer> LayerInputs RealInputs(const Layer &s) {
    return MakeInputs(s, [](size_t n, uint32_t stream) { return Reals(n, stream); });
}

template <class Layer>
void ExpectPlainLoopsOnIntegers(const Device &device, const Layer &s,
                                const std::vector<bool> &placements = {true, false}) {
    const LayerInputs in = IntegerInputs(s);
    const LayerOutputs want = s.Reference(in);
    for (bool bias_last : placements) {
        SCOPED_TRACE(bias_last ? s.Name() : s.Name() + ", bias first");
        const LayerOutputs got = RunLayer(device, s, in, bias_last);
        EXPECT_TRUE(Equal(want.y, got.y)) << "y";
        EXPECT_TRUE(Equal(want.dx, got.dx)) << "dx";
        EXPECT_TRUE(Equal(want.dw, got.dw)) << "dw";
        EXPECT_TRUE(Equal(want.db, got.db)) << "db";
    }
}

/* A sum of n products, added in any order, fused or not, errs by at most gamma(n)
 * of the sum of the products' magnitudes: each product is rounded once and goes
 * through at most n - 1 additions. The plain loops over |x|, |w|, |b| and |dy|
 * give those sums of magnitudes. The bias is one more term of y; db is a sum without products. */
template <class Layer> void ExpectPlainLoopsOnReals(const Device &device, const Layer &s) {
    SCOPED_TRACE(s.Name());
    const LayerInputs in = RealInputs(s);
    const LayerOutputs want = s.Reference(in), got = RunLayer(device, s, in);
    const LayerOutputs size = s.Reference({Abs(in.x), Abs(in.w), Abs(in.b), Abs(in.dy)});
    const double u = device.roundoff();
    EXPECT_TRUE(Near(want.y, got.y, Times(Gamma(s.y_terms() + 1, u), size.y))) << "y";
    EXPECT_TRUE(Near(want.dx, got.dx, Times(Gamma(s.dx_terms(), u), size.dx))) << "dx";
    EXPECT_TRUE(Near(want.dw, got.dw, Times(Gamma(s.dw_terms(), u), size.dw))) << "dw";
    EXPECT_TRUE(Near(want.db, got.db, Times(Gamma(s.dw_terms(), u), size.db))) << "db";
}

/* The loss sum(dy * y) is linear in each of x, w and b, so that the difference
 * that a step of 1 makes is the gradient, exactly, on integers. */
template <class Layer> void ExpectGradientIsTheSlope(const Device &device, const Layer &s) {
    SCOPED_TRACE(s.Name());
    const LayerInputs in = IntegerInputs(s);
    const LayerOutputs gradient = RunLayer(device, s, in);
    const auto loss = [&](const LayerInputs &at) {
        const LayerOnDevice<Layer> on(device, s, at);
        device.Run(on.Forward());
        const Values y = on.y.Host();
        double sum = 0;
        for (size_t i = 0; i < y.size(); i++) sum += in.dy[i] * y[i];
        return sum;
    };
    const double before = loss(in);
    const auto slope = [&](Values LayerInputs::*which, size_t i) {
        LayerInputs stepped = in;
        (stepped.*which)[i] += 1;
        return loss(stepped) - before;
    };
    for (size_t i = 0; i < in.x.size(); i += 5)
        EXPECT_EQ(slope(&LayerInputs::x, i), gradient.dx[i]) << "dx[" << i << "]";
    for (size_t i = 0; i < in.w.size(); i++) EXPECT_EQ(slope(&LayerInputs::w, i), gradient.dw[i]) << "dw[" << i << "]";
    for (size_t i = 0; i < in.b.size(); i++) EXPECT_EQ(slope(&LayerInputs::b, i), gradient.db[i]) << "db[" << i << "]";
}

/* A member of a population gets the same bits as on its own: the first one, one in the middle, and the last. */
template <class Layer> void ExpectNetworksAloneGiveTheSameBits(const Device &device, const Layer &s) {
    SCOPED_TRACE(s.Name());
    const LayerInputs in = RealInputs(s);
    const LayerOutputs together = RunLayer(device, s, in);
    const auto part = [&](const Values &all, int r) {
        const size_t count = all.size() / (size_t)s.R;
        return Values(&all[(size_t)r * count], &all[(size_t)r * count] + count);
    };
    Layer one = s;
    one.R = 1;
    for (int r : {0, s.R / 2, s.R - 1}) {
        const LayerOutputs alone = RunLayer(device, one, {part(in.x, r), part(in.w, r), part(in.b, r), part(in.dy, r)});
        EXPECT_TRUE(Equal(part(together.y, r), alone.y)) << "y of network " << r;
        EXPECT_TRUE(Equal(part(together.dx, r), alone.dx)) << "dx of network " << r;
        EXPECT_TRUE(Equal(part(together.dw, r), alone.dw)) << "dw of network " << r;
        EXPECT_TRUE(Equal(part(together.db, r), alone.db)) << "db of network " << r;
    }
}

#endif
