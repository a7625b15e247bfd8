/* test_batch.cc - batch_draw and batch_slice. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "ops/draw.h"
#include "support/backends.h"
#include "support/reference.h"

namespace {

using reference::Images;
using reference::Picture;
using Labels = std::vector<uint8_t>;

/* ---- data sets --------------------------------------------------------------- */

/* Image i carries i in its first two pixels, and anything in the others. Factor
 * and offset are such that every byte becomes a number that float holds exactly. */
Images Numbered(uint32_t count, int H, int W, int OH, int OW) {
    Images set = {H, W, OH, OW, 0.25f, -3, {}, Labels(count)};
    const size_t pixels = (size_t)H * (size_t)W;
    for (size_t i = 0; i < count * pixels; i++) set.bytes.push_back((uint8_t)RandomWord(1, i));
    for (uint32_t i = 0; i < count; i++) {
        set.bytes[i * pixels] = (uint8_t)(i & 255);
        set.bytes[i * pixels + 1] = (uint8_t)(i >> 8);
        set.label[i] = (uint8_t)(RandomWord(2, i) % 10);
    }
    return set;
}

struct Point {
    double y, x;
};

constexpr int kSize = 28, kField = 32;

/* The same picture `count` times: a round spot at this distance from the middle, far enough from the edges. */
Images Spots(uint32_t count, Point spot) {
    Images set = {kSize, kSize, kField, kField, 0.5f, -1, {}, Labels(count, 1)};
    for (uint32_t i = 0; i < count; i++)
        for (int h = 0; h < kSize; h++)
            for (int w = 0; w < kSize; w++) {
                const double y = h - (kSize - 1) / 2.0 - spot.y, x = w - (kSize - 1) / 2.0 - spot.x;
                set.bytes.push_back((uint8_t)std::lround(250 * std::exp(-(x * x + y * y) / 3)));
            }
    return set;
}

/* Where the light of [kField][kField] pixels lies, from the middle. */
Point CentreOfMass(const Images &set, const Values &picture) {
    double mass = 0, y = 0, x = 0;
    for (int h = 0; h < kField; h++)
        for (int w = 0; w < kField; w++) {
            const double py = h - (kField - 1) / 2.0, px = w - (kField - 1) / 2.0;
            const double light = (picture[(size_t)(h * kField + w)] - set.offset) / set.factor;
            mass += light;
            y += light * py;
            x += light * px;
        }
    return {y / mass, x / mass};
}

/* ---- batches ----------------------------------------------------------------- */

/* A data set on a device. */
struct SourceOnDevice {
    SourceOnDevice(const Device &device, const Images &set) : images(device, set.bytes), labels(device, set.label) {
        source = {set.Count(), set.H, set.W, set.classes, images, labels, set.OH, set.OW, set.factor, set.offset};
    }
    const InputArray<uint8_t> images, labels;
    lenet_source source;
};

/* A batch on the host; unlabelled images are padding. */
struct Batch {
    int R, N;
    Values x; /* [R][pixels][N] */
    Labels label;

    Values PictureOf(int r, int n) const {
        const size_t pixels = x.size() / ((size_t)R * (size_t)N);
        Values picture(pixels);
        for (size_t p = 0; p < pixels; p++) picture[p] = x[reference::Layout(R, pixels, N)(r, p, n)];
        return picture;
    }
    int LabelOf(int r, int n) const { return label[reference::Layout(R, N)(r, n)]; }
    /* Which image of Numbered() it is. */
    uint32_t ImageOf(const Images &set, int r, int n) const {
        const Values picture = PictureOf(r, n);
        const size_t first = (size_t)((set.OH - set.H) / 2 * set.OW + (set.OW - set.W) / 2);
        return (uint32_t)std::lround((picture[first] - set.offset) / set.factor +
                                     256 * (picture[first + 1] - set.offset) / set.factor);
    }
};

/* The outputs of both operations, poisoned. */
struct BatchOnDevice {
    BatchOnDevice(const Device &device, const Images &set, int R_, int N_)
        : R(R_), N(N_), x(device, Poison(reference::Layout(R, set.OH, set.OW, N).Count()), {R, N}),
          label(device, Labels(reference::Layout(R, N).Count(), 99)) {}
    Batch Host() const { return {R, N, x.Host(), label.Host()}; }
    const int R, N;
    const Tensor x;
    const Array<uint8_t> label;
};

/* The fewest whole groups of lanes that hold B images. */
int Padded(const Device &device, int B) { return (B + device.lanes() - 1) / device.lanes() * device.lanes(); }

Batch Draw(const Device &device, const Images &set, const std::vector<lenet_hyper> &host_hyper, uint64_t host_step,
           int B) {
    const SourceOnDevice on(device, set);
    const InputArray<lenet_hyper> hyper(device, host_hyper);
    const InputArray<uint64_t> step(device, {host_step});
    const BatchOnDevice out(device, set, (int)host_hyper.size(), Padded(device, B));
    device.Run(batch_draw{out.R, out.N, B, on.source, hyper, step, out.x, out.label});
    return out.Host();
}

/* Without hyper: the data set's own order, for two networks. */
Batch Slice(const Device &device, const Images &set, const std::vector<lenet_hyper> &host_hyper, uint32_t first,
            uint32_t end, int B) {
    const SourceOnDevice on(device, set);
    const InputArray<lenet_hyper> hyper(device, host_hyper.empty() ? std::vector<lenet_hyper>(2) : host_hyper);
    const BatchOnDevice out(device, set, host_hyper.empty() ? 2 : (int)host_hyper.size(), Padded(device, B));
    const lenet_hyper *const orders = host_hyper.empty() ? nullptr : (lenet_hyper *)hyper;
    device.Run(batch_slice{out.R, out.N, B, on.source, orders, first, end, out.x, out.label});
    return out.Host();
}

