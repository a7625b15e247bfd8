/* planted.h - kernels with one fault each, and right ones that look alike, for test_simt.cc.
 *
 * All run with 64 threads a block, in two blocks, on p[192], which is 0 at first.
 * A right one leaves 63, 62, ... 0 of each block in p[0] to p[127]. Lines that
 * a report has to name are marked: here. */
#ifndef LENET_SIMT_PLANTED_H
#define LENET_SIMT_PLANTED_H
#include <stdexcept>

#include "cuda_runtime.h"

namespace planted {

constexpr unsigned kAll = 0xffffffffu;

inline __device__ int Me() { return (int)threadIdx.x; }
inline __device__ int Mine() { return (int)blockIdx.x * 64 + Me(); }
inline __device__ int Lane() { return (int)threadIdx.x % 32; }

/* ---- out of bounds, not initialised, misaligned ------------------------------------ */

inline __global__ void WritesPastTheEnd(float *p) {
    SHARED(float, tile, 64);
    tile[Me() + 1] = 1; /* here */
    p[Mine()] = 0;
}
inline __global__ void ReadsBeforeTheStart(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = (tile + 8)[Me() - 9]; /* here */
}
inline __global__ void Loads4PastTheEnd(float *p) {
    SHARED(float, tile, 66);
    for (int i = Me(); i < 66; i += 64) tile[i] = 1;
    __syncthreads();
    p[Mine()] = load4(tile, Me() == 9 ? 64 : 0).x; /* here */
}
inline __global__ void Loads2PastTheEnd(float *p) {
    SHARED(float, tile, 65);
    for (int i = Me(); i < 65; i += 64) tile[i] = 1;
    __syncthreads();
    p[Mine()] = load2(tile, Me() == 9 ? 64 : 0).x; /* here */
}
inline __global__ void Loads4BeforeTheStart(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = load4(tile, Me() == 9 ? -4 : 0).x; /* here */
}
inline __global__ void WritesPastTheDynamicEnd(float *p) { /* launched with 256 bytes */
    DYNAMIC_SHARED(float, tile);
    tile[Me() + 1] = 1; /* here */
    p[Mine()] = 0;
}
inline __global__ void ReadsWhatNobodyWrote(float *p) {
    SHARED(float, tile, 64);
    if (Me() != 5) tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = tile[63 - Me()]; /* here */
}
inline __global__ void ReadsWhatAnotherBlockWrote(float *p) {
    SHARED(float, tile, 64);
    if (blockIdx.x == 0) tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = tile[Me()]; /* here */
}
inline __global__ void AddsToWhatNobodyWrote(float *p) {
    SHARED(int, count, 1);
    atomicAdd(&count[0], 1); /* here */
    p[Mine()] = 0;
}
inline __global__ void Loads4Misaligned(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = load4(tile, Me() == 7 ? 2 : 4).y; /* here */
}
inline __global__ void Loads2Misaligned(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Mine()] = load2(tile, Me() == 7 ? 5 : 6).y; /* here */
}

/* ---- races ---------------------------------------------------------------------------- */

