/* test_simt_sizes.cc - the kernels on populations and batches that no machine has memory and time for.
 *
 * The last network of many, and the last images of a large batch, get what a small population computes from the same
 * numbers. An index of 32 bits reaches for something else. Of each launch only the ends run, and memory is only there
 * where it is touched. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "lenet/device_data.h"
#include "lenet/network.h"
#include "support/backends.h"
#include "support/samples.h"
#include "support/simt/simt.h"

namespace {

using Bytes = std::vector<uint8_t>;

/* An argument of an operation, [R][rows][N] elements of `size` bytes; or [R][rows] where it has no images. */
template <class Op> struct Field {
    std::function<void(Op &, void *)> set;
    size_t rows, size;
    bool has_images;
    Bytes values; /* of a population of one, before the operation */
    bool is_output;
};

/* Which network, and from which image on. */
struct Place {
    size_t network, image;
};

class Sizes : public ::testing::Test {
  protected:
    static constexpr int kNetworks = LENET_MAX_NETWORKS;
    Sizes() {
        simt::reset();
        simt::Device large;
        large.memory = (size_t)1 << 46;
        simt::set_device(large);
        const char *why = nullptr;
        device_ = std::make_unique<Device>(lenet_backend_cuda(&why), 1);
        simt::set_sparse(true);
    }
    ~Sizes() override {
        device_.reset();
        simt::set_sparse(false);
        simt::run_ends({0, 0, 0});
        EXPECT_EQ(simt::last_report().kind, simt::Kind::kNone) << simt::last_report().text;
        EXPECT_EQ(simt::allocated_bytes(), 0u);
        simt::set_device(simt::Device());
        simt::reset();
    }

    template <class Op> using Fields = std::vector<Field<Op>>;

    /* Floats that an operation reads, writes, or adds to. */
    template <class Op, class Set> static Field<Op> In(Set set, size_t rows, int N, uint32_t stream, double scale = 1) {
        const Values values = Reals(rows * (size_t)(N ? N : 1), stream, scale);
        return {[set](Op &a, void *p) { set(a, (float *)p); },
                rows,
                4,
                N != 0,
                ToBytes(std::vector<float>(values.begin(), values.end())),
                false};
    }
    template <class Op, class Set> static Field<Op> Out(Set set, size_t rows, int N) {
        return {[set](Op &a, void *p) { set(a, (float *)p); }, rows, 4, N != 0,
                Bytes(rows * (size_t)(N ? N : 1) * 4, 0xff),   true};
    }
    template <class Op, class T> static Field<Op> OutArray(T *Op::*member, size_t rows, int N, int byte = 0xee) {
        return {[member](Op &a, void *p) { a.*member = (T *)p; },
                rows,
                sizeof(T),
                N != 0,
                Bytes(rows * (size_t)(N ? N : 1) * sizeof(T), (uint8_t)byte),
                true};
    }
    template <class Op, class T>
    static Field<Op> InArray(const T *Op::*member, size_t rows, int N, const std::vector<T> &values) {
        return {
            [member](Op &a, void *p) { a.*member = (const T *)p; }, rows, sizeof(T), N != 0, ToBytes(values), false};
    }

    /* What the operation leaves at each place of its outputs, which begin as a population of one has them. */
    template <class Op>
    std::vector<Bytes> Run(Op a, const Fields<Op> &fields, int near, const std::vector<Place> &places) {
        std::vector<void *> memory;
        const size_t R = (size_t)a.R, N = Images(a);
        for (const Field<Op> &field : fields) {
            void *p = nullptr;
            const size_t bytes = R * field.rows * (field.has_images ? N : 1) * field.size;
            Require(device_->backend().alloc(device_->ctx(), &p, bytes), "alloc");
            memory.push_back(p);
            field.set(a, p);
        }
        Wait(memory[0]); /* until it has been cleared: from here on it is the host's memory like any other */
        for (size_t i = 0; i < fields.size(); i++)
            for (const Place &place : places)
                EachPiece(fields[i], N, near, place, [&](size_t at, size_t from, size_t count) {
                    memcpy((char *)memory[i] + at, &fields[i].values[from], count);
                });
        EXPECT_EQ(device_->Call(a), LENET_OK) << device_->backend().message(device_->ctx());
        Wait(memory[0]);
        std::vector<Bytes> outputs;
        for (const Place &place : places) {
            Bytes all;
            for (size_t i = 0; i < fields.size(); i++) {
                if (!fields[i].is_output) continue;
                Bytes own(fields[i].values.size());
                EachPiece(fields[i], N, near, place,
                          [&](size_t at, size_t to, size_t count) { memcpy(&own[to], (char *)memory[i] + at, count); });
                EXPECT_TRUE(own != fields[i].values) << "output " << i << " is as it was";
                Append(all, own);
            }
            outputs.push_back(all);
        }
        for (void *p : memory) device_->backend().release(device_->ctx(), p);
        return outputs;
    }

