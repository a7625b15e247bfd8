/* test_parallel.cc - the pool runs every item once, on all its threads, and never waits for one that is held up. */
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lenet/ops.h"
extern "C" {
#include "cpu/denormals.h"
#include "cpu/parallel.h"
}

namespace {

/* Longer than any machine needs; a test that reaches it has hung. */
constexpr std::chrono::seconds kDeadline(60);

/* Returns false where the condition does not come true in time. */
template <class Condition> bool WaitFor(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

class Pool {
  public:
    explicit Pool(int threads, uint64_t mode = 0) : pool_(parallel_create(threads, mode)) {
        if (!pool_) throw std::runtime_error("no pool of " + std::to_string(threads) + " threads");
    }
    ~Pool() { parallel_free(pool_); }
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    int threads() const { return parallel_threads(pool_); }
    /* Runs body(item) for every item. */
    template <class Body> void For(ptrdiff_t items, const Body &body) const {
        parallel_for(
            pool_, items, [](const void *args, ptrdiff_t item) { (*static_cast<const Body *>(args))(item); }, &body);
    }

  private:
    parallel *pool_;
};

/* How often each item was run. */
class Counts {
  public:
    explicit Counts(ptrdiff_t items) : counts_((size_t)items) {}
    void Add(ptrdiff_t item) {
        if (item >= 0 && item < (ptrdiff_t)counts_.size())
            counts_[(size_t)item].fetch_add(1, std::memory_order_relaxed);
        else
            outside_++;
    }
    ::testing::AssertionResult AllAre(int times) const {
        if (outside_ > 0) return ::testing::AssertionFailure() << outside_ << " items that are none";
        for (size_t i = 0; i < counts_.size(); i++)
            if (counts_[i] != times)
                return ::testing::AssertionFailure() << "item " << i << " ran " << counts_[i] << "x";
        return ::testing::AssertionSuccess();
    }

  private:
    std::vector<std::atomic<int>> counts_;
    std::atomic<int> outside_{0};
};

TEST(Parallel, RunsEachItemOnceForAnyNumberOfThreads) {
    for (int threads = 1; threads <= 8; threads++) {
        const Pool pool(threads);
        EXPECT_EQ(pool.threads(), threads);
        for (ptrdiff_t items : {0, 1, 2, 3, 7, 8, 9, 15, 64, 1000, 50000}) {
            Counts counts(items);
            pool.For(items, [&](ptrdiff_t item) { counts.Add(item); });
            EXPECT_TRUE(counts.AllAre(1)) << items << " items on " << threads << " threads";
        }
    }
}

/* Steps of training are long rows of short operations, each with other arguments. */
TEST(Parallel, OperationsInQuickSuccessionDoNotMix) {
    for (int threads : {2, 3, 8}) {
        const Pool pool(threads);
        uint64_t wrong = 0;
        for (uint64_t operation = 1; operation <= 5000; operation++) {
            const ptrdiff_t items = (ptrdiff_t)(operation % 5);
            std::vector<uint64_t> out((size_t)items);
            pool.For(items,
                     [&out, operation](ptrdiff_t item) { out[(size_t)item] += operation * 100 + (uint64_t)item; });
            for (size_t i = 0; i < out.size(); i++) wrong += out[i] != operation * 100 + i;
        }
        EXPECT_EQ(wrong, 0u) << threads << " threads";
    }
}

/* Each item waits until as many are under way as there are threads. */
TEST(Parallel, AllThreadsWorkAtTheSameTime) {
    for (int threads = 1; threads <= 8; threads++) {
        const Pool pool(threads);
        std::atomic<int> under_way{0}, late{0};
        pool.For(threads, [&](ptrdiff_t) {
            under_way++;
            late += !WaitFor([&] { return under_way == threads; });
        });
        EXPECT_EQ(late, 0) << threads << " threads";
    }
}

TEST(Parallel, ThreadsThatFellAsleepAreWoken) {
    for (int threads : {2, 3, 8}) {
        const Pool pool(threads);
        for (int milliseconds : {0, 1, 5, 50, 200}) {
            std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
            std::atomic<int> under_way{0}, late{0};
            pool.For(threads, [&](ptrdiff_t) {
                under_way++;
                late += !WaitFor([&] { return under_way == threads; });
            });
            EXPECT_EQ(late, 0) << threads << " threads after " << milliseconds << " ms";
        }
    }
}

/* Pauses around the time at which the threads go to sleep: no call to wake them may be lost. */
TEST(Parallel, NoWakeUpIsLost) {
    const Pool pool(3);
    for (int i = 0; i < 300; i++) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(i % 100 * 3);
        while (std::chrono::steady_clock::now() < end) continue;
        std::atomic<int> under_way{0}, late{0};
        pool.For(3, [&](ptrdiff_t) {
            under_way++;
            late += !WaitFor([&] { return under_way == 3; });
        });
        ASSERT_EQ(late, 0) << "operation " << i;
    }
}

/* Item `held` waits for all others: they must not wait for the thread that runs it. */
TEST(Parallel, AThreadThatIsHeldUpDelaysOnlyTheItemItHolds) {
    for (ptrdiff_t held : {0, 50, 99}) {
        const Pool pool(2);
        std::atomic<int> done{0}, late{0};
        pool.For(100, [&](ptrdiff_t item) {
            if (item == held) late += !WaitFor([&] { return done == 99; });
            done++;
        });
        EXPECT_EQ(late, 0) << "item " << held;
        EXPECT_EQ(done, 100);
    }
}

TEST(Parallel, WhatWasWrittenBeforeIsSeenInsideAndAfter) {
    const Pool pool(4);
    std::vector<int> values(1000);
    for (int round = 1; round <= 200; round++) {
        for (int &value : values) value = round;
        pool.For(1000, [&](ptrdiff_t item) { values[(size_t)item] *= 3; });
        for (size_t i = 0; i < values.size(); i++) ASSERT_EQ(values[i], 3 * round) << i;
    }
}

TEST(Parallel, ResultsDoNotDependOnTheThreads) {
    std::vector<float> first;
    for (int threads = 1; threads <= 8; threads++) {
        const Pool pool(threads);
        std::vector<float> sums(777);
        pool.For(777, [&](ptrdiff_t item) {
            for (int k = 1; k < 100; k++) sums[(size_t)item] += 1.0f / (float)(k + item);
        });
        if (threads == 1) first = sums;
        EXPECT_EQ(sums, first) << threads << " threads";
    }
}

TEST(Parallel, PoolsComeAndGoUsedOrNot) {
    for (int i = 0; i < 200; i++) {
        const Pool unused(1 + i % 8), used(1 + i % 5);
        if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300)); /* asleep, at work or just born */
        std::atomic<int> sum{0};
        used.For(i % 10, [&](ptrdiff_t item) { sum += (int)item; });
        EXPECT_EQ(sum, i % 10 * (i % 10 - 1) / 2);
    }
    parallel_free(nullptr);
}

