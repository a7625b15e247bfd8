/* test_rng.cc - the random numbers are Philox's, and the bijections are permutations without a pattern. */
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"
#include "support/fill.h"

namespace {

using Words = std::vector<uint32_t>;

Words Philox(uint64_t seed, uint32_t purpose, uint32_t epoch, uint64_t index) {
    const lenet_random r = lenet_philox(seed, purpose, epoch, index);
    return Words(r.v, r.v + 4);
}

std::vector<uint32_t> Permutation(const lenet_bijection &b) {
    std::vector<uint32_t> images(b.size);
    for (uint32_t i = 0; i < b.size; i++) images[i] = lenet_permute(&b, i);
    return images;
}

/* How far counts are from all being alike. For k equally likely outcomes it is about k - 1, give or take sqrt(2 k). */
double ChiSquare(const std::vector<double> &counts) {
    const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / (double)counts.size();
    double sum = 0;
    for (double count : counts) sum += (count - expected) * (count - expected) / expected;
    return sum;
}
/* Exceeded about once in a million seeds (Wilson and Hilferty's approximation, at 4.75 deviations). */
double ChiSquareBound(size_t outcomes) {
    const double k = (double)outcomes - 1, t = 2 / (9 * k), root = 1 - t + 4.75 * std::sqrt(t);
    return k * root * root * root;
}

class Rng : public ::testing::Test {
  protected:
    const uint64_t seed_ = TestSeed();

