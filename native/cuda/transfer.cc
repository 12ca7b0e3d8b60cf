#include "cuda/transfer.h"

#include <algorithm>
#include <cstring>

namespace gradstep::cuda {

Transfer::Transfer(cudaStream_t stream) : stream_(stream), staging_(2 * kSlice), done_{make_event(), make_event()} {}

void Transfer::to_device(char* to, const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  for (size_t at = 0; at < bytes; at += kSlice) {
    const size_t n = std::min(kSlice, bytes - at);
    const int i = next_;
    next_ = 1 - next_;
    GRADSTEP_CUDA(cudaEventSynchronize(done_[i].get()));
    memcpy(slice(i), from + at, n);
    GRADSTEP_CUDA(cudaMemcpyAsync(to + at, slice(i), n, cudaMemcpyHostToDevice, stream_));
    GRADSTEP_CUDA(cudaEventRecord(done_[i].get(), stream_));
  }
}

void Transfer::to_host(void* to, const char* data, size_t bytes) {
  char* const out = static_cast<char*>(to);
  const size_t slices = (bytes + kSlice - 1) / kSlice;
  const auto size = [&](size_t k) { return std::min(kSlice, bytes - k * kSlice); };
  // One slice is on its way while the one before it is copied out.
  for (size_t k = 0; k <= slices; k++) {
    const int i = static_cast<int>(k % 2);
    if (k < slices) {
      GRADSTEP_CUDA(cudaMemcpyAsync(slice(i), data + k * kSlice, size(k), cudaMemcpyDeviceToHost, stream_));
      GRADSTEP_CUDA(cudaEventRecord(done_[i].get(), stream_));
    }
    if (k > 0) {
      GRADSTEP_CUDA(cudaEventSynchronize(done_[1 - i].get()));
      memcpy(out + (k - 1) * kSlice, slice(1 - i), size(k - 1));
    }
  }
}

}  // namespace gradstep::cuda
