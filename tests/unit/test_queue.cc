/* test_queue.cc - operations that wait are done once for each block of images, in their order, and what needs all
 * images comes after them. */
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "lenet/ops.h"
extern "C" {
#include "cpu/queue.h"
}

namespace {

/* What was done: operation `op` of images n ... n+count-1 of network r, or item n of one that comes after. */
struct Event {
    int op;
    ptrdiff_t r;
    int n, count;
    bool after;
    std::thread::id by = std::this_thread::get_id();
    bool operator==(const Event &e) const {
        return std::tie(op, r, n, count, after) == std::tie(e.op, e.r, e.n, e.count, e.after);
    }
};

/* The number of threads is the parameter. */
class Queue : public ::testing::TestWithParam<int> {
  protected:
    struct Args {
        Queue *test;
        int op;
    };
    void SetUp() override {
        queue_.pool = parallel_create(GetParam(), 0);
        ASSERT_NE(queue_.pool, nullptr);
    }
    void TearDown() override { parallel_free(queue_.pool); }

    /* The arguments are gone when the operation is done. */
    void Blocks(int op, int R, int N, int images = 4, int in_order = 1) {
        Args args = {this, op};
        queue_blocks(&queue_, R, N, images, in_order, OfBlock, &args, sizeof args);
        args = {nullptr, -1};
    }
    void After(int op, ptrdiff_t items) {
        Args args = {this, op};
        queue_after(&queue_, items, OfItem, &args, sizeof args);
        args = {nullptr, -1};
    }
    std::vector<Event> Flush() {
        queue_flush(&queue_);
        std::vector<Event> events;
        events.swap(events_);
        return events;
    }
    /* Those of one network and its images from n on, in the order in which they happened. */
    static std::vector<Event> Of(const std::vector<Event> &events, ptrdiff_t r, int n) {
        std::vector<Event> part;
        for (const Event &e : events)
            if (!e.after && e.r == r && e.n == n) part.push_back(e);
        return part;
    }

    queue queue_ = {};
    std::vector<Event> events_;