  private:
    const ::testing::ScopedTrace trace_{__FILE__, __LINE__, "LENET_TEST_SEED=" + std::to_string(TestSeed())};
};
class Philox4x32 : public Rng {};
class Bijection : public Rng {};

/* Source: Random123's kat_vectors, philox4x32 of 10 rounds. Counter words 0 and 1 are the index, 2 the epoch, 3 the
 * purpose; the key is the seed; of each pair the low word comes first. */
TEST_F(Philox4x32, GivesTheKnownAnswersOfRandom123) {
    EXPECT_EQ(Philox(0, 0, 0, 0), Words({0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    const uint64_t ones = UINT64_MAX;
    EXPECT_EQ(Philox(ones, UINT32_MAX, UINT32_MAX, ones), Words({0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(Philox(0x299f31d0a4093822, 0x03707344, 0x13198a2e, 0x85a308d3243f6a88),
              Words({0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST_F(Philox4x32, EveryArgumentCounts) {
    const Words words = Philox(seed_, 1, 2, 3);
    for (int bit = 0; bit < 64; bit++) {
        EXPECT_NE(words, Philox(seed_ ^ (uint64_t)1 << bit, 1, 2, 3)) << "bit " << bit << " of the seed";
        EXPECT_NE(words, Philox(seed_, 1, 2, 3 ^ (uint64_t)1 << bit)) << "bit " << bit << " of the index";
    }
    for (int bit = 0; bit < 32; bit++) {
        EXPECT_NE(words, Philox(seed_, 1 ^ 1u << bit, 2, 3)) << "bit " << bit << " of the purpose";
        EXPECT_NE(words, Philox(seed_, 1, 2 ^ 1u << bit, 3)) << "bit " << bit << " of the epoch";
    }
}

TEST_F(Philox4x32, ThePurposesKeepTheirNumbers) {
    EXPECT_EQ(LENET_RNG_INIT, 1);
    EXPECT_EQ(LENET_RNG_SPLIT, 2);
    EXPECT_EQ(LENET_RNG_ORDER, 3);
    EXPECT_EQ(LENET_RNG_AUGMENT, 4);
    EXPECT_EQ(LENET_RNG_CHECK, 5);
    EXPECT_EQ(LENET_RNG_LABEL, 6);
}

TEST_F(Rng, AUnitIsAMultipleOf2ToTheMinus24From0ToBelow1) {
    EXPECT_EQ(lenet_unit(0), 0);
    EXPECT_EQ(lenet_unit(0xff), 0) << "the low byte is dropped";
    EXPECT_EQ(lenet_unit(0x100), 0x1p-24f);
    EXPECT_EQ(lenet_unit(0x80000000), 0.5f);
    EXPECT_EQ(lenet_unit(UINT32_MAX), 1 - 0x1p-24f);
}

TEST_F(Rng, ASignedUnitIsAMultipleOf2ToTheMinus23FromMinus1ToBelow1) {
    EXPECT_EQ(lenet_signed_unit(0), -1);
    EXPECT_EQ(lenet_signed_unit(0x100), -1 + 0x1p-23f);
    EXPECT_EQ(lenet_signed_unit(0x80000000), 0);
    EXPECT_EQ(lenet_signed_unit(UINT32_MAX), 1 - 0x1p-23f);
}

TEST_F(Rng, UnitsAreSpreadEvenly) {
    for (int word = 0; word < 4; word++) {
        std::vector<double> counts(100);
        for (uint64_t i = 0; i < 100000; i++)
            counts[(size_t)(100 * lenet_unit(lenet_philox(seed_, LENET_RNG_CHECK, 0, i).v[word]))]++;
        EXPECT_LT(ChiSquare(counts), ChiSquareBound(100)) << "word " << word;
    }
}

TEST_F(Bijection, IsWalkedInTheSmallestPowerOfTwoThatHoldsIt) {
    const auto bits_of = [&](uint32_t size) {
        const lenet_bijection b = lenet_bijection_make(seed_, LENET_RNG_ORDER, 0, size);
        return b.low_bits + b.high_bits;
    };
    for (uint32_t size : {1u, 2u, 3u, 4u}) EXPECT_EQ(bits_of(size), 2u) << size;
    for (uint32_t bits = 3; bits < 32; bits++) {
        const uint32_t power = 1u << bits;
        EXPECT_EQ(bits_of(power), bits) << power;
        EXPECT_EQ(bits_of(power - 1), bits) << power - 1;
        EXPECT_EQ(bits_of(power / 2 + 1), bits) << power / 2 + 1;
    }
}

TEST_F(Bijection, IsAPermutationForEverySize) {
    for (uint32_t size : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 17u, 31u, 33u, 1000u, 1024u, 1025u, 60000u, 65537u})
        for (uint32_t epoch = 0; epoch < 5; epoch++) {
            std::vector<uint32_t> images = Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, size));
            std::sort(images.begin(), images.end());
            std::vector<uint32_t> all(size);
            std::iota(all.begin(), all.end(), 0u);
            ASSERT_EQ(images, all) << "size " << size << ", epoch " << epoch;
        }
}

TEST_F(Bijection, ReachesTheLargestSizes) {
    for (uint32_t size : {(1u << 30) + 1, (1u << 31) - 1, 1u << 31}) {
        const lenet_bijection b = lenet_bijection_make(seed_, LENET_RNG_ORDER, 0, size);
        std::vector<uint32_t> images;
        for (uint32_t i = 0; i < 2000; i++) images.push_back(lenet_permute(&b, i));
        size_t in_upper_half = 0;
        for (uint32_t image : images) {
            EXPECT_LT(image, size);
            in_upper_half += image >= size / 2;
        }
        EXPECT_NEAR((double)in_upper_half / 2000, 0.5, 0.056) << "size " << size << ": five deviations";
        std::sort(images.begin(), images.end());
        EXPECT_EQ(std::adjacent_find(images.begin(), images.end()), images.end()) << "size " << size;
    }
}

TEST_F(Bijection, EpochsSeedsAndPurposesGiveDifferentOrders) {
    std::vector<std::vector<uint32_t>> orders;
    for (uint32_t epoch = 0; epoch < 20; epoch++)
        orders.push_back(Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, 1000)));
    for (uint64_t seed = seed_ + 1; seed < seed_ + 20; seed++)
        orders.push_back(Permutation(lenet_bijection_make(seed, LENET_RNG_ORDER, 0, 1000)));
    orders.push_back(Permutation(lenet_bijection_make(seed_ + (1ull << 32), LENET_RNG_ORDER, 0, 1000)));
    orders.push_back(Permutation(lenet_bijection_make(seed_, LENET_RNG_SPLIT, 0, 1000)));
    /* Two random orders agree at one place on average, and at 12 or more about once in 10^9 pairs. */
    for (size_t i = 0; i < orders.size(); i++)
        for (size_t j = 0; j < i; j++) {
            int same = 0;
            for (size_t k = 0; k < 1000; k++) same += orders[i][k] == orders[j][k];
            EXPECT_LT(same, 12) << "orders " << i << " and " << j;
        }
}

TEST_F(Bijection, IsTheSameEveryTime) {
    EXPECT_EQ(Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, 3, 1000)),
              Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, 3, 1000)));
}

TEST_F(Bijection, EachPlaceOfASmallRangeGoesEverywhereAsOften) {
    for (uint32_t size : {2u, 3u, 4u, 5u, 7u, 8u, 9u, 12u, 16u, 17u}) {
        std::vector<std::vector<double>> counts(size, std::vector<double>(size));
        for (uint32_t epoch = 0; epoch < 1000; epoch++) {
            const lenet_bijection b = lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, size);
            for (uint32_t place = 0; place < size; place++) counts[place][lenet_permute(&b, place)]++;
        }
        for (uint32_t place = 0; place < size; place++)
            EXPECT_LT(ChiSquare(counts[place]), ChiSquareBound(size)) << "size " << size << ", place " << place;
    }
}

/* Eight rounds on three bits are not quite even: the 120 orders of 5 are off by 13 % on average. */
TEST_F(Bijection, EveryPermutationOfASmallRangeOccurs) {
    const size_t factorial[] = {1, 1, 2, 6, 24, 120};
    for (uint32_t size = 2; size <= 5; size++) {
        std::map<std::vector<uint32_t>, int> times;
        for (uint32_t epoch = 0; epoch < 200 * factorial[size]; epoch++)
            times[Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, size))]++;
        EXPECT_EQ(times.size(), factorial[size]) << "size " << size;
        for (const auto &[permutation, count] : times) {
            EXPECT_GT(count, 200 / 2) << "size " << size;
            EXPECT_LT(count, 200 * 2) << "size " << size;
        }
    }
}

