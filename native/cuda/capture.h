// What is launched on a stream, as a graph. Ends a capture that an exception interrupts, so that the stream can be used
// again.
#pragma once

#include "cuda/handles.h"

namespace gradstep::cuda {

class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    // Relaxed: the driver may load a kernel's code at its first launch, which stricter modes count as unsafe.
    GRADSTEP_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  }
  ~Capture() {
    cudaGraph_t graph = nullptr;
    if (!ended_ && cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  OwnedGraph end() {
    cudaGraph_t graph = nullptr;
    ended_ = true;
    GRADSTEP_CUDA(cudaStreamEndCapture(stream_, &graph));
    return OwnedGraph(graph);
  }

 private:
  cudaStream_t stream_;
  bool ended_ = false;
};

}  // namespace gradstep::cuda
