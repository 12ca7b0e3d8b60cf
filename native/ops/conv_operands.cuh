// Both operands of a convolution's product in the type that its kernel reads, S: what is stored in the other one is
// converted into the beginning of the step's workspace. To bfloat16 that is the rounding that the product asks for
// anyway; to float32 nothing changes.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "cuda/floats.cuh"
#include "cuda/prepare.h"
#include "ops/to_bfloat16.cuh"

namespace gradstep::cuda {

template <typename S>
class ConvOperands {
 public:
  ConvOperands(Prepare& prepare, const Tensor& a, const Tensor& b)
      : a_(source(prepare, a)),
        b_(source(prepare, b)),
        multiprocessors_(prepare.multiprocessors()),
        workspace_(prepare.workspace(bytes_)) {}

  // Of the workspace, which are taken while the kernel runs.
  size_t bytes() const { return bytes_; }

  // Where both are by the time a kernel runs that is launched next.
  std::pair<const S*, const S*> ready(cudaStream_t stream) const {
    Conversions<Other, S> conversions{};
    const S* const a = place(a_, conversions);
    const S* const b = place(b_, conversions);
    convert(stream, conversions, multiprocessors_);
    return {a, b};
  }

 private:
  using Other = std::conditional_t<std::is_same_v<S, float>, Bfloat16, float>;
  struct Source {
    Floats stored;
    int64_t size;
    size_t offset;  // of what it is converted to
  };

  Source source(const Prepare& prepare, const Tensor& t) {
    const Source made{floats_at(prepare, t), t.size(), bytes_};
    if (is_other(made.stored)) bytes_ += (static_cast<size_t>(made.size) * sizeof(S) + 255) / 256 * 256;
    return made;
  }

  static bool is_other(const Floats& stored) { return stored.narrow == std::is_same_v<S, float>; }

  const S* place(const Source& source, Conversions<Other, S>& conversions) const {
    if (!is_other(source.stored)) return static_cast<const S*>(source.stored.data);
    S* const to = reinterpret_cast<S*>(static_cast<char*>(workspace_.data()) + source.offset);
    conversions.add(static_cast<const Other*>(source.stored.data), to, source.size);
    return to;
  }

  size_t bytes_ = 0;  // before those that add to it
  Source a_, b_;
  int multiprocessors_;
  Workspace workspace_;
};

}  // namespace gradstep::cuda