    /* Compares an operation on one network of a small batch with the same among many networks of such batches; ends:
     * how many blocks of a launch, at either end of each dimension, are at least a network. */
    template <class Op> void ExpectSameOfTheLastNetwork(Op a, const Fields<Op> &fields, uint3 ends) {
        const int near = (int)Images(a);
        a.R = 1;
        simt::run_ends({0, 0, 0});
        const std::vector<Bytes> want = Run(a, fields, near, {{0, 0}});
        a.R = kNetworks;
        simt::run_ends(ends);
        ExpectAll(want[0], Run(a, fields, near, {{0, 0}, {(size_t)kNetworks - 1, 0}}));
    }

    /* The same with the last images of the largest batch. */
    template <class Op> void ExpectSameOfTheLastImages(Op a, const Fields<Op> &fields, uint3 ends) {
        const int near = a.N;
        a.R = 1;
        simt::run_ends({0, 0, 0});
        const std::vector<Bytes> want = Run(a, fields, near, {{0, 0}});
        a.N = LENET_MAX_BATCH;
        simt::run_ends(ends);
        ExpectAll(want[0], Run(a, fields, near, {{0, 0}, {0, (size_t)(LENET_MAX_BATCH - near)}}));
    }

    const Device &device() const { return *device_; }

  private:
    void Wait(const void *p) const {
        uint8_t byte;
        EXPECT_EQ(device_->backend().download(device_->ctx(), &byte, p, 1), LENET_OK)
            << device_->backend().message(device_->ctx());
    }
    template <class Op> static size_t Images(const Op &a) {
        if constexpr (std::is_same_v<Op, optimizer_step>)
            return 1;
        else
            return (size_t)a.N;
    }
    static void ExpectAll(const Bytes &want, const std::vector<Bytes> &got) {
        EXPECT_LT(std::count(want.begin(), want.end(), 0), (ptrdiff_t)(want.size() - want.size() / 16))
            << "all is zero";
        EXPECT_TRUE(want == got[0]) << "the first";
        EXPECT_TRUE(want == got[1]) << "the last";
    }
    template <class Op, class F>
    static void EachPiece(const Field<Op> &field, size_t N, int near, const Place &place, F use) {
        if (!field.has_images) return use(place.network * field.rows * field.size, (size_t)0, field.rows * field.size);
        const size_t count = (size_t)near * field.size;
        for (size_t row = 0; row < field.rows; row++)
            use(((place.network * field.rows + row) * N + place.image) * field.size, row * count, count);
    }

    std::unique_ptr<Device> device_;
};

/* Sets a pointer to floats. */
#define SET(member) [](auto &arguments, float *p) { arguments.member = p; }

size_t Area(int H, int W) { return (size_t)H * (size_t)W; }

/* ---- convolution ------------------------------------------------------------------------------------------ */

struct ConvSize {
    int N, C, H, W, O, K;
    size_t Inputs() const { return (size_t)C * Area(H, W); }
    size_t Outputs() const { return (size_t)O * Area(H - K + 1, W - K + 1); }
    size_t Weights() const { return (size_t)O * (size_t)C * Area(K, K); }
    size_t Stride() const { return Weights() + (size_t)O; }
};

