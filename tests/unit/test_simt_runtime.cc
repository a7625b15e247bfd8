/* test_simt_runtime.cc - the emulator's CUDA runtime and its cuBLAS: memory, streams, graphs, GEMMs, and devices that
 * are not there. */
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/simt/cublas_v2.h"
#include "support/simt/simt_test.h"

namespace {

class Runtime : public Simt {};
class Graphs : public Simt {};
class Cublas : public Simt {};

__global__ void Scales(float *p, float factor) { p[threadIdx.x] *= factor; }

/* What a host buffer holds before anything arrives. */
constexpr float kBefore = -1;

class Pinned {
  public:
    explicit Pinned(size_t count) {
        EXPECT_CUDA(cudaMallocHost(&p_, count * sizeof(float)));
        for (size_t i = 0; i < count; i++) p_[i] = kBefore;
    }
    ~Pinned() { cudaFreeHost(p_); }
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;
    operator float *() const { return p_; }

  private:
    float *p_ = nullptr;
};

/* ---- memory ------------------------------------------------------------------------------------ */

TEST_F(Runtime, FreshMemoryIsNaN) {
    const Array<> p(3);
    EXPECT_EQ(reinterpret_cast<uintptr_t>((float *)p) % 256, 0u);
    for (float v : p.Host()) EXPECT_TRUE(std::isnan(v));
}

TEST_F(Runtime, MemoryIsLimitedAndCounted) {
    simt::Device device;
    device.memory = 1000;
    simt::set_device(device);
    size_t free_bytes = 0, total = 0;
    void *big = nullptr;
    const Array<> p(100);
    EXPECT_CUDA(cudaMemGetInfo(&free_bytes, &total));
    EXPECT_EQ(free_bytes, 600u);
    EXPECT_EQ(total, 1000u);
    EXPECT_EQ(simt::allocated_bytes(), 400u);
    EXPECT_EQ(cudaMalloc(&big, 601), cudaErrorMemoryAllocation);
    EXPECT_EQ(big, nullptr);
    EXPECT_EQ(cudaMalloc(&big, SIZE_MAX), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_CUDA(cudaGetLastError()) << "it does not stick";
    EXPECT_CUDA(cudaMalloc(&big, 600));
    EXPECT_CUDA(cudaFree(big));
    EXPECT_CUDA(cudaFree(nullptr));
    EXPECT_EQ(cudaFree(big), cudaErrorInvalidValue) << "twice";
}

TEST_F(Runtime, CopiesOutsideOfDeviceMemoryAreRefused) {
    const Array<> p(4), q(4);
    float host[5] = {};
    const auto refused = [](cudaError_t error) {
        const bool reported = simt::last_report().kind == simt::Kind::kMemory;
        simt::reset();
        return error == cudaErrorInvalidValue && reported;
    };
    EXPECT_TRUE(refused(cudaMemcpy(p, host, 20, cudaMemcpyHostToDevice))) << "too many bytes";
    EXPECT_TRUE(refused(cudaMemcpy(host, p + 1, 16, cudaMemcpyDeviceToHost))) << "past the end";
    EXPECT_TRUE(refused(cudaMemcpy(host, host + 1, 4, cudaMemcpyDeviceToHost))) << "not of the device";
    EXPECT_TRUE(refused(cudaMemcpy(p, q, 4, cudaMemcpyHostToDevice))) << "not of the host";
    EXPECT_TRUE(refused(cudaMemcpyAsync(p, host, 4, cudaMemcpyDeviceToDevice, nullptr)));
    EXPECT_TRUE(refused(cudaMemset(host, 0, 4)));
    EXPECT_TRUE(refused(cudaMemsetAsync(p + 2, 0, 12, nullptr)));
    EXPECT_EQ(cudaMemset(host, 0, 7), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemset(host, 0, 8), cudaErrorInvalidValue);
    EXPECT_NE(simt::last_report().text.find("a fill of 7 bytes"), std::string::npos) << "the first report is kept";
    simt::reset();
    EXPECT_CUDA(cudaMemset(p, 0, 16));
    EXPECT_CUDA(cudaMemcpy(q, p, 16, cudaMemcpyDeviceToDevice));
    EXPECT_CUDA(cudaMemcpy(host, q + 1, 12, cudaMemcpyDefault));
    EXPECT_CUDA(cudaMemcpy(host, host + 1, 0, cudaMemcpyDeviceToHost)) << "nothing can be outside";
}

/* ---- streams -------------------------------------------------------------------------------------- */

TEST_F(Runtime, WorkIsDoneWhenSomebodyWaits) {
    for (bool eager : {false, true}) {
        simt::set_eager(eager);
        const Stream stream;
        const Array<> p(Floats{1, 2});
        const Pinned host(2);
        EXPECT_CUDA(Launch(Scales, 1, 2, 0, stream, p, 10.0f));
        EXPECT_CUDA(cudaMemcpyAsync(host, p, 8, cudaMemcpyDeviceToHost, stream));
        EXPECT_EQ(host[1], eager ? 20 : kBefore) << "both are allowed before the wait";
        EXPECT_CUDA(cudaStreamSynchronize(stream));
        EXPECT_EQ(host[1], 20);
    }
}

TEST_F(Runtime, ACopyFromPageableMemoryTakesItAtOnceOneFromPinnedMemoryLater) {
    const Stream stream;
    const Array<> p(1), q(1);
    Floats pageable = {1};
    const Pinned pinned(1);
    EXPECT_CUDA(cudaMemcpyAsync(p, pageable.data(), 4, cudaMemcpyHostToDevice, stream));
    EXPECT_CUDA(cudaMemcpyAsync(q, pinned, 4, cudaMemcpyHostToDevice, stream));
    pageable[0] = pinned[0] = 2;
    EXPECT_CUDA(cudaMemcpyAsync(pageable.data(), p, 4, cudaMemcpyDeviceToHost, stream));
    EXPECT_EQ(pageable[0], 1) << "a copy to pageable memory waits";
    EXPECT_EQ(q.Host()[0], 2);
}

TEST_F(Runtime, OnlyBlockingStreamsWaitForTheDefaultStream) {
    for (unsigned flags : {cudaStreamDefault, cudaStreamNonBlocking}) {
        const Stream stream(flags);
        const Array<> p(Floats{1});
        EXPECT_CUDA(Launch(Scales, 1, 1, 0, stream, p, 10.0f));
        EXPECT_EQ(p.Host()[0], flags == cudaStreamDefault ? 10 : 1);
        EXPECT_CUDA(cudaDeviceSynchronize());
        EXPECT_EQ(p.Host()[0], 10);
    }
}

TEST_F(Runtime, AnEventIsReachedWhenWhatIsBeforeItIsDone) {
    const Stream stream;
    const Array<> p(Floats{1});
    const Pinned host(1);
    cudaEvent_t began, done;
    ASSERT_CUDA(cudaEventCreate(&began));
    ASSERT_CUDA(cudaEventCreate(&done));
    EXPECT_CUDA(cudaEventSynchronize(done)) << "not recorded yet: nothing to wait for";
    EXPECT_CUDA(cudaEventRecord(began, stream));
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, stream, p, 10.0f));
    EXPECT_CUDA(cudaMemcpyAsync(host, p, 4, cudaMemcpyDeviceToHost, stream));
    EXPECT_CUDA(cudaEventRecord(done, stream));
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, stream, p, 0.0f));
    EXPECT_CUDA(cudaMemcpyAsync(host, p, 4, cudaMemcpyDeviceToHost, stream));
    float ms = -1;
    EXPECT_EQ(cudaEventElapsedTime(&ms, began, done), cudaErrorNotReady);
    EXPECT_CUDA(cudaEventSynchronize(done));
    EXPECT_EQ(host[0], 10) << "what comes after it may wait";
    EXPECT_CUDA(cudaEventElapsedTime(&ms, began, done));
    EXPECT_GE(ms, 0);
    EXPECT_CUDA(cudaEventDestroy(began));
    EXPECT_CUDA(cudaEventDestroy(done));
    EXPECT_EQ(cudaEventRecord(done, stream), cudaErrorInvalidResourceHandle);
}