inline __global__ void TwoWarpsWrite(float *p) {
    SHARED(float, tile, 64);
    tile[Lane()] = (float)Me(); /* here */
    __syncthreads();
    p[Mine()] = tile[Lane()];
}
inline __global__ void TwoLanesWrite(float *p) {
    SHARED(float, tile, 64);
    tile[Me() / 2] = (float)Me(); /* here */
    __syncthreads();
    p[Mine()] = tile[Me() / 2];
}
inline __global__ void NoBarrierBeforeTheRead(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 0;
    __syncthreads();
    tile[Me()] = (float)Me(); /* here */
    if (Me() < 32)
        __syncwarp(); /* not a barrier of the block */
    else
        __syncwarp();
    p[Mine()] = tile[63 - Me()]; /* here */
}
inline __global__ void NoBarrierBeforeTheNextWrite(float *p) {
    SHARED(float, tile, 64);
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        tile[Me()] = (float)i; /* here */
        __syncthreads();
        sum += tile[63 - Me()]; /* here */
    }
    p[Mine()] = sum;
}
inline __global__ void NoSyncwarp(float *p) {
    SHARED(float, tile, 64);
    tile[Me() ^ 1] = 0;
    __syncwarp();
    tile[Me()] = (float)Me();   /* here */
    p[Mine()] = tile[Me() ^ 1]; /* here */
}
inline __global__ void SyncwarpOfHalves(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 0;
    __syncthreads();
    tile[Me()] = (float)Me(); /* here */
    __syncwarp(Lane() < 16 ? 0x0000ffffu : 0xffff0000u);
    p[Mine()] = tile[Me() ^ 16]; /* here */
}
/* Lanes 0 and 1 read at different times; lane 2 has met only the later of them. */
inline __global__ void MeetsOnlyTheLastReader(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 1;
    __syncwarp();
    float v = 0;
    if (Lane() == 0) v = tile[warp];
    if (Lane() == 1 || Lane() == 3) __syncwarp(10); /* time goes by */
    if (Lane() == 1) v = tile[warp];
    if (Lane() == 1 || Lane() == 2) __syncwarp(6);
    if (Lane() == 2) tile[warp] = 2; /* here */
    p[Mine()] = v;
}
inline __global__ void ReadsAfterTheMeeting(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 1;
    __syncthreads();
    if (Lane() == 0) p[Mine()] = tile[warp];
    __syncwarp();
    if (Lane() == 1) p[Mine()] = tile[warp];
    if (Lane() == 2) tile[warp] = 2; /* here */
}
inline __global__ void OneReaderHasMetTheWriter(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 0;
    __syncthreads();
    if (Lane() == 0) tile[warp] = 1; /* here */
    if (Lane() < 2) __syncwarp(3);
    if (Lane() == 1 || Lane() == 2) p[Mine()] = tile[warp]; /* here */
}
inline __global__ void WritesHalfOfADouble(float *p) { /* launched with 512 bytes */
    DYNAMIC_SHARED(float, tile);
    DYNAMIC_SHARED(double, wide);
    wide[Me()] = 0;
    __syncthreads();
    if (Me() == 0) tile[127] = 1;                /* here */
    if (Me() == 32) p[Mine()] = (float)wide[63]; /* here */
}
inline __global__ void MeetsItsWarpsReadersOnly(float *p) {
    SHARED(float, tile, 1);
    if (Me() == 0) tile[0] = 1;
    __syncthreads();
    if (Me() <= 32) p[Mine()] = tile[0]; /* here */
    __syncwarp();
    if (Me() == 0) tile[0] = 2; /* here */
}
inline __global__ void ReadsBesideAtomics(float *p) {
    SHARED(int, count, 1);
    if (Me() == 0) count[0] = 0;
    __syncthreads();
    atomicAdd(&count[0], 1);     /* here */
    p[Mine()] = (float)count[0]; /* here */
}
inline __global__ void ReadsBesideOneAtomic(float *p) {
    SHARED(int, count, 1);
    if (Me() == 0) count[0] = 0;
    __syncthreads();
    if (Me() == 0) atomicAdd(&count[0], 1);      /* here */
    if (Me() == 32) p[Mine()] = (float)count[0]; /* here */
}
inline __global__ void TwoLanesAddAndOneReads(float *p) {
    SHARED(int, count, 1);
    if (Me() == 0) count[0] = 0;
    __syncthreads();
    if (Me() < 2) atomicAdd(&count[0], 1);
    if (Me() == 1) p[Mine()] = (float)count[0]; /* here */
}
inline __global__ void TwoWarpsAddAndOneReads(float *p) {
    SHARED(int, count, 1);
    if (Me() == 0) count[0] = 0;
    __syncthreads();
    atomicAdd(&count[0], 1); /* here */
    __syncwarp();
    if (Me() == 32) p[Mine()] = (float)count[0]; /* here */
}

