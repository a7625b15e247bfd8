/* test_loss.cc - softmax_loss and distance_loss. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "support/backends.h"
#include "support/reference.h"

namespace {

using Labels = std::vector<uint8_t>;

struct LossSize {
    int R, N, O;
    size_t Logits() const { return reference::Layout(R, O, N).Count(); }
    size_t Images() const { return reference::Layout(R, N).Count(); }
};

/* Tallies start at these, since losses are added to them. */
constexpr lenet_tally kBefore = {1000, 100, 10, 1};

/* A loss's tensors on a device: outputs poisoned, and tallies with something in them. */
struct LossOnDevice {
    LossOnDevice(const Device &device, const LossSize &s, const Values &host_y, const Labels &host_label)
        : size(s), y(device, host_y, {s.R, s.N}), label(device, host_label), dy(device, Poison(s.Logits()), {s.R, s.N}),
          predicted(device, Labels(s.Images(), 99)), losses(device, Values(s.Images(), 99)),
          tally(device, std::vector<lenet_tally>((size_t)s.R, kBefore)) {}
    softmax_loss Args(float rubbish = 0) const {
        return {size.R, size.N, size.O, y, label, dy, predicted, losses, tally, rubbish};
    }
    distance_loss Distance() const { return {size.R, size.N, size.O, y, label, dy, predicted, losses, tally}; }
    /* What was added to each network's tally. */
    std::vector<lenet_tally> Added() const {
        std::vector<lenet_tally> added = tally.Host();
        for (lenet_tally &t : added)
            t = {t.loss - kBefore.loss, t.count - kBefore.count, t.correct - kBefore.correct,
                 t.nonfinite - kBefore.nonfinite};
        return added;
    }

    std::vector<uint8_t> Bytes() const {
        std::vector<uint8_t> bytes = dy.Bytes();
        Append(bytes, predicted.Bytes());
        Append(bytes, tally.Bytes());
        return bytes;
    }

    const LossSize size;
    const Input y;
    const InputArray<uint8_t> label;
    const Tensor dy;
    const Array<uint8_t> predicted;
    const Array<double> losses;
    const Array<lenet_tally> tally;
};

/* One label in five is missing, and the last images are padding. */
Labels MakeLabels(const LossSize &s, uint32_t stream) {
    Labels label(s.Images());
    for (size_t i = 0; i < label.size(); i++) {
        const uint32_t word = RandomWord(stream, i);
        const bool none = word % 5 == 0 || i % (size_t)s.N + 3 > (size_t)s.N;
        label[i] = (uint8_t)(none ? (uint32_t)LENET_NO_LABEL : (word >> 8) % (uint32_t)s.O);
    }
    label[0] = 0;
    return label;
}

class Loss : public BackendTest {
  protected:
    LossSize Size(int R, int groups, int O) const { return {R, groups * lanes(), O}; }
    std::vector<LossSize> Sizes() const {
        return {Size(1, 1, 1), Size(1, 1, 10), Size(3, 2, 10), Size(3, 5, 7),
                Size(1, 9, 2), Size(3, 1, 37), Size(2, 3, 47), Size(2, 2, 62)};
    }

