/* diagnosis.cc - what is reported of a launch that went wrong, and how its other threads are brought to an end. */
#include <string>

#include "machine.h"

namespace simt {
namespace {

constexpr int kMaxLines = 12;

/* Threads that are in the same state, at the same place. */
bool Alike(const Thread &a, const Thread &b) {
    if (a.state != b.state) return false;
    if (a.state == State::kAtBarrier) return a.site.line == b.site.line;
    if (a.state == State::kInWarp) return a.site.line == b.site.line && a.op == b.op && a.mask == b.mask;
    return true;
}

std::string Describe(const Thread &thread) {
    switch (thread.state) {
    case State::kFresh: return "not begun";
    case State::kReady: return "can go on";
    case State::kRunning: return "running";
    case State::kAtBarrier: return "at the barrier " + describe(thread.site);
    case State::kInWarp: return "in " + describe_wait(thread);
    case State::kReturned: return "returned";
    }
    return "?";
}

} // namespace

/* Where every thread is, a line for each run of those that are alike. */
std::string Scheduler::Everybody() const {
    std::string text;
    int lines = 0;
    for (size_t first = 0; first < threads_.size();) {
        size_t end = first + 1;
        while (end < threads_.size() && Alike(threads_[first], threads_[end])) end++;
        if (lines++ == kMaxLines) return text + "\n    ...";
        text += "\n    threads " + std::to_string(first) + " to " + std::to_string(end - 1) + ": " +
                Describe(threads_[first]);
        first = end;
    }
    return text;
}

/* The launch has failed: threads that wait are woken, each to be abandoned where it is. */
void Scheduler::Record(Kind kind, const std::string &what) {
    if (failed_) return;
    failed_ = true;
    Report report;
    report.kind = kind;
    report.kernel = kernel_name(launch_->kernel);
    report.block = blockIdx;
    report.thread = current_->index;
    report.text = std::string(kind_name(kind)) + " in kernel " + report.kernel + ", block " + describe(blockIdx) +
                  ", thread " + describe(report.thread) + ": " + what + Everybody();
    machine().Keep(report);
    machine().sticky_error = cudaErrorLaunchFailure;

    ready_.clear();
    for (Thread &thread : threads_)
        if (thread.fiber && thread.state != State::kRunning && thread.state != State::kReturned)
            ready_.push_back(&thread);
}

void Scheduler::Fault(Kind kind, const std::string &what) {
    current_->state = State::kRunning;
    Record(kind, what);
    throw Abandoned();
}

} // namespace simt