/* ---- barriers and warp intrinsics ------------------------------------------------------ */

inline __global__ void ReturnsBeforeTheBarrier(float *p) {
    if (Me() >= 40) return;
    __syncthreads(); /* here */
    p[Mine()] = 0;
}
inline __global__ void SkipsTheBarrier(float *p) {
    if (Me() < 40) __syncthreads(); /* here */
    p[Mine()] = 0;
}
inline __global__ void TwoBarriers(float *p) {
    if (Me() < 32) {
        p[Mine()] = 0;
        __syncthreads(); /* here */
    } else {
        p[Mine()] = 1;
        __syncthreads(); /* here */
    }
}
inline __global__ void LaneHasReturned(float *p) {
    if (Lane() == 7) return;
    p[Mine()] = __shfl_down_sync(kAll, 1.0f, 1); /* here */
}
inline __global__ void LaneReturnsWhileOthersWait(float *p) {
    float v = 0;
    if (Lane() != 7) v = __shfl_down_sync(kAll, 1.0f, 1); /* here */
    p[Mine()] = v;
}
inline __global__ void OwnLaneNotInMask(float *p) { p[Mine()] = __shfl_sync(0x0000ffffu, 1.0f, 0); /* here */ }
inline __global__ void ReadsLaneNotInMask(float *p) {
    if (Lane() < 16) p[Mine()] = __shfl_sync(0x0000ffffu, 1.0f, 20); /* here */
}
inline __global__ void MasksDiffer(float *p) {
    p[Mine()] = __shfl_xor_sync(Lane() < 16 ? kAll : 0xffff0000u, 1.0f, 1); /* here */
}
inline __global__ void MasksCross(float *p) {
    p[Mine()] = __shfl_xor_sync(Lane() < 16 ? 0x0001ffffu : 0xffff8000u, 1.0f, 1); /* here */
}
inline __global__ void IntrinsicsDiffer(float *p) {
    if (Lane() < 16)
        p[Mine()] = (float)__any_sync(kAll, 1); /* here */
    else
        p[Mine()] = (float)__all_sync(kAll, 1); /* here */
}
inline __global__ void WidthIsThree(float *p) { p[Mine()] = __shfl_sync(kAll, 1.0f, 0, 3); /* here */ }
inline __global__ void WidthsDiffer(float *p) {
    p[Mine()] = __shfl_sync(kAll, 1.0f, 0, Lane() < 16 ? 16 : 32); /* here */
}
inline __global__ void LaneDoesNotExist(float *p) { /* launched with 40 threads */
    p[Mine()] = __shfl_xor_sync(kAll, 1.0f, 1);     /* here */
}
inline __global__ void BarrierAgainstShuffle(float *p) {
    if (Lane() == 3) __syncthreads();           /* here */
    p[Mine()] = __shfl_xor_sync(kAll, 1.0f, 1); /* here */
}

/* ---- global memory: races ------------------------------------------------------------------- */