    /* Compares everything. With u the unit roundoff and M the largest |y|:
     * a probability is exp(y - max) over a sum of O of these. The exponents are
     * off by at most 2Mu, each exp by two roundings of its own, the sum by O - 1
     * additions, and a division, a subtraction and a product with 1/count follow:
     * (4M + O + 8) u at most, of numbers below 1, divided by the count. A loss adds
     * its logarithm, whose error is that of the sum, to numbers of magnitude 2M.
     * With rubbish there is one output more, log(rubbish), which is rounded. */
    void ExpectPlainLoops(const LossSize &s, const Values &y, const Labels &label, float rubbish = 0) {
        const reference::LossOutputs want = reference::SoftmaxLoss(s.R, s.N, s.O, y, label, rubbish);
        const LossOnDevice on(device(), s, y, label);
        device().Run(on.Args(rubbish));
        const std::vector<lenet_tally> tally = on.Added();
        double M = 0;
        for (double v : y) M = std::max(M, std::fabs(v));
        if (rubbish > 0) M = std::max(M, std::fabs(std::log((double)rubbish)));
        const double error = Gamma(4 * M + s.O + (rubbish > 0 ? 10 : 8), device().roundoff());

        EXPECT_EQ(want.predicted, on.predicted.Host());
        Values bound(want.dy.size());
        for (int r = 0; r < s.R; r++) {
            const size_t r_ = (size_t)r, per_network = bound.size() / (size_t)s.R;
            const double count = (double)want.tally[r_].count;
            EXPECT_NEAR(tally[r_].loss, want.tally[r_].loss, count * error + 1000 * 0x1p-50) << "network " << r;
            EXPECT_EQ(tally[r_].count, want.tally[r_].count) << "network " << r;
            EXPECT_EQ(tally[r_].correct, want.tally[r_].correct) << "network " << r;
            EXPECT_EQ(tally[r_].nonfinite, 0u) << "network " << r;
            std::fill_n(&bound[r_ * per_network], per_network, count == 0 ? 0 : error / count);
        }
        const Values dy = on.dy.Host();
        EXPECT_TRUE(Near(want.dy, dy, bound));
        const reference::Layout at(s.R, s.O, s.N);
        for (int r = 0; r < s.R; r++)
            for (int n = 0; n < s.N; n++) {
                double sum = 0, of_rubbish = 0; /* what its gradient would be */
                for (int o = 0; o < s.O; o++) {
                    sum += dy[at(r, o, n)];
                    if (rubbish > 0) of_rubbish -= want.dy[at(r, o, n)];
                    if (label[(size_t)r * s.N + n] == LENET_NO_LABEL) {
                        EXPECT_EQ(dy[at(r, o, n)], 0) << "image " << n << " has no label";
                    }
                }
                EXPECT_NEAR(sum, -of_rubbish, s.O * bound[at(r, 0, n)]) << "image " << n;
            }
    }
};
LENET_ON_ALL_BACKENDS(Loss);

/* Two classes, logits 0 and log 3: probabilities 1/4 and 3/4. Of the N images the
 * first has label 0 (loss log 4), the second label 1 (loss log 4/3), the rest none. */
TEST_P(Loss, HandComputed) {
    const LossSize s = Size(1, 2, 2);
    const size_t N = (size_t)s.N;
    Values y(2 * N, 0);
    std::fill_n(&y[N], N, std::log(3.0));
    Labels label(N, LENET_NO_LABEL);
    label[0] = 0;
    label[1] = 1;
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Args());

    const double bound = 10 * device().roundoff();
    const lenet_tally tally = on.Added()[0];
    EXPECT_NEAR(tally.loss, std::log(16.0 / 3.0), bound + 1000 * 0x1p-50);
    EXPECT_EQ(tally.count, 2u);
    EXPECT_EQ(tally.correct, 1u);
    EXPECT_EQ(tally.nonfinite, 0u);
    EXPECT_EQ(on.predicted.Host(), Labels(N, 1));
    Values dy(2 * N, 0);
    dy[0] = -0.75 / 2;
    dy[N] = 0.75 / 2;
    dy[1] = 0.25 / 2;
    dy[N + 1] = -0.25 / 2;
    EXPECT_TRUE(Near(dy, on.dy.Host(), bound));
}

/* The same with outputs 0 and log 2 and a rubbish of 1: shares 1/4 and 1/2, and 1/4 that is never right. The losses
 * are log 4 and log 2: with distances y = -d and rubbish exp(-j), d[label] + log(exp(-j) + sum exp(-d)), eq. 9. */
