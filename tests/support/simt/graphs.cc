/* graphs.cc - capturing what is enqueued on a stream, and doing it again. */
#include <algorithm>
#include <utility>
#include <vector>

#include "machine.h"

namespace simt {
namespace {

cudaError_t BeginCapture(Machine &m, cudaStream_t stream, cudaStreamCaptureMode mode) {
    if (!stream) return cudaErrorStreamCaptureUnsupported;
    if (!m.streams.handles.Has(stream)) return cudaErrorInvalidResourceHandle;
    if (m.streams.Capturing(stream)) return cudaErrorIllegalState;
    stream->capture = Capture::kActive;
    stream->mode = mode;
    stream->capturer = std::this_thread::get_id();
    stream->captured = std::make_shared<GraphNodes>(1);
    stream->branch = 0;
    return cudaSuccess;
}

/* Does the first queue wait for the ends of all others, directly or through another? */
bool AllJoined(const GraphNodes &nodes) {
    std::vector<size_t> reached(nodes.size());
    std::vector<std::pair<size_t, size_t>> waits = {{0, nodes[0].size()}};
    while (!waits.empty()) {
        const auto [branch, count] = waits.back();
        waits.pop_back();
        for (; reached[branch] < count; reached[branch]++) {
            const Node &node = nodes[branch][reached[branch]];
            if (!node.work) waits.push_back({node.branch, node.count});
        }
    }
    for (size_t b = 0; b < nodes.size(); b++)
        if (reached[b] < nodes[b].size()) return false;
    return true;
}

/* How many pieces of each branch come before a piece, whatever the order. */
using Clock = std::vector<size_t>;

/* [b][i]: of piece i of branch b; i may be one past the last. A branch only waits for what was recorded before. */
std::vector<std::vector<Clock>> Clocks(const GraphNodes &nodes) {
    std::vector<std::vector<Clock>> clocks(nodes.size(), {Clock(nodes.size())});
    for (bool more = true; more;) {
        more = false;
        for (size_t b = 0; b < nodes.size(); b++)
            while (clocks[b].size() <= nodes[b].size()) {
                const Node &node = nodes[b][clocks[b].size() - 1];
                if (!node.work && clocks[node.branch].size() <= node.count) break;
                Clock clock = clocks[b].back();
                if (!node.work)
                    for (size_t c = 0; c < clock.size(); c++)
                        clock[c] = std::max(clock[c], clocks[node.branch][node.count][c]);
                clock[b] = clocks[b].size();
                clocks[b].push_back(std::move(clock));
                more = true;
            }
    }
    return clocks;
}

/* Products that write to one workspace of cuBLAS, and that nothing orders. */
bool ShareAWorkspace(const GraphNodes &nodes) {
    const std::vector<std::vector<Clock>> clocks = Clocks(nodes);
    for (size_t a = 0; a < nodes.size(); a++)
        for (size_t b = 0; b < a; b++)
            for (size_t i = 0; i < nodes[a].size(); i++)
                for (size_t j = 0; j < nodes[b].size(); j++) {
                    const void *const workspace = nodes[a][i].workspace;
                    if (!workspace || workspace != nodes[b][j].workspace) continue;
                    if (clocks[a][i][b] <= j && clocks[b][j][a] <= i) return true;
                }
    return false;
}

cudaError_t EndCapture(Machine &m, cudaStream_t stream, cudaGraph_t *graph) {
    *graph = nullptr;
    if (!stream || !m.streams.handles.Has(stream)) return cudaErrorInvalidResourceHandle;
    if (!m.streams.Capturing(stream)) return cudaErrorIllegalState;
    const auto nodes = stream->captured;
    if (stream->branch != 0) return cudaErrorStreamCaptureUnmatched;
    bool valid = true;
    for (CUstream_st *s : m.streams.handles.all())
        if (s->captured == nodes && s->capture != Capture::kNone) {
            valid = valid && s->capture == Capture::kActive;
            s->capture = Capture::kNone;
            s->captured.reset();
        }
    if (!valid) return cudaErrorStreamCaptureInvalidated;
    if (!AllJoined(*nodes)) return cudaErrorStreamCaptureUnjoined;
    if (ShareAWorkspace(*nodes))
        m.FailWork(Kind::kRace, "two products that a graph may run at the same time have one workspace of cuBLAS");
    *graph = m.streams.graphs.New();
    (*graph)->nodes = nodes;
    (*graph)->device = stream->device;
    return cudaSuccess;
}

/* paths[b][i]: work in a row up to piece i of branch b. As in Clocks. */
GraphSize SizeOf(const GraphNodes &nodes) {
    std::vector<std::vector<size_t>> paths(nodes.size(), {0});
    GraphSize size = {0, 0};
    for (bool more = true; more;) {
        more = false;
        for (size_t b = 0; b < nodes.size(); b++)
            while (paths[b].size() <= nodes[b].size()) {
                const Node &node = nodes[b][paths[b].size() - 1];
                if (!node.work && paths[node.branch].size() <= node.count) break;
                const size_t before = paths[b].back();
                paths[b].push_back(node.work ? before + 1 : std::max(before, paths[node.branch][node.count]));
                size.work += node.work != nullptr;
                size.in_a_row = std::max(size.in_a_row, paths[b].back());
                more = true;
            }
    }
    return size;
}

cudaError_t Instantiate(Machine &m, cudaGraphExec_t *exec, cudaGraph_t graph) {
    if (!m.streams.graphs.Has(graph)) return cudaErrorInvalidValue;
    m.streams.graph_sizes.push_back(SizeOf(*graph->nodes));
    *exec = m.streams.execs.New();
    (*exec)->nodes = graph->nodes;
    (*exec)->device = graph->device;
    return cudaSuccess;
}

/* Works off all pieces of all queues but the first whose turn has come. */
void ReplayBranches(Machine &m, const GraphNodes &nodes, std::vector<size_t> &done) {
    for (size_t branch = 1; branch < nodes.size(); branch++)
        while (done[branch] < nodes[branch].size() && m.sticky_error == cudaSuccess) {
            const Node &node = nodes[branch][done[branch]];
            if (!node.work && done[node.branch] < node.count) break;
            done[branch]++;
            if (node.work) node.work();
        }
}

/* Works a queue off as far as its first `count` pieces, and what these wait for. */
void Replay(Machine &m, const GraphNodes &nodes, std::vector<size_t> &done, size_t branch, size_t count) {
    while (done[branch] < count && m.sticky_error == cudaSuccess) {
        if (m.streams.early_branches) ReplayBranches(m, nodes, done);
        if (done[branch] >= count) break;
        const Node &node = nodes[branch][done[branch]++];
        if (node.work)
            node.work();
        else
            Replay(m, nodes, done, node.branch, node.count);
    }
}

cudaError_t LaunchGraph(Machine &m, cudaGraphExec_t exec, cudaStream_t stream) {
    if (!m.streams.execs.Has(exec)) return cudaErrorInvalidValue;
    if (!m.streams.OfCurrentDevice(exec->device, "a graph")) return cudaErrorInvalidValue;
    m.counters.graph_launches++;
    return m.streams.Enqueue(stream, [&m, nodes = exec->nodes] {
        std::vector<size_t> done(nodes->size());
        Replay(m, *nodes, done, 0, (*nodes)[0].size());
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
    const simt::Turn turn;
    Machine &m = simt::machine();
    const cudaError_t error = m.BeginCall(), ended = simt::EndCapture(m, stream, graph); /* even if it then fails */
    if (error == cudaSuccess) return m.Return(ended);
    m.streams.graphs.Delete(*graph);
    *graph = nullptr;
    return m.Return(error);
}
/* Only their number is known. */
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
    return call([&](Machine &m) {
        if (!m.streams.graphs.Has(graph)) return cudaErrorInvalidValue;
        if (nodes) return cudaErrorNotSupported;
        *count = 0;
        for (const auto &branch : *graph->nodes)
            for (const simt::Node &node : branch) *count += node.work != nullptr;
        return cudaSuccess;
    });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    const simt::Turn turn;
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
    const simt::Turn turn;
    Machine &m = simt::machine();
    return m.Return(m.streams.execs.Delete(exec) ? m.Usable() : cudaErrorInvalidValue);
}
