/* planted.h - kernels with one fault each, and right ones that look alike, for test_simt.cc.
 *
 * All run with 64 threads a block, in two blocks, and write to p[64]. */
#ifndef LENET_SIMT_PLANTED_H
#define LENET_SIMT_PLANTED_H
#include <stdexcept>

#include "cuda_runtime.h"

namespace planted {

constexpr unsigned kAll = 0xffffffffu;

inline __device__ int Me() { return (int)threadIdx.x; }
inline __device__ int Lane() { return (int)threadIdx.x % 32; }

/* ---- out of bounds, not initialised, misaligned ------------------------------------ */

inline __global__ void WritesPastTheEnd(float *p) {
    SHARED(float, tile, 64);
    tile[Me() + 1] = 1;
    p[Me()] = 0;
}
inline __global__ void ReadsBeforeTheStart(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Me()] = (tile + 8)[Me() - 9];
}
inline __global__ void Loads4PastTheEnd(float *p) {
    SHARED(float, tile, 66);
    for (int i = Me(); i < 66; i += 64) tile[i] = 1;
    __syncthreads();
    p[Me()] = load4(tile, Me() == 9 ? 64 : 0).x;
}
inline __global__ void WritesPastTheDynamicEnd(float *p) { /* launched with 256 bytes */
    DYNAMIC_SHARED(float, tile);
    tile[Me() + 1] = 1;
    p[Me()] = 0;
}
inline __global__ void ReadsWhatNobodyWrote(float *p) {
    SHARED(float, tile, 64);
    if (Me() != 5) tile[Me()] = 1;
    __syncthreads();
    p[Me()] = tile[63 - Me()];
}
inline __global__ void ReadsWhatAnotherBlockWrote(float *p) {
    SHARED(float, tile, 64);
    if (blockIdx.x == 0) tile[Me()] = 1;
    __syncthreads();
    p[Me()] = tile[Me()];
}
inline __global__ void AddsToWhatNobodyWrote(float *p) {
    SHARED(int, count, 1);
    atomicAdd(&count[0], 1);
    p[Me()] = 0;
}
inline __global__ void Loads4Misaligned(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 1;
    __syncthreads();
    p[Me()] = load4(tile, Me() == 7 ? 2 : 4).y;
}

/* ---- races ---------------------------------------------------------------------------- */

inline __global__ void TwoWarpsWrite(float *p) {
    SHARED(float, tile, 64);
    tile[Lane()] = (float)Me();
    __syncthreads();
    p[Me()] = tile[Lane()];
}
inline __global__ void TwoLanesWrite(float *p) {
    SHARED(float, tile, 64);
    tile[Me() / 2] = (float)Me();
    __syncthreads();
    p[Me()] = tile[Me() / 2];
}
inline __global__ void NoBarrierBeforeTheRead(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 0;
    __syncthreads();
    tile[Me()] = (float)Me();
    if (Me() < 32)
        __syncwarp(); /* not a barrier of the block */
    else
        __syncwarp();
    p[Me()] = tile[63 - Me()];
}
inline __global__ void NoBarrierBeforeTheNextWrite(float *p) {
    SHARED(float, tile, 64);
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        tile[Me()] = (float)i;
        __syncthreads();
        sum += tile[63 - Me()];
    }
    p[Me()] = sum;
}
inline __global__ void NoSyncwarp(float *p) {
    SHARED(float, tile, 64);
    tile[Me() ^ 1] = 0;
    __syncwarp();
    tile[Me()] = (float)Me();
    p[Me()] = tile[Me() ^ 1];
}
inline __global__ void SyncwarpOfHalves(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = 0;
    __syncthreads();
    tile[Me()] = (float)Me();
    __syncwarp(Lane() < 16 ? 0x0000ffffu : 0xffff0000u);
    p[Me()] = tile[Me() ^ 16];
}
/* Lanes 0 and 1 read at different times; lane 2 has met only the later of them. */
inline __global__ void MeetsOnlyTheLastReader(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 1;
    __syncwarp();
    float v = 0;
    if (Lane() == 0) v = tile[warp];
    if (Lane() >= 3) __syncwarp(0xfffffff8u); /* time goes by */
    if (Lane() == 1) v = tile[warp];
    if (Lane() == 1 || Lane() == 2) __syncwarp(6);
    if (Lane() == 2) tile[warp] = 2;
    p[Me()] = v;
}
inline __global__ void ReadsBesideAtomics(float *p) {
    SHARED(int, count, 1);
    if (Me() == 0) count[0] = 0;
    __syncthreads();
    atomicAdd(&count[0], 1);
    p[Me()] = (float)count[0];
}

/* ---- barriers and warp intrinsics ------------------------------------------------------ */