lenet_hyper MakeHyper(uint64_t seed, uint32_t train_first, uint32_t train_count) {
    lenet_hyper hyper = {};
    hyper.seed = seed;
    hyper.train_first = train_first;
    hyper.train_count = train_count;
    return hyper;
}

/* Which images every network is shown in one epoch, in order. */
std::vector<uint32_t> Epoch(const Device &device, const Images &set, const lenet_hyper &hyper, uint32_t epoch, int B) {
    const uint32_t steps = (hyper.train_count + (uint32_t)B - 1) / (uint32_t)B;
    std::vector<uint32_t> order;
    for (uint32_t p = 0; p < steps; p++) {
        const Batch batch = Draw(device, set, {hyper}, (uint64_t)epoch * steps + p, B);
        for (int n = 0; n < batch.N; n++)
            if (batch.LabelOf(0, n) != LENET_NO_LABEL) order.push_back(batch.ImageOf(set, 0, n));
    }
    return order;
}

template <class T> std::vector<T> Sorted(std::vector<T> values) {
    std::sort(values.begin(), values.end());
    return values;
}

class BatchTest : public BackendTest {
  protected:
    /* Image n of network r is that image of the set, label and all. */
    static void ExpectImage(const Images &set, const Batch &batch, int r, int n, uint32_t image) {
        EXPECT_EQ(batch.LabelOf(r, n), set.label[image]) << "network " << r << ", image " << n;
        EXPECT_TRUE(Equal(Picture(set, image), batch.PictureOf(r, n))) << "network " << r << ", image " << n;
    }
    /* No label, and numbers: 0 times a NaN would be one in the gradient. */
    static void ExpectPadding(const Batch &batch, int r, int n) {
        EXPECT_EQ(batch.LabelOf(r, n), LENET_NO_LABEL) << "network " << r << ", image " << n;
        for (double pixel : batch.PictureOf(r, n)) ASSERT_TRUE(std::isfinite(pixel)) << "image " << n;
    }
};

/* ---- batch_slice -------------------------------------------------------------- */

class BatchSlice : public BatchTest {
  protected:
    /* In the set's own order: images `first` to `end`, then padding. */
    void ExpectSlice(const Images &set, uint32_t first, uint32_t end, int B) const {
        const Batch batch = Slice(device(), set, {}, first, end, B);
        for (int r = 0; r < batch.R; r++)
            for (int n = 0; n < batch.N; n++) {
                if (n < B && first + (uint32_t)n < end)
                    ExpectImage(set, batch, r, n, first + (uint32_t)n);
                else
                    ExpectPadding(batch, r, n);
            }
    }
};
LENET_ON_ALL_BACKENDS(BatchSlice);

/* One image of 1 x 2 pixels, bytes 4 and 200, in the middle of 3 x 4; x = byte/2 - 1. */
TEST_P(BatchSlice, HandComputed) {
    const Images set = {1, 2, 3, 4, 0.5f, -1, {4, 200}, {7}};
    const Batch batch = Slice(device(), set, {}, 0, 1, 1);
    for (int r = 0; r < batch.R; r++) {
        EXPECT_TRUE(Equal({-1, -1, -1, -1, /**/ -1, 1, 99, -1, /**/ -1, -1, -1, -1}, batch.PictureOf(r, 0)));
        EXPECT_EQ(batch.LabelOf(r, 0), 7);
        for (int n = 1; n < batch.N; n++) ExpectPadding(batch, r, n);
    }
}

TEST_P(BatchSlice, IsTheBytesInTheMiddleOfTheField) {
    for (const Images &set :
         {Numbered(300, 6, 5, 10, 9), Numbered(300, 3, 4, 3, 4), Numbered(300, 4, 7, 4, 12),
          Numbered(300, 28, 28, 32, 32), Numbered(300, 2, 3, 5, 8), Numbered(300, 3, 4, 4, LENET_MAX_SIDE),
          /* The largest images that a GPU keeps in shared memory, and some that it does not. */
          Numbered(300, 4, 199, 8, 203), Numbered(300, 200, 4, 200, 5), Numbered(300, 27, 27, 28, 28)}) {
        SCOPED_TRACE("H" + std::to_string(set.H) + " OW" + std::to_string(set.OW));
        for (int B : {1, lanes(), 2 * lanes() + 3}) ExpectSlice(set, 250, 300, B);
    }
}

TEST_P(BatchSlice, ImagesPastTheEndArePadding) {
    const Images set = Numbered(40, 3, 4, 5, 6);
    for (uint32_t end : {38u, 40u})
        for (uint32_t first : {35u, 37u, end}) ExpectSlice(set, first, end, lanes() + 2);
}

/* Positions of a seed's order: each image once, another order for another seed, and pieces that fit together. */
TEST_P(BatchSlice, NetworksHaveOrdersOfTheirOwn) {
    const uint32_t count = 37;
    const Images set = Numbered(count, 3, 4, 5, 6);
    const std::vector<lenet_hyper> hyper = {MakeHyper(TestSeed(), 0, 10), MakeHyper(TestSeed() + 1, 5, 10),
                                            MakeHyper(TestSeed(), 20, 3)};
    const Batch all = Slice(device(), set, hyper, 0, count, count);
    std::vector<std::vector<uint32_t>> order(3);
    for (int r = 0; r < 3; r++)
        for (int n = 0; n < all.N; n++) {
            if (n >= (int)count) {
                ExpectPadding(all, r, n);
                continue;
            }
            const uint32_t image = all.ImageOf(set, r, n);
            ASSERT_LT(image, count);
            ExpectImage(set, all, r, n, image);
            order[(size_t)r].push_back(image);
        }
    std::vector<uint32_t> every(count);
    for (uint32_t i = 0; i < count; i++) every[i] = i;
    EXPECT_EQ(Sorted(order[0]), every);
    EXPECT_EQ(Sorted(order[1]), every);
    EXPECT_NE(order[0], every);
    EXPECT_NE(order[0], order[1]);
    EXPECT_EQ(order[0], order[2]) << "the order of the set is the seed's alone";

    const uint32_t first = 30, end = 35;
    const Batch piece = Slice(device(), set, hyper, first, end, 7);
    for (int r = 0; r < 3; r++)
        for (int n = 0; n < piece.N; n++) {
            if (first + (uint32_t)n < end)
                ExpectImage(set, piece, r, n, order[(size_t)r][first + (uint32_t)n]);
            else
                ExpectPadding(piece, r, n);
        }
}