TEST(Parallel, TwoPoolsWorkSideBySide) {
    std::vector<std::thread> owners;
    std::atomic<int> wrong{0};
    for (int owner = 0; owner < 2; owner++)
        owners.emplace_back([&wrong] {
            const Pool pool(3);
            for (int round = 0; round < 300; round++) {
                Counts counts(20);
                pool.For(20, [&](ptrdiff_t item) { counts.Add(item); });
                wrong += !counts.AllAre(1);
            }
        });
    for (std::thread &owner : owners) owner.join();
    EXPECT_EQ(wrong, 0);
}

/* ---- denormal numbers ------------------------------------------------------------------------------------- */

volatile float least_normal = 0x1p-126f, half = 0.5f;
bool HasDenormals() {
    volatile float below = least_normal * half;
    return below != 0;
}

TEST(Parallel, DenormalsAreZeroInItemsOnlyAndOnlyWhereThatIsWanted) {
    if (!DENORMALS_TO_ZERO) GTEST_SKIP() << "not known how to ask this processor for it";
    for (const int threads : {1, 2, 5}) {
        const Pool plain(threads), flushing(threads, DENORMALS_TO_ZERO);
        for (int repeat = 0; repeat < 50; repeat++) {
            std::atomic<int> with{0}, without{0};
            flushing.For(100, [&](ptrdiff_t) { with += HasDenormals(); });
            EXPECT_TRUE(HasDenormals()) << "the caller's are as they were";
            plain.For(100, [&](ptrdiff_t) { without += HasDenormals(); });
            ASSERT_EQ(with, 0) << "whichever thread ran it";
            ASSERT_EQ(without, 100);
        }
    }
}

TEST(Parallel, ACallerWhoHasNoDenormalsKeepsThatToo) {
    if (!DENORMALS_TO_ZERO) GTEST_SKIP() << "not known how to ask this processor for it";
    const uint64_t mode = rounding_mode();
    set_rounding_mode(mode | DENORMALS_TO_ZERO);
    const Pool flushing(2, DENORMALS_TO_ZERO);
    flushing.For(10, [](ptrdiff_t) {});
    const bool has = HasDenormals();
    set_rounding_mode(mode);
    EXPECT_FALSE(has);
}

} // namespace
