/* warp.cc - warp intrinsics: the last lane to arrive computes the results of all. */
#include <string>

#include "machine.h"

namespace simt {
namespace {

const char *Name(WarpOp op) {
    switch (op) {
    case WarpOp::kShuffle: return "__shfl_sync";
    case WarpOp::kShuffleDown: return "__shfl_down_sync";
    case WarpOp::kShuffleXor: return "__shfl_xor_sync";
    case WarpOp::kBallot: return "__ballot_sync";
    case WarpOp::kAny: return "__any_sync";
    case WarpOp::kAll: return "__all_sync";
    case WarpOp::kSync: return "__syncwarp";
    }
    return "?";
}

std::string Hex(uint32_t mask) {
    char text[16];
    snprintf(text, sizeof text, "0x%08x", mask);
    return text;
}

/* Where __shfl_*_sync reads, as the PTX manual defines it: the own lane where the source is outside of the segment. */
unsigned SourceLane(WarpOp op, unsigned lane, int parameter, unsigned width) {
    const unsigned first = lane & ~(width - 1), end = first + width, p = (unsigned)parameter;
    switch (op) {
    case WarpOp::kShuffle: return first + (p & (width - 1));
    case WarpOp::kShuffleDown: return p < end - lane ? lane + p : lane;
    case WarpOp::kShuffleXor: return (lane ^ p) < end ? lane ^ p : lane;
    default: return lane;
    }
}

} // namespace

std::string describe_wait(const Thread &thread) {
    return std::string(Name(thread.op)) + " with mask " + Hex(thread.mask) + " at " + describe(thread.site);
}

uint64_t Scheduler::WarpIntrinsic(WarpOp op, uint32_t mask, uint64_t value, int parameter, int width, Site site) {
    if (failed_) throw Abandoned();
    Thread &me = *current_;
    Warp &warp = warps_[me.number / 32];
    const unsigned lane = me.number % 32;
    me.op = op;
    me.mask = mask;
    me.site = site;
    warp.value[lane] = value;
    warp.parameter[lane] = parameter;
    warp.width[lane] = width;
    CheckMask(warp, me);
    Meeting &meeting = Attend(warp, me);
    me.state = State::kInWarp;
    if (meeting.arrived == mask) Complete(warp, meeting, me);
    Wait(me);
    return warp.result[lane];
}

void Scheduler::CheckMask(const Warp &warp, const Thread &me) {
    const unsigned lane = me.number % 32, width = (unsigned)warp.width[lane];
    const uint32_t mask = me.mask, missing = mask & (~warp.existing | warp.returned);
    if (width == 0 || width > 32 || (width & (width - 1)))
        Fault(Kind::kShuffle, describe_wait(me) + ": the width is " + std::to_string((int)width));
    if (!(mask >> lane & 1))
        Fault(Kind::kShuffle, describe_wait(me) + ": the mask lacks the thread's own lane " + std::to_string(lane));
    if (missing)
        Fault(Kind::kShuffle, describe_wait(me) + ": lane " + std::to_string(FirstLane(missing)) +
                                  (missing & ~warp.existing ? " does not exist" : " has returned"));
}

/* The lane joins those that wait with its mask, or is the first. Masks of lanes that wait may overlap: a lane may be
 * wanted here, and have business with others before. But if two lanes want each other by different masks, both wait
 * for ever. */
Meeting &Scheduler::Attend(Warp &warp, const Thread &me) {
    const unsigned lane = me.number % 32, first = me.number - lane;
    Meeting *mine = nullptr;
    for (Meeting *m = warp.meetings; m < warp.meetings + warp.meeting_count; m++) {
        const uint32_t partners = m->arrived & me.mask;
        if (m->mask == me.mask)
            mine = m;
        else if (!(m->mask >> lane & 1) || partners == 0)
            continue;
        if (mine == m && m->op == me.op && m->width == warp.width[lane]) continue;
        const unsigned partner = FirstLane(partners);
        Fault(Kind::kShuffle, describe_wait(me) + ": lane " + std::to_string(partner) + " waits in " +
                                  describe_wait(threads_[first + partner]) +
                                  (mine == m && m->op == me.op ? ", of another width" : ""));
    }
    if (!mine) {
        mine = &warp.meetings[warp.meeting_count++];
        *mine = {me.mask, 0, me.op, warp.width[lane]};
    }
    mine->arrived |= 1u << lane;
    return *mine;
}

void Scheduler::Complete(Warp &warp, Meeting &meeting, const Thread &me) {
    const unsigned first = me.number / 32 * 32;
    uint32_t ballot = 0;
    for (uint32_t lanes = me.mask; lanes; lanes &= lanes - 1)
        if (warp.value[FirstLane(lanes)]) ballot |= lanes & -lanes;
    for (uint32_t lanes = me.mask; lanes; lanes &= lanes - 1) {
        const unsigned lane = FirstLane(lanes);
        uint64_t &result = warp.result[lane];
        switch (me.op) {
        case WarpOp::kSync: break;
        case WarpOp::kBallot: result = ballot; break;
        case WarpOp::kAny: result = ballot != 0; break;
        case WarpOp::kAll: result = ballot == me.mask; break;
        default: result = ShuffleResult(warp, threads_[first + lane]);
        }
        released_.push_back(&threads_[first + lane]);
    }
    MakeReady(released_);
    warp.clock.Meet(me.mask, warp.existing);
    if (running.counting) machine().counting.Meeting(me.number / 32, me.mask);
    meeting = warp.meetings[--warp.meeting_count];
    machine().counters.warp_operations++;
}

uint64_t Scheduler::ShuffleResult(const Warp &warp, const Thread &reader) {
    const unsigned lane = reader.number % 32;
    const unsigned source = SourceLane(reader.op, lane, warp.parameter[lane], (unsigned)warp.width[lane]);
    if (!(reader.mask >> source & 1)) {
        released_.clear();
        Fault(Kind::kShuffle, describe_wait(reader) + ": lane " + std::to_string(lane) + " reads lane " +
                                  std::to_string(source) + ", which is not in the mask");
    }
    return warp.value[source];
}

/* ---- what builtins.h calls ------------------------------------------------------ */

void barrier(Site site) { machine().scheduler.Barrier(site); }

uint64_t warp_operation(WarpOp op, unsigned mask, uint64_t value, int parameter, int width, Site site) {
    return machine().scheduler.WarpIntrinsic(op, mask, value, parameter, width, site);
}

void trap(Site site) { machine().scheduler.Fault(Kind::kTrap, describe(site) + " is __trap()"); }

} // namespace simt