/* What is evaluated on is judged by the truth, even in a network's own order of the training set. */
TEST_P(BatchSlice, LabelsAreTrueWhateverTheLabelNoise) {
    const Images set = Numbered(50, 3, 4, 5, 6);
    std::vector<lenet_hyper> hyper = {MakeHyper(TestSeed(), 0, 50), MakeHyper(TestSeed() + 1, 0, 50)};
    hyper[0].label_noise = 1;
    hyper[1].label_noise = 0.5f;
    const Batch batch = Slice(device(), set, hyper, 0, 50, 50);
    for (int r = 0; r < 2; r++)
        for (int n = 0; n < 50; n++) ExpectImage(set, batch, r, n, batch.ImageOf(set, r, n));
}

/* ---- batch_draw: which images ------------------------------------------------ */

class BatchDraw : public BatchTest {};
LENET_ON_ALL_BACKENDS(BatchDraw);

/* Subsets of three networks of one population; their epochs have 4, 5 and 1 steps. */
TEST_P(BatchDraw, AnEpochShowsEveryImageOfTheSubsetOnce) {
    const Images set = Numbered(300, 2, 3, 4, 5);
    const int B = 10;
    const std::vector<lenet_hyper> hyper = {MakeHyper(TestSeed(), 0, 33), MakeHyper(TestSeed() + 1, 250, 50),
                                            MakeHyper(TestSeed() + 2, 17, 7)};
    const uint32_t steps[] = {4, 5, 1};
    const Batch slice = Slice(device(), set, hyper, 0, 300, 300);
    std::vector<std::vector<uint32_t>> shown(3);
    for (uint32_t s = 0; s < 5; s++) {
        const Batch batch = Draw(device(), set, hyper, s, B);
        for (int r = 0; r < 3; r++) {
            const uint32_t p = s % steps[r];
            const int left = (int)hyper[(size_t)r].train_count - B * (int)p;
            for (int n = 0; n < batch.N; n++) {
                if (n >= std::min(B, left)) {
                    ExpectPadding(batch, r, n);
                    continue;
                }
                const uint32_t image = batch.ImageOf(set, r, n);
                ASSERT_LT(image, 300u);
                ExpectImage(set, batch, r, n, image);
                if (s < steps[r]) shown[(size_t)r].push_back(image);
            }
        }
    }
    for (int r = 0; r < 3; r++) {
        const lenet_hyper &h = hyper[(size_t)r];
        std::vector<uint32_t> subset;
        for (uint32_t i = 0; i < h.train_count; i++) subset.push_back(slice.ImageOf(set, r, (int)(h.train_first + i)));
        EXPECT_EQ(Sorted(shown[(size_t)r]), Sorted(subset)) << "network " << r;
        if (r < 2) {
            EXPECT_NE(shown[(size_t)r], subset) << "network " << r << " sees the images in no random order";
        }
    }
}

/* Orders as positions of the subset: the images at these positions are others for another seed anyway. */
TEST_P(BatchDraw, EpochsAndSeedsHaveOrdersOfTheirOwn) {
    const Images set = Numbered(100, 2, 3, 4, 5);
    const auto positions = [&](uint64_t seed, uint32_t epoch, int B) {
        const lenet_hyper hyper = MakeHyper(seed, 20, 64);
        const Batch subset = Slice(device(), set, {hyper}, 20, 84, 64);
        std::vector<int> position_of(100, -1), order;
        for (int n = 0; n < 64; n++) position_of[subset.ImageOf(set, 0, n)] = n;
        for (uint32_t image : Epoch(device(), set, hyper, epoch, B)) order.push_back(position_of[image]);
        return order;
    };
    std::vector<int> every(64);
    for (int i = 0; i < 64; i++) every[(size_t)i] = i;
    const uint64_t seed = TestSeed();
    const std::vector<int> first = positions(seed, 0, 16);
    EXPECT_EQ(first, positions(seed, 0, 7)) << "the order does not depend on the batch size";
    /* All 64 bits of the seed count. */
    for (const std::vector<int> &other :
         {positions(seed, 1, 16), positions(seed + 1, 0, 16), positions(seed + (1ull << 32), 0, 16)}) {
        EXPECT_NE(first, other);
        EXPECT_EQ(Sorted(other), every) << "the subset is the same in every epoch";
    }
}

/* With a constant order every epoch is the first one again; without it, they differ. The first one is the same either
 * way, and a network has it whatever the one beside it does. */
TEST_P(BatchDraw, AConstantOrderIsThatOfTheFirstEpoch) {
    const Images set = Numbered(100, 2, 3, 4, 5);
    const lenet_hyper changing = MakeHyper(TestSeed(), 20, 64);
    lenet_hyper constant = changing, other = changing;
    constant.constant_order = other.constant_order = 1;
    other.seed++;
    const std::vector<uint32_t> first = Epoch(device(), set, changing, 0, 16);
    for (uint32_t epoch : {0, 1, 2, 7}) {
        EXPECT_EQ(Epoch(device(), set, constant, epoch, 16), first) << "epoch " << epoch;
        EXPECT_EQ(Epoch(device(), set, constant, epoch, 7), first) << "epoch " << epoch << " in other batches";
        if (epoch > 0) {
            EXPECT_NE(Epoch(device(), set, changing, epoch, 16), first) << "epoch " << epoch;
        }
    }
    EXPECT_NE(Epoch(device(), set, other, 0, 16), first) << "a seed has an order of its own";
    const Batch begin = Draw(device(), set, {changing}, 0, 16), both = Draw(device(), set, {changing, constant}, 4, 16);
    std::vector<bool> different;
    for (int n = 0; n < 16; n++) {
        EXPECT_EQ(both.ImageOf(set, 1, n), begin.ImageOf(set, 0, n)) << "image " << n;
        different.push_back(both.ImageOf(set, 0, n) != begin.ImageOf(set, 0, n));
    }
    EXPECT_NE(different, std::vector<bool>(16, false)) << "the network beside it has a new order";
}

