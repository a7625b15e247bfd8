/* global_races.cc - see global_races.h. */
#include "global_races.h"

#include <string>

#include "machine.h"

namespace simt {

void GlobalRaces::Note(const void *p, size_t bytes, Access access, const void *code) {
    Machine &m = machine();
    size_t offset;
    if (!on || !m.scheduler.InThread() || m.scheduler.failed()) return;
    Memory::Piece *piece = m.memory.DevicePiece(p, bytes, &offset);
    if (!piece) return;
    const size_t grain = bytes >= 4 ? 4 : 1;
    std::unique_ptr<Cell[]> &cells = bytes >= 4 ? piece->word_cells : piece->byte_cells;
    if (!cells) cells = std::make_unique<Cell[]>((piece->bytes + grain - 1) / grain);
    for (size_t at = offset / grain; at * grain < offset + bytes; at++)
        NoteCell(cells[at], access, code, *piece, at * grain);
}

void GlobalRaces::NoteCell(Cell &cell, Access access, const void *code, const Memory::Piece &piece, size_t offset) {
    Scheduler &scheduler = machine().scheduler;
    const Conflict with = scheduler.tracker().Note(cell, access, running.launch_phase, 0);
    if (!with.found || scheduler.failed()) return;
    const char *now = access == Access::kRead ? "reads" : access == Access::kWrite ? "writes" : "changes atomically";
    const char *then = with.access == Access::kRead ? "read" : with.access == Access::kWrite ? "wrote" : "changed";
    scheduler.Record(Kind::kRace, std::string(now) + " global memory, byte " + std::to_string(offset) + " of " +
                                      std::to_string(piece.bytes) + " that were allocated together, which " +
                                      (with.known ? "thread " + describe(scheduler.thread(with.thread).index)
                                                  : "another thread, of another block perhaps,") +
                                      " " + then + ", and nothing orders the two" +
                                      (code ? "; code at " + describe_code(code) : ""));
}

} // namespace simt