inline __global__ void ReturnsBeforeTheBarrier(float *p) {
    if (Me() >= 40) return;
    __syncthreads();
    p[Me()] = 0;
}
inline __global__ void SkipsTheBarrier(float *p) {
    if (Me() < 40) __syncthreads();
    p[Me()] = 0;
}
inline __global__ void TwoBarriers(float *p) {
    if (Me() < 32) {
        p[Me()] = 0;
        __syncthreads();
    } else {
        p[Me()] = 1;
        __syncthreads();
    }
}
inline __global__ void LaneHasReturned(float *p) {
    if (Lane() == 7) return;
    p[Me()] = __shfl_down_sync(kAll, 1.0f, 1);
}
inline __global__ void LaneReturnsWhileOthersWait(float *p) {
    float v = 0;
    if (Lane() != 7) v = __shfl_down_sync(kAll, 1.0f, 1);
    p[Me()] = v;
}
inline __global__ void OwnLaneNotInMask(float *p) { p[Me()] = __shfl_sync(0x0000ffffu, 1.0f, 0); }
inline __global__ void ReadsLaneNotInMask(float *p) { p[Me()] = Lane() < 16 ? __shfl_sync(0x0000ffffu, 1.0f, 20) : 0; }
inline __global__ void MasksDiffer(float *p) {
    p[Me()] = Lane() < 16 ? __shfl_xor_sync(kAll, 1.0f, 1) : __shfl_xor_sync(0xffff0000u, 1.0f, 1);
}
inline __global__ void IntrinsicsDiffer(float *p) {
    p[Me()] = Lane() < 16 ? (float)__any_sync(kAll, 1) : (float)__all_sync(kAll, 1);
}
inline __global__ void WidthIsThree(float *p) { p[Me()] = __shfl_sync(kAll, 1.0f, 0, 3); }
inline __global__ void BarrierAgainstShuffle(float *p) {
    if (Lane() == 3) __syncthreads();
    p[Me()] = __shfl_xor_sync(kAll, 1.0f, 1);
}

/* ---- the rest ---------------------------------------------------------------------------- */

inline __global__ void MoreThan48KB(float *p) {
    SHARED(float, tile, 12289);
    tile[Me()] = 0;
    p[Me()] = 0;
}
inline __global__ void HalfOf48KB(float *p) { /* with as much dynamic memory, and 256 bytes more */
    SHARED(float, tile, 6144);
    tile[Me()] = 0;
    p[Me()] = 0;
}
inline __global__ void NoDynamicMemory(float *p) {
    DYNAMIC_SHARED(float, tile);
    tile[Me()] = 0;
    p[Me()] = 0;
}
inline __global__ void Throws(float *p) {
    p[Me()] = 0;
    __syncthreads();
    if (Me() == 63) throw std::runtime_error("planted");
    __syncthreads();
}
inline __global__ void Traps(float *p) {
    p[Me()] = 0;
    if (Me() == 1) __trap();
}

/* ---- right ones ---------------------------------------------------------------------------- */

inline __global__ void Reverses(float *p) {
    SHARED(float, tile, 64);
    tile[Me()] = (float)Me();
    __syncthreads();
    p[Me()] = tile[63 - Me()];
}
inline __global__ void LoopsWithTwoBarriers(float *p) {
    SHARED(float, tile, 64);
    for (int i = 0; i < 3; i++) {
        tile[Me()] = (float)Me();
        __syncthreads();
        p[Me()] = tile[63 - Me()];
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
    p[Me()] = tile[Me()];
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
        p[Me()] = 63 - tile[Me() ^ 8];
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
    p[Me()] = (float)(63 - Me());
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
    p[Me()] = sum == 4 ? (float)(63 - Me()) : -1;
}
/* Two readers of different times, each met by the writer on its own. */
inline __global__ void MeetsReadersInTurn(float *p) {
    SHARED(float, tile, 2);
    const int warp = Me() / 32;
    if (Lane() == 0) tile[warp] = 1;
    __syncwarp();
    float v = 1;
    if (Lane() == 0) v = tile[warp];
    if (Lane() >= 3) __syncwarp(0xfffffff8u);
    if (Lane() == 1) v = tile[warp];
    if (Lane() == 1 || Lane() == 2) __syncwarp(6);
    if (Lane() == 0 || Lane() == 2) __syncwarp(5);
    if (Lane() == 2) tile[warp] = 2;
    p[Me()] = (float)(63 - Me()) * v;
}
inline __global__ void KeepsToItsColumn(float *p) {
    DYNAMIC_SHARED(float, tile);
    tile[Me()] = 0;
    for (int i = 0; i < 63 - Me(); i++) tile[Me()] += 1;
    p[Me()] = tile[Me()];
}
inline __global__ void BroadcastsToAllWarps(float *p) {
    SHARED(float, weight, 2);
    for (int i = 0; i < 3; i++) {
        if (Me() < 2) weight[Me()] = (float)(64 + i + Me());
        __syncthreads();
        p[Me()] = weight[0] * weight[1] - weight[0] * weight[1] + (float)(63 - Me());
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
    p[Me()] = (float)(count[0] + in_warp - 33 - Me());
}
inline __global__ void MovesFourAtATime(float *p) {
    SHARED(float, tile, 256);
    store4(tile, 4 * Me(), make_float4(0, 1, 2, (float)Me()));
    __syncthreads();
    const float4 v = load4(tile, 4 * (63 - Me()));
    p[Me()] = v.x + v.y + v.z - 3 + v.w;
}
inline __global__ void KeepsBytesApart(float *p) {
    SHARED(unsigned char, bytes, 64);
    SHARED(double, wide, 64);
    bytes[Me()] = (unsigned char)Me();
    wide[Me()] = Me();
    __syncthreads();
    p[Me()] = (float)(bytes[63 - Me()] + wide[63 - Me()]) / 2;
}

} // namespace planted
#endif