TEST_P(Loss, RubbishHandComputed) {
    const LossSize s = Size(1, 2, 2);
    const size_t N = (size_t)s.N;
    Values y(2 * N, 0);
    std::fill_n(&y[N], N, std::log(2.0));
    Labels label(N, LENET_NO_LABEL);
    label[0] = 0;
    label[1] = 1;
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Args(1));

    const double bound = 10 * device().roundoff();
    const lenet_tally tally = on.Added()[0];
    EXPECT_NEAR(tally.loss, std::log(8.0), bound + 1000 * 0x1p-50);
    EXPECT_EQ(tally.count, 2u);
    EXPECT_EQ(tally.correct, 1u);
    EXPECT_EQ(tally.nonfinite, 0u);
    EXPECT_EQ(on.predicted.Host(), Labels(N, 1));
    Values dy(2 * N, 0);
    dy[0] = -0.75 / 2;
    dy[N] = 0.5 / 2;
    dy[1] = 0.25 / 2;
    dy[N + 1] = -0.5 / 2;
    EXPECT_TRUE(Near(dy, on.dy.Host(), bound));
}

/* No logarithm of a whole number is one, but where all outputs are equal, O is a
 * power of two and one image has a label, the gradient is exact: 1/O, less 1 at the label. */
TEST_P(Loss, GradientIsExactWhereAllOutputsAreEqual) {
    const LossSize s = Size(3, 3, 8);
    Labels label(s.Images(), LENET_NO_LABEL);
    Values want(s.Logits(), 0);
    const reference::Layout at(s.R, s.O, s.N);
    for (int r = 0; r < s.R; r++) {
        label[(size_t)r * s.N + r] = (uint8_t)(2 * r);
        for (int o = 0; o < s.O; o++) want[at(r, o, r)] = 0.125 - (o == 2 * r);
    }
    const LossOnDevice on(device(), s, Values(s.Logits(), -3), label);
    device().Run(on.Args());
    EXPECT_TRUE(Equal(want, on.dy.Host()));
}

TEST_P(Loss, MatchesPlainLoopsOnReals) {
    for (const LossSize &s : Sizes()) {
        SCOPED_TRACE("R" + std::to_string(s.R) + " N" + std::to_string(s.N) + " O" + std::to_string(s.O));
        ExpectPlainLoops(s, Reals(s.Logits(), 1, 4), MakeLabels(s, 2));
    }
}

/* Much, as much as the outputs, and exp(-j) for distances of many units; and the smallest and the largest that there
 * are: alone they decide what the sum is. */
TEST_P(Loss, WithRubbishMatchesPlainLoopsOnReals) {
    for (float rubbish : {100.0f, 1.0f, 1e-3f, 1e-40f, 3e38f})
        for (const LossSize &s : {Size(1, 1, 1), Size(1, 1, 10), Size(3, 5, 7)}) {
            SCOPED_TRACE("rubbish " + std::to_string(rubbish) + " O" + std::to_string(s.O));
            ExpectPlainLoops(s, Reals(s.Logits(), 1, 4), MakeLabels(s, 2), rubbish);
        }
    const LossSize s = Size(3, 2, 10); /* distances of LeNet-5's outputs, below 96 * 4 */
    ExpectPlainLoops(s, Times(-1, Abs(Reals(s.Logits(), 1, 256))), MakeLabels(s, 2), (float)std::exp(-0.5));
}

/* What is as good as none gives the same bits as none: its logarithm's exponential is lost beside any other. */
TEST_P(Loss, RubbishOf0ChangesNotABit) {
    const LossSize s = Size(3, 5, 7);
    const Values y = Reals(s.Logits(), 1, 4);
    const LossOnDevice none(device(), s, y, MakeLabels(s, 2)), lost(device(), s, y, MakeLabels(s, 2)),
        minus(device(), s, y, MakeLabels(s, 2));
    device().Run(none.Args());
    device().Run(lost.Args(1e-30f));
    device().Run(minus.Args(-0.0f));
    EXPECT_TRUE(SameBytes(none.Bytes(), lost.Bytes()));
    EXPECT_TRUE(SameBytes(none.Bytes(), minus.Bytes()));
}

