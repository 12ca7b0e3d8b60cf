// Copies between the host and the device through two pinned slices, so that filling one overlaps with sending the
// other.
#pragma once

#include <cstddef>

#include "cuda/handles.h"

namespace gradstep::cuda {

class Transfer {
 public:
  explicit Transfer(cudaStream_t stream);
  // Returns when `data` has been taken over; the copy may still be under way on the stream.
  void to_device(char* to, const void* data, size_t bytes);
  // Returns when all bytes are there.
  void to_host(void* to, const char* data, size_t bytes);

 private:
  static constexpr size_t kSlice = size_t{1} << 20;

  char* slice(int i) const { return staging_.data() + i * kSlice; }
  // Enqueues a copy from or to slice i.
  void copy(int i, void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
  // Until slice i is no longer copied.
  void await(int i);

  cudaStream_t stream_;
  PinnedMemory staging_;
  OwnedEvent done_[2];
  bool recorded_[2] = {true, true};  // false: the slice's last copy could not be followed by its event
  int next_ = 0;
};

}  // namespace gradstep::cuda
