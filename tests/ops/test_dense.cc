/* test_dense.cc - dense_forward, dense_backward_input and dense_backward_params. */
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/parametric_layer.h"

namespace {

struct DenseLayer : reference::DenseSize {
    size_t x_count() const { return reference::Layout(R, I, N).Count(); }
    size_t y_count() const { return reference::Layout(R, O, N).Count(); }
    size_t w_count() const { return reference::Layout(O, I).Count(); }
    size_t b_count() const { return (size_t)O; }
    size_t scratch_count() const { return 1; } /* it needs none */
    double y_terms() const { return I; }
    double dx_terms() const { return O; }
    double dw_terms() const { return N; }

    LayerOutputs Reference(const LayerInputs &in) const { return reference::Dense(*this, in); }
    dense_forward Forward(size_t stride, const void *x, const void *w, const void *b, void *y) const {
        return {R, N, I, O, stride, LENET_LINEAR, x, w, b, y};
    }
    dense_backward_input BackwardInput(size_t stride, const void *dy, const void *w, void *dx) const {
        return {R, N, I, O, stride, LENET_LINEAR, nullptr, dy, w, dx};
    }
    dense_backward_params BackwardParams(size_t stride, const void *x, const void *dy, void *dw, void *db,
                                         void *) const {
        return {R, N, I, O, stride, x, dy, dw, db};
    }
    std::string Name() const {
        return "R" + std::to_string(R) + " N" + std::to_string(N) + " I" + std::to_string(I) + " O" + std::to_string(O);
    }
};

class Dense : public BackendTest {
  protected:
    DenseLayer Size(int R, int groups, int I, int O) const { return {{R, groups * lanes(), I, O}}; }
    std::vector<DenseLayer> Sizes() const {
        return {
            Size(1, 1, 1, 1),    Size(1, 1, 400, 120), // LeNet-5's C5
            Size(3, 2, 120, 84),                       // F6
            Size(3, 5, 84, 10),                        // the output
            Size(3, 2, 1, 7),    Size(1, 5, 7, 1),     Size(1, 9, 13, 11),
            Size(3, 9, 5, 3),    Size(3, 1, 31, 17),   Size(3, 33, 5, 7), // more images than a block may hold
            Size(1, 1, 700, 9),  Size(2, 1, 9, 700),                      // more terms than lanes load at a time
        };
    }
};
LENET_ON_ALL_BACKENDS(Dense);
LENET_ON_OWN_DENSE(Dense);

/* Image n sees n+1 times the first: x = (n+1) * [1 2 3], dy = (n+1) * [1 -1]. */
TEST_P(Dense, HandComputed) {
    const DenseLayer s = Size(1, 1, 3, 2);
    const auto in_image_n = [&](double start, double times) {
        Values row;
        for (int n = 0; n < s.N; n++) row.push_back(start + times * (n + 1));
        return row;
    };
    const auto rows = [](const std::vector<Values> &parts) {
        Values all;
        for (const Values &part : parts) all.insert(all.end(), part.begin(), part.end());
        return all;
    };
    const LayerInputs in = {rows({in_image_n(0, 1), in_image_n(0, 2), in_image_n(0, 3)}),
                            {1, 0, -1, 2, 3, 4},
                            {100, 200},
                            rows({in_image_n(0, 1), in_image_n(0, -1)})};
    const LayerOutputs got = RunLayer(device(), s, in);
    EXPECT_TRUE(Equal(rows({in_image_n(100, -2), in_image_n(200, 20)}), got.y));
    EXPECT_TRUE(Equal(rows({in_image_n(0, -1), in_image_n(0, -3), in_image_n(0, -5)}), got.dx));
    const double sum = s.N * (s.N + 1) / 2, squares = sum * (2 * s.N + 1) / 3;
    EXPECT_TRUE(Equal({squares, 2 * squares, 3 * squares, -squares, -2 * squares, -3 * squares}, got.dw));
    EXPECT_TRUE(Equal({sum, -sum}, got.db));
}

TEST_P(Dense, MatchesPlainLoopsExactlyOnIntegers) {
    for (const DenseLayer &s : Sizes()) ExpectPlainLoopsOnIntegers(device(), s);
}

/* Tiles of every height and width, and what remains beside them. */
TEST_P(Dense, MatchesPlainLoopsExactlyForEverySmallSize) {
    for (int groups = 1; groups <= 5; groups++)
        for (int size = 1; size <= 9; size++) {
            ExpectPlainLoopsOnIntegers(device(), Size(1, groups, 10 - size, size));
            ExpectPlainLoopsOnIntegers(device(), Size(2, groups, size * std::max(lanes(), 2) - 1, 2));
        }
}

TEST_P(Dense, MatchesPlainLoopsOnReals) {
    for (const DenseLayer &s : Sizes()) ExpectPlainLoopsOnReals(device(), s);
}

/* The same bits as from the two operations. For images enough that a row of outputs has several blocks on a GPU. */
TEST_P(Dense, ANonlinearityBehindItIsThatOfTheOperationActivation) {
    for (const DenseLayer &s : Sizes())
        for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR}) {
            SCOPED_TRACE(s.Name() + ", activation " + std::to_string(activation));
            const LayerOnDevice<DenseLayer> apart(device(), s, RealInputs(s)), together(device(), s, RealInputs(s));
            dense_forward args = together.Forward();
            args.activation = activation;
            device().Run(args);
            device().Run(apart.Forward());
            if (activation != LENET_LINEAR)
                device().Run(activation_forward{s.R, s.N, s.O, activation, apart.y, apart.y});
            EXPECT_TRUE(SameBytes(apart.y.Bytes(), together.y.Bytes()));
        }
}

TEST_P(Dense, TheGradientOfANonlinearityInFrontIsThatOfTheOperationActivation) {
    for (const DenseLayer &s : Sizes())
        for (lenet_activation activation : {LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR}) {
            SCOPED_TRACE(s.Name() + ", activation " + std::to_string(activation));
            const LayerOnDevice<DenseLayer> apart(device(), s, RealInputs(s)), together(device(), s, RealInputs(s));
            dense_backward_input args = together.BackwardInput();
            args.activation = activation;
            args.x = together.x;
            device().Run(args);
            device().Run(apart.BackwardInput());
            if (activation != LENET_LINEAR)
                device().Run(activation_backward_input{s.R, s.N, s.I, activation, apart.x, apart.dx, apart.dx});
            EXPECT_TRUE(SameBytes(apart.dx.Bytes(), together.dx.Bytes()));
        }
}

TEST_P(Dense, GradientIsTheSlope) {
    ExpectGradientIsTheSlope(device(), Size(1, 1, 7, 9));
    ExpectGradientIsTheSlope(device(), Size(2, 2, 5, 3));
}

TEST_P(Dense, NetworksAloneGiveTheSameBits) {
    /* cuBLAS picks its algorithm by all sizes, R among them: the same bits are not promised there. */
    if (IsCuda() && !IsOwnDense(GetParam())) return;
    ExpectNetworksAloneGiveTheSameBits(device(), Size(3, 3, 77, 13));
    ExpectNetworksAloneGiveTheSameBits(device(), Size(2, 1, 400, 20));
}

} // namespace