/* Where all outputs are far below the rubbish the loss is what lies between, and the gradient is that of -y alone. */
TEST_P(Loss, RubbishFarAboveAllOutputsDoesNotOverflow) {
    const LossSize s = Size(1, 2, 10);
    for (double y : {-1e4, -400.0}) ExpectPlainLoops(s, Values(s.Logits(), y), MakeLabels(s, 2), 1e-3f);
    ExpectPlainLoops(s, Times(0.5e4, Integers(s.Logits(), 1, 2)), MakeLabels(s, 2), 1e-3f);
}

/* A thousand times what exp can hold in float, of either sign. */
TEST_P(Loss, LargeLogitsDoNotOverflow) {
    const LossSize s = Size(1, 2, 10);
    ExpectPlainLoops(s, Times(0.5e4, Integers(s.Logits(), 1, 2)), MakeLabels(s, 2));
    ExpectPlainLoops(s, Values(s.Logits(), 1e4), MakeLabels(s, 2));
    ExpectPlainLoops(s, Values(s.Logits(), -1e4), MakeLabels(s, 2));
}

/* Where the label's output is far above all others, the loss and the gradient are small, and right to roundings of
 * their own size, not of 1: (4M + O + 8) u of it, as above, and what the difference from 1 leaves in double. */
TEST_P(Loss, ASmallLossIsRightToItsOwnSize) {
    const LossSize s = Size(2, 5, 10);
    const reference::Layout at(s.R, s.O, s.N);
    Values y = Reals(s.Logits(), 1, 2);
    const Labels label(s.Images(), 7);
    for (int r = 0; r < s.R; r++)
        for (int n = 0; n < s.N; n++) y[at(r, 7, n)] = (float)(y[at(r, 7, n)] + 16);
    const reference::LossOutputs want = reference::SoftmaxLoss(s.R, s.N, s.O, y, label, 0);
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Args());
    const double error = Gamma(4 * 18 + s.O + 8, device().roundoff()), in_double = 8 * 0x1p-53;
    for (int r = 0; r < s.R; r++) {
        const double loss = want.tally[(size_t)r].loss;
        EXPECT_LT(loss, s.N * 1e-4);
        EXPECT_NEAR(on.Added()[(size_t)r].loss, loss, error * loss + s.N * in_double + 1000 * 0x1p-50);
    }
    Values bound = Times(error, Abs(want.dy));
    for (double &b : bound) b += in_double;
    EXPECT_TRUE(Near(want.dy, on.dy.Host(), bound));
}

TEST_P(Loss, TiesPredictTheFirst) {
    const LossSize s = Size(1, 2, 10);
    /* Three values for ten outputs: every image has ties for the largest. */
    const Values y = Integers(s.Logits(), 1, 1);
    const reference::LossOutputs want = reference::SoftmaxLoss(s.R, s.N, s.O, y, Labels(s.Images(), 0));
    const LossOnDevice on(device(), s, y, Labels(want.predicted));
    device().Run(on.Args());
    EXPECT_EQ(want.predicted, on.predicted.Host());
    EXPECT_EQ(on.Added()[0].correct, s.Images());
    const LossOnDevice equal(device(), s, Values(s.Logits(), 3), Labels(s.Images(), 9));
    device().Run(equal.Args());
    EXPECT_EQ(equal.predicted.Host(), Labels(s.Images(), 0));
    EXPECT_EQ(equal.Added()[0].correct, 0u);
}

TEST_P(Loss, WithoutAnyLabelTheGradientIsZero) {
    const LossSize s = Size(2, 2, 10);
    Labels label = MakeLabels(s, 2);
    std::fill_n(&label[(size_t)s.N], s.N, (uint8_t)LENET_NO_LABEL); /* the second network only */
    ExpectPlainLoops(s, Reals(s.Logits(), 1, 4), label);
}

