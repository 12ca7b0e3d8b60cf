// A stream of the emulated runtime, and graphs and events. Work on a stream runs when it is enqueued, or is recorded
// while the stream is captured; what fails is told, as on a device, by the calls that wait for the stream or use it
// afterwards. GRADSTEP_EMULATION_PACE: how long every kernel takes, in microseconds, as events tell.
// GRADSTEP_EMULATION_TRACE: a file that gets a line, "what count stream", for each graph that is captured or launched
// (its nodes) and each copy from page-locked memory to a device (its bytes).
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "order.h"

namespace emulation {

// Work of a device, which need not be the stream's where it is a copy.
struct Node {
  int device;
  std::function<void(Stream*)> work;
  std::vector<size_t> after;  // in a graph: the nodes that come before it
  bool at_once = false;
};

struct Stream {
  Agent agent;
  int device = 0;
  uint64_t seed = 0;
  uint64_t launches = 0;
  cudaError_t error = cudaSuccess;
  std::string failure;  // what the error was
  bool capturing = false;
  bool spoiled = false;
  std::vector<Node> recorded;
  std::vector<cudaGraphNode_t> tail;  // what the next node comes after
  double pace = 0;                    // seconds that a kernel or a product takes; 0: as long as it does
  uint64_t done = 0;                  // kernels and products
  std::FILE* trace = nullptr;
};

struct Graph {
  std::vector<Node> nodes;
};

struct Event {
  int device = 0;
  bool timed = false;
  Stream* stream = nullptr;
  Clock moment;       // what lay before it when it was recorded
  bool seen = false;  // whether anybody has asked since
  std::chrono::steady_clock::time_point time;
};

// A handle of a node of the graph that is being captured, and the node's number.
inline cudaGraphNode_t handle_of(size_t node) { return reinterpret_cast<cudaGraphNode_t>(node + 1); }
inline size_t number_of(cudaGraphNode_t handle) { return reinterpret_cast<size_t>(handle) - 1; }

// What a stream has failed with.
cudaError_t error_of(const Stream* stream);
void fail_stream(Stream* stream, const std::string& what);
// For calls that a capture does not allow.
cudaError_t outside_capture();
cudaError_t on_current_device(const Stream* stream);
// Runs work of a device now, or records it when the stream is being captured.
cudaError_t submit(Stream* stream, int device, std::function<void(Stream*)> work, bool at_once = false);
void run_node(Stream* stream, const Node& node);
void trace(const Stream& stream, const char* what, size_t count);

}  // namespace emulation