/* A first batch, epoch after epoch, must see every image as often as any other. */
TEST_F(Bijection, TheFirstPlacesGoEverywhereAndIndependently) {
    const uint32_t size = 60000, parts = 20;
    for (uint32_t place : {0u, 1u, 63u, size - 1}) {
        std::vector<double> where(parts), together(parts * parts);
        for (uint32_t epoch = 0; epoch < 20000; epoch++) {
            const lenet_bijection b = lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, size);
            const uint32_t here = lenet_permute(&b, place) * parts / size;
            const uint32_t next = lenet_permute(&b, (place + 1) % size) * parts / size;
            where[here]++;
            together[here * parts + next]++;
        }
        EXPECT_LT(ChiSquare(where), ChiSquareBound(parts)) << "place " << place;
        EXPECT_LT(ChiSquare(together), ChiSquareBound(parts * parts)) << "places " << place << " and the next";
    }
}

/* Neighbours of the file must not stay neighbours: of 60,000 places, about two have the next image next. */
TEST_F(Bijection, DoesNotKeepNeighboursTogether) {
    for (uint32_t epoch = 0; epoch < 10; epoch++) {
        const std::vector<uint32_t> order = Permutation(lenet_bijection_make(seed_, LENET_RNG_ORDER, epoch, 60000));
        int neighbours = 0;
        for (size_t i = 1; i < order.size(); i++)
            neighbours += order[i] == order[i - 1] + 1 || order[i] + 1 == order[i - 1];
        EXPECT_LT(neighbours, 16) << "epoch " << epoch; /* Poisson of mean 2: once in 10^9 */
    }
}

} // namespace