TEST_P(BatchDraw, SubsetsFromDifferentPositionsAreDisjoint) {
    const Images set = Numbered(60, 2, 3, 4, 5);
    std::vector<uint32_t> all;
    for (uint32_t first : {0u, 25u, 45u}) {
        const uint32_t count = first == 0 ? 25 : first == 25 ? 20 : 15;
        for (uint32_t image : Epoch(device(), set, MakeHyper(TestSeed(), first, count), 0, 8)) all.push_back(image);
    }
    EXPECT_EQ(all.size(), 60u);
    EXPECT_EQ(std::set<uint32_t>(all.begin(), all.end()).size(), 60u);
}

TEST_P(BatchDraw, OneImageIsEnough) {
    const Images set = Numbered(1, 2, 3, 4, 5);
    const Batch batch = Draw(device(), set, {MakeHyper(TestSeed(), 0, 1)}, 123456789, lanes());
    ExpectImage(set, batch, 0, 0, 0);
    for (int n = 1; n < batch.N; n++) ExpectPadding(batch, 0, n);
}

/* ---- batch_draw: label noise -------------------------------------------------- */

/* Enough images for a wrong share that is off by 0.05 to show (see ExpectShare). */
constexpr uint32_t kLabelled = 4000;

/* Numbered images, so that each is known again, with labels of so many classes. */
Images Labelled(int classes) {
    Images set = Numbered(kLabelled, 1, 2, 1, 2);
    set.classes = classes;
    for (uint32_t i = 0; i < kLabelled; i++) set.label[i] = (uint8_t)(RandomWord(3, i) % (uint32_t)classes);
    return set;
}

lenet_hyper Noisy(uint64_t seed, float noise) {
    lenet_hyper hyper = MakeHyper(seed, 0, kLabelled);
    hyper.label_noise = noise;
    return hyper;
}

/* The label that each network has for each image in one epoch, [R][image]; -1 for one that it does not see. */
std::vector<std::vector<int>> DrawnLabels(const Device &device, const Images &set,
                                          const std::vector<lenet_hyper> &hyper, uint64_t epoch = 0) {
    const Batch batch = Draw(device, set, hyper, epoch, kLabelled);
    std::vector<std::vector<int>> drawn(hyper.size(), std::vector<int>(kLabelled, -1));
    for (int r = 0; r < batch.R; r++)
        for (int n = 0; n < batch.N; n++)
            if (batch.LabelOf(r, n) != LENET_NO_LABEL) drawn[(size_t)r][batch.ImageOf(set, r, n)] = batch.LabelOf(r, n);
    return drawn;
}
std::vector<int> DrawnLabels(const Device &device, const Images &set, const lenet_hyper &hyper, uint64_t epoch = 0) {
    return DrawnLabels(device, set, std::vector<lenet_hyper>{hyper}, epoch)[0];
}

std::vector<int> TrueLabels(const Images &set) { return {set.label.begin(), set.label.end()}; }

/* Which images have another label than their own. */
std::vector<bool> Wrong(const Images &set, const std::vector<int> &drawn) {
    std::vector<bool> wrong;
    for (size_t i = 0; i < drawn.size(); i++) wrong.push_back(drawn[i] != set.label[i]);
    return wrong;
}

/* Of n draws that each come true with probability p, so many do: n p, give or take six standard deviations of
 * sqrt(n p (1-p)). One seed in 5e8 is further off where n p is large, and one in 1e7 where it is 20, the least here. */
void ExpectShare(double got, double n, double p, const std::string &what) {
    EXPECT_NEAR(got, n * p, 6 * std::sqrt(n * p * (1 - p))) << what << ", of " << n;
}

TEST_P(BatchDraw, LabelNoiseIsTheFractionOfWrongLabels) {
    for (int classes : {2, 10}) {
        const Images set = Labelled(classes);
        for (float noise : {0.01f, 0.1f, 0.5f, 0.9f}) {
            const std::vector<bool> wrong = Wrong(set, DrawnLabels(device(), set, Noisy(TestSeed(), noise)));
            ExpectShare((double)std::count(wrong.begin(), wrong.end(), true), kLabelled, noise,
                        "noise " + std::to_string(noise) + ", " + std::to_string(classes) + " classes");
        }
    }
}

TEST_P(BatchDraw, NoLabelNoiseChangesNoLabelAndANoiseOf1All) {
    for (int classes : {2, 10, (int)LENET_NO_LABEL}) {
        const Images set = Labelled(classes);
        EXPECT_EQ(DrawnLabels(device(), set, Noisy(TestSeed(), 0)), TrueLabels(set)) << classes << " classes";
        const std::vector<int> drawn = DrawnLabels(device(), set, Noisy(TestSeed(), 1));
        for (uint32_t i = 0; i < kLabelled; i++) {
            ASSERT_NE(drawn[i], set.label[i]) << "image " << i << ", " << classes << " classes";
            ASSERT_TRUE(drawn[i] >= 0 && drawn[i] < classes) << drawn[i] << ", " << classes << " classes";
        }
    }
}

/* For this seed the lowest number of all is drawn for one of the images; a search has found it. */
TEST_P(BatchDraw, NoLabelNoiseIsNoneForTheLowestDrawToo) {
    constexpr uint64_t seed = 126;
    constexpr uint32_t image = 2215;
    ASSERT_EQ(lenet_unit(lenet_philox(seed, LENET_RNG_LABEL, 0, image).v[0]), 0);
    const Images set = Labelled(10);
    EXPECT_EQ(DrawnLabels(device(), set, Noisy(seed, 0))[image], set.label[image]);
    EXPECT_NE(DrawnLabels(device(), set, Noisy(seed, 0x1p-24f))[image], set.label[image]);
}

