/* memory.h - what the device's memory, and the host's that it can reach, is made of: malloc, so that
 * AddressSanitizer knows the bounds. */
#ifndef LENET_SIMT_MEMORY_H
#define LENET_SIMT_MEMORY_H
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tracker.h"

namespace simt {

class Memory {
  public:
    enum class Place { kDevice, kPinned };

    /* Cells are for global_races.cc, and made by it: of words, and of bytes for accesses to less than a word. */
    struct Freed {
        void operator()(void *p) const { free(p); }
    };
    using Cells = std::unique_ptr<Cell, Freed>; /* zero at first: calloc's pages come when they are used */
    struct Piece {
        Place place;
        int device; /* on which it is */
        bool sparse;
        size_t bytes;
        void *block; /* with the guards around it */
        Cells word_cells, byte_cells;
    };

    /* NULL where there is none. Fresh memory is NaN, whatever it is read as; or zero, and mapped where it is touched.
     */
    void *Allocate(Place place, size_t bytes, int device, bool sparse);
    /* Whether p was allocated there. */
    bool Free(Place place, void *p);

    /* Whether all of it lies within one piece of the device's memory. */
    bool OnDevice(const void *p, size_t bytes) const;
    /* Whose it is then. */
    int DeviceOf(const void *p) const { return Around(p, 1)->device; }
    /* Makes memory zero, whose pages need not come for it. */
    void Clear(void *p, size_t bytes);
    bool StartsOnDevice(const void *p) const { return OnDevice(p, 1); }
    bool Pinned(const void *p, size_t bytes) const;
    /* "" or which guard of any piece was written to, and by how much it is too far. AddressSanitizer knows without. */
    std::string Damage() const;
    size_t allocated() const; /* bytes on all devices */
    size_t allocated(int device) const { return device < (int)allocated_.size() ? allocated_[(size_t)device] : 0; }
    /* NULL where it is none; *offset: of p within it. */
    Piece *DevicePiece(const void *p, size_t bytes, size_t *offset) {
        for (const Recent &r : recent_) {
            *offset = reinterpret_cast<uintptr_t>(p) - r.first;
            if (*offset < r.bytes && bytes <= r.bytes - *offset) return r.piece;
        }
        return FindDevicePiece(p, bytes, offset);
    }

  private:
    const Piece *Around(const void *p, size_t bytes) const;
    Piece *FindDevicePiece(const void *p, size_t bytes, size_t *offset);

    std::map<uintptr_t, Piece> pieces_; /* by address */
    /* What DevicePiece found of late: as many as a kernel uses. */
    static constexpr unsigned kRecent = 8;
    struct Recent {
        uintptr_t first;
        size_t bytes;
        Piece *piece;
    } recent_[kRecent] = {};
    unsigned oldest_ = 0;
    std::vector<size_t> allocated_; /* on each device */
};

} // namespace simt
#endif