TEST_F(Runtime, AStreamWaitsForAnEventOfAnother) {
    const Stream first, second;
    const Array<> p(Floats{1});
    cudaEvent_t scaled;
    ASSERT_CUDA(cudaEventCreateWithFlags(&scaled, cudaEventDisableTiming));
    EXPECT_CUDA(cudaStreamWaitEvent(second, scaled)) << "not recorded yet: nothing to wait for";
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, first, p, 10.0f));
    EXPECT_CUDA(cudaEventRecord(scaled, first));
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, first, p, 0.0f)) << "is not waited for";
    EXPECT_CUDA(cudaStreamWaitEvent(second, scaled));
    const Pinned host(1);
    EXPECT_CUDA(cudaMemcpyAsync(host, p, 4, cudaMemcpyDeviceToHost, second));
    EXPECT_CUDA(cudaStreamSynchronize(second));
    EXPECT_EQ(host[0], 10);
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_CUDA(cudaEventDestroy(scaled));
    EXPECT_EQ(cudaStreamWaitEvent(second, scaled), cudaErrorInvalidResourceHandle);
}

TEST_F(Runtime, TheDefaultStreamsWorkWaitsForBlockingStreamsOnly) {
    for (unsigned flags : {cudaStreamDefault, cudaStreamNonBlocking}) {
        const Stream stream(flags);
        const Array<> p(Floats{1});
        const Pinned host(1);
        EXPECT_CUDA(Launch(Scales, 1, 1, 0, nullptr, p, 10.0f));
        EXPECT_CUDA(cudaMemcpyAsync(host, p, 4, cudaMemcpyDeviceToHost, stream));
        EXPECT_CUDA(cudaStreamSynchronize(stream));
        EXPECT_EQ(host[0], flags == cudaStreamDefault ? 10 : 1);
    }
}

TEST_F(Runtime, AResetForgetsWhatStreamsHadToDo) {
    const Stream stream, capturing;
    const Array<> p(Floats{1});
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, stream, p, 10.0f));
    EXPECT_CUDA(cudaStreamBeginCapture(capturing, cudaStreamCaptureModeGlobal));
    simt::reset();
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(p.Host()[0], 1);
}

/* ---- graphs ------------------------------------------------------------------------------------------ */

cudaGraphExec_t Capture(cudaStream_t stream, const std::function<void()> &body, size_t nodes) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    size_t count = 0;
    EXPECT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    body();
    EXPECT_CUDA(cudaStreamEndCapture(stream, &graph));
    EXPECT_CUDA(cudaGraphGetNodes(graph, nullptr, &count));
    EXPECT_EQ(count, nodes);
    EXPECT_CUDA(cudaGraphInstantiate(&exec, graph));
    EXPECT_CUDA(cudaGraphDestroy(graph));
    return exec;
}

