#include <algorithm>
#include <vector>

#include "broken_uses.h"
#include "cuda/launch.h"

namespace gradstep::cuda {
namespace {

__global__ void add_one(float* x) { x[0] += 1.f; }
__global__ void copy_first(const float* x, float* y) { y[0] = x[0]; }

// The counter's value after capturing (which runs nothing), and after each of three replays.
Result replay() {
  std::vector<float> seen;
  Result result = attempt([&](cudaStream_t stream, float* x) {
    GRADSTEP_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    launch(stream, add_one, dim3(1), dim3(1), x);
    launch(stream, add_one, dim3(1), dim3(1), x);
    cudaGraph_t graph = nullptr;
    GRADSTEP_CUDA(cudaStreamEndCapture(stream, &graph));
    const OwnedGraph owned(graph);
    cudaGraphExec_t instance = nullptr;
    GRADSTEP_CUDA(cudaGraphInstantiate(&instance, graph, 0));
    const OwnedGraphExec owned_instance(instance);
    for (int i = 0; i < 4; i++) {
      if (i > 0) GRADSTEP_CUDA(cudaGraphLaunch(instance, stream));
      GRADSTEP_CUDA(cudaStreamSynchronize(stream));
      float value = NAN;
      GRADSTEP_CUDA(cudaMemcpy(&value, x, sizeof value, cudaMemcpyDeviceToHost));
      seen.push_back(value);
    }
  });
  result.values = seen;
  return result;
}

// One stream copies a number to the device and another reads it there, three times over; returns what was read.
Result in_turns(bool reads_after_copies, bool copies_after_reads) {
  std::vector<float> seen;
  Result result = attempt([&](cudaStream_t stream, float* y) {
    const DeviceMemory memory(sizeof(float), "a test");
    float* const x = reinterpret_cast<float*>(memory.data());
    const PinnedMemory numbers(3 * sizeof(float));
    const OwnedStream copies = make_stream();
    const OwnedEvent copied = make_event(), read = make_event();
    for (int i = 0; i < 3; i++) {
      float* const number = reinterpret_cast<float*>(numbers.data()) + i;
      *number = static_cast<float>(i) + 0.5f;
      if (copies_after_reads) GRADSTEP_CUDA(cudaStreamWaitEvent(copies.get(), read.get()));
      GRADSTEP_CUDA(cudaMemcpyAsync(x, number, sizeof *number, cudaMemcpyHostToDevice, copies.get()));
      GRADSTEP_CUDA(cudaEventRecord(copied.get(), copies.get()));
      if (reads_after_copies) GRADSTEP_CUDA(cudaStreamWaitEvent(stream, copied.get()));
      launch(stream, copy_first, dim3(1), dim3(1), x, y + i);
      GRADSTEP_CUDA(cudaEventRecord(read.get(), stream));
    }
    GRADSTEP_CUDA(cudaStreamSynchronize(copies.get()));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream));
    seen.resize(3);
    GRADSTEP_CUDA(cudaMemcpy(seen.data(), y, 3 * sizeof(float), cudaMemcpyDeviceToHost));
  });
  result.values = seen;
  return result;
}

// Two streams copy to the same place; the second waits for the first, or does not.
Result copies_of_two_streams(bool second_waits) {
  return attempt([=](cudaStream_t stream, float* x) {
    const PinnedMemory numbers(kAttemptThreads * sizeof(float));
    std::fill_n(reinterpret_cast<float*>(numbers.data()), kAttemptThreads, 2.f);
    const OwnedStream other = make_stream();
    const OwnedEvent first = make_event();
    GRADSTEP_CUDA(cudaMemsetAsync(x, 0, kAttemptThreads * sizeof(float), other.get()));
    GRADSTEP_CUDA(cudaEventRecord(first.get(), other.get()));
    if (second_waits) GRADSTEP_CUDA(cudaStreamWaitEvent(stream, first.get()));
    GRADSTEP_CUDA(cudaMemcpyAsync(x, numbers.data(), kAttemptThreads * sizeof(float), cudaMemcpyHostToDevice, stream));
    GRADSTEP_CUDA(cudaStreamSynchronize(stream));
  });
}