TEST_P(Loss, WithoutGradientTheRestIsTheSame) {
    const LossSize s = Size(3, 2, 10);
    const Values y = Reals(s.Logits(), 1, 4);
    const LossOnDevice with(device(), s, y, MakeLabels(s, 2)), without(device(), s, y, MakeLabels(s, 2));
    softmax_loss args = without.Args();
    args.dy = nullptr;
    device().Run(with.Args());
    device().Run(args);
    EXPECT_EQ(with.predicted.Host(), without.predicted.Host());
    EXPECT_TRUE(SameBytes(with.tally.Bytes(), without.tally.Bytes()));
    EXPECT_TRUE(std::isnan(without.dy.Host()[0]));
}

/* Images whose logits are NaN or infinite count as such; the others are as without them. With rubbish, too, which must
 * not take a NaN's place as the largest. */
TEST_P(Loss, NonfiniteLossesAreCounted) {
    for (float rubbish : {0.0f, 1.0f}) {
        const LossSize s = Size(2, 8, 10);
        const std::set<int> ill_images = {0, 2, 3, 5, s.N - 1};
        const reference::Layout at(s.R, s.O, s.N);
        const Values healthy = Reals(s.Logits(), 1, 4);
        const Labels label(s.Images(), 3);
        Values ill = healthy;
        ill[at(1, 0, 0)] = NAN;
        ill[at(1, 9, 2)] = NAN;
        ill[at(1, 3, 3)] = NAN;
        ill[at(1, 5, 5)] = INFINITY;
        ill[at(1, 3, s.N - 1)] = -INFINITY; /* the label's: its probability is 0 and its loss infinite */
        const LossOnDevice on(device(), s, ill, label), without(device(), s, healthy, label);
        device().Run(on.Args(rubbish));
        device().Run(without.Args(rubbish));
        EXPECT_EQ(on.Added()[0].nonfinite, 0u);
        EXPECT_EQ(on.Added()[1].nonfinite, ill_images.size());
        EXPECT_EQ(on.Added()[1].count, (uint64_t)s.N);

        const Values dy = on.dy.Host(), dy_without = without.dy.Host();
        const Labels predicted = on.predicted.Host(), predicted_without = without.predicted.Host();
        EXPECT_EQ(predicted[(size_t)s.N], 0) << "nothing is larger than a first output that is NaN";
        EXPECT_EQ(predicted[(size_t)s.N + 5], 5) << "the infinite output";
        for (int r = 0; r < s.R; r++)
            for (int n = 0; n < s.N; n++) {
                if (r == 1 && ill_images.count(n)) continue;
                for (int o = 0; o < s.O; o++) EXPECT_EQ(dy[at(r, o, n)], dy_without[at(r, o, n)]);
                EXPECT_EQ(predicted[(size_t)r * s.N + n], predicted_without[(size_t)r * s.N + n]);
            }
    }
}

TEST_P(Loss, NonfiniteLogitsOfPaddingAreNotCounted) {
    const LossSize s = Size(1, 2, 4);
    Values y = Reals(s.Logits(), 1);
    y[1] = NAN;
    Labels label(s.Images(), 2);
    label[1] = LENET_NO_LABEL;
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Args());
    EXPECT_EQ(on.Added()[0].nonfinite, 0u);
    EXPECT_EQ(on.Added()[0].count, (uint64_t)s.N - 1);
    EXPECT_TRUE(std::isfinite(on.Added()[0].loss));
    EXPECT_EQ(on.dy.Host()[1], 0);
}

/* Central differences of the double twin's mean loss: with a step of h the slope is
 * off by h^2/6 of the third derivative, below 1, over the count; and by the roundings
 * of two sums of losses, which are below 10 an image, and of the tally's 1000, over 2h. */
