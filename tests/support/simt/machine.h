/* machine.h - the emulated machine: one object that holds all that changes. */
#ifndef LENET_SIMT_MACHINE_H
#define LENET_SIMT_MACHINE_H
#include <mutex>
#include <string>

#include "counting.h"
#include "cuda_runtime_api.h"
#include "describe.h"
#include "global_races.h"
#include "memory.h"
#include "scheduler.h"
#include "simt.h"
#include "streams.h"

namespace simt {

/* What the runtime keeps for each thread of the host. */
struct HostThread {
    int device = 0; /* the current one: of cudaSetDevice */
    cudaError_t last_error = cudaSuccess;
};
extern thread_local HostThread host_thread;

struct Machine {
    Machine();

    std::recursive_mutex turn; /* whose holder alone uses what follows */

    Device device;
    Report report;
    bool printing = true;
    Counters counters = {};
    cudaError_t sticky_error = cudaSuccess; /* what every call returns since a kernel's fault */
    struct {
        uint64_t call = 0; /* counters.calls that fails; 0: none */
        bool sticks = false;
        cudaError_t error = cudaSuccess;
    } planned_fault;
    Memory memory;
    GlobalRaces races{memory};
    Counting counting{memory};
    Streams streams;
    Scheduler scheduler;
    int at_work = 0;   /* the device whose work is being done */
    float elapsed = 0; /* as of set_elapsed */
    bool sparse = false;
    uint3 ends = {0, 0, 0}; /* as of run_ends */

    /* Whether a call can be carried out at all; if not, why not. */
    cudaError_t Usable() const;
    /* The same of one more call, which a test may have planned to fail. */
    cudaError_t BeginCall();
    /* What every call of the runtime returns by, so that cudaGetLastError knows. */
    cudaError_t Return(cudaError_t error);
    /* Keeps the report, and prints it, unless there is one already. */
    void Keep(const Report &found);
    /* A fault outside of kernels' threads. */
    void Complain(Kind kind, const std::string &text);
    /* The same, of work that has been enqueued: the error sticks. */
    void FailWork(Kind kind, const std::string &text);
};
Machine &machine();

/* Threads of the host take turns, each for the length of a call. */
struct Turn {
    const std::lock_guard<std::recursive_mutex> lock{machine().turn};
};

/* What a call of the runtime does, where the machine can be used. */
template <class F> cudaError_t call(F &&body) {
    const Turn turn;
    Machine &m = machine();
    const cudaError_t error = m.BeginCall();
    return m.Return(error == cudaSuccess ? body(m) : error);
}

} // namespace simt
#endif