template <class Op> Op ConvArgs(const ConvSize &s) {
    Op a = {};
    a.R = 1;
    a.N = s.N;
    a.C = s.C;
    a.H = s.H;
    a.W = s.W;
    a.O = s.O;
    a.K = s.K;
    a.stride = s.Stride();
    return a;
}

template <class Op> auto SetParameters(size_t weights) {
    return [weights](Op &a, float *p) {
        a.w = p;
        a.b = p + weights;
    };
}
template <class Op> auto SetGradients(size_t weights) {
    return [weights](Op &a, float *p) {
        a.dw = p;
        a.db = p + weights;
    };
}

class ConvSizes : public Sizes {
  protected:
    static Fields<conv_forward> Forward(const ConvSize &s) {
        return {In<conv_forward>(SET(x), s.Inputs(), s.N, 1),
                In<conv_forward>(SetParameters<conv_forward>(s.Weights()), s.Stride(), 0, 2),
                Out<conv_forward>(SET(y), s.Outputs(), s.N)};
    }
    static Fields<conv_backward_input> BackwardInput(const ConvSize &s) {
        return {In<conv_backward_input>(SET(dy), s.Outputs(), s.N, 1),
                In<conv_backward_input>(SET(w), s.Stride(), 0, 2), Out<conv_backward_input>(SET(dx), s.Inputs(), s.N)};
    }
    static Fields<conv_backward_params> BackwardParams(const ConvSize &s) {
        return {In<conv_backward_params>(SET(x), s.Inputs(), s.N, 1),
                In<conv_backward_params>(SET(dy), s.Outputs(), s.N, 2),
                Out<conv_backward_params>(SetGradients<conv_backward_params>(s.Weights()), s.Stride(), 0),
                In<conv_backward_params>(SET(scratch), LENET_PARTS * s.Stride(), 0, 3)};
    }
    static Fields<conv_maxpool_forward> MaxpoolForward(const ConvSize &s) {
        return {In<conv_maxpool_forward>(SET(x), s.Inputs(), s.N, 1),
                In<conv_maxpool_forward>(SetParameters<conv_maxpool_forward>(s.Weights()), s.Stride(), 0, 2),
                Out<conv_maxpool_forward>(SET(y), s.Outputs() / 4, s.N),
                OutArray(&conv_maxpool_forward::place, s.Outputs() / 4, s.N)};
    }
    static Fields<conv_maxpool_backward_params> MaxpoolBackwardParams(const ConvSize &s) {
        using Op = conv_maxpool_backward_params;
        return {In<Op>(SET(x), s.Inputs(), s.N, 1),
                In<Op>(SET(y), s.Outputs() / 4, s.N, 2),
                InArray(&Op::place, s.Outputs() / 4, s.N, std::vector<uint8_t>(s.Outputs() / 4 * (size_t)s.N, 2)),
                In<Op>(SET(dy), s.Outputs() / 4, s.N, 3),
                Out<Op>(SetGradients<Op>(s.Weights()), s.Stride(), 0),
                In<Op>(SET(scratch), LENET_PARTS * s.Stride(), 0, 4),
                In<Op>(SET(between), s.Outputs(), s.N, 5)};
    }
    /* More than 2^32 pixels of x and of y where there are so many networks: C1 and C3, and other kernels. */
    const std::vector<ConvSize> sizes_ = {{32, 1, 50, 50, 6, 5}, {32, 16, 14, 14, 16, 5}, {32, 3, 30, 30, 3, 3}};
};

TEST_F(ConvSizes, ForwardOfTheLastNetwork) {
    for (const ConvSize &s : sizes_) ExpectSameOfTheLastNetwork(ConvArgs<conv_forward>(s), Forward(s), {0, 0, 1});
}
TEST_F(ConvSizes, BackwardInputOfTheLastNetwork) {
    for (const ConvSize &s : sizes_)
        ExpectSameOfTheLastNetwork(ConvArgs<conv_backward_input>(s), BackwardInput(s), {0, 0, 1});
}
TEST_F(ConvSizes, BackwardParamsOfTheLastNetwork) {
    for (const ConvSize &s : sizes_)
        ExpectSameOfTheLastNetwork(ConvArgs<conv_backward_params>(s), BackwardParams(s), {0, 0, 1});
    const ConvSize s = {96, 16, 14, 14, 16, 5}; /* more than 2^32 sums of parts */
    ExpectSameOfTheLastNetwork(ConvArgs<conv_backward_params>(s), BackwardParams(s), {0, 0, 1});
}
TEST_F(ConvSizes, MaxpoolForwardOfTheLastNetwork) {
    for (const ConvSize &s : sizes_)
        ExpectSameOfTheLastNetwork(ConvArgs<conv_maxpool_forward>(s), MaxpoolForward(s), {0, 0, 1});
}

