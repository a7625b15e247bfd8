/* scheduler.h - runs the threads of a launch, block by block, and finds out when they wait for each other in vain. */
#ifndef LENET_SIMT_SCHEDULER_H
#define LENET_SIMT_SCHEDULER_H
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "builtins.h"
#include "fibers.h"
#include "shared_memory.h"
#include "simt.h"
#include "tracker.h"

namespace simt {

struct Launch {
    const void *kernel;
    dim3 grid, block;
    size_t dynamic_bytes;
    std::function<void()> body; /* the kernel, as one thread runs it */
};

enum class State : uint8_t { kFresh, kReady, kRunning, kAtBarrier, kInWarp, kReturned };

struct Thread {
    uint3 index;
    unsigned number;
    State state;
    WarpOp op; /* the rest: where it waits */
    uint32_t mask;
    Site site;
    Fiber *fiber; /* only while it runs or waits */
};

/* An intrinsic that some lanes of its mask wait in. */
struct Meeting {
    uint32_t mask, arrived;
    WarpOp op;
    int width;
};

struct Warp {
    uint32_t existing, returned; /* sets of lanes */
    Meeting meetings[32];
    int meeting_count;
    uint64_t value[32], result[32]; /* per lane */
    int parameter[32], width[32];
    WarpClock clock;
};

inline unsigned FirstLane(uint32_t lanes) { return (unsigned)__builtin_ctz(lanes); }

class Scheduler {
  public:
    /* All blocks, or until the first fault. */
    void Run(const Launch &launch);
    void SetOrder(Order order, uint64_t seed);

    /* Called by the running thread of a kernel. */
    void Barrier(Site site);
    uint64_t WarpIntrinsic(WarpOp op, uint32_t mask, uint64_t value, int parameter, int width, Site site);
    [[noreturn]] void Fault(Kind kind, const std::string &what);
    /* The same, for where nothing may be thrown: the thread runs on until it waits or returns. */
    void Record(Kind kind, const std::string &what);

    bool InThread() const { return current_ != nullptr; }
    bool failed() const { return failed_; }
    const Thread &thread(unsigned number) const { return threads_[number]; }
    SharedMemory &shared() { return shared_; }
    Tracker &tracker() { return tracker_; }

  private:
    struct Abandoned {}; /* thrown through a thread that will not go on */

    /* the order of things */
    void PrepareLaunch(const Launch &launch);
    void RunBlocks(const Launch &launch);
    void RunBlock(uint3 block);
    void Shuffle(std::vector<Thread *> &threads);
    void MakeReady(std::vector<Thread *> &released);
    Thread *TakeNext();
    void Give(Thread &next);
    void Wait(Thread &me);
    void Resume(Thread &me);
    void ReleaseBarrier();

    /* on a fiber */
    void SwitchTo(Fiber &to);
    Fiber &FreeFiber();
    static void FiberMain();
    void RunThreads(Fiber &mine);
    void RunBody(Thread &me);
    void ThreadReturned(const Thread &me);
    Thread *NextAfterReturn();

    /* warp.cc */
    void CheckMask(const Warp &warp, const Thread &me);
    Meeting &Attend(Warp &warp, const Thread &me);
    void Complete(Warp &warp, Meeting &meeting, const Thread &me);
    uint64_t ShuffleResult(const Warp &warp, const Thread &reader);

    std::string Everybody() const; /* diagnosis.cc */

    const Launch *launch_ = nullptr;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    SharedMemory shared_;
    Tracker tracker_;

    Order order_ = Order::kForward;
    uint64_t random_ = 1;
    std::vector<Thread *> turns_;    /* all threads in the order in which they begin */
    std::vector<Thread *> ready_;    /* to go on, the next one last                  */
    std::vector<Thread *> released_; /* scratch of those who release others          */
    unsigned begun_ = 0;             /* so many of turns_                            */
    unsigned alive_ = 0;
    Thread *current_ = nullptr;
    bool failed_ = false;

    unsigned waiting_ = 0; /* at the barrier, which is this: */
    Site barrier_site_ = {};

    Fiber host_;
    Fiber *on_ = &host_, *came_from_ = nullptr;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::vector<Fiber *> free_fibers_;
};

std::string describe_wait(const Thread &thread); /* in a warp intrinsic */

} // namespace simt
#endif
