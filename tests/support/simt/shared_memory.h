/* shared_memory.h - the shared memory of the running launch: its arrays, and the cells that their words are tracked in.
 */
#ifndef LENET_SIMT_SHARED_MEMORY_H
#define LENET_SIMT_SHARED_MEMORY_H
#include <memory>
#include <string>

#include "shared.h"

namespace simt {

/* What a block may have at most, static and dynamic together. A GPU may have more to give, but has to be asked. */
constexpr size_t kSharedBytes = 48 * 1024;
/* What an array may begin at, so that load4 can be used on it. */
constexpr size_t kSharedAlignment = 16;

class SharedMemory {
  public:
    /* Arrays are laid out anew for each launch, and kept for all of its blocks. */
    void BeginLaunch(size_t dynamic_bytes);
    /* NULL where there is no room, and *why then says so. */
    SharedVariable *Static(const void *key, const char *name, size_t element, long count, std::string *why);
    SharedVariable *Dynamic(const char *name, size_t element, std::string *why);
    size_t OffsetOf(const void *p) const { return (size_t)(static_cast<const unsigned char *>(p) - data_.get()); }

  private:
    SharedVariable *Find(const void *key, size_t element);
    SharedVariable *Add(const SharedVariable &variable);
    Cell *NewCells(size_t element, long count);

    static constexpr int kMaxVariables = 64;

    SharedVariable variables_[kMaxVariables];
    int count_ = 0;
    size_t used_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0;
    Cell *dynamic_cells_ = nullptr;
    struct Free {
        void operator()(void *p) const;
    };
    std::unique_ptr<unsigned char, Free> data_;
    std::unique_ptr<Cell, Free> cells_; /* one a byte would be enough for any mixture of elements */
    size_t cells_used_ = 0;
};

} // namespace simt
#endif