inline __global__ void TwoBlocksWriteGlobal(float *p) { p[Me()] = 0; }
inline __global__ void TwoLanesWriteGlobal(float *p) { p[Mine() / 2 * 2] = 0; }
inline __global__ void NoBarrierBeforeTheGlobalRead(float *p) {
    p[Mine()] = (float)Me();
    p[Mine()] += p[Mine() ^ 32];
}
inline __global__ void NoSyncwarpBeforeTheGlobalRead(float *p) {
    const float v = p[Mine() ^ 1];
    p[Mine()] = v;
}
inline __global__ void ReadsGlobalAgainAfterABarrier(float *p) {
    const int at = 128 + (int)blockIdx.x;
    if (Me() < 32) p[Mine()] = p[at];
    __syncthreads();
    if (Me() == 0) p[Mine()] = p[at];
    if (Me() == 33) p[at] = 1;
}
inline __global__ void ReadsGlobalAfterTheMeeting(float *p) {
    const int at = 128 + Mine() / 32;
    if (Lane() == 0) p[Mine()] = p[at];
    __syncwarp();
    if (Lane() == 1) p[Mine()] = p[at];
    if (Lane() == 2) p[at] = 2;
}
inline __global__ void MeetsItsWarpsGlobalReadersOnly(float *p) {
    const int at = 128 + (int)blockIdx.x;
    if (Me() <= 32) p[Mine()] = p[at];
    __syncwarp();
    if (Me() == 0) p[at] = 2;
}
inline __global__ void WritesHalfOfAGlobalDouble(float *p) {
    double *wide = reinterpret_cast<double *>(p + 128) + blockIdx.x;
    if (Me() == 32) p[Mine()] = (float)*wide;
    if (Me() == 0) p[129 + 2 * blockIdx.x] = 1;
}
inline __global__ void OneBlockReadsWhatAnotherWrites(float *p) {
    if (Me() != 0) return;
    if (blockIdx.x == 0)
        p[0] = p[128];
    else
        p[128] = 1;
}
inline __global__ void BothBlocksReadWhatOneChanges(float *p) {
    if (Me() == 0) p[Mine()] = p[128];
    if (Me() == 0 && blockIdx.x == 1) p[128] = 1;
}
inline __global__ void BothBlocksReadTwiceWhatOneChanges(float *p) {
    if (Me() == 0) p[Mine()] = p[128];
    __syncthreads();
    if (Me() == 0) p[Mine()] = p[128];
    __syncthreads();
    if (Me() == 0 && blockIdx.x == 1) p[128] = 1;
}
inline __global__ void ReadsBesideGlobalAtomics(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128 + blockIdx.x;
    atomicAdd(count, 1);
    p[Mine()] = (float)*count;
}
inline __global__ void ReadsGlobalAtomicsOfAnotherBlock(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128;
    if (Me() == 0) atomicAdd(count + blockIdx.x, 1);
    __syncthreads();
    p[Mine()] = (float)count[1 - blockIdx.x];
}
inline __global__ void BothBlocksAddAndRead(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128;
    if (Me() == 0) atomicAdd(count, 1);
    __syncthreads();
    if (Me() == 0) atomicAdd(count, 1);
    if (Me() == 0 && blockIdx.x == 1) p[Mine()] = (float)*count;
}
inline __global__ void WritesBesideGlobalAtomics(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128;
    atomicAdd(count, 1);
    __syncthreads();
    if (Me() == 0) *count = 0;
}
inline __global__ void TwoLanesWriteAByte(float *p) {
    unsigned char *bytes = reinterpret_cast<unsigned char *>(p);
    bytes[Mine() / 2] = 1;
}
inline __global__ void WritesABytesWord(float *p) { /* of what the next thread writes a byte of */
    unsigned char *bytes = reinterpret_cast<unsigned char *>(p + 64 * blockIdx.x);
    if (Me() % 2 == 0)
        bytes[4 * Me() + 1] = 1;
    else
        p[Mine() - 1] = 1;
}

/* ---- global memory: beyond its end ---------------------------------------------------------- */

inline __global__ void WritesPastTheGlobalEnd(float *p) { p[Mine() + 65] = 0; }
inline __global__ void ReadsBeforeTheGlobalStart(float *p) { p[Mine()] = p[Mine() - 1]; }

/* ---- the rest ---------------------------------------------------------------------------- */

inline __global__ void MoreThan48KB(float *p) {
    SHARED(float, tile, 12289);
    tile[Me()] = 0;
    p[Mine()] = 0;
}
inline __global__ void HalfOf48KB(float *p) { /* with as much dynamic memory, and 256 bytes more */
    SHARED(float, tile, 6144);
    tile[Me()] = 0;
    p[Mine()] = 0;
}
inline __global__ void NoDynamicMemory(float *p) {
    DYNAMIC_SHARED(float, tile);
    tile[Me()] = 0;
    p[Mine()] = 0;
}
inline __global__ void Throws(float *p) {
    p[Mine()] = 0;
    __syncthreads();
    if (Me() == 63) throw std::runtime_error("planted");
    __syncthreads();
}
inline __global__ void Traps(float *p) {
    p[Mine()] = 0;
    if (Me() == 1) __trap(); /* here */
}

