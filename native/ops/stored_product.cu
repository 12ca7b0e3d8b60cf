// See stored_product.cuh.
#include <vector>

#include "cuda/stored.h"
#include "ops/stored_product.cuh"

namespace gradstep::cuda {
namespace {

// In what types the library may make it, the best first; the last one is there everywhere.
std::vector<GemmShape> typed(const Prepare& prepare, const GemmShape& shape, const Product& p, bool wide) {
  std::vector<GemmShape> all;
  GemmShape s = shape;
  // Sums of b's columns are of what is not rounded.
  const bool b_is_summed = shape.sums && shape.epilogue == Epilogue::kNone;
  if (prepare.tensor_cores() && (is_narrow(p.b) || (is_narrow(p.a) && !b_is_summed))) {
    s.operands = DType::kBfloat16;
    if (is_narrow(p.c) && !wide && (!shape.bias || is_narrow(p.bias))) {
      s.result = DType::kBfloat16;
      all.push_back(s);
    }
    s.result = DType::kFloat32;
    all.push_back(s);
  }
  all.push_back(shape);
  return all;
}

GemmShape first_there(const Prepare& prepare, const std::vector<GemmShape>& all) {
  for (size_t i = 0; i + 1 < all.size(); i++) {
    if (prepare.gemm().supports(all[i])) return all[i];
  }
  return all.back();
}

}  // namespace

bool StoredProduct::exists(Prepare& prepare, const GemmShape& shape, const Product& product) {
  return prepare.gemm().supports(first_there(prepare, typed(prepare, shape, product, false)));
}

StoredProduct::StoredProduct(Prepare& prepare, const GemmShape& shape, const Product& p, Result result)
    : multiprocessors_(prepare.multiprocessors()),
      scratch_(prepare),
      shape_(first_there(prepare, typed(prepare, shape, p, result == Result::kWide))),
      a_(prepare.at<void>(p.a)),
      b_(prepare.at<void>(p.b)),
      bias_(prepare.at<void>(p.bias)),
      c_(prepare.at<void>(p.c)),
      aux_(prepare.at<void>(p.aux)),
      sums_(prepare.at(p.sums)),
      a_size_(p.a.size()),
      b_size_(p.b.size()),
      c_size_(p.c.size()) {
  const auto words = [](int64_t halves) { return (halves + 1) / 2; };
  const auto copy = [&](const Tensor& t) -> Place {
    if (is_narrow(t) == shape_.has_narrow_operands()) return std::nullopt;
    return scratch_.array(shape_.has_narrow_operands() ? words(t.size()) : t.size());
  };
  a_copy_ = copy(p.a);
  b_copy_ = copy(p.b);
  if (is_narrow(p.bias) && !shape_.has_narrow_result()) bias_wide_ = scratch_.array(shape.n);
  if (is_narrow(p.c) && !shape_.has_narrow_result()) c_wide_ = scratch_.array(c_size_);
  rounds_ = c_wide_ && result == Result::kStored;
  run_ = scratch_.product(shape_);
  scratch_.settle();
}

void StoredProduct::operator()(cudaStream_t stream) const {
  Roundings to_round{};
  Widenings to_widen{};
  const auto operand = [&](const void* from, const Place& copy, int64_t size) -> const void* {
    if (!copy) return from;
    float* const to = scratch_.at(*copy);
    if (shape_.has_narrow_operands()) {
      to_round.add(static_cast<const float*>(from), reinterpret_cast<Bfloat16*>(to), size);
    } else {
      to_widen.add(static_cast<const Bfloat16*>(from), to, size);
    }
    return to;
  };
  const void* const a = operand(a_, a_copy_, a_size_);
  const void* const b = operand(b_, b_copy_, b_size_);
  const void* bias = bias_;
  if (bias_wide_) {
    to_widen.add(static_cast<const Bfloat16*>(bias_), scratch_.at(*bias_wide_), shape_.n);
    bias = scratch_.at(*bias_wide_);
  }
  if (c_wide_ && shape_.accumulate) to_widen.add(static_cast<const Bfloat16*>(c_), wide(), c_size_);
  convert(stream, to_round, multiprocessors_);
  convert(stream, to_widen, multiprocessors_);
  run_(stream, a, b, bias, c_wide_ ? wide() : c_, scratch_.for_products(), aux_, sums_);
  if (!rounds_) return;
  Roundings result{};
  result.add(wide(), static_cast<Bfloat16*>(c_), c_size_);
  convert(stream, result, multiprocessors_);
}

}  // namespace gradstep::cuda
