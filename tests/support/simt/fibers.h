/* fibers.h - stacks that take turns: one for every CUDA thread that waits at a barrier. */
#ifndef LENET_SIMT_FIBERS_H
#define LENET_SIMT_FIBERS_H
#include <cstddef>

#if !defined(__x86_64__) || defined(SIMT_UCONTEXT)
#include <ucontext.h>
#endif

namespace simt {

class Fiber {
  public:
    /* The stack that the caller is on already. */
    Fiber() = default;
    /* A stack of its own, on which main runs at the first switch. main never
     * returns, and calls Arrive first. number: counts the fibers from 0. */
    Fiber(unsigned number, void (*main)());
    ~Fiber();
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;

    /* Called on this fiber: goes on with `to`, and returns when someone switches back. */
    void SwitchTo(Fiber &to);
    /* Called on a new fiber, that `from` has switched to. */
    static void Arrive(Fiber &from);

    const char *stack() const { return static_cast<const char *>(bottom_); }
    size_t stack_bytes() const { return size_; }

  private:
    void Prepare(void (*main)());

#if defined(__x86_64__) && !defined(SIMT_UCONTEXT)
    void *stack_pointer_ = nullptr;
#else
    ucontext_t context_ = {};
#endif
    char *mapping_ = nullptr; /* a guard page, then the stack */
    const void *bottom_ = nullptr;
    size_t size_ = 0;
    [[maybe_unused]] void *fake_stack_ = nullptr; /* AddressSanitizer's */
};

} // namespace simt
#endif