TEST_P(Loss, GradientIsTheSlope) {
    const Device cpu64(lenet_backend_cpu64(), 1);
    const LossSize s = {1, std::max(lanes(), cpu64.lanes()), 5}; /* one group of images of either */
    const Values y = Reals(s.Logits(), 1, 2);
    Labels label = MakeLabels(s, 2);
    label[1] = 4;
    for (float rubbish : {0.0f, 0.5f}) {
        const auto loss = [&](const Values &at) {
            const LossOnDevice on(cpu64, s, at, label);
            cpu64.Run(on.Args(rubbish));
            return on.Added()[0];
        };
        const double count = (double)loss(y).count, h = 0x1p-13;
        const double slope_error = h * h / 6 + (1000 + 10 * s.N) * 4 * 0x1p-53 / (2 * h);
        Values slope(y.size());
        for (size_t i = 0; i < y.size(); i++) {
            Values up = y, down = y;
            up[i] += h;
            down[i] -= h;
            slope[i] = (loss(up).loss - loss(down).loss) / (2 * h) / count;
        }
        const LossOnDevice on(device(), s, y, label);
        device().Run(on.Args(rubbish));
        /* The gradient's own error: see ExpectPlainLoops. */
        EXPECT_TRUE(Near(slope, on.dy.Host(), slope_error + Gamma(4 * 2 + s.O + 10, device().roundoff()))) << rubbish;
    }
}

/* ---- distance_loss ------------------------------------------------------------ */

class Distance : public Loss {};
LENET_ON_ALL_BACKENDS(Distance);

/* Outputs -4 and -9 in all images: the first has label 0 (loss 4), the second label 1 (loss 9), the rest none. */
TEST_P(Distance, HandComputed) {
    const LossSize s = Size(1, 2, 2);
    const size_t N = (size_t)s.N;
    Values y(2 * N, -4);
    std::fill_n(&y[N], N, -9);
    Labels label(N, LENET_NO_LABEL);
    label[0] = 0;
    label[1] = 1;
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Distance());
    const lenet_tally tally = on.Added()[0];
    EXPECT_EQ(tally.loss, 13);
    EXPECT_EQ(tally.count, 2u);
    EXPECT_EQ(tally.correct, 1u);
    EXPECT_EQ(tally.nonfinite, 0u);
    EXPECT_EQ(on.predicted.Host(), Labels(N, 0));
    Values dy(2 * N, 0);
    dy[0] = dy[N + 1] = -0.5;
    EXPECT_TRUE(Equal(dy, on.dy.Host()));
}

/* On integers sums of losses are exact, and so are predictions, ties among them; the gradient is a rounded quotient,
 * and the plain loop's. */
TEST_P(Distance, MatchesPlainLoopsExactlyOnIntegers) {
    for (const LossSize &s : Sizes()) {
        SCOPED_TRACE("R" + std::to_string(s.R) + " N" + std::to_string(s.N) + " O" + std::to_string(s.O));
        const Values y = Integers(s.Logits(), 1);
        Labels label = MakeLabels(s, 2);
        if (s.R == 3) std::fill_n(&label[(size_t)s.N], s.N, (uint8_t)LENET_NO_LABEL); /* the second has none */
        const reference::LossOutputs want = reference::DistanceLoss(s.R, s.N, s.O, y, label);
        const LossOnDevice on(device(), s, y, label);
        device().Run(on.Distance());
        EXPECT_EQ(want.predicted, on.predicted.Host());
        EXPECT_TRUE(Near(want.dy, on.dy.Host(), Times(Gamma(1, device().roundoff()), Abs(want.dy))));
        for (size_t r = 0; r < (size_t)s.R; r++) {
            const lenet_tally got = on.Added()[r];
            EXPECT_EQ(got.loss, want.tally[r].loss) << "network " << r;
            EXPECT_EQ(got.count, want.tally[r].count) << "network " << r;
            EXPECT_EQ(got.correct, want.tally[r].correct) << "network " << r;
            EXPECT_EQ(got.nonfinite, 0u) << "network " << r;
        }
    }
}

