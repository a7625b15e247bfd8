/* global_races.h - races on global memory, between threads of a block and between blocks of a launch.
 *
 * Kernels are compiled with -fsanitize=thread, and linked without it: then the
 * compiler calls __tsan_read4 and so on for every access, and these functions
 * are here (tsan_hooks.cc). Between blocks nothing orders: a block that waits
 * for what another one did, by atomics, is reported. */
#ifndef LENET_SIMT_GLOBAL_RACES_H
#define LENET_SIMT_GLOBAL_RACES_H
#include <cstddef>

#include "memory.h"
#include "tracker.h"

namespace simt {

class GlobalRaces {
  public:
    /* An access by the running thread, to device memory if it is that. code: where from. Only while running.noting. */
    void Note(const void *p, size_t bytes, Access access, const void *code);

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
    void NoteCells(const Part &part, Memory::Cells &cells, size_t grain);
    void CheckCells(const Part &part, Cell *cells, size_t grain);
    void Report(const Part &part, size_t offset, const Conflict &with);
};

} // namespace simt
#endif