/* Of a size that one kernel is for; others are two operations that are tried by themselves. */
TEST_F(ConvSizes, MaxpoolBackwardParamsOfTheLastNetwork) {
    const ConvSize &s = sizes_[0];
    ExpectSameOfTheLastNetwork(ConvArgs<conv_maxpool_backward_params>(s), MaxpoolBackwardParams(s), {0, 0, 1});
}

/* More than 2^32 pixels of one network, x as y. */
const ConvSize kWide = {32, 1, 260, 260, 1, 5}, kOther = {32, 1, 260, 260, 1, 1};

TEST_F(ConvSizes, ForwardOfTheLastImages) {
    for (const ConvSize &s : {kWide, kOther})
        ExpectSameOfTheLastImages(ConvArgs<conv_forward>(s), Forward(s), {0, 1, 0});
}
TEST_F(ConvSizes, BackwardInputOfTheLastImages) {
    for (const ConvSize &s : {kWide, kOther})
        ExpectSameOfTheLastImages(ConvArgs<conv_backward_input>(s), BackwardInput(s), {0, 1, 0});
}
TEST_F(ConvSizes, MaxpoolForwardOfTheLastImages) {
    for (const ConvSize &s : {kWide, kOther})
        ExpectSameOfTheLastImages(ConvArgs<conv_maxpool_forward>(s), MaxpoolForward(s), {1, 0, 0});
}

/* ---- windows ------------------------------------------------------------------------------------------------ */

class WindowSizes : public Sizes {
  protected:
    template <class Op> static Op Args(int N, int C, int H, int W) {
        Op a = {};
        a.R = 1;
        a.N = N;
        a.C = C;
        a.H = H;
        a.W = W;
        a.activation = LENET_TANH;
        return a;
    }
    template <class Op> static Op Subsample(int N, int C, int H, int S, lenet_pooling pooling) {
        Op a = Args<Op>(N, C, H, H);
        a.S = S;
        a.pooling = pooling;
        return a;
    }
    static Fields<subsample_forward> Forward(const subsample_forward &a) {
        const size_t inputs = (size_t)a.C * Area(a.H, a.W);
        return {In<subsample_forward>(SET(x), inputs, a.N, 1),
                Out<subsample_forward>(SET(y), inputs / Area(a.S, a.S), a.N)};
    }
    static Fields<subsample_backward_input> Backward(const subsample_backward_input &a) {
        const size_t inputs = (size_t)a.C * Area(a.H, a.W);
        return {In<subsample_backward_input>(SET(x), inputs, a.N, 1),
                In<subsample_backward_input>(SET(dy), inputs / Area(a.S, a.S), a.N, 2),
                Out<subsample_backward_input>(SET(dx), inputs, a.N)};
    }
    static Fields<maxpool_backward_input> Maxpool(const maxpool_backward_input &a) {
        const size_t outputs = (size_t)a.C * Area(a.H, a.W) / 4;
        std::vector<uint8_t> place(outputs * (size_t)a.N);
        for (size_t i = 0; i < place.size(); i++) place[i] = (uint8_t)(RandomWord(5, i) % 4);
        return {In<maxpool_backward_input>(SET(y), outputs, a.N, 1),
                InArray(&maxpool_backward_input::place, outputs, a.N, place),
                In<maxpool_backward_input>(SET(dy), outputs, a.N, 2),
                Out<maxpool_backward_input>(SET(dx), outputs * 4, a.N)};
    }
    const struct {
        int H, S;
        lenet_pooling pooling;
    } kinds_[4] = {
        {28, 2, LENET_POOL_MAX}, {28, 2, LENET_POOL_AVERAGE}, {30, 3, LENET_POOL_MAX}, {30, 3, LENET_POOL_SUM}};
};

