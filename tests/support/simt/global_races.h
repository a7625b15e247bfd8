/* global_races.h - races on global memory, between threads of a block and between blocks of a launch.
 *
 * Kernels are compiled with -fsanitize=thread, and linked without it: then the
 * compiler calls __tsan_read4 and so on for every access, and these functions
 * are here (tsan_hooks.cc). Between blocks nothing orders: a block that waits
 * for what another one did, by atomics, is reported. */
#ifndef LENET_SIMT_GLOBAL_RACES_H
#define LENET_SIMT_GLOBAL_RACES_H
#include <cstddef>
#include <cstdint>

#include "memory.h"
#include "tracker.h"

namespace simt {

class GlobalRaces {
  public:
    explicit GlobalRaces(Memory &memory) : memory_(memory) {}

    /* An access by the running thread, to device memory if it is that. code: where from. Only while running.noting. */
    void Note(const void *p, size_t bytes, Access access, const void *code) {
        size_t offset;
        Memory::Piece *piece = memory_.DevicePiece(p, bytes, &offset);
        if (!piece) return;
        if (piece->device != running.device || piece->sparse) return NoteElsewhere(*piece, access, code);
        if (bytes == 4 && offset % 4 == 0 && piece->word_cells && !piece->byte_cells &&
            Quick(piece->word_cells.get()[offset / 4], access))
            return;
        NoteInFull({piece, offset, bytes, access, code});
    }

    /* Whether the hooks are in use. */
    bool on = false;

  private:
    /* An access to part of a piece. */
    struct Part {
        Memory::Piece *piece;
        size_t offset, bytes;
        Access access;
        const void *code;
    };
    static bool QuickRead(Cell &cell);
    static bool QuickWrite(Cell &cell);
    static bool Quick(Cell &cell, Access access);
    void NoteInFull(const Part &part);
    /* An access to memory of another device, or to such as races are not looked for in. */
    void NoteElsewhere(const Memory::Piece &piece, Access access, const void *code);
    void NoteCells(const Part &part, Memory::Cells &cells, size_t grain);
    void CheckCells(const Part &part, Cell *cells, size_t grain);
    void Report(const Part &part, size_t offset, const Conflict &with);

    Memory &memory_;
};

/* Most accesses: to a word that nobody else writes in this launch. Does what Tracker::Note does, or nothing and says
 * so. */
inline bool GlobalRaces::QuickRead(Cell &cell) {
    const Running &r = running;
    if (cell.read_phase == r.phase) {
        if (cell.flags & kFarReader) return true;
        if (cell.read_time != r.clock->time || cell.reader / 32 != r.warp()) return false;
        cell.read_lanes |= 1u << r.lane();
        return true;
    }
    if (cell.read_phase < r.launch_phase)
        cell.flags = 0;
    else
        cell.flags = cell.read_phase < r.block_phase ? kOtherBlockRead : cell.flags & kOtherBlockRead;
    cell.read_phase = r.phase;
    cell.read_time = r.clock->time;
    cell.read_lanes = 1u << r.lane();
    cell.reader = (uint16_t)r.thread;
    return true;
}

inline bool GlobalRaces::QuickWrite(Cell &cell) {
    const Running &r = running;
    if (cell.read_phase >= r.launch_phase) return false;
    cell.write_phase = r.phase;
    cell.write_time = r.clock->time;
    cell.writer = (uint16_t)r.thread;
    cell.flags = 0;
    return true;
}

inline bool GlobalRaces::Quick(Cell &cell, Access access) {
    if (access == Access::kAtomic || cell.write_phase >= running.launch_phase) return false;
    return access == Access::kRead ? QuickRead(cell) : QuickWrite(cell);
}

} // namespace simt
#endif
