/* global_races.cc - who last read and wrote each word of global memory, and a report where two threads race. */
#include "global_races.h"

#include <cstdlib>
#include <string>

#include "machine.h"

namespace simt {
/* What is accessed by less than a word has cells of bytes, and the other kind of cells is looked at only. */
void GlobalRaces::NoteInFull(const Part &part) {
    Memory::Cells &words = part.piece->word_cells, &single = part.piece->byte_cells;
    if (part.bytes >= 4) {
        if (single) CheckCells(part, single.get(), 1);
        NoteCells(part, words, 4);
    } else {
        if (words) CheckCells(part, words.get(), 4);
        NoteCells(part, single, 1);
    }
}

void GlobalRaces::NoteElsewhere(const Memory::Piece &piece, Access access, const void *code) {
    if (piece.place != Memory::Place::kDevice || piece.device == running.device) return;
    machine().scheduler.Record(Kind::kDevice, describe_access(access, false) + " memory of device " +
                                                  std::to_string(piece.device) + ", and runs on device " +
                                                  std::to_string(running.device) + "; code at " + describe_code(code));
}

void GlobalRaces::NoteCells(const Part &part, Memory::Cells &cells, size_t grain) {
    if (!cells) cells.reset(static_cast<Cell *>(calloc((part.piece->bytes + grain - 1) / grain, sizeof(Cell))));
    if (!cells) abort();
    Tracker &tracker = machine().scheduler.tracker();
    for (size_t at = part.offset / grain; at * grain < part.offset + part.bytes; at++) {
        Cell &cell = cells.get()[at];
        if (!Quick(cell, part.access))
            Report(part, at * grain, tracker.Note(cell, part.access, running.launch_phase, 0));
    }
}

void GlobalRaces::CheckCells(const Part &part, Cell *cells, size_t grain) {
    const Tracker &tracker = machine().scheduler.tracker();
    for (size_t at = part.offset / grain; at * grain < part.offset + part.bytes; at++)
        Report(part, at * grain, tracker.Check(cells[at], part.access, running.launch_phase));
}

void GlobalRaces::Report(const Part &part, size_t offset, const Conflict &with) {
    if (!with.found) return;
    Scheduler &scheduler = machine().scheduler;
    const std::string other = with.known ? "thread " + describe(scheduler.thread(with.thread).index)
                                         : "another thread, of another block perhaps,";
    scheduler.Record(Kind::kRace, describe_access(part.access, false) + " global memory, byte " +
                                      std::to_string(offset) + " of " + std::to_string(part.piece->bytes) +
                                      " that were allocated together, which " + other + " " +
                                      describe_access(with.access, true) + ", and nothing orders the two; code at " +
                                      describe_code(part.code));
}

} // namespace simt