TEST_F(WindowSizes, OfTheLastNetwork) {
    for (const auto &kind : kinds_) {
        const auto forward = Subsample<subsample_forward>(128, 3, kind.H, kind.S, kind.pooling);
        const auto backward = Subsample<subsample_backward_input>(128, 3, kind.H, kind.S, kind.pooling);
        ExpectSameOfTheLastNetwork(forward, Forward(forward), {3, 0, 0});
        ExpectSameOfTheLastNetwork(backward, Backward(backward), {3, 0, 0});
    }
    const auto maxpool = Args<maxpool_backward_input>(128, 3, 28, 28);
    ExpectSameOfTheLastNetwork(maxpool, Maxpool(maxpool), {3, 0, 0});
}

TEST_F(WindowSizes, OfTheLastImages) {
    for (const auto &kind : {kinds_[0], kinds_[3]}) {
        const auto forward = Subsample<subsample_forward>(32, 1, 258, kind.S, kind.pooling);
        const auto backward = Subsample<subsample_backward_input>(32, 1, 258, kind.S, kind.pooling);
        ExpectSameOfTheLastImages(forward, Forward(forward), {0, 0, 1});
        ExpectSameOfTheLastImages(backward, Backward(backward), {0, 0, 1});
    }
    const auto maxpool = Args<maxpool_backward_input>(32, 1, 258, 258);
    ExpectSameOfTheLastImages(maxpool, Maxpool(maxpool), {0, 0, 1});
}

/* ---- element by element ----------------------------------------------------------------------------------------- */

template <class Op> Op UnitArgs(int N, int F) {
    Op a = {};
    a.R = 1;
    a.N = N;
    a.F = F;
    a.activation = LENET_SQUASH;
    return a;
}

/* A network is 70 blocks of 1,024 values. */
TEST_F(Sizes, ActivationsOfTheLastNetwork) {
    const auto forward = UnitArgs<activation_forward>(1024, 70);
    ExpectSameOfTheLastNetwork(
        forward, {In<activation_forward>(SET(x), 70, 1024, 1), Out<activation_forward>(SET(y), 70, 1024)}, {70, 0, 0});
    const auto backward = UnitArgs<activation_backward_input>(1024, 70);
    ExpectSameOfTheLastNetwork(backward,
                               {In<activation_backward_input>(SET(y), 70, 1024, 1),
                                In<activation_backward_input>(SET(dy), 70, 1024, 2),
                                Out<activation_backward_input>(SET(dx), 70, 1024)},
                               {70, 0, 0});
}

template <class Op> Op ScaleArgs(int N, int C, int P) {
    Op a = {};
    a.R = 1;
    a.N = N;
    a.C = C;
    a.P = P;
    a.stride = 2 * (size_t)C;
    return a;
}

TEST_F(Sizes, ScalesOfTheLastNetwork) {
    const size_t C = 5, pixels = 5 * 2000;
    ExpectSameOfTheLastNetwork(ScaleArgs<scale_forward>(32, 5, 2000),
                               {In<scale_forward>(SET(x), pixels, 32, 1),
                                In<scale_forward>(SetParameters<scale_forward>(C), 2 * C, 0, 2),
                                Out<scale_forward>(SET(y), pixels, 32)},
                               {0, 0, 1});
    ExpectSameOfTheLastNetwork(ScaleArgs<scale_backward_input>(32, 5, 2000),
                               {In<scale_backward_input>(SET(dy), pixels, 32, 1),
                                In<scale_backward_input>(SET(w), 2 * C, 0, 2),
                                Out<scale_backward_input>(SET(dx), pixels, 32)},
                               {0, 0, 1});
    ExpectSameOfTheLastNetwork(ScaleArgs<scale_backward_params>(32, 5, 2000),
                               {In<scale_backward_params>(SET(x), pixels, 32, 1),
                                In<scale_backward_params>(SET(dy), pixels, 32, 2),
                                Out<scale_backward_params>(SetGradients<scale_backward_params>(C), 2 * C, 0)},
                               {0, 1, 0});
}

