/* scheduler.cc - the order in which threads take turns.
 *
 * A thread runs until it returns or waits. A warp's lanes go on as soon as
 * their intrinsic is complete, before other threads begin: as few stacks as
 * possible are in use at a time, and those are in the cache. A thread begins on
 * the stack of one that has returned: kernels that never wait never switch. */
#include "scheduler.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <iterator>
#include <numeric>

#include "machine.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace simt {
namespace {

/* xorshift64*: good enough to shuffle with. */
uint64_t Random(uint64_t &state) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Dull;
}

/* The block that has its turn as number i of n. Random: i*step + start modulo n reaches each once. */
uint64_t BlockAt(Order order, uint64_t random, uint64_t i, uint64_t n) {
    if (order == Order::kForward) return i;
    if (order == Order::kReverse) return n - 1 - i;
    const uint64_t start = Random(random) % n;
    uint64_t step = Random(random) % n;
    while (std::gcd(step, n) != 1) step++;
    return (uint64_t)(((unsigned __int128)i * step + start) % n);
}

bool SameSite(Site a, Site b) { return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0); }

uint3 IndexOf(uint64_t i, dim3 size) {
    return make_uint3((unsigned)(i % size.x), (unsigned)(i / size.x % size.y), (unsigned)(i / size.x / size.y));
}

/* Of a grid of which only the ends run: as if it had no more blocks than these. */
dim3 EndsOf(dim3 grid) {
    const uint3 &ends = machine().ends;
    const auto run = [](unsigned n, unsigned of) { return n ? std::min(2 * n, of) : of; };
    return dim3(run(ends.x, grid.x), run(ends.y, grid.y), run(ends.z, grid.z));
}

/* The block of the grid that is `index` there. */
uint3 AtEnds(uint3 index, dim3 grid) {
    const dim3 run = EndsOf(grid);
    const auto at = [](unsigned i, unsigned n, unsigned of) { return i < n / 2 || n == of ? i : of - n + i; };
    return make_uint3(at(index.x, run.x, grid.x), at(index.y, run.y, grid.y), at(index.z, run.z, grid.z));
}

} // namespace

void Scheduler::SetOrder(Order order, uint64_t seed) {
    order_ = order;
    random_ = seed * 0x9E3779B97F4A7C15ull | 1;
}

void Scheduler::Run(const Launch &launch) {
    Counting &counting = machine().counting;
    PrepareLaunch(launch);
    running.counting = counting.on;
    if (running.counting) counting.Begin(kernel_name(launch.kernel), (unsigned)threads_.size(), launch.dynamic_bytes);
    RunBlocks(launch);
    if (running.counting) counting.End();
    running.noting = false;
    launch_ = nullptr;
}

void Scheduler::RunBlocks(const Launch &launch) {
    const dim3 grid = EndsOf(launch.grid);
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    const uint64_t random = Random(random_) | 1;
    const uint64_t step = running.counting ? machine().counting.every : 1;
    for (uint64_t i = 0; i < blocks && !failed_; i += step)
        RunBlock(AtEnds(IndexOf(BlockAt(order_, random, i, blocks), grid), launch.grid));
}

void Scheduler::PrepareLaunch(const Launch &launch) {
    launch_ = &launch;
    failed_ = false;
    gridDim = launch.grid;
    blockDim = launch.block;
    shared_.BeginLaunch(launch.dynamic_bytes);
    const unsigned count = launch.block.x * launch.block.y * launch.block.z;
    threads_.assign(count, Thread());
    turns_.resize(count);
    warps_.resize(std::max(warps_.size(), (size_t)(count + 31) / 32));
    for (unsigned i = 0; i < count; i++) {
        threads_[i].number = i;
        threads_[i].index = IndexOf(i, launch.block);
        turns_[order_ == Order::kReverse ? count - 1 - i : i] = &threads_[i];
    }
    running.launch_phase = running.phase + 1;
    running.noting = machine().races.on;
    running.device = machine().at_work;
    for (Warp &warp : warps_) warp.clock = WarpClock(); /* what is found does not depend on earlier launches */
    machine().counters.launches++;
    if (running.device < (int)std::size(machine().counters.launches_on))
        machine().counters.launches_on[running.device]++;
}

void Scheduler::RunBlock(uint3 block) {
    blockIdx = block;
    running.block_phase = running.Advance();
    alive_ = (unsigned)threads_.size();
    begun_ = waiting_ = 0;
    for (Thread &thread : threads_) thread.state = State::kFresh;
    for (unsigned first = 0; first < alive_; first += 32) {
        Warp &warp = warps_[first / 32];
        const unsigned lanes = std::min(32u, alive_ - first);
        warp.existing = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
        warp.returned = 0;
        warp.meeting_count = 0;
    }
    if (order_ == Order::kRandom) Shuffle(turns_);
    machine().counters.blocks++;
    machine().counters.threads += alive_;
    Give(*TakeNext());
    current_ = nullptr;
    if (running.counting) machine().counting.EndOfBlock();
}

void Scheduler::Shuffle(std::vector<Thread *> &threads) {
    for (size_t i = threads.size(); i > 1; i--) std::swap(threads[i - 1], threads[Random(random_) % i]);
}

/* They go on before all others: at once those that came first, in order. */
void Scheduler::MakeReady(std::vector<Thread *> &released) {
    if (order_ == Order::kRandom) Shuffle(released);
    /* ready_ is taken from its end */
    if (order_ != Order::kReverse) std::reverse(released.begin(), released.end());
    for (Thread *thread : released) thread->state = State::kReady;
    ready_.insert(ready_.end(), released.begin(), released.end());
    released.clear();
}

