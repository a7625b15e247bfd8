/* test_simt.cc - whether the machine that runs CUDA kernels on the CPU finds the faults that are planted in planted.h,
 * and none where there is none. */
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "support/simt/planted.h"
#include "support/simt/simt_test.h"

namespace {

using simt::Kind;
using Kernel = void (*)(float *);

/* What the planted kernels run on. */
constexpr unsigned kBlocks = 2, kThreads = 64;
constexpr size_t kFloats = 192;

struct Turns {
    const char *name;
    simt::Order order;
    uint64_t seed;
};
const Turns kTurns[] = {{"random, seed 1", simt::Order::kRandom, 1},
                        {"random, seed 2", simt::Order::kRandom, 2},
                        {"random, seed 3", simt::Order::kRandom, 3},
                        {"forward", simt::Order::kForward, 1},
                        {"reverse", simt::Order::kReverse, 1}};

/* ---- right kernels ---------------------------------------------------------------------------------------------- */

struct Right {
    const char *name;
    Kernel kernel;
    size_t dynamic_bytes;
};
#define RIGHT(kernel, dynamic_bytes)                                                                                   \
    { #kernel, planted::kernel, dynamic_bytes }

const Right kRight[] = {
    RIGHT(Reverses, 0),
    RIGHT(LoopsWithTwoBarriers, 0),
    RIGHT(SwapsWithinWarps, 0),
    RIGHT(SwapsWithinHalves, 0),
    RIGHT(HandsOnThroughAChain, 0),
    RIGHT(MeetsAllReaders, 0),
    RIGHT(MeetsReadersInTurn, 0),
    RIGHT(KeepsToItsColumn, 256),
    RIGHT(BroadcastsToAllWarps, 0),
    RIGHT(CountsInSharedMemory, 0),
    RIGHT(MovesFourAtATime, 0),
    RIGHT(ReadsTwoAtATime, 0),
    RIGHT(KeepsBytesApart, 0),
    RIGHT(ReversesInGlobalMemory, 0),
    RIGHT(SwapsInGlobalMemoryWithinWarps, 0),
    RIGHT(BlocksReadTheSame, 0),
    RIGHT(CountsInGlobalMemory, 0),
    RIGHT(OneThreadCountsAnew, 0),
    RIGHT(KeepsBytesApartInGlobalMemory, 0),
    RIGHT(ReadsWordsOfBytesAfterABarrier, 0),
};

Floats WhatRightOnesLeave() {
    Floats want;
    for (unsigned i = 0; i < kBlocks * kThreads; i++) want.push_back((float)(63 - i % 64));
    return want;
}

/* Runs the kernel on zeros, and returns what it left in p[0] to p[127]. */
Floats ResultOf(Kernel kernel, size_t dynamic_bytes = 0, int times = 1) {
    const Array<> p(Floats(kFloats, 0));
    for (int i = 0; i < times; i++) EXPECT_CUDA(Launch(kernel, kBlocks, kThreads, dynamic_bytes, nullptr, p));
    Floats result = p.Host();
    result.resize(kBlocks * kThreads);
    return result;
}

class SimtRight : public Simt, public ::testing::WithParamInterface<Right> {};

TEST_P(SimtRight, KernelsAreNotReported) {
    for (const Turns &turns : kTurns) {
        simt::set_order(turns.order, turns.seed);
        /* The first of two launches must leave nothing behind. */
        EXPECT_EQ(ResultOf(GetParam().kernel, GetParam().dynamic_bytes, 2), WhatRightOnesLeave()) << turns.name;
        EXPECT_EQ(simt::last_report().kind, Kind::kNone) << turns.name << ": " << simt::last_report().text;
    }
}

/* ---- faults ----------------------------------------------------------------------------------------------------- */

struct Fault {
    const char *name;
    Kernel kernel;
    Kind kind;
    const char *says; /* part of the report's first line */
    size_t dynamic_bytes = 0;
    unsigned threads = kThreads;
};
#define FAULT(kernel, ...)                                                                                             \
    { #kernel, planted::kernel, Kind::__VA_ARGS__ }

const Fault kFaults[] = {
    FAULT(WritesPastTheEnd, kOutOfBounds, "tile[64], and tile has 64 elements"),
    FAULT(ReadsBeforeTheStart, kOutOfBounds, "tile[-1], and tile has 64 elements"),
    FAULT(Loads4PastTheEnd, kOutOfBounds, "tile[67], and tile has 66 elements"),
    FAULT(Loads2PastTheEnd, kOutOfBounds, "tile[65], and tile has 65 elements"),
    FAULT(Loads4BeforeTheStart, kOutOfBounds, "tile[-4], and tile has 64 elements"),
    FAULT(WritesPastTheDynamicEnd, kOutOfBounds, "tile[64], and tile has 64 elements", 256),
    FAULT(ReadsWhatNobodyWrote, kUninitialized, "reads tile[5]"),
    FAULT(ReadsWhatAnotherBlockWrote, kUninitialized, "reads tile["),
    FAULT(AddsToWhatNobodyWrote, kUninitialized, "changes atomically count[0]"),
    FAULT(Loads4Misaligned, kMisaligned, "16 bytes at tile[2]"),
    FAULT(Loads2Misaligned, kMisaligned, "8 bytes at tile[5]"),

    FAULT(TwoWarpsWrite, kRace, "writes tile["),
    FAULT(TwoLanesWrite, kRace, "writes tile["),
    FAULT(NoBarrierBeforeTheRead, kRace, "tile["),
    FAULT(NoBarrierBeforeTheNextWrite, kRace, "tile["),
    FAULT(NoSyncwarp, kRace, "tile["),
    FAULT(SyncwarpOfHalves, kRace, "tile["),
    FAULT(MeetsOnlyTheLastReader, kRace, "tile["),
    FAULT(ReadsAfterTheMeeting, kRace, "tile["),
    FAULT(OneReaderHasMetTheWriter, kRace, "tile["),
    FAULT(WritesHalfOfADouble, kRace, "[", 512),
    FAULT(MeetsItsWarpsReadersOnly, kRace, "tile[0]"),
    FAULT(ReadsBesideAtomics, kRace, "count[0]"),
    FAULT(ReadsBesideOneAtomic, kRace, "count[0]"),
    FAULT(TwoLanesAddAndOneReads, kRace, "count[0]"),
    FAULT(TwoWarpsAddAndOneReads, kRace, "count[0]"),

    FAULT(ReturnsBeforeTheBarrier, kBarrier, "returned"),
    FAULT(SkipsTheBarrier, kBarrier, "returned"),
    FAULT(TwoBarriers, kBarrier, "wait at another one"),
    FAULT(LaneHasReturned, kShuffle, "__shfl_down_sync with mask 0xffffffff"),
    FAULT(LaneReturnsWhileOthersWait, kShuffle, "__shfl_down_sync with mask 0xffffffff"),
    FAULT(OwnLaneNotInMask, kShuffle, "the mask lacks the thread's own lane"),
    FAULT(ReadsLaneNotInMask, kShuffle, "reads lane 20, which is not in the mask"),
    FAULT(MasksDiffer, kShuffle, "__shfl_xor_sync with mask 0xffffffff"),
    FAULT(MasksCross, kShuffle, "waits in __shfl_xor_sync with mask 0x"),
    FAULT(IntrinsicsDiffer, kShuffle, "_sync with mask 0xffffffff"),
    FAULT(WidthIsThree, kShuffle, "the width is 3"),
    FAULT(WidthsDiffer, kShuffle, "of another width"),
    FAULT(LaneDoesNotExist, kShuffle, "lane 8 does not exist", 0, 40),
    FAULT(BarrierAgainstShuffle, kDeadlock, "none of the threads that are left can go on"),

    FAULT(MoreThan48KB, kSharedSize, "tile needs 49156 bytes"),
    FAULT(HalfOf48KB, kSharedSize, "tile needs 24576 bytes", 24576 + 256),
    FAULT(NoDynamicMemory, kSharedSize, "tile is dynamic shared memory, of which the launch gives none"),
    FAULT(Throws, kException, "planted"),
    FAULT(Traps, kTrap, "__trap()"),
};

#ifdef SIMT_GLOBAL_RACES
const Fault kGlobalRaces[] = {
    FAULT(TwoBlocksWriteGlobal, kRace, "writes global memory, byte "),
    FAULT(TwoLanesWriteGlobal, kRace, "writes global memory, byte "),
    FAULT(NoBarrierBeforeTheGlobalRead, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(NoSyncwarpBeforeTheGlobalRead, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(ReadsGlobalAgainAfterABarrier, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(ReadsGlobalAfterTheMeeting, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(MeetsItsWarpsGlobalReadersOnly, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(WritesHalfOfAGlobalDouble, kRace, " of 768 that were allocated together, which thread ("),
    FAULT(OneBlockReadsWhatAnotherWrites, kRace, "byte 512 of 768"),
    FAULT(BothBlocksReadWhatOneChanges, kRace, "byte 512 of 768"),
    FAULT(BothBlocksReadTwiceWhatOneChanges, kRace, "byte 512 of 768"),
    FAULT(ReadsBesideGlobalAtomics, kRace, "atomically"),
    FAULT(ReadsGlobalAtomicsOfAnotherBlock, kRace, "of another block"),
    FAULT(BothBlocksAddAndRead, kRace, "byte 512 of 768"),
    FAULT(WritesBesideGlobalAtomics, kRace, "byte 512 of 768"),
    FAULT(TwoLanesWriteAByte, kRace, "writes global memory, byte "),
    FAULT(WritesABytesWord, kRace, "writes global memory, byte "),
};
#endif

/* The lines of the kernel that its report has to name. */
std::vector<std::string> MarkedLines(const std::string &kernel) {
    std::ifstream file(LENET_SOURCE_DIR "/tests/support/simt/planted.h");
    std::vector<std::string> marked;
    std::string line;
    bool inside = false;
    for (int number = 1; std::getline(file, line); number++) {
        if (line.find("__global__ void ") != std::string::npos)
            inside = line.find("void " + kernel + "(float *p)") != std::string::npos;
        if (inside && line.find("/* here */") != std::string::npos) marked.push_back(std::to_string(number));
    }
    return marked;
}

bool Names(const std::string &text, const std::string &line) {
    const std::string padded = text + " ";
    for (const char *before : {"planted.h:", " in line "})
        for (char after : {' ', ',', ':', '\n'})
            if (padded.find(before + line + after) != std::string::npos) return true;
    return false;
}

void ExpectReport(const Fault &fault, const simt::Report &report) {
    const std::string first_line = report.text.substr(0, report.text.find('\n'));
    EXPECT_STREQ(simt::kind_name(report.kind), simt::kind_name(fault.kind)) << report.text;
    EXPECT_EQ(report.kernel, std::string("planted::") + fault.name);
    EXPECT_NE(first_line.find("in kernel " + report.kernel + ", block ("), std::string::npos) << report.text;
    EXPECT_LT(report.block.x, kBlocks);
    EXPECT_LT(report.thread.x, fault.threads);
    EXPECT_NE(first_line.find(fault.says), std::string::npos) << report.text;
    for (const std::string &line : MarkedLines(fault.name))
        EXPECT_TRUE(Names(fault.kind == Kind::kDeadlock ? report.text : first_line, line))
            << "line " << line << " is not named by: " << report.text;
}

/* As on a GPU: each call fails from now on, and the program can but end. */
void ExpectADeadDevice(float *p) {
    void *more = nullptr;
    const cudaError_t fault = cudaErrorLaunchFailure;
    EXPECT_EQ(cudaGetLastError(), fault);
    EXPECT_EQ(cudaGetLastError(), fault) << "it sticks";
    EXPECT_EQ(cudaMalloc(&more, 4), fault);
    EXPECT_EQ(cudaDeviceSynchronize(), fault);
    EXPECT_EQ(Launch(planted::Reverses, kBlocks, kThreads, 0, nullptr, p), fault);
    cudaFree(more);
}

class SimtFault : public Simt, public ::testing::WithParamInterface<Fault> {};

TEST_P(SimtFault, IsReportedInEveryOrder) {
    const Fault &fault = GetParam();
    for (const Turns &turns : kTurns) {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, turns.name);
        simt::set_order(turns.order, turns.seed);
        const Array<> p(Floats(kFloats, 0));
        EXPECT_CUDA(Launch(fault.kernel, kBlocks, fault.threads, fault.dynamic_bytes, nullptr, p));
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure) << "whoever waits is told";
        ExpectReport(fault, simt::last_report());
        ExpectADeadDevice(p);

        simt::reset();
        EXPECT_EQ(simt::last_report().kind, Kind::kNone);
        EXPECT_EQ(cudaGetLastError(), cudaSuccess);
        EXPECT_EQ(ResultOf(planted::Reverses), WhatRightOnesLeave()) << "the next kernel finds a whole machine";
    }
}

template <class T> std::string NameOf(const ::testing::TestParamInfo<T> &info) { return info.param.name; }
void PrintTo(const Right &right, std::ostream *out) { *out << right.name; }
void PrintTo(const Fault &fault, std::ostream *out) { *out << fault.name; }

INSTANTIATE_TEST_SUITE_P(Planted, SimtRight, ::testing::ValuesIn(kRight), NameOf<Right>);
INSTANTIATE_TEST_SUITE_P(Planted, SimtFault, ::testing::ValuesIn(kFaults), NameOf<Fault>);
#ifdef SIMT_GLOBAL_RACES
INSTANTIATE_TEST_SUITE_P(GlobalRaces, SimtFault, ::testing::ValuesIn(kGlobalRaces), NameOf<Fault>);
#endif

TEST_F(Simt, TheFirstFaultIsKeptAndNothingIsDoneAfterIt) {
    const Stream other;
    const Array<> p(Floats(kFloats, 7)), q(Floats(kFloats, 7));
    EXPECT_CUDA(Launch(planted::Traps, kBlocks, kThreads, 0, nullptr, p));
    EXPECT_CUDA(Launch(planted::Throws, kBlocks, kThreads, 0, nullptr, q));
    EXPECT_CUDA(Launch(planted::Reverses, kBlocks, kThreads, 0, other, q));
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_EQ(simt::last_report().kind, Kind::kTrap);
    EXPECT_EQ(simt::last_report().thread.x, 1u);
    simt::reset();
    EXPECT_EQ(p.Host()[64], 7) << "the second block did not begin";
    EXPECT_EQ(q.Host(), Floats(kFloats, 7));
}

TEST_F(Simt, AFaultGoesToStandardErrorOnceWhereItIsWanted) {
    for (bool wanted : {false, true}) {
        simt::set_printing(wanted);
        ::testing::internal::CaptureStderr();
        const Array<> p(Floats(kFloats, 0));
        EXPECT_CUDA(Launch(planted::Traps, kBlocks, kThreads, 0, nullptr, p));
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
        const std::string text = "simt: " + simt::last_report().text + "\n";
        EXPECT_EQ(::testing::internal::GetCapturedStderr(), wanted ? text : "");
        simt::reset();
    }
}

/* ---- launches --------------------------------------------------------------------------------------------------- */

TEST_F(Simt, LaunchesThatTheRuntimeRefusesAreReportedAndDoNotStick) {
    const Array<> p(Floats(kFloats, 0));
    const struct {
        dim3 grid, block;
        size_t dynamic_bytes;
        cudaError_t error;
    } launches[] = {{0, 64, 0, cudaErrorInvalidConfiguration},
                    {dim3(1, 65536), 64, 0, cudaErrorInvalidConfiguration},
                    {1, 0, 0, cudaErrorInvalidConfiguration},
                    {1, 1025, 0, cudaErrorInvalidConfiguration},
                    {1, dim3(32, 33), 0, cudaErrorInvalidConfiguration},
                    {1, dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration},
                    {1, 64, 48 * 1024 + 4, cudaErrorInvalidValue}};
    for (const auto &l : launches) {
        EXPECT_EQ(Launch(planted::Reverses, l.grid, l.block, l.dynamic_bytes, nullptr, p), l.error);
        EXPECT_EQ(simt::last_report().kind, Kind::kConfiguration);
        EXPECT_EQ(simt::last_report().text.find("wrong launch: kernel planted::Reverses is launched with "), 0u);
        EXPECT_EQ(cudaGetLastError(), l.error);
        EXPECT_CUDA(cudaGetLastError());
        simt::reset();
    }
    EXPECT_EQ(simt::counters().launches, 0u);
}

#ifdef SIMT_GLOBAL_RACES
__global__ void CopiesOne(const int *from, int *to) { *to = *from; }

/* For the lack of hooks a sanitizer's build does not see it. */
TEST_F(Simt, AKernelThatReachesForMemoryOfAnotherDeviceIsReported) {
    simt::Device two;
    two.count = 2;
    simt::set_device(two);
    const Array<int> first(std::vector<int>(1)), also_first(1);
    ASSERT_CUDA(cudaSetDevice(1));
    const Array<int> second(std::vector<int>(1));
    const std::pair<int *, int *> wrong[] = {{first, second}, {second, first}};
    for (const auto &[from, to] : wrong) {
        EXPECT_CUDA(Launch(CopiesOne, dim3(1), dim3(1), 0, nullptr, from, to));
        EXPECT_NE(cudaDeviceSynchronize(), cudaSuccess);
        EXPECT_EQ(simt::last_report().kind, Kind::kDevice);
        EXPECT_NE(simt::last_report().text.find("memory of device 0, and runs on device 1"), std::string::npos)
            << simt::last_report().text;
        simt::reset();
    }
    ASSERT_CUDA(cudaSetDevice(0));
    EXPECT_CUDA(Launch(CopiesOne, dim3(1), dim3(1), 0, nullptr, first, also_first));
    EXPECT_CUDA(cudaDeviceSynchronize());
}
#endif

__global__ void NotesItsIndices(int *seen) {
    const int thread = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    const int block = (int)(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
    seen[block * 24 + thread]++;
}

TEST_F(Simt, EachThreadOfEachBlockRunsOnce) {
    for (const Turns &turns : kTurns) {
        simt::set_order(turns.order, turns.seed);
        const Array<int> seen(std::vector<int>(24 * 30, 0));
        EXPECT_CUDA(Launch(NotesItsIndices, dim3(5, 3, 2), dim3(4, 3, 2), 0, nullptr, seen));
        EXPECT_EQ(seen.Host(), std::vector<int>(24 * 30, 1)) << turns.name;
    }
}

__global__ void NotesItsTurn(int *p, bool after_a_barrier) {
    if (after_a_barrier) __syncthreads();
    p[1 + blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(p, 1);
}

/* The turn that each of 160 threads had. */
std::vector<int> TurnsOf(unsigned blocks, bool after_a_barrier = false) {
    const Array<int> p(std::vector<int>(1 + 160, 0));
    EXPECT_CUDA(Launch(NotesItsTurn, blocks, 160 / blocks, 0, nullptr, p, after_a_barrier));
    std::vector<int> turns = p.Host();
    turns.erase(turns.begin());
    return turns;
}

TEST_F(Simt, TheOrderIsTheOneThatWasSet) {
    std::vector<int> ascending(160);
    std::iota(ascending.begin(), ascending.end(), 0);
    const std::vector<int> descending(ascending.rbegin(), ascending.rend());
    for (unsigned blocks : {1, 4, 160})
        for (bool after_a_barrier : {false, true}) {
            const auto turns = [&](simt::Order order, uint64_t seed = 1) {
                simt::set_order(order, seed);
                return TurnsOf(blocks, after_a_barrier);
            };
            EXPECT_EQ(turns(simt::Order::kForward), ascending);
            EXPECT_EQ(turns(simt::Order::kReverse), descending);
            const std::vector<int> random = turns(simt::Order::kRandom);
            EXPECT_EQ(turns(simt::Order::kRandom), random);
            EXPECT_NE(turns(simt::Order::kRandom, 2), random);
            EXPECT_NE(random, ascending);
            EXPECT_TRUE(std::is_permutation(random.begin(), random.end(), ascending.begin()));
        }
}

TEST(SimtEnvironmentDeathTest, SetsTheOrder) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe"; /* a new process, that reads the environment */
    const auto exit_with = [](const char *order, int code, const char *message) {
        setenv("SIMT_ORDER", order, 1);
        EXPECT_EXIT(_exit(TurnsOf(4)[0]), ::testing::ExitedWithCode(code), message) << order;
        unsetenv("SIMT_ORDER");
    };
    exit_with("forward", 0, "");
    exit_with("reverse", 159, "");
    exit_with("sideways", 2, "SIMT_ORDER=sideways is none of forward, reverse, random");
}

TEST_F(Simt, WhatAKernelDidIsCounted) {
    ResultOf(planted::LoopsWithTwoBarriers);
    EXPECT_EQ(simt::counters().launches, 1u);
    EXPECT_EQ(simt::counters().blocks, 2u);
    EXPECT_EQ(simt::counters().threads, 128u);
    EXPECT_EQ(simt::counters().barriers, 2 * 6u);
    EXPECT_EQ(simt::counters().warp_operations, 0u);
    ResultOf(planted::SwapsWithinWarps);
    EXPECT_EQ(simt::counters().launches, 2u);
    EXPECT_EQ(simt::counters().barriers, 2 * 6u);
    EXPECT_EQ(simt::counters().warp_operations, 2 * 2 * 6u);
    simt::reset();
    EXPECT_EQ(simt::counters().launches, 0u);
    ResultOf(planted::KeepsToItsColumn, 256);
    EXPECT_EQ(simt::counters().switches, 2 * 2u) << "threads that never wait share a stack";
}

/* ---- warp intrinsics -------------------------------------------------------------------------------------------- */

__global__ void Shuffles(int *p) {
    const int lane = (int)threadIdx.x;
    int *mine = p + 10 * lane;
    mine[0] = __shfl_sync(planted::kAll, lane, 35);
    mine[1] = __shfl_sync(planted::kAll, lane, 9, 8);
    mine[2] = __shfl_down_sync(planted::kAll, lane, 5);
    mine[3] = __shfl_down_sync(planted::kAll, lane, 5, 8);
    mine[4] = __shfl_xor_sync(planted::kAll, lane, 9);
    mine[5] = __shfl_xor_sync(planted::kAll, lane, 9, 8);
    mine[6] = (int)__shfl_sync(planted::kAll, 1 + 0x1p-50 * lane, 3) == 1;
    mine[7] = (int)__ballot_sync(planted::kAll, lane % 3 == 0);
    mine[8] = 2 * __any_sync(planted::kAll, lane == 4) + __any_sync(planted::kAll, lane == 32);
    mine[9] = 2 * __all_sync(planted::kAll, lane < 32) + __all_sync(planted::kAll, lane != 4);
}

/* As the PTX manual defines them: a lane whose source is outside of its segment reads itself. */
TEST_F(Simt, WarpIntrinsicsGiveWhatTheManualSays) {
    const Array<int> p(32 * 10);
    EXPECT_CUDA(Launch(Shuffles, 1, 32, 0, nullptr, p));
    const std::vector<int> got = p.Host();
    for (int lane = 0; lane < 32; lane++) {
        const int first = lane & ~7;
        const std::vector<int> want = {3,
                                       first + 1,
                                       lane + 5 < 32 ? lane + 5 : lane,
                                       lane + 5 < first + 8 ? lane + 5 : lane,
                                       lane ^ 9,
                                       (lane ^ 9) < first + 8 ? lane ^ 9 : lane,
                                       1,
                                       0x49249249,
                                       2,
                                       2};
        EXPECT_EQ(std::vector<int>(got.begin() + 10 * lane, got.begin() + 10 * lane + 10), want) << lane;
    }
}

/* ---- mathematics of the device ----------------------------------------------------------------------------------- */

TEST(SimtMath, CosinesOfHalfTurnsAreRight) {
    for (double x : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -0.5, 101.0}) {
        const double want[] = {1, 0, -1, 0};
        EXPECT_EQ(cospi(x), want[(int)std::fabs(2 * x) % 4]) << x;
    }
    /* A rounding of pi * x moves what is expected by up to |pi * x| 2^-53, 1e-15, and pi itself is rounded: so that is
     * done with 64 bits or more. What is left are cospi's roundings of pi, of its product, below pi / 4, and of the
     * result: 2^-53 (2 pi / 4 + 1) = 2.9e-16. */
    for (double x = -3; x < 3; x += 1.0 / 64) {
        const long double turned = 3.14159265358979323846264338327950288L * x;
        float s, c;
        sincospif((float)x, &s, &c);
        EXPECT_NEAR(cospi(x), (double)std::cos(turned), 3e-16) << x;
        EXPECT_NEAR(c, (double)std::cos(turned), 6e-8) << x;
        EXPECT_NEAR(s, (double)std::sin(turned), 6e-8) << x;
    }
}

/* ---- beyond the end of global memory ------------------------------------------------------------------------------
 */

#ifdef __SANITIZE_ADDRESS__
class SimtDeathTest : public Simt {
  protected:
    static void RunAndWait(Kernel kernel) {
        simt::set_printing(true);
        ResultOf(kernel);
    }
};

TEST_F(SimtDeathTest, AccessesOutsideOfGlobalMemoryEndTheProgram) {
    EXPECT_DEATH(RunAndWait(planted::WritesPastTheGlobalEnd), "heap-buffer-overflow");
    EXPECT_DEATH(RunAndWait(planted::ReadsBeforeTheGlobalStart), "heap-buffer-overflow");
}
#endif

} // namespace