/* ---- fully connected -------------------------------------------------------------------------------------------- */

template <class Op> Op DenseArgs(int N, int I, int O) {
    Op a = {};
    a.R = 1;
    a.N = N;
    a.I = I;
    a.O = O;
    a.stride = (size_t)I * (size_t)O + (size_t)O;
    return a;
}

/* More than 2^32 inputs, outputs and weights. */
TEST_F(Sizes, FullyConnectedOfTheLastNetwork) {
    for (const int N : {32, 1024}) {
        const int I = N == 32 ? 2100 : 70, O = N == 32 ? 32 : 68;
        const size_t weights = (size_t)I * (size_t)O, stride = weights + (size_t)O;
        ExpectSameOfTheLastNetwork(DenseArgs<dense_forward>(N, I, O),
                                   {In<dense_forward>(SET(x), (size_t)I, N, 1),
                                    In<dense_forward>(SetParameters<dense_forward>(weights), stride, 0, 2),
                                    Out<dense_forward>(SET(y), (size_t)O, N)},
                                   {0, 0, 1});
        dense_backward_input backward = DenseArgs<dense_backward_input>(N, I, O);
        backward.activation = LENET_LINEAR; /* that of others has a launch of all values, without ends */
        ExpectSameOfTheLastNetwork(backward,
                                   {In<dense_backward_input>(SET(dy), (size_t)O, N, 1),
                                    In<dense_backward_input>(SET(w), stride, 0, 2),
                                    Out<dense_backward_input>(SET(dx), (size_t)I, N)},
                                   {0, 0, 1});
        ExpectSameOfTheLastNetwork(
            DenseArgs<dense_backward_params>(N, I, O),
            {In<dense_backward_params>(SET(x), (size_t)I, N, 1), In<dense_backward_params>(SET(dy), (size_t)O, N, 2),
             Out<dense_backward_params>(SetGradients<dense_backward_params>(weights), stride, 0)},
            {0, 1, 1});
    }
}

template <class Op> Op RbfArgs() {
    Op a = {};
    a.R = 1;
    a.N = 8192;
    a.I = 84;
    a.O = 10;
    return a;
}

TEST_F(Sizes, RadialBasisFunctionsOfTheLastNetwork) {
    ExpectSameOfTheLastNetwork(RbfArgs<rbf_forward>(),
                               {In<rbf_forward>(SET(x), 84, 8192, 1), Out<rbf_forward>(SET(y), 10, 8192)}, {0, 0, 1});
    ExpectSameOfTheLastNetwork(RbfArgs<rbf_backward_input>(),
                               {In<rbf_backward_input>(SET(x), 84, 8192, 1),
                                In<rbf_backward_input>(SET(dy), 10, 8192, 2),
                                Out<rbf_backward_input>(SET(dx), 84, 8192)},
                               {0, 0, 1});
    ExpectSameOfTheLastNetwork(
        RbfArgs<rbf_backward_second>(),
        {In<rbf_backward_second>(SET(dy), 10, 8192, 2), Out<rbf_backward_second>(SET(d2x), 84, 8192)}, {0, 0, 1});
}

TEST_F(Sizes, ElementByElementUpToTheLastOfMany) {
    const size_t count = ((size_t)1 << 33) + 7, last = count - 300;
    const std::vector<float> values(300, 3), other(300, 5);
    void *x = nullptr, *y = nullptr;
    for (void **p : {&x, &y}) Require(device().backend().alloc(device().ctx(), p, count * sizeof(float)), "alloc");
    const auto at = [](void *p, size_t i) { return (char *)p + i * sizeof(float); };
    const auto put = [&](void *p, size_t i, const std::vector<float> &of) {
        Require(device().backend().upload(device().ctx(), at(p, i), of.data(), of.size() * sizeof(float)), "upload");
    };
    const auto get = [&](void *p, size_t i) {
        std::vector<float> got(300);
        Require(device().backend().download(device().ctx(), got.data(), at(p, i), 300 * sizeof(float)), "download");
        return got;
    };
    simt::run_ends({3, 0, 0});
    for (size_t i : {(size_t)0, last}) put(x, i, values);
    device().Run(square{count, x, y});
    for (size_t i : {(size_t)0, last}) EXPECT_EQ(get(y, i), std::vector<float>(300, 9)) << i;
    for (size_t i : {(size_t)0, last}) put(y, i, other);
    device().Run(accumulate{count, 2, -1, x, y});
    for (size_t i : {(size_t)0, last}) EXPECT_EQ(get(y, i), std::vector<float>(300, 7)) << i;
    for (void *p : {x, y}) device().backend().release(device().ctx(), p);
}

