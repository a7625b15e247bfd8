/* test_conv.cc - conv_forward, conv_backward_input and conv_backward_params. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/parametric_layer.h"

namespace {

struct ConvLayer : reference::ConvSize {
    size_t x_count() const { return reference::Layout(R, C, H, W, N).Count(); }
    size_t y_count() const { return reference::Layout(R, O, OH(), OW(), N).Count(); }
    size_t w_count() const { return reference::Layout(O, C, K, K).Count(); }
    size_t b_count() const { return (size_t)O; }
    size_t scratch_count() const { return (size_t)R * LENET_PARTS * (w_count() + b_count()); }
    double y_terms() const { return C * K * K; }
    double dx_terms() const { return O * K * K; }
    double dw_terms() const { return (double)N * OH() * OW(); }

    LayerOutputs Reference(const LayerInputs &in) const { return reference::Conv(*this, in); }
    conv_forward Forward(size_t stride, const void *x, const void *w, const void *b, void *y) const {
        return {R, N, C, H, W, O, K, stride, x, w, b, y};
    }
    conv_backward_input BackwardInput(size_t stride, const void *dy, const void *w, void *dx) const {
        return {R, N, C, H, W, O, K, stride, dy, w, dx};
    }
    conv_backward_params BackwardParams(size_t stride, const void *x, const void *dy, void *dw, void *db,
                                        void *scratch) const {
        return {R, N, C, H, W, O, K, stride, x, dy, dw, db, scratch, {}};
    }
    std::string Name() const {
        std::string name;
        const char *const letters[] = {"R", " N", " C", " H", " W", " O", " K"};
        const int sizes[] = {R, N, C, H, W, O, K};
        for (int i = 0; i < 7; i++) name += letters[i] + std::to_string(sizes[i]);
        return name;
    }
};

/* With a table: bit c of table[o] says that map c feeds o. */
struct TableConvLayer : ConvLayer {
    std::vector<uint32_t> table; /* [O] */

    bool Connected(size_t o, size_t c) const { return (table[o] & (uint32_t)1 << c) != 0; }
    /* dw [R][O][C][K][K] without what belongs to no connection. */
    Values OfConnections(Values dw) const {
        const reference::Layout at(R, O, C, K * K);
        for (int r = 0; r < R; r++)
            for (int o = 0; o < O; o++)
                for (int c = 0; c < C; c++)
                    for (int ij = 0; ij < K * K; ij++)
                        if (!Connected((size_t)o, (size_t)c)) dw[at(r, o, c, ij)] = 0;
        return dw;
    }
    LayerOutputs Reference(const LayerInputs &in) const {
        LayerOutputs out = ConvLayer::Reference(in);
        out.dw = OfConnections(out.dw);
        return out;
    }
    conv_backward_params BackwardParams(size_t stride, const void *x, const void *dy, void *dw, void *db,
                                        void *scratch) const {
        conv_backward_params args = ConvLayer::BackwardParams(stride, x, dy, dw, db, scratch);
        std::copy(table.begin(), table.end(), args.table);
        return args;
    }
};

class Conv : public BackendTest {
  protected:
    ConvLayer Size(int R, int groups, int C, int H, int W, int O, int K) const {
        return {{R, groups * lanes(), C, H, W, O, K}};
    }
    std::vector<ConvLayer> Sizes() const {
        return {
            Size(1, 1, 1, 1, 1, 1, 1),
            Size(1, 1, 1, 32, 32, 6, 5),  // LeNet-5's C1
            Size(1, 1, 6, 14, 14, 16, 5), // and C3
            Size(3, 2, 2, 5, 5, 3, 5),    // K = H = W
            Size(3, 5, 5, 9, 13, 7, 1),
            Size(1, 9, 5, 9, 13, 7, 2),
            Size(3, 2, 5, 9, 13, 7, 3),
            Size(1, 5, 1, 13, 9, 7, 8),
            Size(3, 1, 5, 9, 13, 1, 8),
            Size(1, 2, 3, 2, 13, 13, 2),
            Size(1, 5, 4, 6, 3, 12, 3),
            Size(1, 5, 1, 9, 13, 1, 3),
            Size(1, 33, 2, 4, 3, 5, 2),
            Size(1, 1, 33, 3, 2, 17, 2), // more maps than a connection table could hold
            // The GPU adds the gradient of 5 x 5 kernels in parts, for each 32 images, band of rows and span of
            // columns: as many parts as there may be, one more, and more than twice as many;
            Size(1, LENET_PARTS, 1, 5, 5, 3, 5),
            Size(2, LENET_PARTS + 1, 2, 5, 6, 4, 5),
            Size(1, 2 * LENET_PARTS + 1, 1, 5, 5, 3, 5),
            // and of parts that have several of the CPU's groups of images, of several networks, the last one fewer;
            Size(2, 4 * LENET_PARTS + 3, 2, 3, 3, 3, 2),
            // and sizes that bands, spans, quads, and groups of either kind of maps leave something of.
            Size(1, 2, 1, 6, 7, 2, 5),
            Size(2, 1, 1, 7, 40, 5, 5),
            Size(1, 2, 1, 11, 33, 7, 5),
            Size(2, 1, 3, 7, 20, 4, 5),
            Size(1, 1, 5, 8, 17, 9, 5),
            Size(1, 1, 2, 5, 7, 17, 5),
            // It has whole rows of 14 and of 12 pixels of the input's gradient: more maps than a tile and than have
            // their weights in shared memory at a time, fewer than are added by turns, and a single row of dy.
            Size(2, 1, 4, 7, 14, 18, 5),
            Size(1, 2, 7, 5, 14, 3, 5),
            Size(1, 1, 5, 6, 12, 33, 5),
        };
    }