/* ---- right ones ---------------------------------------------------------------------------- */

inline __global__ void Reverses(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = (float)Me();
    __syncthreads();
    p[Mine()] = tile[63 - Me()];
}
inline __global__ void LoopsWithTwoBarriers(float *p) {
    SHARED(float, tile, 64);
    for (int i = 0; i < 3; i++) {
        tile[Me()] = (float)Me();
        __syncthreads();
        p[Mine()] = tile[63 - Me()];
        __syncthreads();
    }
}
inline __global__ void SwapsWithinWarps(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 63 - (float)(Me() ^ 1);
    for (int i = 0; i < 3; i++) {
        __syncwarp();
        const float v = tile[Me() ^ 1];
        __syncwarp();
        tile[Me()] = v;
    }
    p[Mine()] = tile[Me()];
}
inline __global__ void SwapsWithinHalves(float *p) {
    SHARED(float, tile, 64);
    const unsigned half = Lane() < 16 ? 0x0000ffffu : 0xffff0000u;
    for (int i = 0; i < 3; i++) {
        tile[Me()] = (float)(Me() ^ 8);
        if (Lane() < 16 || i != 1)
            __syncwarp(half);
        else
            __ballot_sync(half, 1);
        p[Mine()] = 63 - tile[Me() ^ 8];
        __syncwarp(half);
    }
}
/* 0 meets 1, and then 1 meets 2: what 0 did happened before what 2 does. */
inline __global__ void HandsOnThroughAChain(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 1;
    if (Lane() <= 1) __syncwarp(3);
    if (Lane() == 1 || Lane() == 2) __shfl_sync(6, 0, 1);
    if (Lane() == 2) tile[warp] = tile[warp] + 1;
    p[Mine()] = (float)(63 - Me());
}
/* Halves read at different times, and then all meet before one writes. */
inline __global__ void MeetsAllReaders(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    const unsigned half = Lane() < 16 ? 0x0000ffffu : 0xffff0000u;
    if (Lane() == 0) tile[warp] = 1;
    __syncwarp();
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += tile[warp];
        __syncwarp(half);
    }
    __syncwarp();
    if (Lane() == 31) tile[warp] = 2;
    p[Mine()] = sum == 4 ? (float)(63 - Me()) : -1;
}
/* Two readers of different times, each met by the writer on its own; then four other lanes do the same. */
inline __global__ void MeetsReadersInTurn(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    for (int first = 0; first < 8; first += 4) {
        const int lane = Lane() - first;
        if (lane == 0) tile[warp] = 1;
        __syncthreads();
        if (lane == 0) p[Mine()] = tile[warp];
        if (lane == 1 || lane == 3) __syncwarp(10u << first);
        if (lane == 1) p[Mine()] = tile[warp];
        if (lane == 1 || lane == 2) __syncwarp(6u << first);
        if (lane == 0 || lane == 2) __syncwarp(5u << first);
        if (lane == 2) tile[warp] = 2;
        __syncthreads();
    }
    p[Mine()] = (float)(63 - Me());
}
inline __global__ void KeepsToItsColumn(float *p) {
    DYNAMIC_SHARED(float, tile);
    tile[Me()] = 0;
    for (int i = 0; i < 63 - Me(); i++) tile[Me()] += 1;
    p[Mine()] = tile[Me()];
}
inline __global__ void BroadcastsToAllWarps(float *p) {
    SHARED(float, weight, 2);
    for (int i = 0; i < 3; i++) {
        if (Me() < 2) weight[Me()] = (float)(64 + i + Me());
        __syncthreads();
        p[Mine()] = weight[0] * weight[1] - weight[0] * weight[1] + (float)(63 - Me());
        __syncthreads();
    }
}
inline __global__ void CountsInSharedMemory(float *p) {
    SHARED(int, count, 3);
    if (Me() < 3) count[Me()] = 0;
    __syncthreads();
    atomicAdd(&count[0], 1);
    atomicAdd(&count[1 + Me() / 32], 1);
    __syncwarp();
    const int in_warp = count[1 + Me() / 32];
    __syncthreads();
    p[Mine()] = (float)(count[0] + in_warp - 33 - Me());
}
inline __global__ void MovesFourAtATime(float *p) {
    SHARED(float, tile, 256);
    store4(tile, 4 * Me(), make_float4(0, 1, 2, (float)Me()));
    __syncthreads();
    const float4 v = load4(tile, 4 * (63 - Me()));
    p[Mine()] = v.x + v.y + v.z - 3 + v.w;
}
inline __global__ void ReadsTwoAtATime(float *p) {
    SHARED(float, tile, 128);
    tile[2 * Me()] = 1;
    tile[2 * Me() + 1] = (float)Me();
    __syncthreads();
    const float2 v = load2(tile, 2 * (63 - Me()));
    p[Mine()] = v.x - 1 + v.y;
}
inline __global__ void KeepsBytesApart(float *p) {
    SHARED(unsigned char, bytes, 64);
    SHARED(double, wide, 64);
    bytes[Me()] = (unsigned char)Me();
    wide[Me()] = Me();
    __syncthreads();
    p[Mine()] = (float)(bytes[63 - Me()] + wide[63 - Me()]) / 2;
}

