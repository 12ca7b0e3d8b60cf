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

  cudaStream_t stream_;
  PinnedMemory staging_;
  OwnedEvent done_[2];
  int next_ = 0;
};

}  // namespace gradstep::cuda