// The host changes what is copied to the device, having waited for the copy or not.
Result pinned_changes(bool waits) {
  return attempt([=](cudaStream_t stream, float* x) {
    const PinnedMemory memory(kAttemptThreads * sizeof(float));
    float* const numbers = reinterpret_cast<float*>(memory.data());
    const OwnedEvent copied = make_event();
    for (const float value : {1.f, 2.f}) {
      std::fill_n(numbers, kAttemptThreads, value);
      GRADSTEP_CUDA(cudaMemcpyAsync(x, numbers, kAttemptThreads * sizeof(float), cudaMemcpyHostToDevice, stream));
      GRADSTEP_CUDA(cudaEventRecord(copied.get(), stream));
      if (waits) GRADSTEP_CUDA(cudaEventSynchronize(copied.get()));
    }
    GRADSTEP_CUDA(cudaStreamSynchronize(stream));
  });
}

// What the host finds in page-locked memory before and after it waits for the copy there.
Result pinned_arrives() {
  std::vector<float> seen;
  Result result = attempt([&](cudaStream_t stream, float* x) {
    const PinnedMemory memory(sizeof(float));
    const float* const number = reinterpret_cast<float*>(memory.data());
    GRADSTEP_CUDA(cudaMemcpyAsync(memory.data(), x + 5, sizeof *number, cudaMemcpyDeviceToHost, stream));
    seen.push_back(*number);
    GRADSTEP_CUDA(cudaStreamSynchronize(stream));
    seen.push_back(*number);
  });
  result.values = seen;
  return result;
}

// The host reads what a copy writes, having waited for it or not.
Result host_reads(bool waits) {
  return attempt([=](cudaStream_t stream, float* x) {
    GRADSTEP_CUDA(cudaMemsetAsync(x, 0, kAttemptThreads * sizeof(float), stream));
    if (waits) GRADSTEP_CUDA(cudaStreamSynchronize(stream));
    float value = NAN;
    GRADSTEP_CUDA(cudaMemcpy(&value, x, sizeof value, cudaMemcpyDeviceToHost));
  });
}

Result allocate_while_capturing() {
  return attempt([](cudaStream_t stream, float* x) {
    GRADSTEP_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    launch(stream, add_one, dim3(1), dim3(1), x);
    void* memory = nullptr;
    cudaMalloc(&memory, 16);
    cudaGraph_t graph = nullptr;
    GRADSTEP_CUDA(cudaStreamEndCapture(stream, &graph));
  });
}

Result fresh_memory() {
  return attempt([](cudaStream_t stream, float* x) {
    const DeviceMemory fresh(4 * sizeof(float), "a test");
    GRADSTEP_CUDA(cudaMemcpyAsync(x, fresh.data(), fresh.bytes(), cudaMemcpyDeviceToDevice, stream));
  });
}

Result too_much_memory() {
  return attempt([](cudaStream_t, float*) { const DeviceMemory huge(uint64_t{1} << 50, "a test"); });
}

Result copy_past_end() {
  return attempt([](cudaStream_t stream, float* x) {
    std::vector<float> host(kAttemptThreads + 1);
    GRADSTEP_CUDA(cudaMemcpyAsync(x, host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice, stream));
  });
}

}  // namespace

void print_uses() {
  print("replay", replay(), ",");
  print("copies and reads in turns", in_turns(true, true), ",");
  print("a read that does not wait for the copy", in_turns(false, true), ",");
  print("a copy that does not wait for the read", in_turns(true, false), ",");
  print("copies of two streams in turns", copies_of_two_streams(true), ",");
  print("copies of two streams at once", copies_of_two_streams(false), ",");
  print("pinned memory reused in time", pinned_changes(true), ",");
  print("pinned memory reused too early", pinned_changes(false), ",");
  print("pinned memory read in time", pinned_arrives(), ",");
  print("host that waits for a copy", host_reads(true), ",");
  print("host that does not wait for a copy", host_reads(false), ",");
  print("allocate while capturing", allocate_while_capturing(), ",");
  print("fresh memory", fresh_memory(), ",");
  print("too much memory", too_much_memory(), ",");
  print("copy past the end", copy_past_end(), ",");
}

}  // namespace gradstep::cuda
