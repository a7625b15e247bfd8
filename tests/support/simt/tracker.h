/* tracker.h - who touched a word of memory since the last barrier: finds races and reads of what nobody wrote.
 *
 * Two accesses of different threads are a race when at least one writes and
 * nothing orders them. A block barrier orders all threads of the block: it
 * begins a new phase. Phases are counted over all blocks of all launches, so
 * that nothing ever has to be cleared. Within a phase only the warp intrinsics
 * order, and only the lanes that took part: a clock per warp knows. */
#ifndef LENET_SIMT_TRACKER_H
#define LENET_SIMT_TRACKER_H
#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

/* Sanitizers need not check the checks, at several times their cost. gcc inlines no other functions into these. */
#define SIMT_UNSANITIZED __attribute__((no_sanitize("address", "undefined", "thread")))

namespace simt {

/* Time in a warp is the number of warp intrinsics that were completed. What a
 * lane did at time t happened before what another lane does now, if both took
 * part in an intrinsic after t, or are linked by a chain of such. */
class WarpClock {
  public:
    uint32_t time = 0; /* to be read only */
    bool OrderedForAll(uint32_t then) const { return then < all_; }
    bool Ordered(unsigned lane, unsigned other, uint32_t then) const {
        return then < all_ || seen_[lane][other] > then;
    }
    /* The lanes of mask have met; existing: all lanes of the warp. */
    void Meet(uint32_t mask, uint32_t existing);

  private:
    uint32_t all_ = 0; /* after the last meeting of all lanes: the usual case needs no table */
    /* [lane][other]: what other did before this time happened before what lane does now. */
    std::array<std::array<uint32_t, 32>, 32> seen_ = {};
};

/* The running thread, as far as checking an access needs it. */
struct Running {
    uint32_t phase = 1;        /* the present one                 */
    uint32_t quick_phase = 1;  /* the same, or 0 while accesses are counted: then none is quick */
    uint32_t block_phase = 1;  /* the first of the running block  */
    uint32_t launch_phase = 1; /* the first of the running launch */
    uint32_t thread = 0;       /* in its block: 32 * warp + lane  */
    WarpClock *clock = nullptr;
    int device = 0;        /* on which it runs                                             */
    bool noting = false;   /* whether somebody wants to know of accesses to global memory: */
    bool counting = false; /* Counting, or else GlobalRaces                                */
    const char *stack = nullptr;
    size_t stack_bytes = 0;

    uint32_t Advance() {
        phase++;
        quick_phase = counting ? 0 : phase;
        return phase;
    }
    uint32_t warp() const { return thread / 32; }
    uint32_t lane() const { return thread % 32; }
};
/* Part of the emulated machine. It is here for the checks to be inlined. */
extern Running running;

/* One word's last write, and the reads since. */
struct Cell {
    uint32_t write_phase, write_time; /* phase 0: never */
    uint32_t read_phase, read_time;
    uint32_t read_lanes; /* of the reader's warp, all of them at read_time */
    uint16_t writer, reader, far_reader;
    uint16_t write_line, read_line;
    uint16_t flags;
};
static_assert(sizeof(Cell) == 32, "two to a cache line");

enum CellFlags : uint16_t {
    kFarReader = 1,         /* far_reader read in read_phase too; it is of another warp than reader */
    kMoreReads = 2,         /* lanes of the warp read at other times too: Tracker::more_            */
    kOtherBlockRead = 4,    /* so did another block of this launch                                  */
    kAtomic = 8,            /* the last write was an atomic operation,                              */
    kManyAtomic = 16,       /* other lanes of the warp had made one too,                            */
    kFarAtomic = 32,        /* or other warps,                                                      */
    kOtherBlockAtomic = 64, /* or another block of this launch */
    kReadFlags = kFarReader | kMoreReads | kOtherBlockRead,
    kAtomicFlags = kAtomic | kManyAtomic | kFarAtomic | kOtherBlockAtomic,
};

enum class Access : uint8_t { kRead, kWrite, kAtomic };

/* The earlier access that the present one races with. */
struct Conflict {
    bool found = false;
    bool known = false; /* thread and line are; not so if it was in another block */
    Access access = Access::kRead;
    unsigned thread = 0, line = 0;
    bool sure = true; /* of the line; else it is another thread's that did the same */
};

class Tracker {
  public:
    /* Checks and remembers an access of the running thread. What happened to the
     * cell before the phase `first` is forgotten: shared memory begins with the
     * block, global memory's races with the launch. */
    Conflict Note(Cell &cell, Access access, uint32_t first, int line);
    /* Checks it only. */
    Conflict Check(Cell &cell, Access access, uint32_t first) const;

  private:
    Conflict CheckWriter(const Cell &cell) const;
    Conflict CheckReaders(const Cell &cell) const;
    Conflict CheckLanes(const Cell &cell) const;
    void NoteRead(Cell &cell, int line);
    void NoteWrite(Cell &cell, int line);
    void NoteAtomic(Cell &cell, int line);
    void KeepReads(const Cell &cell);

    /* Per lane the time of its last read, plus 1. A cell gets here when lanes of one warp read it between
     * intrinsics that not all of them took part in. */
    std::unordered_map<const Cell *, std::array<uint32_t, 32>> more_;
    uint32_t more_phase_ = 0;
};

} // namespace simt
#endif