Thread *Scheduler::TakeNext() {
    if (!ready_.empty()) {
        Thread *next = ready_.back();
        ready_.pop_back();
        return next;
    }
    if (begun_ == turns_.size() || failed_) return nullptr;
    return turns_[begun_++];
}

/* Makes `next` the running thread, on its stack or on a free one. */
void Scheduler::Give(Thread &next) {
    if (!next.fiber) next.fiber = &FreeFiber();
    current_ = &next;
    SwitchTo(*next.fiber);
}

/* The running thread waits: returns when somebody has made it ready. */
void Scheduler::Wait(Thread &me) {
    Thread *next = TakeNext();
    if (!next) {
        Record(Kind::kDeadlock, "none of the threads that are left can go on");
        next = TakeNext();
    }
    if (next == &me)
        current_ = next;
    else
        Give(*next);
    if (failed_) throw Abandoned();
    Resume(me);
}

void Scheduler::Resume(Thread &me) {
    me.state = State::kRunning;
    threadIdx = me.index;
    running.thread = me.number;
    running.clock = &warps_[me.number / 32].clock;
    running.stack = me.fiber->stack();
    running.stack_bytes = me.fiber->stack_bytes();
}

/* ---- block barriers ---------------------------------------------------------------- */

void Scheduler::Barrier(Site site) {
    if (failed_) throw Abandoned();
    Thread &me = *current_;
    me.site = site;
    if (alive_ < threads_.size())
        Fault(Kind::kBarrier, describe(site) + " is a barrier, and " + std::to_string(threads_.size() - alive_) +
                                  " threads of the block have returned without reaching it");
    if (waiting_ > 0 && !SameSite(barrier_site_, site))
        Fault(Kind::kBarrier, describe(site) + " is a barrier, and " + std::to_string(waiting_) +
                                  " threads of the block wait at another one, " + describe(barrier_site_));
    barrier_site_ = site;
    waiting_++;
    me.state = State::kAtBarrier;
    if (waiting_ == alive_) ReleaseBarrier();
    Wait(me);
}

void Scheduler::ReleaseBarrier() {
    waiting_ = 0;
    running.Advance();
    machine().counters.barriers++;
    if (running.counting) machine().counting.Barrier();
    for (Thread &thread : threads_) released_.push_back(&thread);
    MakeReady(released_);
}

/* ---- on a fiber ------------------------------------------------------------------- */

void Scheduler::SwitchTo(Fiber &to) {
    machine().counters.switches++;
    came_from_ = on_;
    on_ = &to;
    came_from_->SwitchTo(to);
}

Fiber &Scheduler::FreeFiber() {
    if (free_fibers_.empty()) {
        fibers_.push_back(std::make_unique<Fiber>((unsigned)fibers_.size(), FiberMain));
        return *fibers_.back();
    }
    Fiber *fiber = free_fibers_.back();
    free_fibers_.pop_back();
    return *fiber;
}

void Scheduler::FiberMain() {
    Scheduler &scheduler = machine().scheduler;
    Fiber &mine = *scheduler.on_;
    Fiber::Arrive(*scheduler.came_from_);
    for (;;) scheduler.RunThreads(mine);
}

/* Runs the current thread and then fresh ones, as long as there are such and nobody else has to go on first. */
void Scheduler::RunThreads(Fiber &mine) {
    for (;;) {
        RunBody(*current_);
        Thread *next = NextAfterReturn();
        if (next && !next->fiber) {
            next->fiber = &mine;
            current_ = next;
            continue;
        }
        free_fibers_.push_back(&mine);
        if (next)
            Give(*next);
        else
            SwitchTo(host_);
        /* Back on this stack, to run a thread that was given it. */
    }
}

void Scheduler::RunBody(Thread &me) {
    Resume(me);
    try {
        launch_->body();
        me.state = State::kReturned;
        if (!failed_) ThreadReturned(me);
    } catch (const Abandoned &) {
    } catch (const std::exception &e) {
        Record(Kind::kException, std::string("the kernel threw: ") + e.what());
    } catch (...) {
        Record(Kind::kException, "the kernel threw something");
    }
    me.state = State::kReturned;
    me.fiber = nullptr;
    alive_--;
}

/* Whether somebody waits for it that has just returned. */
void Scheduler::ThreadReturned(const Thread &me) {
    Warp &warp = warps_[me.number / 32];
    const uint32_t bit = 1u << me.number % 32;
    warp.returned |= bit;
    for (int i = 0; i < warp.meeting_count; i++)
        if (warp.meetings[i].mask & bit)
            Record(Kind::kShuffle,
                   "the thread returned, and a lane of its warp waits for it in " +
                       describe_wait(threads_[me.number / 32 * 32 + FirstLane(warp.meetings[i].arrived)]));
    if (waiting_ > 0)
        Record(Kind::kBarrier, "the thread returned, and " + std::to_string(waiting_) +
                                   " threads of the block wait for it at the barrier " + describe(barrier_site_));
}

Thread *Scheduler::NextAfterReturn() {
    Thread *next = TakeNext();
    if (next || alive_ == 0) return next;
    if (!failed_) Record(Kind::kDeadlock, "none of the threads that are left can go on");
    return TakeNext();
}

} // namespace simt