TEST_P(BatchDraw, WithOneClassNoLabelIsWrong) {
    const Images set = Labelled(1);
    for (float noise : {0.5f, 1.0f})
        EXPECT_EQ(DrawnLabels(device(), set, Noisy(TestSeed(), noise)), TrueLabels(set)) << "noise " << noise;
}

/* Of the wrong labels of a class, each other class has as many: also where chance has decided which ones are wrong. */
TEST_P(BatchDraw, AWrongLabelIsAnyOfTheOtherClasses) {
    for (int classes : {2, 3, 10})
        for (float noise : {0.5f, 1.0f}) {
            const Images set = Labelled(classes);
            const std::vector<int> drawn = DrawnLabels(device(), set, Noisy(TestSeed(), noise));
            for (int c = 0; c < classes; c++) {
                std::vector<double> times((size_t)classes);
                double all = 0;
                for (uint32_t i = 0; i < kLabelled; i++)
                    if (set.label[i] == c && drawn[i] != c) {
                        times[(size_t)drawn[i]]++;
                        all++;
                    }
                for (int wrong = 0; wrong < classes; wrong++)
                    if (wrong != c)
                        ExpectShare(times[(size_t)wrong], all, 1.0 / (classes - 1),
                                    std::to_string(c) + " taken for " + std::to_string(wrong));
            }
        }
}

/* A network can learn a wrong label by heart, which is what label noise is for. */
TEST_P(BatchDraw, AnImageHasTheSameLabelInEveryEpochSubsetAndBatch) {
    const Images set = Labelled(10);
    const lenet_hyper hyper = Noisy(TestSeed(), 0.3f);
    const std::vector<int> drawn = DrawnLabels(device(), set, hyper);
    for (uint64_t epoch : {1, 2, 100}) EXPECT_EQ(DrawnLabels(device(), set, hyper, epoch), drawn) << "epoch " << epoch;
    lenet_hyper subset = hyper;
    subset.train_first = 1234;
    subset.train_count = 100;
    const int B = 30;
    for (uint64_t step = 0; step < 4; step++) {
        const Batch batch = Draw(device(), set, {subset}, step, B);
        const int images = std::min(B, 100 - B * (int)step);
        for (int n = 0; n < images; n++)
            EXPECT_EQ(batch.LabelOf(0, n), drawn[batch.ImageOf(set, 0, n)]) << "step " << step << ", image " << n;
        for (int n = images; n < batch.N; n++) ExpectPadding(batch, 0, n);
    }
}

/* Of two images, any two, p^2 of the pairs are wrong both. No image is in two of a distance's pairs. */
TEST_P(BatchDraw, WhetherALabelIsWrongSaysNothingOfOthers) {
    const Images set = Labelled(10);
    const double p = 0.4;
    const std::vector<bool> wrong = Wrong(set, DrawnLabels(device(), set, Noisy(TestSeed(), (float)p)));
    for (uint32_t distance : {1, 2, 3, 16, 256}) {
        double pairs = 0, both = 0;
        for (uint32_t i = 0; i + distance < kLabelled; i++)
            if (i / distance % 2 == 0) {
                pairs++;
                both += wrong[i] && wrong[i + distance];
            }
        ExpectShare(both, pairs, p * p, "images that are " + std::to_string(distance) + " apart");
    }
}

/* Noise of two seeds is independent: p^2 of the images are wrong for both. */
TEST_P(BatchDraw, NetworksHaveLabelNoiseOfTheirOwn) {
    const Images set = Labelled(10);
    const double p = 0.4;
    const uint64_t seed = TestSeed();
    const std::vector<lenet_hyper> hyper = {Noisy(seed, (float)p), Noisy(seed + 1, (float)p),
                                            Noisy(seed + (1ull << 32), (float)p), Noisy(seed, 0),
                                            Noisy(seed, (float)p)};
    const std::vector<std::vector<int>> drawn = DrawnLabels(device(), set, hyper);
    for (size_t r = 0; r < hyper.size(); r++)
        EXPECT_EQ(drawn[r], DrawnLabels(device(), set, hyper[r])) << "network " << r << " alone";
    EXPECT_EQ(drawn[3], TrueLabels(set));
    EXPECT_EQ(drawn[4], drawn[0]) << "the same seed";
    for (size_t r = 0; r < 3; r++)
        for (size_t s = 0; s < r; s++) {
            const std::vector<bool> a = Wrong(set, drawn[r]), b = Wrong(set, drawn[s]);
            double both = 0;
            for (size_t i = 0; i < kLabelled; i++) both += a[i] && b[i];
            ExpectShare(both, kLabelled, p * p, "networks " + std::to_string(r) + " and " + std::to_string(s));
        }
}

TEST_P(BatchDraw, MoreLabelNoiseAddsToTheWrongLabels) {
    const Images set = Labelled(10);
    const std::vector<std::vector<int>> drawn =
        DrawnLabels(device(), set, {Noisy(TestSeed(), 0.2f), Noisy(TestSeed(), 0.6f)});
    for (uint32_t i = 0; i < kLabelled; i++)
        if (drawn[0][i] != set.label[i]) {
            ASSERT_EQ(drawn[1][i], drawn[0][i]) << "image " << i;
        }
}

TEST_P(BatchDraw, EveryBackendHasTheSameWrongLabels) {
    const Device cpu(lenet_backend_cpu(), 1);
    for (int classes : {2, 7, 10, (int)LENET_NO_LABEL}) {
        const Images set = Labelled(classes);
        const std::vector<lenet_hyper> hyper = {Noisy(TestSeed(), 0.25f), Noisy(TestSeed() + 1, 0.9f)};
        EXPECT_EQ(DrawnLabels(cpu, set, hyper), DrawnLabels(device(), set, hyper)) << classes << " classes";
    }
}

