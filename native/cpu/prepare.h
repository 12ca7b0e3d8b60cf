// What an op's prepare function works with on the CPU: addresses, the oneDNN engine and stream, scratch for one step,
// the slot table. A step is a function that only computes: everything it needs was made when it was prepared.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "generated/tensor.h"

namespace gradstep::cpu {

using Step = std::function<void()>;

struct Dnnl;  // dnnl_seam.h

class Prepare {
 public:
  Prepare(char* persistent, char* scratch, const Slot* slots, void* workspace, int threads, const Dnnl& dnnl)
      : persistent_(persistent),
        scratch_(scratch),
        slots_(slots),
        workspace_(workspace),
        threads_(threads),
        dnnl_(dnnl) {}

  // Address of a tensor; null where an optional one is absent.
  template <typename T = float>
  T* at(const Tensor& t) const {
    if (!t.present()) return nullptr;
    return reinterpret_cast<T*>((t.region == Region::kPersistent ? persistent_ : scratch_) + t.offset);
  }

  // Private scratch of a step: one block, as large as the largest request, serves all of them one at a time. When it
  // has to grow, every program is prepared again, so a step may keep the address.
  void* workspace(size_t bytes) {
    if (bytes > workspace_bytes_) workspace_bytes_ = bytes;
    return workspace_;
  }

  const Slot* slots() const { return slots_; }
  int threads() const { return threads_; }
  const Dnnl& dnnl() {
    takes_dnnl_ = true;
    return dnnl_;
  }
  // Whether dnnl() was asked for since this was called.
  bool took_dnnl() { return std::exchange(takes_dnnl_, false); }
  size_t workspace_bytes() const { return workspace_bytes_; }

 private:
  char* persistent_;
  char* scratch_;
  const Slot* slots_;
  void* workspace_;
  int threads_;
  const Dnnl& dnnl_;
  size_t workspace_bytes_ = 0;
  bool takes_dnnl_ = false;
};

}  // namespace gradstep::cpu
