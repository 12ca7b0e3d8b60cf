// Operands of a product as it reads them. In bfloat16 they are rounded into the step's workspace: to halves where the
// processor multiplies those, elsewhere to float32 numbers that have their values, so that results mean the same
// everywhere. What is stored in bfloat16 is read where it lies, or widened.
#pragma once

#include <cstddef>
#include <cstdint>

#include "generated/tensor.h"

namespace gradstep::cpu {

// float32; float32 rounded to bfloat16; bfloat16, for the tile units.
enum class OperandKind { kFloat, kRounded, kTiles };

OperandKind operand_kind(bool bfloat16);

class ProductOperand {
 public:
  ProductOperand(const void* from, int64_t size, OperandKind kind, DType stored = DType::kFloat32)
      : from_(from), size_(size), kind_(kind), narrow_(stored == DType::kBfloat16) {}

  // Of workspace: none for what is read where it lies.
  size_t bytes() const;
  // Where the product reads it; `place` is the workspace.
  void* at(char* place) const;
  void round_to(char* place, int threads) const;

 private:
  // As the product wants it.
  bool lies_ready() const { return kind_ == (narrow_ ? OperandKind::kTiles : OperandKind::kFloat); }

  const void* from_;
  int64_t size_;
  OperandKind kind_;
  bool narrow_;
};

}  // namespace gradstep::cpu
