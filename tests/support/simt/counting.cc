/* counting.cc - from the addresses of a warp's lanes to sectors and wavefronts. */
#include "counting.h"

#include <algorithm>
#include <utility>

#include "machine.h"

namespace simt {
namespace {

constexpr int kBanks = 32, kWord = 4;

size_t Pieces(size_t size, size_t piece) { return (size + piece - 1) / piece; }

/* The wavefronts of some lanes, whose words are all looked up at a time: as many as the bank has words that has most. A
 * word that several lanes want counts once. */
class Banks {
  public:
    void Add(uint64_t address, uint32_t bytes) {
        for (uint64_t word = address / kWord; word <= (address + bytes - 1) / kWord; word++) {
            uint64_t *const first = words_[word % kBanks];
            int &count = counts_[word % kBanks];
            if (std::find(first, first + count, word) != first + count) continue;
            first[count++] = word;
            total_++;
        }
    }
    uint64_t Wavefronts() const { return (uint64_t)*std::max_element(counts_, counts_ + kBanks); }
    uint64_t Least() const { return Pieces(total_, kBanks); }

  private:
    uint64_t words_[kBanks][32]; /* a lane has at most one in a bank */
    int counts_[kBanks] = {};
    size_t total_ = 0;
};

} // namespace

void Counting::Begin(const std::string &kernel, unsigned threads, size_t dynamic_bytes) {
    now_ = LaunchCounts();
    now_.kernel = kernel;
    now_.threads = threads;
    now_.dynamic_bytes = dynamic_bytes;
    warps_.clear();
    warps_.resize(Pieces(threads, 32));
}

void Counting::End() {
    for (const auto &page : read_) now_.bytes_read += page.second.count() * kSector;
    for (const auto &page : written_) now_.bytes_written += page.second.count() * kSector;
    read_.clear();
    written_.clear();
    launches.push_back(now_);
}

void Counting::Touch(uint64_t sector, bool writes) {
    (writes ? written_ : read_)[sector * kSector / kPage].set(sector % (kPage / kSector));
}

void Counting::Global(const void *p, size_t bytes, Access access, const void *code) {
    size_t offset;
    if (!memory_.DevicePiece(p, bytes, &offset)) return;
    const bool writes = access != Access::kRead;
    Note({code, bytes << 2 | writes}, reinterpret_cast<uintptr_t>(p), (uint32_t)bytes, false, writes);
}

void Counting::Shared(size_t offset, int bytes, Access access, Site site) {
    const bool writes = access != Access::kRead;
    const uint64_t what = (uint64_t)site.line << 32 | (uint64_t)bytes << 2 | 2u | writes;
    Note({site.file, what}, offset, (uint32_t)bytes, true, writes);
}

void Counting::Note(const Key &key, uint64_t address, uint32_t bytes, bool shared, bool writes) {
    Warp &warp = warps_[running.warp()];
    Code &code = warp.codes[key];
    if (code.turns == 0) {
        warp.used.push_back(&code);
        code.bytes = bytes;
        code.shared = shared;
        code.writes = writes;
    }
    const unsigned lane = running.lane();
    const size_t number = code.next[lane]++;
    if (number == code.turn.size()) code.turn.emplace_back();
    Turn &turn = code.turn[number];
    if (number == code.turns) {
        turn.lanes = 0;
        code.turns++;
    }
    turn.lanes |= 1u << lane;
    turn.address[lane] = address;
}

void Counting::Barrier() {
    now_.barriers++;
    CountAll();
}

void Counting::EndOfBlock() {
    now_.blocks++;
    CountAll();
}

void Counting::Meeting(unsigned warp, uint32_t lanes) {
    for (Code *code : warps_[warp].used) {
        uint32_t next = 0;
        for (uint32_t left = lanes; left; left &= left - 1) next = std::max(next, code->next[FirstLane(left)]);
        for (uint32_t left = lanes; left; left &= left - 1) code->next[FirstLane(left)] = next;
    }
}

void Counting::CountAll() {
    for (Warp &warp : warps_) {
        for (Code *code : warp.used) {
            for (size_t i = 0; i < code->turns; i++)
                if (code->shared)
                    CountShared(code->turn[i], *code);
                else
                    CountGlobal(code->turn[i], *code);
            code->turns = 0;
            std::fill(code->next, code->next + 32, 0);
        }
        warp.used.clear();
    }
}

void Counting::CountGlobal(const Turn &turn, const Code &code) {
    uint64_t first[32];
    int count = 0;
    for (uint32_t lanes = turn.lanes; lanes; lanes &= lanes - 1) first[count++] = turn.address[FirstLane(lanes)];
    if (!std::is_sorted(first, first + count)) std::sort(first, first + count);
    count = (int)(std::unique(first, first + count) - first); /* and these do not overlap, for they are aligned */
    Share &share = code.writes ? now_.sectors_written : now_.sectors_read;
    share.least += Pieces((size_t)count * code.bytes, kSector);
    uint64_t next = 0; /* the first sector that no lane before has */
    for (int i = 0; i < count; i++)
        for (uint64_t s = std::max(first[i] / kSector, next); s * kSector < first[i] + code.bytes; s++) {
            Touch(s, code.writes);
            share.used++;
            next = s + 1;
        }
}

/* Lanes that move 8 bytes are served by half-warps, and such that move 16 by quarters. */
void Counting::CountShared(const Turn &turn, const Code &code) {
    const int part = code.bytes <= kWord ? 32 : 32 * kWord / (int)code.bytes;
    for (int first = 0; first < 32; first += part) {
        Banks banks;
        for (int lane = first; lane < first + part; lane++)
            if (turn.lanes >> lane & 1) banks.Add(turn.address[lane], code.bytes);
        now_.wavefronts.used += banks.Wavefronts();
        now_.wavefronts.least += banks.Least();
    }
}

void Counting::Range(const void *p, size_t bytes, Access access) {
    const uint64_t first = reinterpret_cast<uintptr_t>(p);
    for (uint64_t s = first / kSector; s * kSector < first + bytes; s++) Touch(s, access != Access::kRead);
}

} // namespace simt
