/* test_scale.cc - scale_forward, scale_backward_input and scale_backward_params. */
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/parametric_layer.h"

namespace {

struct ScaleLayer : reference::ScaleSize {
    size_t x_count() const { return reference::Layout(R, C, P, N).Count(); }
    size_t y_count() const { return x_count(); }
    size_t w_count() const { return (size_t)C; }
    size_t b_count() const { return (size_t)C; }
    size_t scratch_count() const { return 1; } /* it needs none */
    double y_terms() const { return 1; }
    double dx_terms() const { return 1; }
    double dw_terms() const { return (double)N * P; }

    LayerOutputs Reference(const LayerInputs &in) const { return reference::Scale(*this, in); }
    scale_forward Forward(size_t stride, const void *x, const void *w, const void *b, void *y) const {
        return {R, N, C, P, stride, x, w, b, y};
    }
    scale_backward_input BackwardInput(size_t stride, const void *dy, const void *w, void *dx) const {
        return {R, N, C, P, stride, dy, w, dx};
    }
    scale_backward_params BackwardParams(size_t stride, const void *x, const void *dy, void *dw, void *db,
                                         void *) const {
        return {R, N, C, P, stride, x, dy, dw, db};
    }
    std::string Name() const {
        return "R" + std::to_string(R) + " N" + std::to_string(N) + " C" + std::to_string(C) + " P" + std::to_string(P);
    }
};

class Scale : public BackendTest {
  protected:
    ScaleLayer Size(int R, int groups, int C, int P) const { return {{R, groups * lanes(), C, P}}; }
    std::vector<ScaleLayer> Sizes() const {
        return {
            Size(1, 1, 1, 1),      Size(1, 1, 6, 14 * 14), // LeNet-5's S2
            Size(3, 2, 16, 5 * 5),                         // and S4
            Size(3, 5, 7, 3),      Size(1, 9, 2, 11),      Size(3, 1, 13, 1), Size(1, 33, 3, 2),
        };
    }
};
LENET_ON_ALL_BACKENDS(Scale);

/* Two maps of two pixels, the same in all images: y = 3x + 10 and -2x + 20. */
TEST_P(Scale, HandComputed) {
    const ScaleLayer s = Size(1, 1, 2, 2);
    const auto in_all_images = [&](const Values &picture) { return InAllImages((size_t)s.N, picture); };
    const LayerOutputs got =
        RunLayer(device(), s, {in_all_images({1, 2, 4, -5}), {3, -2}, {10, 20}, in_all_images({1, -1, 2, 3})});
    EXPECT_TRUE(Equal(in_all_images({13, 16, 12, 30}), got.y));
    EXPECT_TRUE(Equal(in_all_images({3, -3, -4, -6}), got.dx));
    /* Each image adds 1*1 - 2*1 = -1 and 4*2 - 5*3 = -7. */
    EXPECT_TRUE(Equal({-1.0 * s.N, -7.0 * s.N}, got.dw));
    EXPECT_TRUE(Equal({0, 5.0 * s.N}, got.db));
}

TEST_P(Scale, MatchesPlainLoopsExactlyOnIntegers) {
    for (const ScaleLayer &s : Sizes()) ExpectPlainLoopsOnIntegers(device(), s);
}

TEST_P(Scale, MatchesPlainLoopsOnReals) {
    for (const ScaleLayer &s : Sizes()) ExpectPlainLoopsOnReals(device(), s);
}

TEST_P(Scale, GradientIsTheSlope) {
    ExpectGradientIsTheSlope(device(), Size(1, 2, 3, 5));
    ExpectGradientIsTheSlope(device(), Size(3, 1, 2, 4));
}

TEST_P(Scale, InPlaceGivesTheSameBits) {
    for (const ScaleLayer &s : Sizes()) {
        SCOPED_TRACE(s.Name());
        const LayerInputs in = RealInputs(s);
        const Input w(device(), in.w);
        const Tensor dy(device(), in.dy, {s.R, s.N});
        device().Run(s.BackwardInput(s.w_count(), dy, w, dy));
        EXPECT_TRUE(Equal(RunLayer(device(), s, in).dx, dy.Host()));
    }
}

/* A NaN in the first pixel of the second map stays in that map. */
TEST_P(Scale, NanStaysNan) {
    const ScaleLayer s = Size(1, 2, 3, 2);
    LayerInputs in = IntegerInputs(s);
    const size_t first = 2 * (size_t)s.N; /* of the second map */
    in.x[first] = NAN;
    in.dy[first + 1] = NAN;
    const LayerOutputs got = RunLayer(device(), s, in);
    for (size_t i = 0; i < got.y.size(); i++) {
        EXPECT_EQ(std::isnan(got.y[i]), i == first) << "y[" << i << "]";
        EXPECT_EQ(std::isnan(got.dx[i]), i == first + 1) << "dx[" << i << "]";
    }
    for (size_t c = 0; c < 3; c++) {
        EXPECT_EQ(std::isnan(got.dw[c]), c == 1) << "dw[" << c << "]";
        EXPECT_EQ(std::isnan(got.db[c]), c == 1) << "db[" << c << "]";
    }
}

TEST_P(Scale, NetworksAloneGiveTheSameBits) { ExpectNetworksAloneGiveTheSameBits(device(), Size(3, 3, 7, 25)); }

} // namespace
