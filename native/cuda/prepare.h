// What an op's prepare function works with on CUDA: device addresses, scratch for one step, the slot table in device
// memory, the GEMM seam, cuDNN, what the device is like and what was measured on it. A step only launches on the stream
// it is given: it is called while the program is being captured into a graph, once for every step that the graph holds,
// and never allocates, synchronises or asks the device anything.
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <utility>

#include "core/backend.h"
#include "core/schedule.h"
#include "cuda/choices.h"
#include "cuda/cudnn.h"
#include "cuda/gemm.h"
#include "cuda/launch.h"
#include "generated/tensor.h"

namespace gradstep::cuda {

using Step = std::function<void(cudaStream_t)>;

// Private scratch of steps: one block a lane (core/schedule.h), as large as the largest request, serves all steps of
// the lane, one at a time. The address is known when programs are captured, so steps keep the Workspace and ask when
// they launch.
class Workspace {
 public:
  void* data() const { return *data_; }

 private:
  friend class Prepare;
  explicit Workspace(void* const* data) : data_(data) {}
  void* const* data_;
};

struct DeviceTraits {
  int multiprocessors = 1;
  size_t grid_shared_bytes = 0;
  bool tensor_cores = false;
  bool clusters = false;
};

class Prepare {
 public:
  // Device address of a tensor that is there.
  using Place = std::function<char*(const Tensor&)>;

  // `workspaces`: the address of each lane's.
  Prepare(Place place, const Slot* slots, void* const* workspaces, Gemm& gemm, CudnnOfSession& cudnn, Choices& choices,
          const DeviceTraits& device)
      : place_(std::move(place)),
        slots_(slots),
        workspaces_(workspaces),
        gemm_(gemm),
        cudnn_(cudnn),
        choices_(choices),
        device_(device) {}

  // The same on other memory, in one lane.
  Prepare elsewhere(Place place, void* const* workspace) const {
    return Prepare(std::move(place), slots_, workspace, gemm_, cudnn_, choices_, device_);
  }

  // Begins a step, in its lane.
  void begin(int lane) {
    lane_ = static_cast<size_t>(lane);
    is_exclusive_ = false;
  }
  // For a step that calls launch_at_once(): two of those must not wait for each other's blocks to leave.
  void be_exclusive() { is_exclusive_ = true; }
  bool is_exclusive() const { return is_exclusive_; }

  // Device address of a tensor; null where an optional one is absent.
  template <typename T = float>
  T* at(const Tensor& t) const {
    return t.present() ? reinterpret_cast<T*>(place_(t)) : nullptr;
  }

  Workspace workspace(size_t bytes) {
    if (bytes > workspace_bytes_[lane_]) workspace_bytes_[lane_] = bytes;
    return Workspace(workspaces_ + lane_);
  }

  const Slot* slots() const { return slots_; }  // device memory
  Gemm& gemm() const { return gemm_; }
  // Null: it is not here.
  const Cudnn* cudnn() const { return cudnn_.get(); }
  Choices& choices() const { return choices_; }
  int multiprocessors() const { return device_.multiprocessors; }
  // Dynamic shared memory that a block of launch_at_once() or launch_clusters() may have; 0 where the device has no
  // launches of the first kind.
  size_t grid_shared_bytes() const { return device_.grid_shared_bytes; }
  // Whether the device multiplies bfloat16 and TF32 in units of their own (cuda/ptx.cuh).
  bool tensor_cores() const { return device_.tensor_cores; }
  // Whether it has clusters of blocks.
  bool clusters() const { return device_.clusters; }
  // What steps of a lane have asked for.
  size_t workspace_bytes(size_t lane = 0) const { return workspace_bytes_[lane]; }

 private:
  Place place_;
  const Slot* slots_;
  void* const* workspaces_;
  Gemm& gemm_;
  CudnnOfSession& cudnn_;
  Choices& choices_;
  DeviceTraits device_;
  size_t lane_ = 0;
  bool is_exclusive_ = false;
  size_t workspace_bytes_[kMostLanes] = {};
};

}  // namespace gradstep::cuda