/* ---- batch_draw: augmentation ------------------------------------------------- */

/* One epoch of `images` in one batch, and what was done to each. */
constexpr int kImages = 48;

lenet_hyper Augmented(float lenet_hyper::*setting, float amount) {
    lenet_hyper hyper = MakeHyper(TestSeed(), 0, kImages);
    if (setting) hyper.*setting = amount;
    return hyper;
}

lenet_hyper AllDistortions() {
    lenet_hyper hyper = MakeHyper(TestSeed(), 0, kImages);
    hyper.shift = 2;
    hyper.rotate = 15;
    hyper.scale = 0.15f;
    hyper.shear = 0.2f;
    hyper.elastic = 2;
    return hyper;
}

/* Where the only spot of every image of an epoch has gone. */
std::vector<Point> SpotsAfter(const Device &device, const lenet_hyper &hyper, Point spot, uint64_t epoch = 0) {
    const Images set = Spots(kImages, spot);
    const Batch batch = Draw(device, set, {hyper}, epoch, kImages);
    std::vector<Point> after;
    for (int n = 0; n < kImages; n++) after.push_back(CentreOfMass(set, batch.PictureOf(0, n)));
    return after;
}

/* Uniform on +-limit: nothing beyond it, and of kImages some in each outer half
 * (all miss one of them with a probability of 0.75^48 = 1e-6, and the seed is fixed). */
void ExpectSpread(const std::vector<double> &values, double limit, double tolerance, const char *what) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    EXPECT_LE(*high, limit + tolerance) << what;
    EXPECT_GE(*low, -limit - tolerance) << what;
    EXPECT_GE(*high, limit / 2) << what;
    EXPECT_LE(*low, -limit / 2) << what;
}
void ExpectAllNear(const std::vector<double> &values, double want, double tolerance, const char *what) {
    for (double value : values) EXPECT_NEAR(value, want, tolerance) << what;
}

template <class Measure> std::vector<double> Each(const std::vector<Point> &points, Measure measure) {
    std::vector<double> values;
    for (const Point &point : points) values.push_back(measure(point));
    return values;
}

/* Linear interpolation keeps a centre of mass; bytes are rounded, and a spot's
 * light far out is cut off: 0.05 pixels. */
constexpr double kPixels = 0.05;

TEST_P(BatchDraw, NothingIsDoneToImagesWithoutAugmentation) {
    const Images set = Spots(kImages, {3, -5});
    const Batch batch = Draw(device(), set, {Augmented(nullptr, 0)}, 0, kImages);
    for (int n = 0; n < kImages; n++) ExpectImage(set, batch, 0, n, 0);
}

TEST_P(BatchDraw, ShiftMovesBothWaysByItsPixelsAtMost) {
    const std::vector<Point> after = SpotsAfter(device(), Augmented(&lenet_hyper::shift, 3), {2, -4});
    ExpectSpread(Each(after, [](Point p) { return p.y - 2; }), 3, kPixels, "down");
    ExpectSpread(Each(after, [](Point p) { return p.x + 4; }), 3, kPixels, "right");
    /* independent of each other, and not whole pixels only */
    ExpectSpread(Each(after, [](Point p) { return (p.y - 2) - (p.x + 4); }), 6, 2 * kPixels, "down less right");
    double furthest = 0;
    for (const Point &p : after) furthest = std::max(furthest, std::fabs(p.y - std::round(p.y)));
    EXPECT_GT(furthest, 0.2);
}

TEST_P(BatchDraw, RotateTurnsAboutTheMiddleByItsDegreesAtMost) {
    const double radius = 8, degrees = std::acos(-1.0) / 180;
    const std::vector<Point> after = SpotsAfter(device(), Augmented(&lenet_hyper::rotate, 25), {0, radius});
    ExpectAllNear(Each(after, [](Point p) { return std::hypot(p.y, p.x); }), radius, 2 * kPixels, "radius");
    ExpectSpread(Each(after, [&](Point p) { return std::atan2(p.y, p.x) / degrees; }), 25, kPixels / radius / degrees,
                 "angle");
    for (const Point &p : SpotsAfter(device(), Augmented(&lenet_hyper::rotate, 25), {0, 0})) {
        EXPECT_NEAR(p.y, 0, kPixels);
        EXPECT_NEAR(p.x, 0, kPixels);
    }
}

TEST_P(BatchDraw, ScaleChangesWidthAndHeightByItsFractionAtMost) {
    const Point spot = {4, -5};
    const std::vector<Point> after = SpotsAfter(device(), Augmented(&lenet_hyper::scale, 0.5f), spot);
    ExpectSpread(Each(after, [&](Point p) { return p.y / spot.y - 1; }), 0.5, kPixels / 4, "height");
    ExpectSpread(Each(after, [&](Point p) { return p.x / spot.x - 1; }), 0.5, kPixels / 5, "width");
}

TEST_P(BatchDraw, ShearMovesRowsByTheirDistanceFromTheMiddle) {
    for (double y : {7.0, -7.0, 0.0}) {
        const std::vector<Point> after = SpotsAfter(device(), Augmented(&lenet_hyper::shear, 0.4f), {y, 1});
        ExpectAllNear(Each(after, [](Point p) { return p.y; }), y, kPixels, "down");
        if (y == 0)
            ExpectAllNear(Each(after, [](Point p) { return p.x; }), 1, kPixels, "right, in the middle");
        else
            ExpectSpread(Each(after, [&](Point p) { return (p.x - 1) / y; }), 0.4, kPixels / 7, "tangent");
    }
}

/* How far pixels look away from themselves, in pixels, row by row: an image whose bytes rise
 * evenly tells where each was looked up, since linear interpolation keeps a slope. */
