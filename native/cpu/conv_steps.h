// What the steps of convolutions and their gradients are made of: a workspace in pieces, operands, oneDNN's primitives
// for them, and which of them pay.
#pragma once

#include <cstring>
#include <optional>

#include "cpu/conv_shape.h"
#include "cpu/dnnl_seam.h"
#include "cpu/operand.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/tiles.h"
#include "cpu/vector.h"

namespace gradstep::cpu {

// The step's workspace in 64-byte aligned pieces. Pieces are counted first and given out once their total is known.
class Pieces {
 public:
  size_t add(size_t bytes) {
    const size_t at = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return at;
  }
  char* allocate(Prepare& prepare) const { return static_cast<char*>(prepare.workspace(bytes_)); }

 private:
  size_t bytes_ = 0;
};

inline Primitive reorder(const Dnnl& d, const dnnl::memory::desc& from_desc, void* from,
                         const dnnl::memory::desc& to_desc, void* to) {
  const auto desc = make_primitive("kernel packing", [&] { return reorder_desc(d, from_desc, to_desc, attributes()); });
  Primitive primitive(dnnl::reorder(desc), d.stream);
  primitive.argument(DNNL_ARG_FROM, dnnl::memory(from_desc, d.engine, from));
  primitive.argument(DNNL_ARG_TO, dnnl::memory(to_desc, d.engine, to));
  return primitive;
}

template <typename T>
void parallel_add(float* to, const T* from, int64_t n, int threads) {
  parallel_ranges(n, parts_of(n, threads), 16,
                  [=](int, int64_t begin, int64_t end) { add(to + begin, from + begin, end - begin); });
}

inline bool on_units(OperandKind kind) { return kind == OperandKind::kTiles && has_tile_units(); }

// The convolution by Winograd's way where nothing is quicker: the tile units are, vectors of bfloat16 are not.
inline std::optional<WinogradShape> winograd_beside(OperandKind kind, const Conv& conv) {
  return on_units(kind) ? std::nullopt : winograd_shape(conv);
}

// The primitive desc make(whether operands are bfloat16). Where there are tile units that is one on them where oneDNN
// has it for this shape. Its others are slower than float32 there (one channel in: 3.1 ms against 2.3), which then
// multiplies rounded operands; unless `vectors` says that they are not (depthwise, where both sides are stored in
// bfloat16: 0.5 to 0.8 times the time). Without tile units they take half of float32's time.
template <typename Make>
auto with_operands(OperandKind& kind, bool vectors, Make make) -> decltype(make(true)) {
  if (kind == OperandKind::kTiles) {
    try {
      auto desc = make(true);
      if (vectors || !has_tile_units() || std::strstr(desc.impl_info_str(), "amx")) return desc;
    } catch (const Error&) {
    }
    kind = OperandKind::kRounded;
  }
  return make(false);
}

inline bool is_narrow(const Tensor& t) { return t.dtype == DType::kBfloat16; }

inline ProductOperand operand(const Prepare& prepare, const Tensor& t, OperandKind kind) {
  return ProductOperand(prepare.at<void>(t), t.size(), kind, t.dtype);
}

inline size_t bytes_of(const dnnl::memory::dims& dims) {
  size_t bytes = sizeof(float);
  for (const int64_t d : dims) bytes *= static_cast<size_t>(d);
  return bytes;
}

}  // namespace gradstep::cpu
