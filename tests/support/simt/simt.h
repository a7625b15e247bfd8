/* simt.h - a machine that runs CUDA kernels on the CPU, for tests, as they see it.
 *
 * With this directory first on the include path the project's .cu files are
 * C++17: cuda_runtime.h and cublas_v2.h here declare what they use of CUDA. Each
 * thread of a block is a fiber, which runs until it ends or has to wait at a
 * barrier or a warp intrinsic. The first fault of a kernel is reported: on
 * standard error, here, and to the program as a GPU does, which is by
 * cudaErrorLaunchFailure from the next call on, until simt::reset().
 *
 * Work that is enqueued on a stream is done as late as possible: when somebody
 * waits for it. A program that forgot to wait then reads what was there before.
 *
 * Environment: SIMT_ORDER=forward|reverse|random[:seed] is the order in which
 * blocks, and threads between two barriers, take turns; SIMT_STREAMS=eager does
 * work when it is enqueued; SIMT_FAULT=N fails the N-th call of the runtime or
 * of cuBLAS, N+ that one and all that follow, with error 719, or E in N:E;
 * SIMT_CALLS=FILE writes there how many calls there were.
 *
 * There may be several devices (Device::count). Memory, streams, events, graphs
 * and handles of cuBLAS belong to the one that was current when they were made,
 * and what is enqueued while another is current, or reaches for memory of
 * another, is reported: also where a GPU would permit it. Threads of the host
 * take turns. */
#ifndef LENET_SIMT_SIMT_H
#define LENET_SIMT_SIMT_H
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vector_types.h"

namespace simt {

enum class Kind {
    kNone,
    kOutOfBounds,   /* shared[i], with no such i                                       */
    kUninitialized, /* a read of shared memory that nobody of the block wrote          */
    kRace,          /* two threads, at least one writes, nothing orders them           */
    kMisaligned,    /* load2, load4 or store4 where a GPU would trap                   */
    kBarrier,       /* not all threads of the block reach the same barrier             */
    kShuffle,       /* a warp intrinsic: a lane that is missing, or not in the mask    */
    kDeadlock,      /* everybody waits                                                 */
    kSharedSize,    /* more shared memory than the kernel may have                     */
    kConfiguration, /* a launch that the runtime refuses                               */
    kMemory,        /* a copy, a fill or a GEMM outside of what cudaMalloc gave; or, when a copy to the host is made,
                       what a kernel had written beside it */
    kException,     /* the kernel threw                                                */
    kTrap,          /* __trap()                                                        */
    kDevice,        /* a stream, an event, a graph, a handle or memory of another device */
};
const char *kind_name(Kind kind);

struct Report {
    Kind kind = Kind::kNone;
    std::string kernel; /* empty where there is none */
    uint3 block = {0, 0, 0}, thread = {0, 0, 0};
    std::string text; /* all of it, for people */
};
/* The first since reset(). */
const Report &last_report();
/* Whether reports go to standard error as well, as they do at first. */
void set_printing(bool printing);

/* Forgets the report, the error that sticks and what streams still had to do.
 * Handles and memory stay. */
void reset();

enum class Order { kForward, kReverse, kRandom };
void set_order(Order order, uint64_t seed = 1);

/* Whether work is done when it is enqueued. Off at first. */
void set_eager(bool eager);
/* Whether the branches of a graph are worked off as early as what they wait for allows, not as late. Off at first. */
void set_early_branches(bool early);

/* Fails a call of the runtime or of cuBLAS as if the device had: call number `first` from now on, 0 for none, and
 * all that follow where `sticks`. What only gives back, and what only tells, never fails. Until the next reset. */
void fail_calls(uint64_t first, bool sticks, int error);

/* The devices, all alike, and what may be wrong with them. What they were given stays allocated. */
struct Device {
    bool driver = true; /* installed */
    int driver_version = 13000;
    int count = 1;
    int major = 9, minor = 0; /* kernels are built for 7.5 and later */
    size_t memory = (size_t)1 << 30;
};
void set_device(const Device &device);
/* Of the devices' memory, at present: 0 where a program has freed what it took. */
size_t allocated_bytes();
/* Streams, events and graphs, likewise. */
size_t open_handles();
/* What cudaEventElapsedTime says, in milliseconds, or 0: the time that has passed. Until the next reset. */
void set_elapsed(float milliseconds);

/* For tests of sizes that no machine has memory and time for. Both are off at first.
 * sparse: what is allocated from now on takes only what is written to, is zero at first, and no races are looked for
 * in it.
 * run_ends(n): a launch only runs blocks whose index is, in each dimension, one of the first n or of the last n of
 * that dimension, all where n is 0; and of a batch of products only the first and the last n.z are computed. */
void set_sparse(bool sparse);
void run_ends(uint3 n);

/* Since reset(). */
struct Counters {
    uint64_t launches, blocks, threads;
    uint64_t launches_on[8]; /* of each of the first devices */
    uint64_t switches;       /* of stacks */
    uint64_t barriers, warp_operations, graph_launches, gemms;
    uint64_t gemms_in_default_workspace; /* the program had set none */
    uint64_t calls;                      /* that can be made to fail */
};
const Counters &counters();

/* Of each graph that was instantiated since reset(): how many pieces of work (kernels, copies, products) it has, and
 * how many of these have to wait for one another in a row, which is its longest path. */
struct GraphSize {
    size_t work, in_a_row;
};
const std::vector<GraphSize> &graph_sizes();

/* Of what an access of a warp needs: so many it had, and so many would be enough for the bytes that its lanes move. */
struct Share {
    uint64_t used = 0, least = 0;
    bool operator==(const Share &other) const { return used == other.used && least == other.least; }
};
/* What a launch did with memory. counting.h says how accesses of a warp are found. */
struct LaunchCounts {
    std::string kernel;       /* or cublasSgemm, of which only bytes are known */
    unsigned threads = 0;     /* of a block */
    size_t dynamic_bytes = 0; /* of shared memory, likewise */
    uint64_t blocks = 0, barriers = 0;
    Share sectors_read, sectors_written;        /* of 32 bytes of global memory */
    Share wavefronts;                           /* of shared memory: 32 banks of 4 bytes */
    uint64_t bytes_read = 0, bytes_written = 0; /* sectors that the launch touched, each once */
};
/* Whether launches are counted, instead of checked for races. Off at first. Of every so many blocks of a launch
 * that is counted only one runs: so much larger launches can be looked at, of which bytes and results are then parts.
 */
void set_counting(bool on, unsigned every = 1);
/* Since reset(), in the order in which they ran. */
const std::vector<LaunchCounts> &launch_counts();

} // namespace simt
#endif