/* ---- batches ------------------------------------------------------------------------------------------------------
 */

class BatchSizes : public Sizes {
  protected:
    /* Fields are those of the largest networks; images are drawn with distortions. */
    template <class Op> Op Args(int N, int side) {
        Op a = {};
        a.R = 1;
        a.N = a.B = N;
        a.source = SampleSource(data_, 300, 28, 28, side, side);
        return a;
    }
    template <class Op> static Fields<Op> Outputs(const Op &a) {
        return {Out<Op>(SET(x), Area(a.source.OH, a.source.OW), a.N), OutArray(&Op::label, 1, a.N)};
    }

  private:
    Sample<batch_slice> data_{device()};
};

TEST_F(BatchSizes, OfTheLastNetwork) {
    const std::vector<lenet_hyper> hyper = {SampleHypers(300)[1]};
    auto draw = Args<batch_draw>(32, 46);
    Sample<batch_draw> step(device());
    draw.step = step.InArray<uint64_t>({7});
    Fields<batch_draw> drawn = Outputs(draw);
    drawn.push_back(InArray(&batch_draw::hyper, 1, 0, hyper));
    ExpectSameOfTheLastNetwork(draw, drawn, {0, 1, 0});

    auto slice = Args<batch_slice>(32, 46);
    slice.first = 11;
    slice.end = 300;
    Fields<batch_slice> sliced = Outputs(slice);
    sliced.push_back(InArray(&batch_slice::hyper, 1, 0, hyper));
    ExpectSameOfTheLastNetwork(slice, sliced, {0, 1, 0});
}

/* Padding, which repeats the first image. */
TEST_F(BatchSizes, OfTheLastImages) {
    auto slice = Args<batch_slice>(32, 260);
    slice.first = slice.end = 5;
    ExpectSameOfTheLastImages(slice, Outputs(slice), {1, 0, 0});
}

/* ---- losses and updates ----------------------------------------------------------------------------------------- */

class LossSizes : public Sizes {
  protected:
    /* More than 2^32 outputs, and more than 2^31 labels. */
    template <class Op> void ExpectSame() {
        Op a = {};
        a.R = 1;
        a.N = 40000;
        a.O = 3;
        std::vector<uint8_t> label((size_t)a.N);
        for (size_t i = 0; i < label.size(); i++) label[i] = (uint8_t)(RandomWord(7, i) % 3);
        ExpectSameOfTheLastNetwork(a,
                                   {In<Op>(SET(y), 3, a.N, 1), InArray(&Op::label, 1, a.N, label),
                                    Out<Op>(SET(dy), 3, a.N), OutArray(&Op::predicted, 1, a.N),
                                    OutArray(&Op::tally, 1, 0, 0)},
                                   {1, 0, 0});
    }
};

