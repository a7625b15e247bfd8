/* machine.cc - the machine's state, and what tests see of it. */
#include "machine.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace simt {
namespace {

[[noreturn]] void WrongEnvironment(const char *name, const char *text, const char *wanted) {
    std::fprintf(stderr, "simt: %s=%s is none of %s\n", name, text, wanted);
    std::exit(2);
}

void ReadOrder(Scheduler &scheduler, const std::string &order) {
    if (order == "forward")
        scheduler.SetOrder(Order::kForward, 1);
    else if (order == "reverse")
        scheduler.SetOrder(Order::kReverse, 1);
    else if (order == "random" || order.compare(0, 7, "random:") == 0)
        scheduler.SetOrder(Order::kRandom, order.size() > 7 ? std::strtoull(order.c_str() + 7, nullptr, 10) : 1);
    else
        WrongEnvironment("SIMT_ORDER", order.c_str(), "forward, reverse, random, random:SEED");
}

void ReadFault(Machine &m, const char *text) {
    char *end;
    m.planned_fault.call = std::strtoull(text, &end, 10);
    m.planned_fault.sticks = *end == '+';
    if (m.planned_fault.sticks) end++;
    m.planned_fault.error = *end == ':' ? (cudaError_t)std::strtol(end + 1, &end, 10) : cudaErrorLaunchFailure;
    if (m.planned_fault.call == 0 || *end) WrongEnvironment("SIMT_FAULT", text, "N, N+, N:ERROR, N+:ERROR");
}

/* At the end of the process, for whoever then fails one of the calls. */
void WriteCalls() {
    if (FILE *file = std::fopen(std::getenv("SIMT_CALLS"), "w")) {
        std::fprintf(file, "%llu\n", (unsigned long long)machine().counters.calls);
        std::fclose(file);
    }
}

} // namespace

thread_local HostThread host_thread;

Machine::Machine() {
    if (std::getenv("SIMT_CALLS")) std::atexit(WriteCalls);
    if (const char *order = std::getenv("SIMT_ORDER")) ReadOrder(scheduler, order);
    if (const char *streams_text = std::getenv("SIMT_STREAMS")) {
        streams.eager = std::strcmp(streams_text, "eager") == 0;
        if (!streams.eager && std::strcmp(streams_text, "lazy") != 0)
            WrongEnvironment("SIMT_STREAMS", streams_text, "eager, lazy");
    }
    if (const char *fault = std::getenv("SIMT_FAULT")) ReadFault(*this, fault);
}

/* It is never destroyed: a program may still free what it holds when its own objects go. */
Machine &machine() {
    static Machine *const the_machine = new Machine();
    return *the_machine;
}

/* A runtime runs with the drivers of its own major version, and later ones. */
cudaError_t Machine::Usable() const {
    if (!device.driver || device.driver_version / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
    if (device.count == 0) return cudaErrorNoDevice;
    return sticky_error;
}

cudaError_t Machine::BeginCall() {
    const uint64_t call = ++counters.calls;
    const bool fails =
        planned_fault.call && (planned_fault.sticks ? call >= planned_fault.call : call == planned_fault.call);
    return fails ? planned_fault.error : Usable();
}

cudaError_t Machine::Return(cudaError_t error) {
    if (error != cudaSuccess) host_thread.last_error = error;
    return error;
}

void Machine::Keep(const Report &found) {
    if (report.kind != Kind::kNone) return;
    report = found;
    if (printing) std::fprintf(stderr, "simt: %s\n", report.text.c_str());
}

void Machine::Complain(Kind kind, const std::string &text) {
    Report found;
    found.kind = kind;
    found.text = std::string(kind_name(kind)) + ": " + text;
    Keep(found);
}

void Machine::FailWork(Kind kind, const std::string &text) {
    Complain(kind, text);
    sticky_error = cudaErrorIllegalAddress;
}

const char *kind_name(Kind kind) {
    switch (kind) {
    case Kind::kNone: return "nothing";
    case Kind::kOutOfBounds: return "out of bounds";
    case Kind::kUninitialized: return "uninitialized read";
    case Kind::kRace: return "race";
    case Kind::kMisaligned: return "misaligned";
    case Kind::kBarrier: return "divergent barrier";
    case Kind::kShuffle: return "wrong warp intrinsic";
    case Kind::kDeadlock: return "deadlock";
    case Kind::kSharedSize: return "too much shared memory";
    case Kind::kConfiguration: return "wrong launch";
    case Kind::kMemory: return "wrong memory";
    case Kind::kException: return "exception";
    case Kind::kTrap: return "trap";
    case Kind::kDevice: return "wrong device";
    }
    return "?";
}

const Report &last_report() { return machine().report; }
void set_printing(bool printing) { machine().printing = printing; }
void set_order(Order order, uint64_t seed) { machine().scheduler.SetOrder(order, seed); }
void set_eager(bool eager) { machine().streams.eager = eager; }
void set_early_branches(bool early) { machine().streams.early_branches = early; }
void fail_calls(uint64_t first, bool sticks, int error) {
    Machine &m = machine();
    m.planned_fault = {first ? m.counters.calls + first : 0, sticks, (cudaError_t)error};
}
void set_device(const Device &device) {
    machine().device = device;
    if (host_thread.device >= device.count) host_thread.device = 0;
}
void set_sparse(bool sparse) { machine().sparse = sparse; }
void run_ends(uint3 n) { machine().ends = n; }
void set_elapsed(float milliseconds) { machine().elapsed = milliseconds; }
size_t allocated_bytes() { return machine().memory.allocated(); }
size_t open_handles() {
    const Streams &s = machine().streams;
    return s.handles.all().size() + s.events.all().size() + s.graphs.all().size() + s.execs.all().size();
}
const Counters &counters() { return machine().counters; }
void set_counting(bool on, unsigned every) {
    machine().counting.on = on;
    machine().counting.every = every;
}
const std::vector<LaunchCounts> &launch_counts() { return machine().counting.launches; }
const std::vector<GraphSize> &graph_sizes() { return machine().streams.graph_sizes; }

void reset() {
    Machine &m = machine();
    m.report = Report();
    host_thread.last_error = m.sticky_error = cudaSuccess;
    m.counters = {};
    m.planned_fault = {};
    m.elapsed = 0;
    m.streams.DropEverything();
    m.streams.graph_sizes.clear();
    m.counting.launches.clear();
}

} // namespace simt
