/* test_simt_counting.cc - what the emulator counts of kernels whose counts are known. */
#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <string>
#include <vector>

#include "cublas_v2.h"
#include "support/simt/simt_test.h"

namespace simt {
void PrintTo(const Share &share, std::ostream *out) { *out << share.used << " where " << share.least << " would do"; }
} // namespace simt

namespace {

using simt::LaunchCounts;
using simt::Share;
using Kernel = void (*)(const float *, float *);

/* All run with 64 threads a block, in two blocks. x begins a sector, and so does each lane 0's y. */
constexpr unsigned kBlocks = 2, kThreads = 64;

__device__ int Me() { return (int)threadIdx.x; }
__device__ int Lane() { return Me() % 32; }
__device__ void Put(float *y, float v) { y[blockIdx.x * kThreads + (unsigned)Me()] = v; }
template <class Array> __device__ void Fill(const Array &tile, int count) {
    for (int i = Me(); i < count; i += (int)kThreads) tile[i] = 1;
    __syncthreads();
}

/* ---- sectors of global memory ----------------------------------------------------------------------------------- */

__global__ void ReadsInOrder(const float *x, float *y) { Put(y, x[Me()]); }
__global__ void ReadsBackwards(const float *x, float *y) { Put(y, x[63 - Me()]); }
__global__ void ReadsEveryOther(const float *x, float *y) { Put(y, x[2 * Me()]); }
__global__ void ReadsColumns(const float *x, float *y) { Put(y, x[8 * Me()]); }
__global__ void ReadsBesideTheStart(const float *x, float *y) { Put(y, x[Me() + 1]); }
__global__ void ReadsOneForAll(const float *x, float *y) { Put(y, x[3]); }
__global__ void ReadsOnePieceTwice(const float *x, float *y) { Put(y, x[Me() % 8] + x[Me() / 8]); }
__global__ void ReadsTwoAtATime(const float *x, float *y) { Put(y, load2(x, 2 * Me()).y); }
__global__ void ReadsFourAtATime(const float *x, float *y) { Put(y, load4(x, 4 * Me()).w); }
__global__ void ReadsFourBesideTheStart(const float *x, float *y) { Put(y, load4(x, 4 * Me() + 4).w); }
__global__ void ReadsFourFarApart(const float *x, float *y) { Put(y, load4(x, 8 * Me()).w); }
__global__ void ReadsFourOneByOne(const float *x, float *y) {
    Put(y, x[4 * Me()] + x[4 * Me() + 1] + x[4 * Me() + 2] + x[4 * Me() + 3]);
}
__global__ void ReadsBytes(const float *x, float *y) { Put(y, reinterpret_cast<const unsigned char *>(x)[Me()]); }
__global__ void ReadsInFourLanes(const float *x, float *y) {
    float v = 0;
    if (Lane() % 8 == 0) v = x[Me()];
    Put(y, v);
}
/* What some lanes skip is not put together with what comes behind it, though it is where these read next. */
__global__ void ReadsInTwoPlaces(const float *x, float *y) {
    float v = 0;
    if (Lane() < 16) v = x[Lane() + 16];
    Put(y, v + x[Lane()]);
}
/* Lane l takes l % 3 turns, in which a warp's lanes that are left read what is side by side but for the gaps. */
__global__ void ReadsUntilItsTurnsEnd(const float *x, float *y) {
    float v = 0;
    for (int i = 0; i < Lane() % 3; i++) v += x[32 * i + Lane()];
    Put(y, v);
}

/* ---- wavefronts of shared memory -------------------------------------------------------------------------------- */

template <int kColumns> __global__ void ReadsAColumn(const float *, float *y) {
    SHARED(float, tile, 64 * kColumns);
    Fill(tile, 64 * kColumns);
    Put(y, tile[Lane() * kColumns + Me() / 32]);
}
__global__ void WritesAColumn(const float *, float *y) {
    SHARED(float, tile, 32 * 32);
    tile[Lane() * 32 + Me() / 32] = 1;
    Put(y, 0);
}
__global__ void ReadsARow(const float *, float *y) {
    SHARED(float, tile, 64);
    Fill(tile, 64);
    Put(y, tile[63 - Me()]);
}
__global__ void ReadsOneWord(const float *, float *y) {
    SHARED(float, tile, 64);
    Fill(tile, 64);
    Put(y, tile[7]);
}
__global__ void ReadsTwoWordsOfABank(const float *, float *y) {
    SHARED(float, tile, 64);
    Fill(tile, 64);
    Put(y, tile[Lane() % 2 * 32]);
}
__global__ void ReadsAColumnInFourLanes(const float *, float *y) {
    SHARED(float, tile, 32 * 32);
    Fill(tile, 32 * 32);
    float v = 0;
    if (Lane() < 4) v = tile[Lane() * 32];
    Put(y, v);
}
template <int kStride> __global__ void LoadsTwo(const float *, float *y) {
    SHARED(float, tile, 256);
    Fill(tile, 256);
    Put(y, load2(tile, kStride * Lane()).y);
}
template <int kStride> __global__ void LoadsFour(const float *, float *y) {
    SHARED(float, tile, 256);
    Fill(tile, 256);
    Put(y, load4(tile, kStride * Lane()).w);
}
__global__ void StoresFour(const float *, float *y) {
    SHARED(float, tile, 256);
    store4(tile, 4 * Me(), make_float4(1, 2, 3, 4));
    Put(y, 0);
}
__global__ void ReadsDoubles(const float *, float *y) {
    SHARED(double, tile, 64);
    Fill(tile, 64);
    Put(y, (float)tile[Me()]);
}
__global__ void ReadsBytesOfSharedMemory(const float *, float *y) {
    SHARED(unsigned char, tile, 64);
    Fill(tile, 64);
    Put(y, tile[Me()]);
}
__global__ void ReadsDynamicMemory(const float *, float *y) {
    DYNAMIC_SHARED(float, tile);
    Fill(tile, 64);
    Put(y, tile[Lane() * 2]);
}
/* One half of a warp, then the other: by one instruction, but not at a time where lanes meet between the two. */
enum class Meets { kNever, kWarp, kBlock, kWhoIsLeft };
template <Meets kMeets> __global__ void HalvesReadInTurn(const float *, float *y) {
    SHARED(float, tile, 64);
    Fill(tile, 64);
    float v = 0;
    Put(y, v);
    if (kMeets == Meets::kWhoIsLeft && Lane() >= 28) return;
#pragma GCC unroll 1
    for (int half = 0; half < 2; half++) {
        if (Lane() / 16 == half) v = tile[Lane() % 16 + 32 * half];
        if (kMeets == Meets::kWarp) __syncwarp();
        if (kMeets == Meets::kBlock) __syncthreads();
        if (kMeets == Meets::kWhoIsLeft) __syncwarp(0x0fffffff);
    }
    if (v == 2) y[0] = v; /* never */
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

struct Known {
    const char *name;
    Kernel kernel;
    Share read, wavefronts; /* of a warp */
    size_t dynamic_bytes = 0;
};
const Share kNone = {0, 0};
#define SECTORS(kernel, used, least)                                                                                   \
    Known { #kernel, kernel, {used, least }, kNone }
/* Beside the wavefronts of Fill, and of nothing that a kernel reads from global memory. */
#define WAVEFRONTS(kernel, filled, used, least)                                                                        \
    Known { #kernel, kernel, kNone, {filled + used, filled + least }, 64 * sizeof(float) }

const Known kKnown[] = {
    SECTORS(ReadsInOrder, 4, 4),
    SECTORS(ReadsBackwards, 4, 4),
    SECTORS(ReadsEveryOther, 8, 4),
    SECTORS(ReadsColumns, 32, 4),
    SECTORS(ReadsBesideTheStart, 5, 4),
    SECTORS(ReadsOneForAll, 1, 1),
    SECTORS(ReadsOnePieceTwice, 2, 2),
    SECTORS(ReadsTwoAtATime, 8, 8),
    SECTORS(ReadsFourAtATime, 16, 16),
    SECTORS(ReadsFourBesideTheStart, 17, 16),
    SECTORS(ReadsFourFarApart, 32, 16),
    SECTORS(ReadsFourOneByOne, 64, 16),
    SECTORS(ReadsBytes, 1, 1),
    SECTORS(ReadsInFourLanes, 4, 1),
    SECTORS(ReadsInTwoPlaces, 6, 6),
    SECTORS(ReadsUntilItsTurnsEnd, 8, 5), /* 21 lanes, whose words take 84 bytes; then 10, with 40 */
    WAVEFRONTS(ReadsAColumn<32>, 32, 32, 1),
    WAVEFRONTS(ReadsAColumn<33>, 33, 1, 1),
    WAVEFRONTS(WritesAColumn, 0, 32, 1),
    WAVEFRONTS(ReadsARow, 1, 1, 1),
    WAVEFRONTS(ReadsOneWord, 1, 1, 1),
    WAVEFRONTS(ReadsTwoWordsOfABank, 1, 2, 1),
    WAVEFRONTS(ReadsAColumnInFourLanes, 16, 4, 1),
    WAVEFRONTS(LoadsTwo<2>, 4, 2, 2),
    WAVEFRONTS(LoadsTwo<4>, 4, 4, 2),
    WAVEFRONTS(LoadsTwo<0>, 4, 2, 2),
    WAVEFRONTS(LoadsFour<4>, 4, 4, 4),
    WAVEFRONTS(LoadsFour<8>, 4, 8, 4),
    WAVEFRONTS(LoadsFour<0>, 4, 4, 4),
    WAVEFRONTS(StoresFour, 0, 4, 4),
    WAVEFRONTS(ReadsDoubles, 2, 2, 2),
    WAVEFRONTS(ReadsBytesOfSharedMemory, 1, 1, 1),
    WAVEFRONTS(ReadsDynamicMemory, 1, 2, 1),
    WAVEFRONTS(HalvesReadInTurn<Meets::kWarp>, 1, 2, 2),
    WAVEFRONTS(HalvesReadInTurn<Meets::kBlock>, 1, 2, 2),
    WAVEFRONTS(HalvesReadInTurn<Meets::kWhoIsLeft>, 1, 2, 2),
    WAVEFRONTS(HalvesReadInTurn<Meets::kNever>, 1, 2, 1), /* where the counter is wrong: counting.h says why */
};

class SimtCounting : public Simt {
  protected:
    SimtCounting() { simt::set_counting(true); }
    ~SimtCounting() override { simt::set_counting(false); }
    static void Run(const Known &known, const Array<> &x, const Array<> &y) {
        EXPECT_CUDA(Launch(known.kernel, kBlocks, kThreads, known.dynamic_bytes, nullptr, x, y));
        EXPECT_CUDA(cudaDeviceSynchronize());
    }
};
class SimtCounts : public SimtCounting, public ::testing::WithParamInterface<Known> {};

Share Times(Share share, unsigned count) { return {share.used * count, share.least * count}; }

TEST_P(SimtCounts, AreThoseOfTheKernelInEveryOrder) {
    const Array<> x(Floats(1024, 0)), y(kBlocks * kThreads);
    for (simt::Order order : kOrders) {
        simt::set_order(order);
        Run(GetParam(), x, y);
    }
    ASSERT_EQ(simt::launch_counts().size(), 3u);
    for (const LaunchCounts &counts : simt::launch_counts()) {
        const unsigned warps = kBlocks * kThreads / 32;
        EXPECT_EQ(counts.sectors_read, Times(GetParam().read, warps));
        EXPECT_EQ(counts.sectors_written, Times({4, 4}, warps));
        EXPECT_EQ(counts.wavefronts, Times(GetParam().wavefronts, warps));
    }
}

std::string NameOf(const ::testing::TestParamInfo<Known> &info) {
    std::string name = info.param.name;
    for (char &c : name)
        if (!isalnum(c)) c = '_';
    return name;
}
void PrintTo(const Known &known, std::ostream *out) { *out << known.name; }
INSTANTIATE_TEST_SUITE_P(Kernels, SimtCounts, ::testing::ValuesIn(kKnown), NameOf);

/* ---- the rest of what is counted -------------------------------------------------------------------------------- */

const LaunchCounts &Only() {
    EXPECT_EQ(simt::launch_counts().size(), 1u);
    return simt::launch_counts().at(0);
}

TEST_F(SimtCounting, ASectorIsMovedOnceHoweverOftenItIsTouched) {
    const Array<> x(Floats(1024, 0)), y(kBlocks * kThreads);
    Run(SECTORS(ReadsBesideTheStart, 0, 0), x, y);
    EXPECT_EQ(Only().bytes_read, 9u * 32) << "65 floats, by both blocks";
    EXPECT_EQ(Only().bytes_written, 2u * 64 * 4);
    EXPECT_EQ(Only().blocks, 2u);
}

__global__ void StoresTwo(float *p) { store2(p, 2 * (int)threadIdx.x, make_float2(1, 2)); }
__global__ void StoresFourApart(float *p) { store4(p, 8 * (int)threadIdx.x, make_float4(1, 2, 3, 4)); }

TEST_F(SimtCounting, WordsAreWrittenAsAWhole) {
    const Array<> p(256);
    EXPECT_CUDA(Launch(StoresTwo, 1, 32, 0, nullptr, p));
    EXPECT_CUDA(Launch(StoresFourApart, 1, 32, 0, nullptr, p));
    EXPECT_EQ(p.Host()[250], 3);
    ASSERT_EQ(simt::launch_counts().size(), 2u);
    EXPECT_EQ(simt::launch_counts()[0].sectors_written, (Share{8, 8}));
    EXPECT_EQ(simt::launch_counts()[1].sectors_written, (Share{32, 16}));
}

__global__ void ChangesInPlace(float *p) { p[threadIdx.x] += 1; }

TEST_F(SimtCounting, WhatIsChangedInPlaceIsReadAndWritten) {
    const Array<> p(Floats(64, 0));
    EXPECT_CUDA(Launch(ChangesInPlace, 1, 64, 0, nullptr, p));
    EXPECT_EQ(p.Host(), Floats(64, 1)) << "a kernel that is counted does its work";
    EXPECT_EQ(Only().bytes_read, 256u);
    EXPECT_EQ(Only().bytes_written, 256u);
}

__global__ void Adds(int *p) {
    SHARED(int, count, 64);
    count[threadIdx.x] = 0;
    atomicAdd(&count[threadIdx.x], 1);
    atomicAdd(p + 2 * threadIdx.x, count[threadIdx.x]);
}

TEST_F(SimtCounting, AtomicOperationsAreWrites) {
    const Array<int> p(std::vector<int>(128, 0));
    EXPECT_CUDA(Launch(Adds, 1, 64, 0, nullptr, p));
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(Only().sectors_written, (Share{16, 8}));
    EXPECT_EQ(Only().sectors_read, (Share{0, 0}));
    EXPECT_EQ(Only().wavefronts, (Share{6, 6}));
}

__global__ void HasThreeBarriers(float *p) {
    for (int i = 0; i < 3; i++) {
        p[blockIdx.x * 64 + threadIdx.x] = (float)i;
        __syncthreads();
    }
}

TEST_F(SimtCounting, BarriersAreThoseOfAllBlocks) {
    const Array<> p(128);
    EXPECT_CUDA(Launch(HasThreeBarriers, 2, 64, 0, nullptr, p));
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(Only().barriers, 6u);
}

/* A warp of 8 lanes; what its last ones would have read does not count. */
TEST_F(SimtCounting, ABlockMayEndWithinAWarp) {
    const Array<> x(Floats(1024, 0)), y(64);
    EXPECT_CUDA(Launch(ReadsInOrder, 1, 40, 0, nullptr, x, y));
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(Only().sectors_read, (Share{5, 5}));
}

TEST_F(SimtCounting, LaunchesStandInTheOrderInWhichTheyRanUntilAReset) {
    const Array<> x(Floats(1024, 0)), y(kBlocks * kThreads);
    Run(SECTORS(ReadsInOrder, 0, 0), x, y);
    Run(SECTORS(ReadsEveryOther, 0, 0), x, y);
    ASSERT_EQ(simt::launch_counts().size(), 2u);
    EXPECT_EQ(simt::launch_counts()[0].kernel, "ReadsInOrder");
    EXPECT_EQ(simt::launch_counts()[1].kernel, "ReadsEveryOther");
    simt::reset();
    EXPECT_TRUE(simt::launch_counts().empty());
}

TEST_F(SimtCounting, AProductMovesEachMatrixOnce) {
    const Array<> a(Floats(64 * 8, 1)), b(Floats(8 * 16, 1)), c(64 * 16);
    cublasHandle_t handle;
    ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
    const float one = 1, zero = 0;
    EXPECT_EQ(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 64, 16, 8, &one, a, 64, b, 8, &zero, c, 64),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(c.Host(), Floats(64 * 16, 8));
    cublasDestroy(handle);
    EXPECT_EQ(Only().kernel, "cublasSgemm");
    EXPECT_EQ(Only().bytes_read, a.bytes() + b.bytes());
    EXPECT_EQ(Only().bytes_written, c.bytes());
}

__global__ void NotesItsBlock(float *p) { p[blockIdx.x] = 1; }

TEST_F(SimtCounting, OfManyBlocksEveryThirdMayBeEnough) {
    simt::set_counting(true, 3);
    const Array<> p(Floats(7, 0));
    EXPECT_CUDA(Launch(NotesItsBlock, 7, 1, 0, nullptr, p));
    EXPECT_EQ(p.Host(), (Floats{1, 0, 0, 1, 0, 0, 1}));
    EXPECT_EQ(Only().blocks, 3u);
    simt::set_counting(false);
    EXPECT_CUDA(Launch(NotesItsBlock, 7, 1, 0, nullptr, p));
    EXPECT_EQ(p.Host(), Floats(7, 1)) << "nobody counts, so all are run";
}

TEST_F(SimtCounting, NothingIsCountedUnasked) {
    simt::set_counting(false);
    const Array<> x(Floats(1024, 0)), y(kBlocks * kThreads);
    Run(SECTORS(ReadsInOrder, 0, 0), x, y);
    EXPECT_TRUE(simt::launch_counts().empty());
}

} // namespace