TEST_F(Sizes, UpdatesOfTheLastNetwork) {
    lenet_hyper hyper = {};
    hyper.learning_rate = 0.1f;
    hyper.momentum = 0.9f;
    hyper.beta2 = 0.99f;
    hyper.epsilon = 1e-8f;
    hyper.total_steps = 10;
    Sample<optimizer_step> fixed(device());
    optimizer_step a = {};
    a.R = 1;
    a.stride = a.end = 65700;
    a.optimizer = LENET_ADAMW;
    a.step = fixed.InArray<uint64_t>({3});
    const auto in_out = [](auto set, uint32_t stream) {
        Field<optimizer_step> field = In<optimizer_step>(set, 65700, 0, stream);
        for (size_t i = 3; i < field.values.size(); i += 4) field.values[i] &= 0x7f; /* no variance is negative */
        field.is_output = true;
        return field;
    };
    ExpectSameOfTheLastNetwork(a,
                               {InArray(&optimizer_step::hyper, 1, 0, std::vector<lenet_hyper>{hyper}),
                                InArray(&optimizer_step::rate, 1, 0, std::vector<float>{0.1f}),
                                In<optimizer_step>(SET(dw), 65700, 0, 1), in_out(SET(w), 2), in_out(SET(m), 3),
                                in_out(SET(v), 4)},
                               {0, 1, 0});
}

TEST_F(LossSizes, OfTheLastNetwork) {
    ExpectSame<softmax_loss>();
    ExpectSame<distance_loss>();
}

/* ---- a whole step --------------------------------------------------------------------------------------------------
 */

/* Two of 65,535 networks with the same settings and weights learn the same, in three steps that are recorded. A network
 * of LeNet-5 has 150,528 outputs of C1 for its 32 images, and all have 2^33. */
TEST_F(Sizes, AStepOfThePopulationsFirstAndLastNetwork) {
    lenet_error err = {};
    lenet_dataset data;
    lenet_device_data on_device;
    lenet_topology topology;
    lenet_network net;
    ASSERT_EQ(lenet_dataset_random(TestSeed(), 64, 28, &data), LENET_OK);
    ASSERT_EQ(
        lenet_device_data_create(&device().backend(), device().ctx(), &data, {1 / 255.0f, 0}, 32, &on_device, &err),
        LENET_OK)
        << err.text;
    ASSERT_EQ(lenet_topology_make(lenet_arch_find("lenet5"), LENET_TANH, LENET_POOL_MAX, 10, &topology, &err),
              LENET_OK);
    const lenet_network_options options = {&topology, LENET_MOMENTUM, kNetworks, 32, 0, 0};
    ASSERT_EQ(lenet_network_create(&device().backend(), device().ctx(), &options, &net, &err), LENET_OK) << err.text;
    simt::run_ends({16, 16, 16}); /* the 16 maps of C3 are 16 blocks */
    lenet_hyper hyper = {};
    hyper.seed = 1;
    hyper.train_count = 64;
    hyper.learning_rate = 0.1f;
    hyper.momentum = 0.5f;
    hyper.total_steps = 100;
    std::vector<float> first(topology.stride), last(topology.stride), before(topology.stride);
    lenet_topology_init(&topology, LENET_INIT_STANDARD, 1, 1, before.data());
    const std::vector<lenet_hyper> hypers(kNetworks, hyper);
    Require(device().backend().upload(device().ctx(), net.hyper, hypers.data(), kNetworks * sizeof hyper), "upload");
    for (int r : {0, kNetworks - 1}) Require(lenet_network_put(&net, net.w, r, before.data()), "put");
    EXPECT_EQ(lenet_network_steps(&net, &on_device.train, 3), LENET_OK) << device().backend().message(device().ctx());
    EXPECT_EQ(lenet_network_get(&net, net.w, 0, first.data()), LENET_OK) << device().backend().message(device().ctx());
    EXPECT_EQ(lenet_network_get(&net, net.w, kNetworks - 1, last.data()), LENET_OK);
    EXPECT_TRUE(first == last);
    EXPECT_TRUE(first != before);
    EXPECT_TRUE(std::all_of(last.begin(), last.end(), [](float w) { return std::isfinite(w); }));
    lenet_tally tally[2];
    for (int i : {0, 1})
        Require(device().backend().download(device().ctx(), &tally[i], net.tally + i * (kNetworks - 1), sizeof *tally),
                "download");
    EXPECT_EQ(memcmp(&tally[0], &tally[1], sizeof *tally), 0);
    EXPECT_EQ(tally[0].count, 3u * 32);
    lenet_network_free(&net);
    lenet_device_data_free(&device().backend(), device().ctx(), &on_device);
    lenet_dataset_free(&data);
}

} // namespace
