// What is launched on a stream, as a graph: one after another, or after what the caller says. Ends a capture that an
// exception interrupts, so that the stream can be used again.
#pragma once

#include <vector>

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

  // What the next launch would come after: whatever was launched last.
  std::vector<cudaGraphNode_t> last() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    const cudaGraphNode_t* nodes = nullptr;
    size_t count = 0;
#if CUDART_VERSION >= 13000
    GRADSTEP_CUDA(cudaStreamGetCaptureInfo(stream_, &status, nullptr, nullptr, &nodes, nullptr, &count));
#else
    GRADSTEP_CUDA(cudaStreamGetCaptureInfo_v2(stream_, &status, nullptr, nullptr, &nodes, &count));
#endif
    return std::vector<cudaGraphNode_t>(nodes, nodes + count);
  }

  // The next launch comes after these, and after nothing else.
  void go_on_after(std::vector<cudaGraphNode_t> nodes) const {
#if CUDART_VERSION >= 13000
    GRADSTEP_CUDA(cudaStreamUpdateCaptureDependencies(stream_, nodes.data(), nullptr, nodes.size(),
                                                      cudaStreamSetCaptureDependencies));
#else
    GRADSTEP_CUDA(
        cudaStreamUpdateCaptureDependencies(stream_, nodes.data(), nodes.size(), cudaStreamSetCaptureDependencies));
#endif
  }

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
