/* graphs.cc - capturing what is enqueued on a stream, and doing it again. */
#include <utility>

#include "machine.h"

namespace simt {
namespace {

cudaError_t BeginCapture(Machine &m, cudaStream_t stream, cudaStreamCaptureMode mode) {
    if (!stream) return cudaErrorStreamCaptureUnsupported;
    if (!m.streams.handles.Has(stream)) return cudaErrorInvalidResourceHandle;
    if (m.streams.Capturing(stream)) return cudaErrorIllegalState;
    stream->capture = Capture::kActive;
    stream->mode = mode;
    stream->captured.clear();
    return cudaSuccess;
}

cudaError_t EndCapture(Machine &m, cudaStream_t stream, cudaGraph_t *graph) {
    *graph = nullptr;
    if (!stream || !m.streams.handles.Has(stream)) return cudaErrorInvalidResourceHandle;
    if (!m.streams.Capturing(stream)) return cudaErrorIllegalState;
    const bool valid = std::exchange(stream->capture, Capture::kNone) == Capture::kActive;
    std::vector<Work> nodes = std::exchange(stream->captured, {});
    if (!valid) return cudaErrorStreamCaptureInvalidated;
    *graph = m.streams.graphs.New();
    (*graph)->nodes = std::move(nodes);
    return cudaSuccess;
}

/* A graph of its own, so that the other may be destroyed. */
cudaError_t Instantiate(Machine &m, cudaGraphExec_t *exec, cudaGraph_t graph) {
    if (!m.streams.graphs.Has(graph)) return cudaErrorInvalidValue;
    *exec = m.streams.execs.New();
    (*exec)->nodes = std::make_shared<const std::vector<Work>>(graph->nodes);
    return cudaSuccess;
}

cudaError_t LaunchGraph(Machine &m, cudaGraphExec_t exec, cudaStream_t stream) {
    if (!m.streams.execs.Has(exec)) return cudaErrorInvalidValue;
    m.counters.graph_launches++;
    return m.streams.Enqueue(stream, [&m, nodes = exec->nodes] {
        for (const Work &work : *nodes) {
            if (m.sticky_error != cudaSuccess) return;
            work();
        }
    });
}

} // namespace
} // namespace simt

using simt::call;
using simt::Machine;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    return call([&](Machine &m) { return simt::BeginCapture(m, stream, mode); });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    return call([&](Machine &m) { return simt::EndCapture(m, stream, graph); });
}
/* Only their number is known. */
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
    return call([&](Machine &m) {
        if (!m.streams.graphs.Has(graph)) return cudaErrorInvalidValue;
        if (nodes) return cudaErrorNotSupported;
        *count = graph->nodes.size();
        return cudaSuccess;
    });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    Machine &m = simt::machine();
    return m.Return(m.streams.graphs.Delete(graph) ? m.Usable() : cudaErrorInvalidValue);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    return call([&](Machine &m) { return simt::Instantiate(m, exec, graph); });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    return call([&](Machine &m) { return simt::LaunchGraph(m, exec, stream); });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    Machine &m = simt::machine();
    return m.Return(m.streams.execs.Delete(exec) ? m.Usable() : cudaErrorInvalidValue);
}