Values Displacements(const Device &device, const lenet_hyper &hyper, bool down, int n) {
    const int slope = 9;
    Images set = {kSize, kSize, kField, kField, 1, 0, {}, Labels(kImages, 1)};
    for (int i = 0; i < kImages; i++)
        for (int h = 0; h < kSize; h++)
            for (int w = 0; w < kSize; w++) set.bytes.push_back((uint8_t)(slope * (down ? h : w)));
    Values away = Draw(device, set, {hyper}, 0, kImages).PictureOf(0, n);
    const int margin = (kField - kSize) / 2;
    for (int h = 0; h < kField; h++)
        for (int w = 0; w < kField; w++) {
            double &pixel = away[(size_t)(h * kField + w)];
            pixel = pixel / slope - ((down ? h : w) - margin);
        }
    return away;
}

/* Of the basis of cubic B-splines: the first function is (1-t)^3/6 within a cell, and together they reproduce
 * constants and lines, and squares but for a third. */
TEST(Spline, TheWeightsAreThoseOfTheCubicBSpline) {
    for (int size : {1, 28, 32, 61})
        for (int p = 0; p < size; p++) {
            SCOPED_TRACE(std::to_string(p) + " of " + std::to_string(size));
            const lenet_spline s = lenet_spline_at(p, size);
            const double at = (p + 0.5) * (LENET_GRID - 3) / size, t = at - s.cell;
            ASSERT_GE(s.cell, 0);
            ASSERT_LE(s.cell + 3, LENET_GRID - 1);
            double moment[3] = {};
            for (int k = 0; k < 4; k++)
                for (int power = 0; power < 3; power++) moment[power] += s.weight[k] * std::pow(k - 1, power);
            EXPECT_NEAR(moment[0], 1, 1e-6);
            EXPECT_NEAR(moment[1], t, 4e-6); /* t is what is left of up to LENET_GRID cells */
            EXPECT_NEAR(moment[2], t * t + 1.0 / 3, 8e-6);
            EXPECT_NEAR(s.weight[0], std::pow(1 - t, 3) / 6, 1e-6);
        }
}

/* No weighted mean of nodes is larger than the largest. Nodes differ by twice elastic
 * at most and the spline's four cells are kField / 4 pixels wide: from one pixel to the
 * next the displacement changes by 8 * elastic / kField at most. It does vary, along
 * rows and along columns, in both directions. */
TEST_P(BatchDraw, ElasticMovesPixelsSmoothlyByItsPixelsAtMost) {
    const double elastic = 3, slope = 8 * elastic / kField, tolerance = 1e-3;
    const lenet_hyper hyper = Augmented(&lenet_hyper::elastic, (float)elastic);
    const int edge = 7; /* what is nearer to the field's edge may look beyond the image's */
    for (bool down : {false, true}) {
        double furthest = 0, along_row = 0, along_column = 0;
        for (int n = 0; n < 4; n++) {
            const Values away = Displacements(device(), hyper, down, n);
            const auto at = [&](int h, int w) { return away[(size_t)(h * kField + w)]; };
            for (int h = edge; h < kField - edge; h++)
                for (int w = edge; w < kField - edge; w++) {
                    furthest = std::max(furthest, std::fabs(at(h, w)));
                    along_row = std::max(along_row, std::fabs(at(h, w) - at(h, edge)));
                    along_column = std::max(along_column, std::fabs(at(h, w) - at(edge, w)));
                    ASSERT_LE(std::fabs(at(h, w)), elastic + tolerance) << "pixel " << h << ", " << w;
                    ASSERT_LE(std::fabs(at(h, w) - at(h, w - 1)), slope + tolerance) << "pixel " << h << ", " << w;
                    ASSERT_LE(std::fabs(at(h, w) - at(h - 1, w)), slope + tolerance) << "pixel " << h << ", " << w;
                }
        }
        EXPECT_GE(furthest, elastic / 4);
        EXPECT_GE(along_row, elastic / 8);
        EXPECT_GE(along_column, elastic / 8);
    }
}

/* Black, white and framed images in turn: no pixel is looked up beyond an
 * image's edge, where its neighbour's are, and none is made brighter than any byte. */
TEST_P(BatchDraw, BlackImagesStayBlackAndOthersWithinTheirRange) {
    Images set = {kSize, kSize, kField, kField, 0.5f, -1, {}, Labels(kImages)};
    for (int i = 0; i < kImages; i++) {
        set.label[(size_t)i] = (uint8_t)(i % 3);
        for (int h = 0; h < kSize; h++)
            for (int w = 0; w < kSize; w++) {
                const bool frame = h == 0 || w == 0 || h == kSize - 1 || w == kSize - 1;
                set.bytes.push_back(i % 3 == 1 || (i % 3 == 2 && frame) ? 255 : 0);
            }
    }
    lenet_hyper hyper = AllDistortions();
    hyper.shift = 10;
    const Batch batch = Draw(device(), set, {hyper}, 0, kImages);
    const double black = -1, white = 0.5 * 255 - 1;
    for (int n = 0; n < kImages; n++) {
        const Values picture = batch.PictureOf(0, n);
        if (batch.LabelOf(0, n) == 0) {
            EXPECT_TRUE(Equal(Values(picture.size(), black), picture)) << "image " << n;
        }
        if (batch.LabelOf(0, n) == 1) {
            EXPECT_NEAR(picture[kField / 2 * kField + kField / 2], white, 1e-4) << "image " << n;
        }
        /* An interpolation's weights add up to 1, but for a few roundings. */
        for (double x : picture) ASSERT_TRUE(x >= black - 1e-4 && x <= white + 1e-4) << x << " in image " << n;
    }
}

const std::pair<float lenet_hyper::*, float> kSettings[] = {{&lenet_hyper::shift, 3.0f},
                                                            {&lenet_hyper::rotate, 20.0f},
                                                            {&lenet_hyper::scale, 0.2f},
                                                            {&lenet_hyper::shear, 0.3f},
                                                            {&lenet_hyper::elastic, 3.0f}};

