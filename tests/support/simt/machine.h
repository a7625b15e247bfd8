/* machine.h - the emulated machine: one object that holds all that changes. */
#ifndef LENET_SIMT_MACHINE_H
#define LENET_SIMT_MACHINE_H
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

struct Machine {
    Machine();

    Device device;
    Report report;
    bool printing = true;
    Counters counters = {};
    cudaError_t last_error = cudaSuccess;
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

/* What a call of the runtime does, where the machine can be used. */
template <class F> cudaError_t call(F &&body) {
    Machine &m = machine();
    const cudaError_t error = m.BeginCall();
    return m.Return(error == cudaSuccess ? body(m) : error);
}

} // namespace simt
#endif
