/* tracker.cc - the order of accesses to one word. */
#include "tracker.h"

#include <algorithm>

namespace simt {

Running running;

void WarpClock::Meet(uint32_t mask, uint32_t existing) {
    time++;
    if (mask == existing) {
        all_ = time;
        return;
    }
    std::array<uint32_t, 32> joined = {};
    for (unsigned lane = 0; lane < 32; lane++) {
        if (!(mask >> lane & 1)) continue;
        for (unsigned other = 0; other < 32; other++) joined[other] = std::max(joined[other], seen_[lane][other]);
    }
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) joined[lane] = time;
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) seen_[lane] = joined;
}

namespace {

Conflict With(Access access, unsigned thread, unsigned line) { return {true, true, access, thread, line}; }
Conflict WithUnknown(Access access) { return {true, false, access, 0, 0}; }
Conflict WithReader(const Cell &cell, unsigned thread) {
    return {true, true, Access::kRead, thread, cell.read_line, thread == cell.reader};
}
uint32_t LaneBit() { return 1u << running.lane(); }

} // namespace

Conflict Tracker::Check(Cell &cell, Access access, uint32_t first) const {
    if (cell.write_phase < first) {
        cell.write_phase = 0;
        cell.flags &= (uint16_t)~kAtomicFlags;
    }
    if (cell.read_phase < first) {
        cell.read_phase = 0;
        cell.flags &= (uint16_t)~kReadFlags;
    }
    const bool both_atomic = access == Access::kAtomic && (cell.flags & kAtomic);
    Conflict conflict = both_atomic ? Conflict() : CheckWriter(cell);
    if (!conflict.found && access != Access::kRead) conflict = CheckReaders(cell);
    return conflict;
}

Conflict Tracker::Note(Cell &cell, Access access, uint32_t first, int line) {
    const Conflict conflict = Check(cell, access, first);
    if (conflict.found) return conflict;
    if (access == Access::kRead) NoteRead(cell, line);
    if (access == Access::kWrite) NoteWrite(cell, line);
    if (access == Access::kAtomic) NoteAtomic(cell, line);
    return conflict;
}

Conflict Tracker::CheckWriter(const Cell &cell) const {
    if (cell.write_phase == 0) return {};
    const Access access = cell.flags & kAtomic ? Access::kAtomic : Access::kWrite;
    if (cell.write_phase < running.block_phase || (cell.flags & kOtherBlockAtomic)) return WithUnknown(access);
    if (cell.write_phase < running.phase) return {};
    const bool same_warp = cell.writer / 32 == running.warp() && !(cell.flags & kFarAtomic);
    if (cell.flags & (kManyAtomic | kFarAtomic)) {
        /* Of many only the last is known, so that only a meeting of the whole warp orders them. */
        if (same_warp && running.clock->OrderedForAll(cell.write_time)) return {};
        return cell.writer == running.thread ? WithUnknown(access) : With(access, cell.writer, cell.write_line);
    }
    if (cell.writer == running.thread) return {};
    if (same_warp && running.clock->Ordered(running.lane(), cell.writer % 32, cell.write_time)) return {};
    return With(access, cell.writer, cell.write_line);
}

Conflict Tracker::CheckReaders(const Cell &cell) const {
    if (cell.read_phase == 0) return {};
    if (cell.read_phase < running.block_phase || (cell.flags & kOtherBlockRead)) return WithUnknown(Access::kRead);
    if (cell.read_phase < running.phase) return {};
    const unsigned warp = running.warp();
    if (cell.reader / 32 != warp) return WithReader(cell, cell.reader);
    if (cell.flags & kFarReader) return WithReader(cell, cell.far_reader);
    return CheckLanes(cell);
}

Conflict Tracker::CheckLanes(const Cell &cell) const {
    const unsigned me = running.lane(), base = 32 * running.warp();
    const uint32_t others = cell.read_lanes & ~LaneBit();
    for (uint32_t left = others; left; left &= left - 1) {
        const unsigned lane = (unsigned)__builtin_ctz(left);
        if (!running.clock->Ordered(me, lane, cell.read_time)) return WithReader(cell, base + lane);
    }
    if (!(cell.flags & kMoreReads)) return {};
    const std::array<uint32_t, 32> &times = more_.at(&cell);
    for (unsigned lane = 0; lane < 32; lane++)
        if (lane != me && times[lane] > 0 && !running.clock->Ordered(me, lane, times[lane] - 1))
            return WithReader(cell, base + lane);
    return {};
}

void Tracker::NoteRead(Cell &cell, int line) {
    const bool same_phase = cell.read_phase == running.phase;
    if (same_phase) {
        if (cell.flags & kFarReader) return;
        if (cell.reader / 32 != running.warp()) {
            cell.far_reader = (uint16_t)running.thread;
            cell.flags |= kFarReader;
            return;
        }
        if (cell.read_time == running.clock->time) {
            cell.read_lanes |= LaneBit();
            return;
        }
        if (!running.clock->OrderedForAll(cell.read_time)) {
            KeepReads(cell);
            cell.flags |= kMoreReads;
        }
    } else {
        cell.flags &= (uint16_t) ~(kFarReader | kMoreReads);
        if (cell.read_phase != 0 && cell.read_phase < running.block_phase) cell.flags |= kOtherBlockRead;
    }
    cell.read_phase = running.phase;
    cell.read_time = running.clock->time;
    cell.read_lanes = LaneBit();
    cell.reader = (uint16_t)running.thread;
    cell.read_line = (uint16_t)line;
}

void Tracker::KeepReads(const Cell &cell) {
    if (more_phase_ != running.phase) more_.clear();
    more_phase_ = running.phase;
    auto [entry, fresh] = more_.try_emplace(&cell);
    if (fresh) entry->second.fill(0);
    for (unsigned lane = 0; lane < 32; lane++)
        if (cell.read_lanes >> lane & 1) entry->second[lane] = cell.read_time + 1;
}

void Tracker::NoteWrite(Cell &cell, int line) {
    /* Whoever is ordered after this write is ordered after the reads before it, too. */
    cell.read_phase = 0;
    cell.flags = 0;
    cell.write_phase = running.phase;
    cell.write_time = running.clock->time;
    cell.writer = (uint16_t)running.thread;
    cell.write_line = (uint16_t)line;
}

void Tracker::NoteAtomic(Cell &cell, int line) {
    uint16_t flags = kAtomic;
    if (cell.flags & kAtomic) {
        if (cell.write_phase < running.block_phase) {
            flags |= kOtherBlockAtomic;
        } else if (cell.write_phase == running.phase) {
            flags |= cell.flags;
            if (cell.writer / 32 != running.warp()) flags |= kFarAtomic;
            if (cell.writer != running.thread) flags |= kManyAtomic;
        }
        flags |= cell.flags & kOtherBlockAtomic;
    }
    NoteWrite(cell, line);
    cell.flags = flags & kAtomicFlags;
}

} // namespace simt
