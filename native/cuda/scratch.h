// The workspace of a step that is made of several products: its arrays, and behind them what the products ask for, one
// at a time. Plan first, then settle, then launch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/prepare.h"

namespace gradstep::cuda {

class Scratch {
 public:
  explicit Scratch(Prepare& prepare) : prepare_(&prepare), workspace_(prepare.workspace(0)) {}

  // Place of an array of so many floats, or of none; see at().
  size_t array(int64_t floats) {
    const size_t place = arrays_;
    arrays_ += (static_cast<size_t>(floats) * sizeof(float) + kAlign - 1) / kAlign * kAlign;
    return place;
  }
  Gemm::Run product(const GemmShape& shape) {
    Gemm& gemm = prepare_->gemm();
    const size_t bytes = gemm.workspace_bytes(shape);
    if (bytes > products_) products_ = bytes;
    return gemm.plan(shape);
  }
  void settle() {
    workspace_ = prepare_->workspace(arrays_ + products_);
    prepare_ = nullptr;
  }

  // Where what others plan may begin, once there is no more array to come; not while a product runs.
  size_t behind() const { return arrays_; }

  float* at(size_t place) const { return reinterpret_cast<float*>(static_cast<char*>(workspace_.data()) + place); }
  void* for_products() const { return at(arrays_); }

 private:
  static constexpr size_t kAlign = 256;
  Prepare* prepare_;
  Workspace workspace_;
  size_t arrays_ = 0, products_ = 0;
};

}  // namespace gradstep::cuda