/* A loss is an output, exactly; sums are in double, where the terms are below 4 and the tally began with 1000. */
TEST_P(Distance, MatchesPlainLoopsOnReals) {
    for (const LossSize &s : Sizes()) {
        const Values y = Reals(s.Logits(), 1, 4);
        const Labels label = MakeLabels(s, 2);
        const reference::LossOutputs want = reference::DistanceLoss(s.R, s.N, s.O, y, label);
        const LossOnDevice on(device(), s, y, label);
        device().Run(on.Distance());
        EXPECT_EQ(want.predicted, on.predicted.Host());
        for (size_t r = 0; r < (size_t)s.R; r++)
            EXPECT_NEAR(on.Added()[r].loss, want.tally[r].loss, s.N * (1000 + 4.0 * s.N) * 0x1p-53) << "network " << r;
    }
}

/* Linear: exact with a step of 1 on integers, where the number of labelled images is a power of two. */
TEST_P(Distance, GradientIsTheSlope) {
    const LossSize s = Size(1, 2, 5);
    const Values y = Integers(s.Logits(), 1);
    Labels label(s.Images(), LENET_NO_LABEL);
    for (size_t n = 0; n < label.size(); n += 2) label[n] = (uint8_t)(RandomWord(2, n) % 5);
    const auto loss = [&](const Values &at) {
        const LossOnDevice on(device(), s, at, label);
        device().Run(on.Distance());
        return on.Added()[0].loss / (s.N / 2);
    };
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Distance());
    const Values dy = on.dy.Host();
    const double here = loss(y);
    for (size_t i = 0; i < y.size(); i++) {
        Values stepped = y;
        stepped[i] += 1;
        EXPECT_EQ(loss(stepped) - here, dy[i]) << "dy[" << i << "]";
    }
}

TEST_P(Distance, WithoutGradientTheRestIsTheSame) {
    const LossSize s = Size(3, 2, 10);
    const Values y = Reals(s.Logits(), 1, 4);
    const LossOnDevice with(device(), s, y, MakeLabels(s, 2)), without(device(), s, y, MakeLabels(s, 2));
    distance_loss args = without.Distance();
    args.dy = nullptr;
    device().Run(with.Distance());
    device().Run(args);
    EXPECT_EQ(with.predicted.Host(), without.predicted.Host());
    EXPECT_TRUE(SameBytes(with.tally.Bytes(), without.tally.Bytes()));
    EXPECT_TRUE(std::isnan(without.dy.Host()[0]));
}

/* Of the right output; padding's do not count, nor do other outputs, of which the loss knows nothing. */
TEST_P(Distance, NonfiniteLossesAreCounted) {
    LossSize s = Size(2, 2, 3);
    if (s.N < 4) s.N = 4; /* four images are spoilt */
    const reference::Layout at(s.R, s.O, s.N);
    Values y = Integers(s.Logits(), 1);
    Labels label(s.Images(), 2);
    y[at(1, 2, 0)] = NAN;
    y[at(1, 2, 1)] = -INFINITY;
    y[at(1, 1, 2)] = NAN;
    y[at(1, 2, 3)] = NAN;
    label[(size_t)s.N + 3] = LENET_NO_LABEL;
    const LossOnDevice on(device(), s, y, label);
    device().Run(on.Distance());
    EXPECT_EQ(on.Added()[0].nonfinite, 0u);
    EXPECT_EQ(on.Added()[1].nonfinite, 2u);
    EXPECT_EQ(on.Added()[1].count, (uint64_t)s.N - 1);
    EXPECT_TRUE(std::isfinite(on.Added()[0].loss));
    EXPECT_FALSE(std::isfinite(on.Added()[1].loss));
    EXPECT_EQ(on.dy.Host()[at(1, 2, 3)], 0);
}

} // namespace
