/* streams.cc - streams and events. */
#include "streams.h"

#include <utility>

#include "machine.h"

namespace simt {
namespace {

/* A GPU's queue is not endless either. */
constexpr size_t kLongQueue = 4096;

} // namespace

CUstream_st &Streams::Of(cudaStream_t stream) {
    if (stream) return *stream;
    CUstream_st &s = defaults_[host_thread.device];
    s.device = host_thread.device;
    return s;
}

bool Streams::OfCurrentDevice(int device, const char *what) {
    if (device == host_thread.device) return true;
    machine().Complain(Kind::kDevice, std::string(what) + " of device " + std::to_string(device) +
                                          " is used while device " + std::to_string(host_thread.device) +
                                          " is the current one");
    return false;
}

bool Streams::Capturing(cudaStream_t stream) const { return stream && stream->capture != Capture::kNone; }

cudaError_t Streams::Enqueue(cudaStream_t stream, Work work, const void *workspace) {
    if (!Valid(stream)) return cudaErrorInvalidResourceHandle;
    CUstream_st &s = Of(stream);
    if (!OfCurrentDevice(s.device, "a stream")) return cudaErrorInvalidResourceHandle;
    if (Capturing(stream)) return EnqueueInCapture(s, {std::move(work), 0, 0, workspace});
    if (!stream)
        if (const cudaError_t error = InvalidateForDefault()) return error;
    OrderWithDefault(stream);
    s.queue.push_back(std::move(work));
    if (eager || s.queue.size() > kLongQueue) RunAll(stream);
    return cudaSuccess;
}

cudaError_t Streams::EnqueueInCapture(CUstream_st &s, Node node) {
    if (s.capture == Capture::kInvalid) return cudaErrorStreamCaptureInvalidated;
    (*s.captured)[s.branch].push_back(std::move(node));
    return cudaSuccess;
}

/* As another branch of a capture the stream is in its mode, and its thread's. */
void Streams::Join(CUstream_st &stream, const std::shared_ptr<GraphNodes> &captured) {
    for (const CUstream_st *s : handles.all())
        if (s->captured == captured && s->branch == 0) {
            stream.mode = s->mode;
            stream.capturer = s->capturer;
        }
    stream.capture = Capture::kActive;
    stream.captured = captured;
    stream.branch = captured->size();
    captured->emplace_back();
}

/* In a capture the stream joins it, or waits for another branch of it. */
cudaError_t Streams::WaitEvent(cudaStream_t stream, cudaEvent_t event) {
    if (!Valid(stream) || !events.Has(event)) return cudaErrorInvalidResourceHandle;
    if (!OfCurrentDevice(event->device, "an event")) return cudaErrorInvalidResourceHandle;
    if (event->captured) {
        if (!stream || (Capturing(stream) && stream->captured != event->captured))
            return cudaErrorStreamCaptureIsolation;
        if (!Capturing(stream)) Join(*stream, event->captured);
        (*stream->captured)[stream->branch].push_back({nullptr, event->branch, event->count, nullptr});
        return cudaSuccess;
    }
    if (Capturing(stream)) return event->last ? cudaErrorStreamCaptureIsolation : cudaSuccess;
    if (!event->last) return cudaSuccess;
    return Enqueue(stream, [this, recording = event->last] { RunUntil(*recording); });
}

/* The default stream would have to wait for blocking streams, which a graph that is not run yet cannot be part of. */
cudaError_t Streams::InvalidateForDefault() {
    cudaError_t error = cudaSuccess;
    for (CUstream_st *s : handles.all()) {
        if (!s->blocking || s->capture == Capture::kNone || s->device != host_thread.device) continue;
        s->capture = Capture::kInvalid;
        error = cudaErrorStreamCaptureImplicit;
    }
    return error;
}

/* Work on the default stream comes after all that was enqueued on blocking streams before, and the other way round. */
void Streams::OrderWithDefault(cudaStream_t stream) {
    if (stream) {
        if (stream->blocking) RunAll(nullptr);
        return;
    }
    for (CUstream_st *s : handles.all())
        if (s->blocking && s->device == host_thread.device) RunAll(s);
}

bool Streams::RunOne(CUstream_st &s) {
    if (s.queue.empty()) return false;
    const Work work = std::move(s.queue.front());
    s.queue.pop_front();
    Machine &m = machine();
    const int waiting = m.at_work;
    m.at_work = s.device;
    if (m.sticky_error == cudaSuccess) work(); /* a GPU does nothing more after a fault */
    m.at_work = waiting;
    return true;
}

void Streams::RunAll(cudaStream_t stream) {
    while (RunOne(Of(stream))) {
    }
}

void Streams::RunUntil(const Recording &recording) {
    if (!Valid(recording.stream)) return;
    while (!recording.done && RunOne(Of(recording.stream))) {
    }
}

void Streams::RunEverything() {
    for (auto &[device, s] : defaults_)
        while (RunOne(s)) {
        }
    for (CUstream_st *s : handles.all()) RunAll(s);
}

void Streams::DropEverything() {
    defaults_.clear();
    for (CUstream_st *s : handles.all()) {
        s->queue.clear();
        s->captured.reset();
        s->capture = Capture::kNone;
    }
}

cudaError_t Streams::ForbidDuringCapture() {
    cudaError_t error = cudaSuccess;
    for (CUstream_st *s : handles.all()) {
        if (s->capture == Capture::kNone || s->mode == cudaStreamCaptureModeRelaxed) continue;
        if (s->mode == cudaStreamCaptureModeThreadLocal && s->capturer != std::this_thread::get_id()) continue;
        s->capture = Capture::kInvalid;
        error = cudaErrorStreamCaptureUnsupported;
    }
    return error;
}

namespace {

/* A stream that captures cannot be waited for in any mode. */
cudaError_t ForbidOn(Machine &m, cudaStream_t stream) {
    if (!m.streams.Valid(stream)) return cudaErrorInvalidResourceHandle;
    if (!m.streams.Capturing(stream)) return m.streams.ForbidDuringCapture();
    stream->capture = Capture::kInvalid;
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t WaitFor(Machine &m, cudaEvent_t event) {
    if (!m.streams.events.Has(event)) return cudaErrorInvalidResourceHandle;
    if (event->captured) return cudaErrorCapturedEvent;
    if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
    if (event->last) m.streams.RunUntil(*event->last);
    return m.sticky_error;
}

cudaError_t Record(Machine &m, cudaEvent_t event, cudaStream_t stream) {
    if (!m.streams.events.Has(event)) return cudaErrorInvalidResourceHandle;
    const auto recording = std::make_shared<Recording>();
    recording->stream = stream;
    if (!m.streams.Valid(stream)) return cudaErrorInvalidResourceHandle;
    if (!m.streams.OfCurrentDevice(event->device, "an event")) return cudaErrorInvalidResourceHandle;
    event->captured = m.streams.Capturing(stream) ? stream->captured : nullptr;
    if (event->captured) {
        event->branch = stream->branch;
        event->count = (*event->captured)[stream->branch].size();
        return cudaSuccess;
    }
    event->last = recording;
    return m.streams.Enqueue(stream, [recording] {
        recording->done = true;
        recording->time = std::chrono::steady_clock::now();
    });
}

cudaError_t Elapsed(Machine &m, float *ms, cudaEvent_t start, cudaEvent_t end) {
    for (cudaEvent_t event : {start, end}) {
        if (!m.streams.events.Has(event) || !event->last) return cudaErrorInvalidResourceHandle;
        if (!event->last->done) return cudaErrorNotReady;
    }
    *ms = std::chrono::duration<float, std::milli>(end->last->time - start->last->time).count();
    if (m.elapsed > 0) *ms = m.elapsed;
    return cudaSuccess;
}

} // namespace
} // namespace simt

using simt::call;
using simt::Machine;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    return call([&](Machine &m) {
        if (flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
        *stream = m.streams.handles.New();
        (*stream)->device = simt::host_thread.device;
        (*stream)->blocking = flags == cudaStreamDefault;
        return cudaSuccess;
    });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const simt::Turn turn;
    Machine &m = simt::machine();
    if (!m.streams.handles.Has(stream)) return m.Return(cudaErrorInvalidResourceHandle);
    m.streams.RunAll(stream); /* the real one lets the work go on, too */
    m.streams.handles.Delete(stream);
    return m.Return(m.Usable());
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return call([&](Machine &m) {
        if (const cudaError_t error = simt::ForbidOn(m, stream)) return error;
        m.streams.RunAll(stream);
        return m.sticky_error;
    });
}
cudaError_t cudaDeviceSynchronize(void) {
    return call([&](Machine &m) {
        if (const cudaError_t error = m.streams.ForbidDuringCapture()) return error;
        m.streams.RunEverything();
        return m.sticky_error;
    });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
    return call([&](Machine &m) {
        *event = m.streams.events.New();
        (*event)->device = simt::host_thread.device;
        return cudaSuccess;
    });
}
cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    return call([&](Machine &m) { return m.streams.WaitEvent(stream, event); });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    const simt::Turn turn;
    Machine &m = simt::machine();
    return m.Return(m.streams.events.Delete(event) ? m.Usable() : cudaErrorInvalidResourceHandle);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return call([&](Machine &m) { return simt::Record(m, event, stream); });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return call([&](Machine &m) { return simt::WaitFor(m, event); });
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) {
    return call([&](Machine &m) { return simt::Elapsed(m, ms, start, end); });
}
