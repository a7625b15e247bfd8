/* test_support.cc - the tools that all other tests trust. */
#include <gtest/gtest.h>

#include <cmath>

#include "support/backends.h"
#include "support/compare.h"
#include "support/fill.h"

namespace {

TEST(Compare, NanIsNearNothing) {
    EXPECT_TRUE(Near({1, 2}, {1, 2.5}, 0.5));
    EXPECT_FALSE(Near({1, 2}, {1, 2.5}, 0.4));
    EXPECT_FALSE(Near({1, 2}, {1, NAN}, 1e9));
    EXPECT_FALSE(Near({1, NAN}, {1, NAN}, 1e9));
    EXPECT_FALSE(Near({1, 2}, {1, 2}, NAN));
    EXPECT_FALSE(Near({1, 2}, {1, INFINITY}, 1e9));
    EXPECT_FALSE(Near({1, 2}, {1}, 1e9));
    EXPECT_TRUE(Equal({0}, {-0.0}));
    EXPECT_FALSE(Equal({1}, {1 + 1e-15}));
}

TEST(Compare, SaysWhereAndHowMuch) {
    const std::string message = Near({1, 2, 3, 4}, {1, 2.5, NAN, 9}, 0.125).message();
    EXPECT_EQ(message, "3 of 4 differ; first [1] want 2, got 2.5, bound 0.125; worst [2] want 3, got nan, bound 0.125");
}

TEST(Compare, SameBytesTellsZerosApart) {
    EXPECT_TRUE(SameBytes({1, 2}, {1, 2}));
    EXPECT_FALSE(SameBytes({1, 2}, {1, 3}));
    EXPECT_FALSE(SameBytes(ToBytes<double>({0}), ToBytes<double>({-0.0})));
}

TEST(Fill, IsWithinItsLimitsAndDiffersBetweenStreams) {
    EXPECT_EQ(Integers(100, 1), Integers(100, 1));
    EXPECT_NE(Integers(100, 1), Integers(100, 2));
    Values seen(5, 0);
    for (double v : Integers(1000, 1, 2)) seen[(size_t)(v + 2)]++;
    for (double times : seen) EXPECT_GT(times, 100);
    for (double v : Reals(1000, 1, 4)) {
        EXPECT_LT(std::fabs(v), 4.001);
        EXPECT_EQ((double)(float)v, v) << "not exact in float";
    }
}

class Support : public BackendTest {};
LENET_ON_ALL_BACKENDS(Support);

TEST_P(Support, TensorsComeBackAsTheyWent) {
    const Values values = Reals(37, 1);
    EXPECT_TRUE(Equal(values, Tensor(device(), values).Host()));
    EXPECT_TRUE(std::isnan(Tensor(device(), Poison(3)).Host()[2]));
    EXPECT_EQ(Array<uint8_t>(device(), {1, 2, 255}).Host(), std::vector<uint8_t>({1, 2, 255}));
}

TEST_P(Support, MemoryIsZeroAtFirst) {
    void *p = nullptr;
    ASSERT_EQ(device().backend().alloc(device().ctx(), &p, 1000), LENET_OK);
    std::vector<uint8_t> host(1000, 1);
    EXPECT_EQ(device().backend().download(device().ctx(), host.data(), p, 1000), LENET_OK);
    EXPECT_EQ(host, std::vector<uint8_t>(1000, 0));
    device().backend().release(device().ctx(), p);
}

/* ---- the guard --------------------------------------------------------------- */

class GuardDeathTest : public ::testing::Test {
  protected:
    GuardDeathTest() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; } /* OpenMP has threads */
    const Device guard_{lenet_backend_guard(), 1};
    const Tensor tensor_{guard_, Values(64, 1)};
    const Tensor half_{guard_, Values(32, 1)};
    void *data_ = tensor_;
    /* relu of F times the lanes' number of elements. */
    void Relu(const void *x, void *y, int elements) const {
        guard_.Run(activation_forward{1, guard_.lanes(), elements / guard_.lanes(), LENET_RELU, x, y});
    }
};

TEST_F(GuardDeathTest, OperationsAndCopiesMayTouchDeviceMemory) {
    Relu(tensor_, half_, 32);
    EXPECT_EQ(half_.Host(), Values(32, 1));
}

TEST_F(GuardDeathTest, TheHostMayNot) {
    EXPECT_DEATH((void)*static_cast<volatile float *>(data_), "");
    EXPECT_DEATH(*static_cast<volatile float *>(data_) = 1, "");
}

TEST_F(GuardDeathTest, ReadingOrWritingPastTheEndDies) {
    Relu(tensor_, tensor_, 64);
    EXPECT_DEATH(Relu(tensor_, half_, 64), "");
    EXPECT_DEATH(Relu(half_, tensor_, 64), "");
}

TEST_F(GuardDeathTest, WritingBeforeTheStartIsFoundAtTheRelease) {
    EXPECT_DEATH(
        {
            const Tensor victim(guard_, Values(32, 1));
            Relu(tensor_, static_cast<char *>((void *)victim) - 32 * sizeof(float), 32);
        },
        "before a buffer's start");
}

TEST_F(GuardDeathTest, DevicePointersAreNotHostPointers) {
    float host[64] = {};
    EXPECT_DEATH(guard_.backend().upload(guard_.ctx(), data_, half_, 32 * sizeof(float)), "");
    EXPECT_DEATH(guard_.backend().download(guard_.ctx(), half_, data_, 32 * sizeof(float)), "");
    EXPECT_DEATH(guard_.backend().upload(guard_.ctx(), host, host, sizeof host), "not a pointer of this context");
}

TEST_F(GuardDeathTest, ClosingBeforeReleasingDies) {
    EXPECT_DEATH(
        {
            const lenet_backend *guard = lenet_backend_guard();
            lenet_ctx *ctx = nullptr;
            void *p = nullptr;
            lenet_open_options options = {};
            options.threads = 1;
            guard->open(&ctx, &options, nullptr);
            guard->alloc(ctx, &p, 8);
            guard->close(ctx);
        },
        "before everything was released");
}

} // namespace