  private:
    static void OfBlock(const void *args, const block *b) {
        const Args *a = static_cast<const Args *>(args);
        EXPECT_EQ(b->before, b->r * a->test->queue_.N + b->n);
        a->test->Note({a->op, b->r, b->n, b->count, false});
    }
    static void OfItem(const void *args, ptrdiff_t item) {
        const Args *a = static_cast<const Args *>(args);
        a->test->Note({a->op, 0, (int)item, 1, true});
    }
    void Note(const Event &event) {
        const std::lock_guard<std::mutex> lock(mutex_);
        events_.push_back(event);
    }
    std::mutex mutex_;
};

TEST_P(Queue, DoesNothingWithoutOperations) { EXPECT_TRUE(Flush().empty()); }

TEST_P(Queue, TakesEachBlockThroughAllOperationsInTheirOrder) {
    for (int op = 0; op < 3; op++) Blocks(op, 2, 10);
    EXPECT_TRUE(events_.empty()) << "they wait";
    const std::vector<Event> events = Flush();
    EXPECT_EQ(events.size(), 2u * 3 * 3);
    for (ptrdiff_t r = 0; r < 2; r++)
        for (int n = 0; n < 10; n += 4) {
            const int count = n == 8 ? 2 : 4;
            EXPECT_EQ(Of(events, r, n),
                      (std::vector<Event>{{0, r, n, count, false}, {1, r, n, count, false}, {2, r, n, count, false}}));
        }
    EXPECT_TRUE(Flush().empty()) << "once";
}

TEST_P(Queue, DoesWhatNeedsAllImagesAfterTheBlocks) {
    Blocks(0, 1, 8);
    After(1, 3);
    Blocks(2, 1, 8);
    After(3, 1);
    const std::vector<Event> events = Flush();
    ASSERT_EQ(events.size(), 2u * 2 + 3 + 1);
    for (size_t i = 0; i < events.size(); i++) EXPECT_EQ(events[i].after, i >= 4) << i;
    std::vector<std::vector<int>> items(4);
    for (const Event &e : events)
        if (e.after) items[(size_t)e.op].push_back(e.n);
    std::sort(items[1].begin(), items[1].end());
    EXPECT_EQ(items[1], (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(items[3], (std::vector<int>{0}));
}

TEST_P(Queue, HasRoomForAnyNumberOfOperations) {
    const int many = 3 * MOST_WAITING + 5;
    for (const bool in_turn : {false, true}) { /* in turn, neither kind may be written where the other lies */
        for (int op = 0; op < many; op++) {
            Blocks(op, 1, 8);
            if (in_turn) After(op, 1);
        }
        for (int op = 0; !in_turn && op < many; op++) After(op, 1);
        const std::vector<Event> events = Flush();
        std::vector<int> times((size_t)many);
        for (const Event &e : events) times[(size_t)e.op] += e.after;
        EXPECT_EQ(times, std::vector<int>((size_t)many, 1));
        for (int n = 0; n < 8; n += 4) {
            const std::vector<Event> block = Of(events, 0, n);
            ASSERT_EQ(block.size(), (size_t)many);
            for (int op = 0; op < many; op++) EXPECT_EQ(block[(size_t)op].op, op);
        }
        EXPECT_EQ(events.size(), 3u * many);
    }
}

TEST_P(Queue, DoesTheBlocksOfOneSizeBeforeThoseOfAnother) {
    for (const auto &[R, N, images] : {std::make_tuple(2, 8, 4), std::make_tuple(1, 12, 4), std::make_tuple(1, 8, 2)}) {
        Blocks(0, 1, 8);
        Blocks(1, R, N, images);
        const std::vector<Event> events = Flush();
        ASSERT_EQ(events.size(), 2u + (size_t)(R * N / images));
        for (size_t i = 0; i < events.size(); i++) EXPECT_EQ(events[i].op, i >= 2) << i;
    }
}

/* Repeated, because a thread may happen to get all of them. */
TEST_P(Queue, OneThreadDoesSoManyBlocksInOrderAsItIsTold) {
    for (int run = 0; run < 200; run++) {
        for (int op = 0; op < 2; op++) Blocks(op, 2, 30, 4, 3);
        const std::vector<Event> events = Flush();
        ASSERT_EQ(events.size(), 2u * 2 * 8);
        for (ptrdiff_t r = 0; r < 2; r++)
            for (int first = 0; first < 30; first += 12) {
                std::vector<Event> part;
                for (const Event &e : events)
                    if (e.r == r && e.n >= first && e.n < first + 12) part.push_back(e);
                ASSERT_EQ(part.size(), first == 24 ? 4u : 6u);
                for (size_t i = 0; i < part.size(); i++) {
                    const int n = first + 4 * (int)(i / 2);
                    ASSERT_EQ(part[i], (Event{(int)(i % 2), r, n, std::min(4, 30 - n), false}));
                    ASSERT_EQ(part[i].by, part[0].by) << "two threads did these";
                }
            }
    }
}

/* More or fewer in order are another size, too: nothing of the one is done in the way of the other. */
TEST_P(Queue, DoesWhatWaitsBeforeOtherNumbersOfBlocksInOrder) {
    Blocks(0, 1, 16, 4, 1);
    Blocks(1, 1, 16, 4, 2);
    const std::vector<Event> events = Flush();
    ASSERT_EQ(events.size(), 8u);
    for (size_t i = 0; i < events.size(); i++) EXPECT_EQ(events[i].op, i >= 4) << i;
}

/* What an operation before other sizes has coming after it comes before those, too. */
TEST_P(Queue, DoesWhatComesAfterBeforeBlocksOfAnotherSize) {
    Blocks(0, 1, 8);
    After(1, 2);
    Blocks(2, 1, 4);
    std::vector<int> order;
    for (const Event &e : Flush()) order.push_back(e.op);
    EXPECT_EQ(order, (std::vector<int>{0, 0, 1, 1, 2}));
}

/* Nothing checks this at run time in a release. */
#define X(op) static_assert(sizeof(struct op) <= MOST_ARGS, "arguments of " #op " have no room in the queue");
LENET_OPS(X)
#undef X

INSTANTIATE_TEST_SUITE_P(Threads, Queue, ::testing::Values(1, 2, 3, 4, 5));

} // namespace