TEST_F(Graphs, ReplayOnWhatMemoryHoldsThen) {
    const Stream stream;
    const Array<> p(Floats{1, 2}), one(Floats{1});
    const Pinned in(2), out(2);
    cublasHandle_t blas;
    ASSERT_EQ(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasSetStream(blas, stream), CUBLAS_STATUS_SUCCESS);
    const cudaGraphExec_t exec = Capture(
        stream,
        [&] {
            float factor = 10, alpha = 1, beta = 1;
            EXPECT_CUDA(cudaMemcpyAsync(p, in, 8, cudaMemcpyHostToDevice, stream));
            EXPECT_CUDA(Launch(Scales, 1, 2, 0, stream, p, factor));
            EXPECT_EQ(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &alpha, one, 1, p + 1, 1, &beta, p, 1),
                      CUBLAS_STATUS_SUCCESS);
            EXPECT_CUDA(cudaMemcpyAsync(out, p, 8, cudaMemcpyDeviceToHost, stream));
            EXPECT_CUDA(cudaMemsetAsync(p, 0, 8, stream));
            factor = alpha = beta = 0;
        },
        5);
    EXPECT_CUDA(cudaStreamSynchronize(stream));
    EXPECT_EQ(p.Host(), (Floats{1, 2})) << "capturing does nothing";
    for (float v : {3.0f, 5.0f}) {
        in[0] = v;
        in[1] = v + 1;
        EXPECT_CUDA(cudaGraphLaunch(exec, stream));
        EXPECT_CUDA(cudaStreamSynchronize(stream));
        EXPECT_EQ(out[0], 10 * v + 10 * (v + 1));
        EXPECT_EQ(out[1], 10 * (v + 1));
        EXPECT_EQ(p.Host(), (Floats{0, 0}));
    }
    EXPECT_EQ(simt::counters().graph_launches, 2u);
    EXPECT_EQ(simt::counters().gemms, 2u);
    EXPECT_CUDA(cudaGraphExecDestroy(exec));
    EXPECT_EQ(cudaGraphLaunch(exec, stream), cudaErrorInvalidValue);
    EXPECT_EQ(cublasDestroy(blas), CUBLAS_STATUS_SUCCESS);
}

TEST_F(Graphs, ThatUseFreedMemoryAreReported) {
    const Stream stream;
    void *p = nullptr;
    ASSERT_CUDA(cudaMalloc(&p, 8));
    const cudaGraphExec_t exec = Capture(
        stream, [&] { EXPECT_CUDA(cudaMemsetAsync(p, 0, 8, stream)); }, 1);
    EXPECT_CUDA(cudaFree(p));
    EXPECT_CUDA(cudaGraphLaunch(exec, stream));
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
    EXPECT_EQ(simt::last_report().kind, simt::Kind::kMemory);
    simt::reset();
    EXPECT_CUDA(cudaGraphExecDestroy(exec));
}

__global__ void TrapsAt(float *) { __trap(); }

TEST_F(Graphs, DoNothingMoreAfterAFault) {
    const Stream stream;
    const Array<> p(Floats{1});
    const cudaGraphExec_t exec = Capture(
        stream,
        [&] {
            EXPECT_CUDA(Launch(TrapsAt, 1, 1, 0, stream, p));
            EXPECT_CUDA(cudaMemsetAsync(p, 0, 4, stream));
        },
        2);
    EXPECT_CUDA(cudaGraphLaunch(exec, stream));
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
    simt::reset();
    EXPECT_EQ(p.Host()[0], 1);
    EXPECT_CUDA(cudaGraphExecDestroy(exec));
}

TEST_F(Graphs, CallsThatAreIllegalDuringACaptureEndIt) {
    const Stream stream, other, blocking(cudaStreamDefault);
    const Array<> p(1);
    float host = 0;
    void *more = nullptr;
    cudaEvent_t event;
    ASSERT_CUDA(cudaEventCreate(&event));
    const struct {
        const char *name;
        std::function<cudaError_t()> call;
    } calls[] = {{"malloc", [&] { return cudaMalloc(&more, 4); }},
                 {"free", [&] { return cudaFree(p); }},
                 {"copy", [&] { return cudaMemcpy(&host, p, 4, cudaMemcpyDeviceToHost); }},
                 {"fill", [&] { return cudaMemset(p, 0, 4); }},
                 {"wait", [&] { return cudaStreamSynchronize(stream); }},
                 {"wait for another", [&] { return cudaStreamSynchronize(other); }},
                 {"wait for the device", [&] { return cudaDeviceSynchronize(); }},
                 {"wait for an event", [&] { return cudaEventSynchronize(event); }}};
    for (const auto &c : calls) {
        cudaGraph_t graph = nullptr;
        EXPECT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
        EXPECT_EQ(c.call(), cudaErrorStreamCaptureUnsupported) << c.name;
        EXPECT_EQ(cudaMemsetAsync(p, 0, 4, stream), cudaErrorStreamCaptureInvalidated) << c.name;
        EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated) << c.name;
        EXPECT_EQ(graph, nullptr) << c.name;
        EXPECT_CUDA(cudaStreamSynchronize(stream));
    }
    cudaGraph_t graph = nullptr;
    EXPECT_CUDA(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeGlobal));
    EXPECT_EQ(Launch(Scales, 1, 1, 0, nullptr, p, 1.0f), cudaErrorStreamCaptureImplicit);
    EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState) << "was not begun";
    EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);

    EXPECT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    EXPECT_CUDA(cudaMalloc(&more, 4)) << "the relaxed mode allows it";
    EXPECT_CUDA(cudaStreamEndCapture(stream, &graph));
    EXPECT_CUDA(cudaGraphDestroy(graph));
    EXPECT_CUDA(cudaFree(more));
    EXPECT_CUDA(cudaEventDestroy(event));
}