    /* A table at random, but for the last output map, which is fed by none, and the first, which is fed by the last. */
    static TableConvLayer WithTable(const ConvLayer &s) {
        TableConvLayer with = {s, std::vector<uint32_t>((size_t)s.O)};
        const uint32_t maps = s.C == 32 ? ~(uint32_t)0 : ((uint32_t)1 << s.C) - 1;
        for (size_t o = 0; o < with.table.size(); o++) with.table[o] = RandomWord(5, o) & maps;
        with.table.back() = 0;
        with.table[0] |= (uint32_t)1 << (s.C - 1);
        return with;
    }
    std::vector<TableConvLayer> TableSizes() const {
        return {
            WithTable(Size(1, 1, 6, 14, 14, 16, 5)), /* LeNet-5's C3            */
            WithTable(Size(3, 2, 5, 7, 9, 7, 5)),
            WithTable(Size(3, 2, 5, 9, 7, 7, 3)),
            WithTable(Size(1, 3, 32, 2, 3, 16, 2)), /* as large as a table gets */
            WithTable(Size(1, 1, 32, 5, 5, 16, 5)),
            WithTable(Size(2, 5, 2, 4, 4, 2, 1)),
            WithTable(Size(2, 2 * LENET_PARTS + 3, 2, 3, 3, 3, 2)),
        };
    }
};
LENET_ON_ALL_BACKENDS(Conv);

/* One map of 3 x 3 pixels, the same in all images, and a kernel of 2 x 2:
 *
 *     1 2 3               y = 10 + 1*1 + 2*2 + 3*4 + 4*5 = 47 in the corner
 *     4 5 6  *  1 2
 *     7 8 9     3 4 */
TEST_P(Conv, HandComputed) {
    const ConvLayer s = Size(1, 1, 1, 3, 3, 1, 2);
    const auto in_all_images = [&](const Values &picture) { return InAllImages((size_t)s.N, picture); };
    const LayerOutputs got = RunLayer(
        device(), s, {in_all_images({1, 2, 3, 4, 5, 6, 7, 8, 9}), {1, 2, 3, 4}, {10}, in_all_images({1, 0, 0, -1})});
    EXPECT_TRUE(Equal(in_all_images({47, 57, 77, 87}), got.y));
    EXPECT_TRUE(Equal(in_all_images({1, 2, 0, 3, 3, -2, 0, -3, -4}), got.dx));
    /* Each image adds x[i][j] - x[i+1][j+1] = -4. */
    EXPECT_TRUE(Equal(Values(4, -4.0 * s.N), got.dw));
    EXPECT_TRUE(Equal({0}, got.db));
}

TEST_P(Conv, MatchesPlainLoopsExactlyOnIntegers) {
    for (const ConvLayer &s : Sizes()) ExpectPlainLoopsOnIntegers(device(), s);
}

/* Tiles of every width, and what remains beside them. */
TEST_P(Conv, MatchesPlainLoopsExactlyForEveryKernelAndFewMaps) {
    for (int K = 1; K <= LENET_MAX_KERNEL; K++)
        for (int O = 1; O <= 5; O++) ExpectPlainLoopsOnIntegers(device(), Size(1, 1 + O % 4, 2, K + 1, K + 2, O, K));
}

TEST_P(Conv, MatchesPlainLoopsOnReals) {
    for (const ConvLayer &s : Sizes()) ExpectPlainLoopsOnReals(device(), s);
}

TEST_P(Conv, GradientIsTheSlope) {
    ExpectGradientIsTheSlope(device(), Size(1, 1, 2, 4, 5, 3, 2));
    ExpectGradientIsTheSlope(device(), Size(2, 1, 1, 3, 3, 2, 3));
}

TEST_P(Conv, NetworksAloneGiveTheSameBits) { ExpectNetworksAloneGiveTheSameBits(device(), Size(3, 3, 2, 9, 7, 7, 3)); }

/* The GPU takes larger tiles where there are many networks, and several rows a block: rows of 14 and 21 pixels and of
 * other widths, few maps and many, a row that is wider than a block, other kernels than 5 x 5. */
TEST_P(Conv, ManyNetworksMatchPlainLoopsExactly) {
    for (const ConvLayer &s : {Size(42, 1, 1, 18, 18, 2, 5), Size(28, 1, 1, 18, 25, 7, 5), Size(30, 1, 1, 16, 23, 1, 3),
                               Size(35, 1, 1, 3, 120, 2, 2)})
        ExpectPlainLoopsOnIntegers(device(), s, {true});
}

