/* counting.h - how a launch uses memory: sectors of global memory, wavefronts of shared memory, and bytes.
 *
 * A warp's instruction is not seen as one: lanes run one after another. So the k-th access of each lane by the same
 * code is taken for one access of the warp, where k is counted from the last barrier on, and lanes that meet in a warp
 * intrinsic go on with the same k. For global memory the code is an instruction of the program that runs here, and for
 * shared memory a line of the source. That is what a GPU does where all lanes take the same way, and where some skip a
 * piece of it, or leave a loop early. It is not where lanes do different numbers of turns of a loop within another
 * loop: from then on until they meet accesses of different turns are put together.
 *
 * A launch that is counted is not checked: neither races nor reads of what nobody wrote are found. */
#ifndef LENET_SIMT_COUNTING_H
#define LENET_SIMT_COUNTING_H
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "memory.h"
#include "shared.h"
#include "simt.h"
#include "tracker.h"

namespace simt {

class Counting {
  public:
    explicit Counting(Memory &memory) : memory_(memory) {}

    bool on = false;
    unsigned every = 1; /* of so many blocks one runs */
    std::vector<LaunchCounts> launches;

    /* Of a launch, between which all else happens. */
    void Begin(const std::string &kernel, unsigned threads, size_t dynamic_bytes);
    void End();

    /* An access by the running thread. */
    void Global(const void *p, size_t bytes, Access access, const void *code);
    void Shared(size_t offset, int bytes, Access access, Site site);
    /* The whole block is at a barrier; some lanes of a warp have met; a block has ended. */
    void Barrier();
    void Meeting(unsigned warp, uint32_t lanes);
    void EndOfBlock();
    /* Bytes that are moved outside of kernels' threads. */
    void Range(const void *p, size_t bytes, Access access);

  private:
    static constexpr size_t kSector = 32, kPage = 1 << 16;

    /* What one code does: an access of the warp for each turn, with the address of each lane that makes it. */
    struct Turn {
        uint32_t lanes;
        uint64_t address[32];
    };
    struct Code {
        uint32_t bytes;
        bool shared, writes;
        size_t turns; /* so many are in use */
        std::deque<Turn> turn;
        uint32_t next[32]; /* turn of each lane */
    };
    struct Key {
        const void *where;
        uint64_t what;
        bool operator==(const Key &other) const { return where == other.where && what == other.what; }
    };
    struct Hash {
        size_t operator()(const Key &key) const {
            return (reinterpret_cast<uintptr_t>(key.where) ^ key.what * 0x9E3779B97F4A7C15ull) * 0xBF58476D1CE4E5B9ull;
        }
    };
    struct Warp {
        std::unordered_map<Key, Code, Hash> codes;
        std::vector<Code *> used; /* since the last meeting */
    };
    using Pages = std::unordered_map<uint64_t, std::bitset<kPage / kSector>>; /* sectors that were touched */

    void Note(const Key &key, uint64_t address, uint32_t bytes, bool shared, bool writes);
    void Touch(uint64_t sector, bool writes);
    void CountAll();
    void CountGlobal(const Turn &turn, const Code &code);
    void CountShared(const Turn &turn, const Code &code);

    Memory &memory_;
    LaunchCounts now_;
    std::vector<Warp> warps_;
    Pages read_, written_;
};

} // namespace simt
#endif