/* A capture of two streams: the second scales p by 10 between the events, and is waited for or not. */
class Branches : public Simt {
  protected:
    void SetUp() override {
        ASSERT_CUDA(cudaEventCreate(&begun_));
        ASSERT_CUDA(cudaEventCreate(&done_));
    }
    void TearDown() override {
        EXPECT_CUDA(cudaEventDestroy(begun_));
        EXPECT_CUDA(cudaEventDestroy(done_));
    }
    void Branch() {
        EXPECT_CUDA(cudaEventRecord(begun_, main_));
        EXPECT_CUDA(cudaStreamWaitEvent(side_, begun_));
        EXPECT_CUDA(Launch(Scales, 1, 1, 0, side_, p_, 10.0f));
        EXPECT_CUDA(cudaEventRecord(done_, side_));
    }
    void Join() { EXPECT_CUDA(cudaStreamWaitEvent(main_, done_)); }
    void Copy() { EXPECT_CUDA(cudaMemcpyAsync(q_, p_, 4, cudaMemcpyDeviceToDevice, main_)); }

    const Stream main_, side_;
    const Array<> p_{Floats{1}}, q_{Floats{0}};
    cudaEvent_t begun_ = nullptr, done_ = nullptr;
};

TEST_F(Branches, AreInTheModeAndTheThreadOfTheirCapture) {
    cudaGraph_t graph;
    ASSERT_CUDA(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
    Branch();
    std::thread([] { const Array<> p(1); }).join();
    Join();
    EXPECT_CUDA(cudaStreamEndCapture(main_, &graph));
    EXPECT_CUDA(cudaGraphDestroy(graph));
}

TEST_F(Branches, AreReplayedAsLateAsTheirEventsAllow) {
    const cudaGraphExec_t late = Capture(
        main_, [&] { Branch(), Copy(), Join(); }, 2);
    const cudaGraphExec_t early = Capture(
        main_, [&] { Branch(), Join(), Copy(); }, 2);
    for (float want : {1.0f, 10.0f}) {
        EXPECT_CUDA(cudaGraphLaunch(late, main_));
        EXPECT_CUDA(cudaStreamSynchronize(main_));
        EXPECT_EQ(q_.Host()[0], want) << "nothing had waited for the branch yet";
    }
    EXPECT_CUDA(cudaGraphLaunch(early, main_));
    EXPECT_CUDA(cudaStreamSynchronize(main_));
    EXPECT_EQ(q_.Host()[0], 1000);
    EXPECT_CUDA(Launch(Scales, 1, 1, 0, side_, p_, 2.0f)) << "the side is an ordinary stream again";
    EXPECT_CUDA(cudaStreamSynchronize(side_));
    EXPECT_EQ(p_.Host()[0], 2000);
    EXPECT_CUDA(cudaGraphExecDestroy(late));
    EXPECT_CUDA(cudaGraphExecDestroy(early));
}

TEST_F(Branches, AreReplayedAsEarlyAsTheirEventsAllowWhereThatIsWanted) {
    simt::set_early_branches(true);
    const cudaGraphExec_t late = Capture(
        main_, [&] { Branch(), Copy(), Join(); }, 2);
    EXPECT_CUDA(cudaGraphLaunch(late, main_));
    EXPECT_CUDA(cudaStreamSynchronize(main_));
    EXPECT_EQ(q_.Host()[0], 10) << "the branch had waited for nothing that follows it";
    const cudaGraphExec_t after = Capture(
        main_, [&] { Copy(), Branch(), Join(); }, 2);
    EXPECT_CUDA(cudaGraphLaunch(after, main_));
    EXPECT_CUDA(cudaStreamSynchronize(main_));
    EXPECT_EQ(q_.Host()[0], 10) << "here it has waited for the copy";
    EXPECT_EQ(p_.Host()[0], 100);
    EXPECT_CUDA(cudaGraphExecDestroy(late));
    EXPECT_CUDA(cudaGraphExecDestroy(after));
}

/* In a row are those that wait for one another: on a branch, and across branches. */
TEST_F(Branches, HaveASizeAndALongestPath) {
    const auto in_a_row = [&](const std::function<void()> &body, size_t nodes) {
        EXPECT_CUDA(cudaGraphExecDestroy(Capture(main_, body, nodes)));
        EXPECT_EQ(simt::graph_sizes().back().work, nodes);
        return simt::graph_sizes().back().in_a_row;
    };
    EXPECT_EQ(in_a_row([&] { Copy(), Copy(), Copy(); }, 3), 3u);
    EXPECT_EQ(in_a_row([&] { Branch(), Copy(), Join(); }, 2), 1u) << "side by side";
    EXPECT_EQ(in_a_row([&] { Branch(), Join(), Copy(); }, 2), 2u);
    EXPECT_EQ(in_a_row([&] { Copy(), Branch(), Join(); }, 2), 2u);
    EXPECT_EQ(in_a_row([&] { Copy(), Branch(), Copy(), Copy(), Join(), Copy(); }, 5), 4u) << "the side is shorter";
    EXPECT_EQ(in_a_row([&] { Branch(), Branch(), Branch(), Copy(), Join(), Copy(); }, 5), 4u) << "and here longer";
    EXPECT_EQ(simt::graph_sizes().size(), 6u);
}

/* A product on each branch, in workspace `first` and `second`; `join`: the one waits for the other. */
TEST_F(Branches, MustNotShareAWorkspaceOfCublas) {
    const Array<> one(Floats{1}), c(2), workspace(1024), other(1024);
    const float alpha = 1, beta = 0;
    const auto capture = [&](float *first, float *second, bool join) {
        cublasHandle_t blas[2];
        int i = 0;
        for (const cudaStream_t stream : {(cudaStream_t)main_, (cudaStream_t)side_}) {
            EXPECT_EQ(cublasCreate(&blas[i]), CUBLAS_STATUS_SUCCESS);
            EXPECT_EQ(cublasSetStream(blas[i], stream), CUBLAS_STATUS_SUCCESS);
            EXPECT_EQ(cublasSetWorkspace(blas[i], i ? second : first, workspace.bytes()), CUBLAS_STATUS_SUCCESS);
            i++;
        }
        const auto multiply = [&](int b) {
            EXPECT_EQ(cublasSgemm(blas[b], CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &alpha, one, 1, one, 1, &beta, c + b, 1),
                      CUBLAS_STATUS_SUCCESS);
        };
        cudaGraph_t graph = nullptr;
        EXPECT_CUDA(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
        multiply(0);
        EXPECT_CUDA(cudaEventRecord(begun_, main_));
        EXPECT_CUDA(cudaStreamWaitEvent(side_, begun_));
        multiply(1);
        EXPECT_CUDA(cudaEventRecord(done_, side_));
        if (join) Join();
        multiply(0);
        if (!join) Join();
        EXPECT_CUDA(cudaStreamEndCapture(main_, &graph));
        cudaGraphDestroy(graph);
        const simt::Kind found = simt::last_report().kind;
        simt::reset();
        for (cublasHandle_t b : blas) EXPECT_EQ(cublasDestroy(b), CUBLAS_STATUS_SUCCESS);
        return found;
    };
    EXPECT_EQ(capture(workspace, workspace, false), simt::Kind::kRace);
    EXPECT_EQ(capture(workspace, other, false), simt::Kind::kNone);
    EXPECT_EQ(capture(workspace, workspace, true), simt::Kind::kNone) << "one after the other";
}

TEST_F(Branches, MustBeJoinedAndMustNotWaitForWhatIsOutside) {
    cudaGraph_t graph = nullptr;
    EXPECT_CUDA(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
    Branch();
    EXPECT_EQ(cudaStreamEndCapture(side_, &graph), cudaErrorStreamCaptureUnmatched);
    EXPECT_EQ(cudaStreamEndCapture(main_, &graph), cudaErrorStreamCaptureUnjoined);
    EXPECT_EQ(graph, nullptr);

    cudaEvent_t outside;
    ASSERT_CUDA(cudaEventCreate(&outside));
    EXPECT_CUDA(cudaEventRecord(outside, side_));
    EXPECT_CUDA(cudaStreamBeginCapture(main_, cudaStreamCaptureModeThreadLocal));
    EXPECT_EQ(cudaStreamWaitEvent(main_, outside), cudaErrorStreamCaptureIsolation);
    cudaStreamEndCapture(main_, &graph);
    EXPECT_CUDA(cudaGraphDestroy(graph));
    EXPECT_CUDA(cudaEventDestroy(outside));
}

/* ---- devices that are not there --------------------------------------------------------------------- */

TEST_F(Runtime, SaysThatThereIsNoDriver) {
    simt::Device device;
    device.driver = false;
    simt::set_device(device);
    int count = -1, version = -1;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    EXPECT_EQ(count, 0);
    EXPECT_CUDA(cudaDriverGetVersion(&version));
    EXPECT_EQ(version, 0);
    void *p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorInsufficientDriver);
    cublasHandle_t blas;
    EXPECT_EQ(cublasCreate(&blas), CUBLAS_STATUS_NOT_INITIALIZED);
}

TEST_F(Runtime, SaysThatTheDriverIsTooOld) {
    simt::Device device;
    device.driver_version = 12080;
    simt::set_device(device);
    int driver = 0, runtime = 0;
    EXPECT_CUDA(cudaDriverGetVersion(&driver));
    EXPECT_CUDA(cudaRuntimeGetVersion(&runtime));
    EXPECT_EQ(driver, 12080);
    EXPECT_EQ(runtime, CUDART_VERSION);
    EXPECT_EQ(cudaSetDevice(0), cudaErrorInsufficientDriver);
    EXPECT_STREQ(cudaGetErrorString(cudaGetLastError()),
                 "CUDA driver version is insufficient for CUDA runtime version");
}

TEST_F(Runtime, SaysThatThereIsNoDeviceOrNoSuchDevice) {
    EXPECT_CUDA(cudaSetDevice(0));
    EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
    simt::Device device;
    device.count = 0;
    simt::set_device(device);
    int count = -1;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    EXPECT_STREQ(cudaGetErrorName(cudaSetDevice(0)), "cudaErrorNoDevice");
}

TEST_F(Runtime, SaysThatTheDeviceIsTooOld) {
    simt::Device device;
    device.major = 7, device.minor = 0;
    simt::set_device(device);
    cudaDeviceProp prop = {};
    EXPECT_CUDA(cudaGetDeviceProperties(&prop, 0));
    EXPECT_STREQ(prop.name, "SIMT emulator");
    EXPECT_EQ(10 * prop.major + prop.minor, 70);
    const Array<> p(1);
    EXPECT_EQ(Launch(Scales, 1, 1, 0, nullptr, p, 1.0f), cudaErrorNoKernelImageForDevice);
}

/* Under AddressSanitizer such a write ends the program. */
#ifndef __SANITIZE_ADDRESS__
__global__ void WritesAt(float *p, int i) { p[i] = 1; }

TEST_F(Runtime, AWriteBesideWhatWasAllocatedIsReportedWhenSomethingIsReadBack) {
    for (int i : {-1, 10}) {
        const Array<> p(10), other(Floats{1});
        EXPECT_CUDA(Launch(WritesAt, 1, 1, 0, nullptr, p, i));
        EXPECT_CUDA(cudaDeviceSynchronize());
        float host = 0;
        EXPECT_EQ(cudaMemcpy(&host, other, 4, cudaMemcpyDeviceToHost), cudaErrorIllegalAddress) << i;
        EXPECT_EQ(simt::last_report().kind, simt::Kind::kMemory);
        EXPECT_NE(simt::last_report().text.find(i < 0 ? "before the first of 40" : "0 bytes after the last of 40"),
                  std::string::npos)
            << simt::last_report().text;
        Renew();
    }
}
#endif

TEST_F(Runtime, FailsTheCallThatIsPlannedTo) {
    const Array<> p(1);
    simt::fail_calls(2, false, cudaErrorMemoryAllocation);
    const auto call = [&] { return cudaMemset(p, 0, 4); };
    EXPECT_CUDA(call());
    EXPECT_EQ(call(), cudaErrorMemoryAllocation);
    EXPECT_CUDA(call());
    simt::fail_calls(2, true, cudaErrorIllegalAddress);
    EXPECT_CUDA(call());
    for (int i = 0; i < 3; i++) EXPECT_EQ(call(), cudaErrorIllegalAddress);
    cublasHandle_t blas;
    EXPECT_EQ(cublasCreate(&blas), CUBLAS_STATUS_NOT_INITIALIZED);
    EXPECT_EQ(simt::counters().calls, 9u) << "with the one that allocated";
    simt::reset();
    EXPECT_CUDA(call());
}

/* ---- cuBLAS -------------------------------------------------------------------------------------------- */

struct Handle {
    Handle() { EXPECT_EQ(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS); }
    ~Handle() { cublasDestroy(blas); }
    cublasHandle_t blas = nullptr;
};

Floats SmallIntegers(size_t n, unsigned seed) {
    Floats values(n);
    for (float &v : values) v = (float)((seed = seed * 1103515245u + 12345u) >> 16 & 7) - 3;
    return values;
}

/* An element of op(M), where M lies column by column. */
float Element(const Floats &m, size_t first, cublasOperation_t op, int ld, int row, int column) {
    if (op != CUBLAS_OP_N) std::swap(row, column);
    return m[first + (size_t)column * (size_t)ld + (size_t)row];
}

/* ---- several devices, and several threads of the host -------------------------------------------------- */

class Devices : public Simt {
  protected:
    Devices() {
        simt::Device two;
        two.count = 2;
        two.memory = 1000;
        simt::set_device(two);
    }
    ~Devices() override { cudaSetDevice(0); }
    static void ExpectReported(simt::Kind kind, const std::string &words) {
        EXPECT_EQ(simt::last_report().kind, kind);
        EXPECT_NE(simt::last_report().text.find(words), std::string::npos) << simt::last_report().text;
        simt::reset();
    }
};

TEST_F(Devices, AThreadUsesTheOneThatItHasChosenAndTheFirstUntilThen) {
    int current = -1;
    EXPECT_CUDA(cudaSetDevice(1));
    EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
    EXPECT_CUDA(cudaGetDevice(&current));
    EXPECT_EQ(current, 1);
    std::thread([&] { EXPECT_CUDA(cudaGetDevice(&current)); }).join();
    EXPECT_EQ(current, 0);
}

TEST_F(Devices, HaveMemoryOfTheirOwn) {
    size_t free_bytes = 0, total = 0;
    void *more = nullptr;
    const Array<> first(200);
    EXPECT_EQ(cudaMalloc(&more, 300), cudaErrorMemoryAllocation);
    ASSERT_CUDA(cudaSetDevice(1));
    const Array<> second(200);
    EXPECT_CUDA(cudaMemGetInfo(&free_bytes, &total));
    EXPECT_EQ(free_bytes, 200u);
    EXPECT_EQ(simt::allocated_bytes(), 1600u);
}

TEST_F(Devices, ReportMemoryOfAnotherOneInCopiesFillsAndProducts) {
    const Array<> p(std::vector<float>(1));
    float host = 0;
    ASSERT_CUDA(cudaSetDevice(1));
    EXPECT_EQ(cudaMemcpy(&host, p, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    ExpectReported(simt::Kind::kMemory, "is memory of device 0, and the work is that of device 1");
    EXPECT_EQ(cudaMemcpy(p, &host, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    ExpectReported(simt::Kind::kMemory, "is memory of device 0, and the work is that of device 1");
    EXPECT_EQ(cudaMemset(p, 0, sizeof host), cudaErrorInvalidValue);
    ExpectReported(simt::Kind::kMemory, "is memory of device 0, and the work is that of device 1");

    const float one = 1;
    cublasHandle_t handle;
    ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, p, 1, p, 1, &one, p, 1),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_NE(cudaDeviceSynchronize(), cudaSuccess);
    ExpectReported(simt::Kind::kMemory, "matrix A number 0 of a cublasSgemm is not in the device's memory");
    ASSERT_CUDA(cudaSetDevice(0));
    EXPECT_EQ(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, p, 1, p, 1, &one, p, 1),
              CUBLAS_STATUS_EXECUTION_FAILED);
    ExpectReported(simt::Kind::kDevice, "a handle of cuBLAS of device 1 is used while device 0 is the current one");
    cublasDestroy(handle);
}

TEST_F(Devices, ReportStreamsEventsAndGraphsOfAnotherOne) {
    const Stream stream;
    const Array<> p(1);
    cudaEvent_t event;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    ASSERT_CUDA(cudaEventCreate(&event));
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    ASSERT_CUDA(cudaMemsetAsync(p, 0, sizeof(float), stream));
    ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
    ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
    ASSERT_CUDA(cudaSetDevice(1));
    const Stream own;
    EXPECT_EQ(Launch(Scales, dim3(1), dim3(1), 0, stream, p, 2.0f), cudaErrorInvalidResourceHandle);
    ExpectReported(simt::Kind::kDevice, "a stream of device 0 is used while device 1 is the current one");
    EXPECT_EQ(cudaEventRecord(event, own), cudaErrorInvalidResourceHandle);
    ExpectReported(simt::Kind::kDevice, "an event of device 0");
    EXPECT_EQ(cudaStreamWaitEvent(own, event), cudaErrorInvalidResourceHandle);
    ExpectReported(simt::Kind::kDevice, "an event of device 0");
    EXPECT_EQ(cudaGraphLaunch(exec, own), cudaErrorInvalidValue);
    ExpectReported(simt::Kind::kDevice, "a graph of device 0");
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    cudaEventDestroy(event);
}

TEST_F(Devices, CountTheirLaunches) {
    const Array<> p(std::vector<float>(1));
    EXPECT_CUDA(Launch(Scales, dim3(1), dim3(1), 0, nullptr, p, 2.0f));
    EXPECT_CUDA(cudaDeviceSynchronize());
    ASSERT_CUDA(cudaSetDevice(1));
    const Array<> q(std::vector<float>(1));
    for (int i = 0; i < 2; i++) EXPECT_CUDA(Launch(Scales, dim3(1), dim3(1), 0, nullptr, q, 2.0f));
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(simt::counters().launches_on[0], 1u);
    EXPECT_EQ(simt::counters().launches_on[1], 2u);
}

/* A capture in the mode thread-local is only ended by what its own thread does. */
TEST_F(Devices, AThreadMayAllocateWhileAnotherOneCaptures) {
    const Stream stream;
    cudaGraph_t graph;
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    std::thread([] { const Array<> p(1); }).join();
    EXPECT_CUDA(cudaStreamEndCapture(stream, &graph));
    cudaGraphDestroy(graph);
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    std::thread([] {
        void *p;
        EXPECT_EQ(cudaMalloc(&p, 1), cudaErrorStreamCaptureUnsupported);
    }).join();
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
}

__global__ void AddsUpAcrossABarrier(float *p) {
    const float own = p[threadIdx.x];
    __syncthreads();
    p[threadIdx.x] = own + 1;
}

/* Stacks on which threads of a block wait are used again, by whichever thread of the host comes next. */
TEST_F(Devices, ThreadsOfTheHostRunKernelsInTurns) {
    std::vector<std::thread> threads;
    for (int device = 0; device < 2; device++)
        threads.emplace_back([device] {
            EXPECT_CUDA(cudaSetDevice(device));
            const Array<> p(std::vector<float>(64));
            for (int i = 0; i < 50; i++) {
                EXPECT_CUDA(Launch(AddsUpAcrossABarrier, dim3(1), dim3(64), 0, nullptr, p));
                EXPECT_CUDA(cudaDeviceSynchronize());
            }
            EXPECT_EQ(p.Host(), std::vector<float>(64, 50));
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(simt::last_report().kind, simt::Kind::kNone);
}

/* ---- sizes that are too large for a machine ------------------------------------------------------------ */

class Huge : public Simt {
  protected:
    Huge() {
        simt::Device large;
        large.memory = (size_t)1 << 44;
        simt::set_device(large);
    }
    ~Huge() override {
        simt::set_sparse(false);
        simt::run_ends({0, 0, 0});
    }
};

TEST_F(Huge, SparseMemoryIsZeroWhereverItIsTouched) {
    const size_t count = (size_t)1 << 40; /* 4 TiB */
    simt::set_sparse(true);
    const Array<> p(count);
    float last = -1;
    const float one = 1;
    EXPECT_CUDA(cudaMemcpy(&last, p + count - 1, sizeof last, cudaMemcpyDeviceToHost));
    EXPECT_EQ(last, 0);
    EXPECT_CUDA(cudaMemcpy(p + count - 1, &one, sizeof one, cudaMemcpyHostToDevice));
    EXPECT_CUDA(cudaMemset(p, 0, count * sizeof(float)));
    EXPECT_CUDA(cudaMemcpy(&last, p + count - 1, sizeof last, cudaMemcpyDeviceToHost));
    EXPECT_EQ(last, 0);
}

__global__ void CountsItsBlock(unsigned *x, unsigned *y, unsigned *z) {
    x[blockIdx.x]++;
    y[blockIdx.y]++;
    z[blockIdx.z]++;
}

TEST_F(Huge, OnlyTheEndsOfALaunchRun) {
    const unsigned most = 0x7fffffffu;
    simt::set_sparse(true);
    simt::run_ends({2, 2, 2});
    const Array<unsigned> x(most), y(65535), z(3);
    EXPECT_CUDA(Launch(CountsItsBlock, dim3(most, 65535, 3), dim3(1), 0, nullptr, x, y, z));
    EXPECT_EQ(z.Host(), std::vector<unsigned>(3, 4 * 4)) << "of few there are all";
    const std::vector<unsigned> of_y = y.Host();
    for (const unsigned i : {0u, 1u, 65533u, 65534u}) EXPECT_EQ(of_y[i], 4u * 3);
    EXPECT_EQ(std::count(of_y.begin(), of_y.end(), 0u), 65535 - 4);
    for (const unsigned i : {0u, 1u, 2u, most - 3, most - 2, most - 1}) {
        unsigned of_x = 99;
        EXPECT_CUDA(cudaMemcpy(&of_x, x + i, sizeof of_x, cudaMemcpyDeviceToHost));
        EXPECT_EQ(of_x, i == 2 || i == most - 3 ? 0u : 4u * 3) << i;
    }
}

TEST_F(Cublas, OfABatchOnlyTheEndsAreMultipliedWhereThatIsWanted) {
    const float one = 1, zero = 0;
    const Array<> a(std::vector<float>(7, 2)), c(std::vector<float>(7, -1));
    cublasHandle_t handle;
    ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
    simt::run_ends({2, 2, 2});
    EXPECT_EQ(
        cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, 1, a, 1, 1, &zero, c, 1, 1, 7),
        CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(c.Host(), std::vector<float>({4, 4, -1, -1, -1, 4, 4}));
    simt::run_ends({0, 0, 0});
    cublasDestroy(handle);
}

TEST_F(Cublas, MultipliesLikeItsDefinition) {
    const int m = 5, n = 4, k = 7, batches = 3, lda = 9, ldb = 10, ldc = 6;
    const size_t stride_a = 90, stride_b = 80, stride_c = 30;
    const Floats a = SmallIntegers(3 * stride_a, 1), b = SmallIntegers(3 * stride_b, 2),
                 c = SmallIntegers(3 * stride_c, 3);
    const Array<> device_a(a), device_b(b);
    const Handle handle;
    for (cublasOperation_t op_a : {CUBLAS_OP_N, CUBLAS_OP_T})
        for (cublasOperation_t op_b : {CUBLAS_OP_N, CUBLAS_OP_T})
            for (float alpha : {1.0f, -2.0f})
                for (float beta : {0.0f, 1.0f, 3.0f}) {
                    const Array<> device_c(beta == 0 ? Floats(c.size(), NAN) : c);
                    Floats want = c;
                    for (size_t r = 0; r < batches; r++)
                        for (int j = 0; j < n; j++)
                            for (int i = 0; i < m; i++) {
                                float sum = 0;
                                for (int l = 0; l < k; l++)
                                    sum += Element(a, r * stride_a, op_a, lda, i, l) *
                                           Element(b, r * stride_b, op_b, ldb, l, j);
                                float &w = want[r * stride_c + (size_t)(j * ldc + i)];
                                w = alpha * sum + beta * w;
                            }
                    EXPECT_EQ(cublasSgemmStridedBatched(handle.blas, op_a, op_b, m, n, k, &alpha, device_a, lda,
                                                        stride_a, device_b, ldb, stride_b, &beta, device_c, ldc,
                                                        stride_c, batches),
                              CUBLAS_STATUS_SUCCESS);
                    const Floats got = device_c.Host();
                    for (size_t at = 0; at < got.size(); at++) {
                        const size_t in = at % stride_c;
                        const bool used = in / ldc < (size_t)n && in % ldc < (size_t)m;
                        if (used || beta != 0)
                            EXPECT_EQ(got[at], want[at]) << at;
                        else
                            EXPECT_TRUE(std::isnan(got[at])) << at << " is not of C";
                    }
                }
}

TEST_F(Cublas, RoundsToTf32OnlyWhenAsked) {
    const Handle handle;
    const float exact = 1 + 0x1p-13f, one = 1, zero = 0;
    const Array<> a(Floats{exact}), b(Floats{1}), c(1);
    for (cublasMath_t mode : {CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH, CUBLAS_PEDANTIC_MATH}) {
        EXPECT_EQ(cublasSetMathMode(handle.blas, mode), CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(cublasSgemm(handle.blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, b, 1, &zero, c, 1),
                  CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(c.Host()[0], mode == CUBLAS_TF32_TENSOR_OP_MATH ? 1 : exact);
    }
}

TEST_F(Cublas, RefusesWrongSizesAndReportsWrongMemory) {
    const Handle handle;
    const Array<> a(6), b(6), c(4);
    const float one = 1;
    const auto gemm = [&](int m, int n, int k, int lda, int ldb, int ldc) {
        return cublasSgemm(handle.blas, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, a, lda, b, ldb, &one, c, ldc);
    };
    EXPECT_EQ(gemm(2, 2, 3, 1, 3, 2), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(gemm(2, 2, 3, 2, 2, 2), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(gemm(2, 2, 3, 2, 3, 1), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(gemm(-1, 2, 3, 2, 3, 2), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(gemm(2, 2, 3, 2, 3, 2), CUBLAS_STATUS_SUCCESS);
    EXPECT_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(gemm(2, 2, 4, 2, 4, 2), CUBLAS_STATUS_SUCCESS) << "only the GPU can notice";
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT_EQ(simt::last_report().kind, simt::Kind::kMemory) << simt::last_report().text;
    simt::reset();
}

TEST_F(Cublas, CountsCallsWithoutAWorkspaceOfTheirOwn) {
    const Handle handle;
    const Stream stream;
    const Array<> a(1), workspace(1024);
    const float one = 1;
    const auto gemm = [&] {
        cublasSgemm(handle.blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, 1, a, 1, &one, a, 1);
        return simt::counters().gemms_in_default_workspace;
    };
    EXPECT_EQ(gemm(), 1u);
    EXPECT_EQ(cublasSetWorkspace(handle.blas, workspace + 1, 4), CUBLAS_STATUS_INVALID_VALUE) << "not aligned";
    EXPECT_EQ(cublasSetWorkspace(handle.blas, workspace, workspace.bytes()), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(gemm(), 1u);
    EXPECT_EQ(cublasSetStream(handle.blas, stream), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(gemm(), 2u) << "a new stream takes the workspace away";
}

} // namespace
