#include "cuda/transfer.h"

#include <algorithm>
#include <cstring>

namespace gradstep::cuda {

Transfer::Transfer(cudaStream_t stream) : stream_(stream), staging_(2 * kSlice), done_{make_event(), make_event()} {}

void Transfer::copy(int i, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  recorded_[i] = false;
  GRADSTEP_CUDA(cudaMemcpyAsync(to, from, bytes, kind, stream_));
  GRADSTEP_CUDA(cudaEventRecord(done_[i].get(), stream_));
  recorded_[i] = true;
}

void Transfer::await(int i) {
  if (recorded_[i]) {
    GRADSTEP_CUDA(cudaEventSynchronize(done_[i].get()));
  } else {
    GRADSTEP_CUDA(cudaStreamSynchronize(stream_));
  }
}

void Transfer::to_device(char* to, const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  for (size_t at = 0; at < bytes; at += kSlice) {
    const size_t n = std::min(kSlice, bytes - at);
    const int i = next_;
    next_ = 1 - next_;
    await(i);
    memcpy(slice(i), from + at, n);
    copy(i, to + at, slice(i), n, cudaMemcpyHostToDevice);
  }
}

void Transfer::to_host(void* to, const char* data, size_t bytes) {
  char* const out = static_cast<char*>(to);
  const size_t slices = (bytes + kSlice - 1) / kSlice;
  const auto size = [&](size_t k) { return std::min(kSlice, bytes - k * kSlice); };
  // One slice is on its way while the one before it is copied out.
  for (size_t k = 0; k <= slices; k++) {
    const int i = static_cast<int>(k % 2);
    if (k < slices) copy(i, slice(i), data + k * kSlice, size(k), cudaMemcpyDeviceToHost);
    if (k > 0) {
      await(1 - i);
      memcpy(out + (k - 1) * kSlice, slice(1 - i), size(k - 1));
    }
  }
}

}  // namespace gradstep::cuda
