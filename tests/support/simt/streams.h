/* streams.h - queues of work, which is done when somebody waits for it, and graphs of it. */
#ifndef LENET_SIMT_STREAMS_H
#define LENET_SIMT_STREAMS_H
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda_runtime_api.h"
#include "simt.h"

namespace simt {

using Work = std::function<void()>;

/* What a stream does with work: keeps it for later, puts it into a graph, or refuses it until the capture ends. */
enum class Capture { kNone, kActive, kInvalid };

/* A graph is a queue of work per stream that took part. `wait` is work of the queue `branch` that must be done first,
 * as far as its first `count` pieces. Waiting is all that orders queues: each is worked off as late as that allows, or
 * as early. */
struct Node {
    Work work;
    size_t branch = 0, count = 0;
    const void *workspace = nullptr; /* of cuBLAS, which the work writes to */
};
using GraphNodes = std::vector<std::vector<Node>>;

/* One cudaEventRecord. */
struct Recording {
    bool done = false;
    cudaStream_t stream = nullptr;
    std::chrono::steady_clock::time_point time;
};

} // namespace simt

struct CUstream_st {
    int device = 0;
    bool blocking = true; /* waits for the default stream, and makes it wait */
    std::deque<simt::Work> queue;
    simt::Capture capture = simt::Capture::kNone;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    std::thread::id capturer;                   /* the thread of the host that began it */
    std::shared_ptr<simt::GraphNodes> captured; /* of all streams that take part; this one's is ... */
    size_t branch = 0;                          /* ... number `branch`: 0 where the capture began   */
};
struct CUevent_st {
    int device = 0;
    std::shared_ptr<simt::GraphNodes> captured; /* recorded in this graph, NULL for none: after the ... */
    size_t branch = 0, count = 0;               /* ... first `count` pieces of work of this branch      */
    std::shared_ptr<simt::Recording> last;      /* NULL: none yet */
};
struct CUgraph_st {
    int device = 0;
    std::shared_ptr<const simt::GraphNodes> nodes;
};
struct CUgraphExec_st {
    int device = 0;
    std::shared_ptr<const simt::GraphNodes> nodes;
};

namespace simt {

/* The handles of one kind that are in use. */
template <class T> class Handles {
  public:
    T *New() {
        T *handle = new T();
        all_.insert(handle);
        return handle;
    }
    bool Has(T *handle) const { return all_.count(handle) > 0; }
    bool Delete(T *handle) {
        if (all_.erase(handle) == 0) return false;
        delete handle;
        return true;
    }
    const std::set<T *> &all() const { return all_; }

  private:
    std::set<T *> all_;
};

class Streams {
  public:
    Handles<CUstream_st> handles;
    Handles<CUevent_st> events;
    Handles<CUgraph_st> graphs;
    Handles<CUgraphExec_st> execs;
    std::vector<GraphSize> graph_sizes; /* of all that were instantiated */
    bool eager = false, early_branches = false;

    bool Valid(cudaStream_t stream) const { return !stream || handles.Has(stream); }
    bool Capturing(cudaStream_t stream) const;
    /* Whether what belongs to a device may be used now: where another one is current it is reported. */
    bool OfCurrentDevice(int device, const char *what);
    /* Into the stream's queue, or into the graph that is being captured from it. */
    cudaError_t Enqueue(cudaStream_t stream, Work work, const void *workspace = nullptr);
    cudaError_t WaitEvent(cudaStream_t stream, cudaEvent_t event);

    /* Does what is enqueued: on the stream; there until the recording; everywhere on all devices. */
    void RunAll(cudaStream_t stream);
    void RunUntil(const Recording &recording);
    void RunEverything();
    void DropEverything();

    /* Called by what must not happen while a stream captures: makes its capture invalid. */
    cudaError_t ForbidDuringCapture();

  private:
    CUstream_st &Of(cudaStream_t stream); /* NULL: the current device's default stream */
    cudaError_t EnqueueInCapture(CUstream_st &s, Node node);
    void Join(CUstream_st &stream, const std::shared_ptr<GraphNodes> &captured);
    cudaError_t InvalidateForDefault();
    void OrderWithDefault(cudaStream_t stream);
    bool RunOne(CUstream_st &s);

    std::map<int, CUstream_st> defaults_; /* of each device */
};

} // namespace simt
#endif
