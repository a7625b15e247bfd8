/* shared_memory.cc - gives out the shared memory of a launch, and says what is wrong where a check of shared.h fails.
 */
#include "shared_memory.h"

#include <cstdlib>

#include "machine.h"

namespace simt {
namespace {

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
/* A key that no declaration has. */
const char kDynamicKey = 0;

} // namespace

void SharedMemory::Free::operator()(void *p) const { free(p); }

void SharedMemory::BeginLaunch(size_t dynamic_bytes) {
    if (!data_) {
        data_.reset(static_cast<unsigned char *>(aligned_alloc(kSharedAlignment, kSharedBytes)));
        cells_.reset(static_cast<Cell *>(calloc(kSharedBytes, sizeof(Cell))));
        if (!data_ || !cells_) abort();
    }
    count_ = 0;
    cells_used_ = 0;
    static_bytes_ = 0;
    dynamic_bytes_ = dynamic_bytes;
    used_ = RoundUp(dynamic_bytes, kSharedAlignment); /* it comes first, so that its place does not depend on threads */
    dynamic_cells_ = NewCells(4, (long)(dynamic_bytes / 4));
}

Cell *SharedMemory::NewCells(size_t element, long count) {
    Cell *cells = cells_.get() + cells_used_;
    cells_used_ += (size_t)count * (element <= 4 ? 1 : element / 4);
    return cells;
}

SharedVariable *SharedMemory::Find(const void *key, size_t element) {
    for (int i = 0; i < count_; i++)
        if (variables_[i].key == key && variables_[i].element == element) return &variables_[i];
    return nullptr;
}

SharedVariable *SharedMemory::Add(const SharedVariable &variable) {
    if (count_ == kMaxVariables) abort();
    variables_[count_] = variable;
    return &variables_[count_++];
}

SharedVariable *SharedMemory::Static(const void *key, const char *name, size_t element, long count, std::string *why) {
    if (SharedVariable *found = Find(key, element)) return found;
    const size_t bytes = (size_t)count * element, first = RoundUp(used_, kSharedAlignment);
    if (first + bytes > kSharedBytes) {
        *why = std::string(name) + " needs " + std::to_string(bytes) + " bytes of shared memory, beside " +
               std::to_string(static_bytes_) + " of other arrays and " + std::to_string(dynamic_bytes_) +
               " of dynamic: at most " + std::to_string(kSharedBytes) + " together";
        return nullptr;
    }
    used_ = first + bytes;
    static_bytes_ += bytes;
    return Add({key, name, data_.get() + first, NewCells(element, count), count, element});
}

SharedVariable *SharedMemory::Dynamic(const char *name, size_t element, std::string *why) {
    if (SharedVariable *found = Find(&kDynamicKey, element)) return found;
    if (dynamic_bytes_ == 0) {
        *why = std::string(name) + " is dynamic shared memory, of which the launch gives none";
        return nullptr;
    }
    return Add({&kDynamicKey, name, data_.get(), dynamic_cells_, (long)(dynamic_bytes_ / element), element});
}

/* ---- what shared.h calls ------------------------------------------------------- */

SharedVariable *shared_variable(const void *key, const char *name, size_t element, long count) {
    Scheduler &scheduler = machine().scheduler;
    std::string why;
    SharedVariable *v = scheduler.shared().Static(key, name, element, count, &why);
    if (!v) scheduler.Fault(Kind::kSharedSize, why);
    return v;
}

SharedVariable *dynamic_shared_variable(const char *name, size_t element) {
    Scheduler &scheduler = machine().scheduler;
    std::string why;
    SharedVariable *v = scheduler.shared().Dynamic(name, element, &why);
    if (!v) scheduler.Fault(Kind::kSharedSize, why);
    return v;
}

namespace {

std::string Name(const SharedVariable &v, long i) { return std::string(v.name) + "[" + std::to_string(i) + "]"; }

std::string RaceText(const SharedVariable &v, long i, Access access, Site site, const Conflict &with) {
    std::string text = describe(site) + " " + describe_access(access, false) + " " + Name(v, i) + ", which ";
    if (!with.known)
        return text + "another thread has " + describe_access(with.access, true) + ", and nothing orders the two";
    return text + "thread " + describe(machine().scheduler.thread(with.thread).index) + " " +
           describe_access(with.access, true) + (with.sure ? " in line " : " perhaps in line ") +
           std::to_string(with.line) + ", and nothing orders the two";
}

} // namespace

void shared_out_of_range(const SharedVariable &v, long i, Site site) {
    machine().scheduler.Fault(Kind::kOutOfBounds, describe(site) + " uses " + Name(v, i) + ", and " + v.name + " has " +
                                                      std::to_string(v.count) + " elements");
}

void shared_misaligned(const SharedVariable &v, long i, int bytes, Site site) {
    const std::string size = std::to_string(bytes);
    machine().scheduler.Fault(Kind::kMisaligned, describe(site) + " uses " + size + " bytes at " + Name(v, i) +
                                                     ", which are not aligned to " + size);
}

/* A word is counted at its first cell. */
void shared_check(SharedVariable &v, long i, Cell &cell, Access access, int bytes, Site site) {
    Scheduler &scheduler = machine().scheduler;
    if (running.counting) {
        const unsigned char *p = v.data + (v.element < 4 ? (size_t)i * v.element : 4 * (size_t)(&cell - v.cells));
        const size_t offset = scheduler.shared().OffsetOf(p);
        if (offset % (size_t)bytes == 0) machine().counting.Shared(offset, bytes, access, site);
        return;
    }
    if (access != Access::kWrite && cell.write_phase < running.block_phase)
        scheduler.Fault(Kind::kUninitialized, describe(site) + " " + describe_access(access, false) + " " + Name(v, i) +
                                                  ", which no thread of the block has written yet");
    const Conflict conflict = scheduler.tracker().Note(cell, access, running.block_phase, site.line);
    if (conflict.found) scheduler.Fault(Kind::kRace, RaceText(v, i, access, site, conflict));
}

} // namespace simt