inline __global__ void ReversesInGlobalMemory(float *p) {
    p[Mine()] = (float)Me();
    __syncthreads();
    const float v = p[Mine() ^ 63];
    __syncthreads();
    p[Mine()] = v;
}
inline __global__ void SwapsInGlobalMemoryWithinWarps(float *p) {
    p[Mine()] = (float)Me();
    __syncwarp();
    const float v = p[Mine() ^ 31];
    __syncwarp();
    p[Mine()] = v + (Me() < 32 ? 32 : -32);
}
inline __global__ void BlocksReadTheSame(float *p) {
    for (int i = 0; i < 3; i++) p[Mine()] = (float)(63 - Me()) + p[128 + i] + p[128 + Lane()];
}
inline __global__ void CountsInGlobalMemory(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128;
    atomicAdd(count, 1);
    atomicAdd(count + 1 + blockIdx.x, 1);
    atomicAdd(count + 3 + blockIdx.x, 1);
    __syncthreads();
    atomicAdd(count, -1);
    if (Me() == 9) count[1 + blockIdx.x] -= 64;
    __syncthreads();
    p[Mine()] = (float)(63 - Me() - count[1 + blockIdx.x] - count[3 + blockIdx.x] % 64);
}
inline __global__ void OneThreadCountsAnew(float *p) {
    int *count = reinterpret_cast<int *>(p) + 128 + blockIdx.x;
    if (Me() == 0) *count = 60;
    __syncwarp();
    if (Me() == 0) *count += 3;
    __syncthreads();
    atomicAdd(count, -Me());
    atomicAdd(count, Me());
    __syncthreads();
    p[Mine()] = (float)(*count - Me());
}
inline __global__ void KeepsBytesApartInGlobalMemory(float *p) {
    unsigned char *bytes = reinterpret_cast<unsigned char *>(p + 128);
    bytes[Mine()] = (unsigned char)Me();
    __syncthreads();
    p[Mine()] = bytes[Mine() ^ 63];
}
inline __global__ void ReadsWordsOfBytesAfterABarrier(float *p) {
    unsigned char *bytes = reinterpret_cast<unsigned char *>(p + 64 * blockIdx.x);
    for (int i = 0; i < 4; i++) bytes[Me() + 64 * i] = 0;
    __syncthreads();
    p[Mine()] += (float)(63 - Me());
}

} // namespace planted
#endif
