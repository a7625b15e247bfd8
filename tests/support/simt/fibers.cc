/* fibers.cc - switching stacks by hand on x86-64, seven times as fast as ucontext, which does it elsewhere. */
#include "fibers.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#endif
#ifdef SIMT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt {
namespace {

/* Sanitizers make frames several times as large. */
#ifdef SIMT_ASAN
constexpr size_t kStackBytes = 256 * 1024;
#else
constexpr size_t kStackBytes = 128 * 1024;
#endif
constexpr size_t kPage = 4096;

/* Without it the tops of all stacks would share a few sets of the cache. */
size_t Stagger(unsigned number) { return number % 64 * 320; }

} // namespace

Fiber::Fiber(unsigned number, void (*main)()) {
    void *memory =
        mmap(nullptr, kPage + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) {
        perror("simt: no memory for the stack of a CUDA thread");
        abort();
    }
    mapping_ = static_cast<char *>(memory);
    bottom_ = mapping_ + kPage;
    size_ = kStackBytes - Stagger(number);
    Prepare(main);
}

Fiber::~Fiber() {
    if (mapping_) munmap(mapping_, kPage + kStackBytes);
}

#if defined(__x86_64__) && !defined(SIMT_UCONTEXT)

/* Saves the registers that a call preserves and the stack pointer, and takes up another stack's. */
extern "C" void simt_switch_stack(void **save, void *to);
__asm__(".text\n"
        ".globl simt_switch_stack\n"
        ".type simt_switch_stack, @function\n"
        "simt_switch_stack:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size simt_switch_stack, .-simt_switch_stack\n");

/* As if main had been called (its return address, 0, ends every back trace) and had switched away at once. */
void Fiber::Prepare(void (*main)()) {
    void **top = reinterpret_cast<void **>(mapping_ + kPage + size_);
    *--top = nullptr; /* 16 bytes below an aligned top, main finds the stack as a call leaves it: off by these 8 */
    *--top = reinterpret_cast<void *>(main);
    for (int saved = 0; saved < 6; saved++) *--top = nullptr;
    stack_pointer_ = top;
}

static void SwitchStack(void **from, void *to) { simt_switch_stack(from, to); }
#define SIMT_SWITCH(from, to) SwitchStack(&(from).stack_pointer_, (to).stack_pointer_)

#else

void Fiber::Prepare(void (*main)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = mapping_ + kPage;
    context_.uc_stack.ss_size = size_;
    context_.uc_link = nullptr;
    makecontext(&context_, main, 0);
}

#define SIMT_SWITCH(from, to) swapcontext(&(from).context_, &(to).context_)

#endif

#ifdef SIMT_ASAN

void Fiber::SwitchTo(Fiber &to) {
    __sanitizer_start_switch_fiber(&fake_stack_, to.bottom_, to.size_);
    SIMT_SWITCH(*this, to);
    __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
}

/* The bounds of the stack that was there first are known from here on, just in time for the way back to it. */
void Fiber::Arrive(Fiber &from) {
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    from.bottom_ = bottom;
    from.size_ = size;
}

#else

void Fiber::SwitchTo(Fiber &to) { SIMT_SWITCH(*this, to); }
void Fiber::Arrive(Fiber &) {}

#endif

} // namespace simt