/* And of whole rows of the input's gradient two rows a block, of which there may be an odd number, and more maps. */
TEST_P(Conv, ManyRowsOfTheInputMatchPlainLoops) {
    for (const ConvLayer &s :
         {Size(53, 1, 7, 5, 14, 3, 5), Size(48, 1, 1, 11, 14, 18, 5), Size(53, 1, 5, 5, 12, 2, 5)}) {
        ExpectPlainLoopsOnIntegers(device(), s, {true});
        ExpectPlainLoopsOnReals(device(), s);
    }
}

/* So it does where there are many images: of 7 pixels, and of 5. */
TEST_P(Conv, ManyImagesMatchPlainLoops) {
    for (const ConvLayer &s : {Size(1, 11, 1, 32, 32, 1, 5), Size(1, 21, 1, 24, 24, 1, 5)}) {
        ExpectPlainLoopsOnIntegers(device(), s, {true});
        ExpectPlainLoopsOnReals(device(), s);
    }
}

/* Alone, each of them gets small tiles. */
TEST_P(Conv, NetworksAloneGiveTheSameBitsAsMany) {
    for (const ConvLayer &s : {Size(29, 1, 1, 21, 21, 7, 5), Size(53, 1, 7, 5, 14, 6, 5), Size(53, 1, 5, 5, 12, 6, 5)})
        ExpectNetworksAloneGiveTheSameBits(device(), s);
}

TEST_P(Conv, WithTableMatchesPlainLoopsExactlyOnIntegers) {
    for (const TableConvLayer &s : TableSizes()) ExpectPlainLoopsOnIntegers(device(), s);
}

TEST_P(Conv, GradientOfAConnectionIsThatOfTheWholeToTheBit) {
    for (const TableConvLayer &s : TableSizes()) {
        SCOPED_TRACE(s.Name());
        const LayerInputs in = RealInputs(s);
        const LayerOutputs whole = RunLayer(device(), ConvLayer(s), in), got = RunLayer(device(), s, in);
        EXPECT_TRUE(Equal(s.OfConnections(whole.dw), got.dw));
        EXPECT_TRUE(Equal(whole.db, got.db));
    }
}

TEST_P(Conv, WithEveryConnectionIsWithoutATable) {
    for (TableConvLayer s : TableSizes()) {
        SCOPED_TRACE(s.Name());
        s.table.assign(s.table.size(), ~(uint32_t)0);
        const LayerInputs in = RealInputs(s);
        EXPECT_TRUE(Equal(RunLayer(device(), ConvLayer(s), in).dw, RunLayer(device(), s, in).dw));
    }
}

/* The last map is fed by none: the gradient of its weights is 0, that of its bias is not. */
TEST_P(Conv, TheTableIsNoneOfTheBias) {
    const TableConvLayer s = WithTable(Size(1, 1, 2, 3, 3, 3, 2));
    LayerInputs in = IntegerInputs(s);
    in.dy.assign(in.dy.size(), 1);
    EXPECT_TRUE(Equal(Values(3, 4.0 * s.N), RunLayer(device(), s, in).db));
}

/* What is not connected does not see a NaN; what is, does. First all of map 1 of x is NaN, then of map 1 of dy. */
TEST_P(Conv, WithoutAConnectionNanIsNotSeen) {
    for (const TableConvLayer &s : TableSizes()) {
        SCOPED_TRACE(s.Name());
        const reference::Layout x(s.R, s.C, s.H * s.W * s.N), dy(s.R, s.O, s.OH() * s.OW() * s.N);
        const reference::Layout dw(s.R, s.O, s.C, s.K * s.K);
        LayerInputs ill_x = IntegerInputs(s), ill_dy = ill_x;
        for (int r = 0; r < s.R; r++) {
            std::fill_n(&ill_x.x[x(r, 1, 0)], s.H * s.W * s.N, NAN);
            std::fill_n(&ill_dy.dy[dy(r, 1, 0)], s.OH() * s.OW() * s.N, NAN);
        }
        const Values of_x = RunLayer(device(), s, ill_x).dw, of_dy = RunLayer(device(), s, ill_dy).dw;
        for (int r = 0; r < s.R; r++)
            for (int o = 0; o < s.O; o++)
                for (int c = 0; c < s.C; c++)
                    for (int ij = 0; ij < s.K * s.K; ij++) {
                        const size_t at = dw(r, o, c, ij);
                        const bool connected = s.Connected((size_t)o, (size_t)c);
                        ASSERT_EQ(std::isnan(of_x[at]), connected && c == 1) << o << " from " << c;
                        ASSERT_EQ(std::isnan(of_dy[at]), connected && o == 1) << o << " from " << c;
                        if (!connected) {
                            ASSERT_EQ(of_x[at], 0) << o << " from " << c;
                            ASSERT_EQ(of_dy[at], 0) << o << " from " << c;
                        }
                    }
    }
}

TEST_P(Conv, WithTableNetworksAloneGiveTheSameBits) {
    ExpectNetworksAloneGiveTheSameBits(device(), WithTable(Size(3, 2, 5, 7, 9, 7, 5)));
}

} // namespace
