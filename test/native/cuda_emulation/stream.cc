#include "stream.h"

#include <cstdlib>
#include <utility>

#include "calls.h"
#include "device_memory.h"

namespace emulation {
namespace {

std::string device_name(int device) { return "device " + std::to_string(device); }

std::chrono::steady_clock::time_point now_on(const Stream& stream) {
  if (stream.pace == 0) return std::chrono::steady_clock::now();
  const std::chrono::duration<double> since_start(stream.pace * static_cast<double>(stream.done));
  return std::chrono::steady_clock::time_point() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(since_start);
}

cudaError_t wait_for(const Clock& moment) {
  const std::string wrong = host_waits_for(moment);
  return wrong.empty() ? cudaSuccess : explain(cudaErrorLaunchFailure, wrong);
}

// While a stream is captured only external events tell of the graph's launches; others order what is captured, which
// happens in order anyway.
cudaError_t record(cudaEvent_t event, cudaStream_t stream, bool external) {
  if (event->device != stream->device) {
    return explain(cudaErrorInvalidResourceHandle, "the event is one of " + device_name(event->device) +
                                                       ", and the stream of " + device_name(stream->device));
  }
  if (external && !stream->capturing) return cudaErrorInvalidValue;
  if (stream->capturing && !external) return cudaSuccess;
  return submit(stream, stream->device, [event](Stream* on) {
    event->stream = on;
    event->moment = on->agent.clock();
    event->seen = false;
    event->time = now_on(*on);
  });
}

}  // namespace

cudaError_t error_of(const Stream* stream) {
  return stream->error == cudaSuccess ? cudaSuccess : explain(stream->error, stream->failure);
}

void fail_stream(Stream* stream, const std::string& what) {
  stream->error = cudaErrorLaunchFailure;
  stream->failure = what;
}

cudaError_t outside_capture() {
  Stream* const captured = this_thread().captured;
  if (captured == nullptr) return cudaSuccess;
  captured->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t on_current_device(const Stream* stream) {
  const int current = this_thread().device;
  if (stream->device == current) return cudaSuccess;
  return explain(cudaErrorInvalidResourceHandle, "the stream is one of " + device_name(stream->device) + ", and " +
                                                     device_name(current) + " is current");
}

void run_node(Stream* stream, const Node& node) {
  if (stream->error != cudaSuccess) return;
  const Working only(node.device);
  stream->agent.begin();
  node.work(stream);
}

cudaError_t submit(Stream* stream, int device, std::function<void(Stream*)> work, bool at_once) {
  Node node{device, std::move(work), {}, at_once};
  if (stream->capturing) {
    for (const cudaGraphNode_t before : stream->tail) node.after.push_back(number_of(before));
    stream->recorded.push_back(std::move(node));
    stream->tail = {handle_of(stream->recorded.size() - 1)};
  } else {
    run_node(stream, node);
  }
  return cudaSuccess;
}

void trace(const Stream& stream, const char* what, size_t count) {
  if (stream.trace == nullptr) return;
  fprintf(stream.trace, "%s %zu %d\n", what, count, stream.agent.number());
  fflush(stream.trace);
}

}  // namespace emulation

using namespace emulation;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return call("cudaStreamCreateWithFlags", [&] {
    *stream = new Stream;
    (*stream)->device = this_thread().device;
    const char* text = getenv("GRADSTEP_EMULATION_SEED");
    (*stream)->seed = text == nullptr ? 0 : strtoull(text, nullptr, 10);
    text = getenv("GRADSTEP_EMULATION_PACE");
    (*stream)->pace = text == nullptr ? 0 : strtod(text, nullptr) / 1e6;
    text = getenv("GRADSTEP_EMULATION_TRACE");
    (*stream)->trace = text == nullptr ? nullptr : fopen(text, "a");
    add_object(Kind::kStream, *stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return letting_go("cudaStreamDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kStream, stream)) return cudaErrorInvalidResourceHandle;
    if (this_thread().captured == stream) this_thread().captured = nullptr;
    if (stream->trace != nullptr) fclose(stream->trace);
    delete stream;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    if (const cudaError_t error = wait_for(stream->agent.clock()); error != cudaSuccess) return error;
    return error_of(stream);
  });
}

// An event that was never recorded is nothing to wait for.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return call("cudaStreamWaitEvent", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    stream->agent.wait_for(event->moment);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    *event = new Event;
    (*event)->device = this_thread().device;
    (*event)->timed = (flags & cudaEventDisableTiming) == 0;
    add_object(Kind::kEvent, *event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return letting_go("cudaEventDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kEvent, event)) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] { return record(event, stream, false); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return call("cudaEventRecordWithFlags", [&] { return record(event, stream, flags == cudaEventRecordExternal); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return call("cudaEventElapsedTime", [&]() -> cudaError_t {
    if (!from->timed || !to->timed || from->stream == nullptr || to->stream == nullptr || from->device != to->device) {
      return cudaErrorInvalidResourceHandle;
    }
    // It may have come all the same, which nobody can rely on.
    if (!has_host_waited_for(from->moment) || !has_host_waited_for(to->moment)) return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
    return error_of(to->stream);
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&]() -> cudaError_t {
    if (const cudaError_t error = outside_capture(); error != cudaSuccess) return error;
    if (const cudaError_t error = wait_for(event->moment); error != cudaSuccess) return error;
    return event->stream == nullptr ? cudaSuccess : error_of(event->stream);
  });
}

// Comes at the second look, as if the stream were at work meanwhile.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&]() -> cudaError_t {
    if (event->stream == nullptr) return cudaSuccess;
    if (!std::exchange(event->seen, true)) return cudaErrorNotReady;
    if (const cudaError_t error = wait_for(event->moment); error != cudaSuccess) return error;
    return error_of(event->stream);
  });
}
