// The emulated runtime's graphs: captured from a stream, launched on one.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "calls.h"
#include "stream.h"

using namespace emulation;

namespace {

cudaError_t existing(Kind kind, const void* object) {
  if (is_object(kind, object)) return cudaSuccess;
  return explain(cudaErrorInvalidResourceHandle, "there is no such object any more");
}

// Whether two kernels that must be on the device whole can be there in part at the same time.
bool may_wait_for_each_other(const Graph& graph) {
  // Of each node, the kernels of that kind that it comes after.
  std::vector<std::set<size_t>> before(graph.nodes.size());
  std::vector<size_t> found;
  for (size_t i = 0; i < graph.nodes.size(); i++) {
    for (const size_t node : graph.nodes[i].after) {
      before[i].insert(before[node].begin(), before[node].end());
      if (graph.nodes[node].at_once) before[i].insert(node);
    }
    if (!graph.nodes[i].at_once) continue;
    if (before[i].size() < found.size()) return true;
    found.push_back(i);
  }
  return false;
}

// Nodes in an order that depends on the stream's seed: any in which each comes after those it must. They take as long
// as the longest way through.
void run_graph(Stream* stream, const Graph& graph) {
  const size_t count = graph.nodes.size();
  std::vector<size_t> waiting(count);
  std::vector<std::vector<size_t>> followers(count);
  std::vector<size_t> ready;
  for (size_t i = 0; i < count; i++) {
    waiting[i] = graph.nodes[i].after.size();
    for (const size_t before : graph.nodes[i].after) followers[before].push_back(i);
    if (waiting[i] == 0) ready.push_back(i);
  }
  const uint64_t begin = stream->done;
  std::vector<uint64_t> end(count);  // kernels done when a node is
  uint64_t longest = begin, random = stream->seed * 1000003 + stream->launches;
  while (!ready.empty()) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const auto next = stream->seed == 0 ? std::min_element(ready.begin(), ready.end())
                                        : ready.begin() + static_cast<ptrdiff_t>((random >> 33) % ready.size());
    const size_t i = *next;
    ready.erase(next);
    stream->done = begin;
    for (const size_t before : graph.nodes[i].after) stream->done = std::max(stream->done, end[before]);
    run_node(stream, graph.nodes[i]);
    end[i] = stream->done;
    longest = std::max(longest, end[i]);
    for (const size_t follower : followers[i]) {
      if (--waiting[follower] == 0) ready.push_back(follower);
    }
  }
  stream->done = longest;
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return call("cudaStreamBeginCapture", [&]() -> cudaError_t {
    if (this_thread().captured != nullptr) return cudaErrorStreamCaptureUnsupported;
    if (const cudaError_t error = error_of(stream); error != cudaSuccess) return error;
    stream->capturing = true;
    stream->spoiled = false;
    stream->recorded.clear();
    stream->tail.clear();
    this_thread().captured = stream;
    add_object(Kind::kCapture, stream);
    return cudaSuccess;
  });
}

// The capture ends in any case; one that was spoiled, or whose end fails, gives no graph.
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const cudaError_t error = letting_go("cudaStreamEndCapture", [&]() -> cudaError_t {
    if (this_thread().captured != stream) return cudaErrorInvalidValue;
    this_thread().captured = nullptr;
    stream->capturing = false;
    remove_object(Kind::kCapture, stream);
    return stream->spoiled ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  });
  if (error != cudaSuccess) return error;
  *graph = new Graph{std::move(stream->recorded)};
  add_object(Kind::kGraph, *graph);
  trace(*stream, "capture", (*graph)->nodes.size());
  return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status, unsigned long long*,
                                     cudaGraph_t*, const cudaGraphNode_t** dependencies, const cudaGraphEdgeData**,
                                     size_t* count) {
  return call("cudaStreamGetCaptureInfo", [&] {
    *status = stream->capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    *dependencies = stream->tail.data();
    *count = stream->tail.size();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream, cudaGraphNode_t* dependencies,
                                                const cudaGraphEdgeData*, size_t count, unsigned flags) {
  return call("cudaStreamUpdateCaptureDependencies", [&]() -> cudaError_t {
    if (!stream->capturing) return cudaErrorIllegalState;
    if (flags != cudaStreamSetCaptureDependencies) return cudaErrorInvalidValue;
    for (size_t i = 0; i < count; i++) {
      if (number_of(dependencies[i]) >= stream->recorded.size()) return cudaErrorInvalidValue;
    }
    stream->tail.assign(dependencies, dependencies + count);
    return cudaSuccess;
  });
}

// Only how many there are.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call("cudaGraphGetNodes", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraph, graph); error != cudaSuccess) return error;
    if (nodes != nullptr) return cudaErrorInvalidValue;
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* instance, cudaGraph_t graph, unsigned long long) {
  return call("cudaGraphInstantiate", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraph, graph); error != cudaSuccess) return error;
    if (may_wait_for_each_other(*graph)) {
      return explain(cudaErrorCooperativeLaunchTooLarge,
                     "two kernels whose blocks wait for one another run side by side");
    }
    *instance = new Graph(*graph);
    add_object(Kind::kGraphExec, *instance);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t instance, cudaStream_t) {
  return call("cudaGraphUpload", [&] { return existing(Kind::kGraphExec, instance); });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream) {
  return call("cudaGraphLaunch", [&]() -> cudaError_t {
    if (const cudaError_t error = existing(Kind::kGraphExec, instance); error != cudaSuccess) return error;
    trace(*stream, "launch", instance->nodes.size());
    run_graph(stream, *instance);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return letting_go("cudaGraphDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kGraph, graph)) return cudaErrorInvalidResourceHandle;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  return letting_go("cudaGraphExecDestroy", [&]() -> cudaError_t {
    if (!remove_object(Kind::kGraphExec, instance)) return cudaErrorInvalidResourceHandle;
    delete instance;
    return cudaSuccess;
  });
}