/* No spot is twice at the same place: not of two images, nor in two epochs, nor for two seeds. */
TEST_P(BatchDraw, EpochsAndSeedsAndImagesHaveDistortionsOfTheirOwn) {
    for (const auto &[setting, amount] : kSettings) {
        lenet_hyper hyper = Augmented(setting, amount);
        std::vector<Point> all;
        const auto add = [&](uint64_t seed, uint64_t epoch) {
            hyper.seed = seed;
            for (const Point &p : SpotsAfter(device(), hyper, {4, 5}, epoch)) all.push_back(p);
        };
        add(TestSeed(), 0);
        add(TestSeed(), 1);
        add(TestSeed() + 1, 0);
        add(TestSeed() + (1ull << 32), 0);
        std::set<std::pair<double, double>> places;
        for (const Point &p : all) places.insert({p.y, p.x});
        EXPECT_EQ(places.size(), all.size()) << "with a setting of " << amount;
    }
}

/* It is the order that is constant, not what is done to the images. */
TEST_P(BatchDraw, WithAConstantOrderEpochsHaveDistortionsOfTheirOwn) {
    lenet_hyper hyper = Augmented(&lenet_hyper::shift, 3);
    hyper.constant_order = 1;
    const std::vector<Point> first = SpotsAfter(device(), hyper, {4, 5}, 0),
                             next = SpotsAfter(device(), hyper, {4, 5}, 1);
    for (size_t n = 0; n < kImages; n++) EXPECT_NE(first[n].x, next[n].x) << "image " << n;
}

/* What one distortion does to the images says nothing about the others: of the
 * correlations between any two over kImages = 48 images, independent ones have a
 * standard deviation of 1/sqrt(48) = 0.14. */
TEST_P(BatchDraw, DistortionsAreIndependent) {
    std::vector<Values> drawn;
    for (const auto &[setting, amount] : kSettings) {
        const std::vector<Point> after = SpotsAfter(device(), Augmented(setting, amount), {4, 5});
        /* A turn moves a spot in both directions at once, and a shear moves it to the side only. */
        if (setting != &lenet_hyper::shear) drawn.push_back(Each(after, [](Point p) { return p.y; }));
        if (setting != &lenet_hyper::rotate) drawn.push_back(Each(after, [](Point p) { return p.x; }));
    }
    for (Values &values : drawn) {
        double mean = 0, squares = 0;
        for (double v : values) mean += v / kImages;
        for (double &v : values) v -= mean;
        for (double v : values) squares += v * v;
        for (double &v : values) v /= std::sqrt(squares);
    }
    for (size_t i = 0; i < drawn.size(); i++)
        for (size_t j = 0; j < i; j++) {
            double correlation = 0;
            for (size_t n = 0; n < kImages; n++) correlation += drawn[i][n] * drawn[j][n];
            EXPECT_LE(std::fabs(correlation), 0.7) << i << " and " << j;
        }
}

/* What is done to an image depends on the network's seed and the epoch, not on
 * the batch size, on the place in the batch or on the networks beside it. */
TEST_P(BatchDraw, NetworksAloneAndOtherBatchSizesGiveTheSameBits) {
    const Images set = Spots(kImages, {3, 3});
    lenet_hyper other = AllDistortions();
    other.seed++;
    const std::vector<lenet_hyper> hyper = {Augmented(nullptr, 0), AllDistortions(), other};
    const Batch together = Draw(device(), set, hyper, 0, kImages);
    for (int r = 0; r < 3; r++) {
        const Batch alone = Draw(device(), set, {hyper[(size_t)r]}, 0, kImages);
        const Batch part = Draw(device(), set, {hyper[(size_t)r]}, 1, kImages / 3);
        for (int n = 0; n < kImages; n++)
            EXPECT_TRUE(Equal(together.PictureOf(r, n), alone.PictureOf(0, n))) << "network " << r << ", image " << n;
        for (int n = 0; n < kImages / 3; n++)
            EXPECT_TRUE(Equal(together.PictureOf(r, kImages / 3 + n), part.PictureOf(0, n)))
                << "network " << r << ", image " << n << " of the second batch";
    }
}

/* The same numbers are drawn on every backend: labels are the same, and so are
 * pixels, but for the coordinates' roundings: these are within OW * 2^-24 * 50 pixels,
 * and from one pixel to the next x changes by at most 128. A GPU keeps the bytes of images of the first two
 * sizes in shared memory, and not those of the others. */
TEST_P(BatchDraw, BackendsAgree) {
    const Device cpu(lenet_backend_cpu(), 1);
    const int sizes[][4] = {
        {kSize, kSize, kField, kField}, {20, 8, 21, 30}, {27, 27, 32, 32}, {30, 28, 32, 32}, {2, 2, 3, 3},
        {3, 4, 4, LENET_MAX_SIDE}};
    for (const auto &[H, W, OH, OW] : sizes) {
        SCOPED_TRACE("H" + std::to_string(H) + " W" + std::to_string(W) + " OW" + std::to_string(OW));
        Images set = Numbered(kImages, H, W, OH, OW);
        set.factor = 0.5f;
        lenet_hyper affine = AllDistortions(), elastic = MakeHyper(affine.seed, 0, affine.train_count);
        affine.elastic = 0;
        elastic.elastic = 1.5f;
        for (uint64_t step : {0, 1, 5}) {
            const std::vector<lenet_hyper> hypers = {AllDistortions(), affine, elastic};
            const Batch want = Draw(cpu, set, hypers, step, 40), got = Draw(device(), set, hypers, step, 40);
            for (int r = 0; r < 3; r++)
                for (int n = 0; n < std::min(want.N, got.N); n++) {
                    EXPECT_EQ(want.LabelOf(r, n), got.LabelOf(r, n));
                    EXPECT_TRUE(Near(want.PictureOf(r, n), got.PictureOf(r, n), 128 * 50 * OW * 0x1p-24))
                        << "network " << r << ", image " << n;
                }
        }
    }
}

} // namespace
