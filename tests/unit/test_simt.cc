/* test_simt.cc - whether the machine that runs CUDA kernels on the CPU finds the faults that are planted in planted.h,
 * and none where there is none. */
#include <algorithm>
#include <fstream>
#include <ostream>
#include <sstream>
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
const Turns kTurns[] = {{"forward", simt::Order::kForward, 1},
                        {"reverse", simt::Order::kReverse, 1},
                        {"random, seed 1", simt::Order::kRandom, 1},
                        {"random, seed 2", simt::Order::kRandom, 2},
                        {"random, seed 3", simt::Order::kRandom, 3}};

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
    RIGHT(KeepsBytesApart, 0),
    RIGHT(ReversesInGlobalMemory, 0),
    RIGHT(SwapsInGlobalMemoryWithinWarps, 0),
    RIGHT(BlocksReadTheSame, 0),
    RIGHT(CountsInGlobalMemory, 0),
    RIGHT(KeepsBytesApartInGlobalMemory, 0),
    RIGHT(ReadsWordsOfBytesAfterABarrier, 0),
};

Floats WhatRightOnesLeave() {
    Floats want;
    for (unsigned i = 0; i < kBlocks * kThreads; i++) want.push_back((float)(63 - i % 64));
    return want;
}

/* Runs the kernel on fresh memory, and returns what it left in p[0] to p[127]. */
Floats ResultOf(Kernel kernel, size_t dynamic_bytes = 0) {
    const Array<> p(Floats(kFloats, 0));
    EXPECT_CUDA(Launch(kernel, kBlocks, kThreads, dynamic_bytes, nullptr, p));
    Floats result = p.Host();
    result.resize(kBlocks * kThreads);
    return result;
}

class SimtRight : public Simt, public ::testing::WithParamInterface<Right> {};

TEST_P(SimtRight, KernelsAreNotReported) {
    for (const Turns &turns : kTurns) {
        simt::set_order(turns.order, turns.seed);
        for (int time = 0; time < 2; time++) /* the first time must leave nothing behind */
            EXPECT_EQ(ResultOf(GetParam().kernel, GetParam().dynamic_bytes), WhatRightOnesLeave()) << turns.name;
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
    FAULT(WritesPastTheDynamicEnd, kOutOfBounds, "tile[64], and tile has 64 elements", 256),
    FAULT(ReadsWhatNobodyWrote, kUninitialized, "reads tile[5]"),
    FAULT(ReadsWhatAnotherBlockWrote, kUninitialized, "reads tile["),
    FAULT(AddsToWhatNobodyWrote, kUninitialized, "changes atomically count[0]"),
    FAULT(Loads4Misaligned, kMisaligned, "16 bytes at tile[2]"),

    FAULT(TwoWarpsWrite, kRace, "writes tile["),
    FAULT(TwoLanesWrite, kRace, "writes tile["),
    FAULT(NoBarrierBeforeTheRead, kRace, "tile["),
    FAULT(NoBarrierBeforeTheNextWrite, kRace, "tile["),
    FAULT(NoSyncwarp, kRace, "tile["),
    FAULT(SyncwarpOfHalves, kRace, "tile["),
    FAULT(MeetsOnlyTheLastReader, kRace, "tile["),
    FAULT(ReadsBesideAtomics, kRace, "count[0]"),

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
    FAULT(ReadsGlobalOfAnotherBlock, kRace, "of another block"),
    FAULT(ReadsBesideGlobalAtomics, kRace, "atomically"),
    FAULT(ReadsGlobalAtomicsOfAnotherBlock, kRace, "of another block"),
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
void ExpectADeadDevice() {
    void *p = nullptr;
    const cudaError_t fault = cudaErrorLaunchFailure;
    EXPECT_EQ(cudaGetLastError(), fault);
    EXPECT_EQ(cudaGetLastError(), fault) << "it sticks";
    EXPECT_EQ(cudaMalloc(&p, 4), fault);
    EXPECT_EQ(cudaDeviceSynchronize(), fault);
    EXPECT_EQ(Launch(planted::Reverses, kBlocks, kThreads, 0, nullptr, nullptr), fault);
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
        ExpectADeadDevice();

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
