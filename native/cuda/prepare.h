// What an op's prepare function works with on CUDA: device addresses, scratch for one step, the slot table in device
// memory, the GEMM seam. A step only launches on the stream it is given: it is called while the program is being
// captured into a graph, once for every step that the graph holds, and never allocates, synchronises or asks the device
// anything.
#pragma once

#include <cuda_runtime.h>

#include <functional>

#include "core/backend.h"
#include "cuda/gemm.h"
#include "cuda/launch.h"
#include "generated/tensor.h"

namespace gradstep::cuda {

using Step = std::function<void(cudaStream_t)>;

// Private scratch of steps: one block as large as the largest request serves all of them, one at a time. The address is
// known when programs are captured, so steps keep the Workspace and ask when they launch.
class Workspace {
 public:
  void* data() const { return *data_; }

 private:
  friend class Prepare;
  explicit Workspace(void* const* data) : data_(data) {}
  void* const* data_;
};

class Prepare {
 public:
  Prepare(char* persistent, char* scratch, const Slot* slots, void* const* workspace, Gemm& gemm, int multiprocessors,
          size_t grid_shared_bytes, bool tensor_cores)
      : persistent_(persistent),
        scratch_(scratch),
        slots_(slots),
        workspace_(workspace),
        gemm_(gemm),
        multiprocessors_(multiprocessors),
        grid_shared_bytes_(grid_shared_bytes),
        tensor_cores_(tensor_cores) {}

  // Device address of a tensor; null where an optional one is absent.
  template <typename T = float>
  T* at(const Tensor& t) const {
    if (!t.present()) return nullptr;
    return reinterpret_cast<T*>((t.region == Region::kPersistent ? persistent_ : scratch_) + t.offset);
  }

  Workspace workspace(size_t bytes) {
    if (bytes > workspace_bytes_) workspace_bytes_ = bytes;
    return Workspace(workspace_);
  }

  const Slot* slots() const { return slots_; }  // device memory
  Gemm& gemm() const { return gemm_; }
  int multiprocessors() const { return multiprocessors_; }
  // Dynamic shared memory that a block of launch_at_once() may have; 0 where the device has no such launches.
  size_t grid_shared_bytes() const { return grid_shared_bytes_; }
  // Whether the device multiplies bfloat16 and TF32 in units of their own (cuda/ptx.cuh).
  bool tensor_cores() const { return tensor_cores_; }
  size_t workspace_bytes() const { return workspace_bytes_; }

 private:
  char* persistent_;
  char* scratch_;
  const Slot* slots_;
  void* const* workspace_;
  Gemm& gemm_;
  int multiprocessors_;
  size_t grid_shared_bytes_;
  bool tensor_cores_;
  size_t workspace_bytes_ = 0;
};

}  // namespace gradstep::cuda
