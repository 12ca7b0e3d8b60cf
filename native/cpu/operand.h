// Operands of a product as it reads them. In bfloat16 they are rounded into the step's workspace: to halves where the
// processor multiplies those, elsewhere to float32 numbers that have their values, so that results mean the same
// everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

// float32; float32 rounded to bfloat16; bfloat16, for the tile units.
enum class OperandKind { kFloat, kRounded, kTiles };

OperandKind operand_kind(bool bfloat16);

class ProductOperand {
 public:
  ProductOperand(const float* from, int64_t size, OperandKind kind) : from_(from), size_(size), kind_(kind) {}

  // Of workspace: none for what is read where it lies.
  size_t bytes() const;
  // Where the product reads it; `place` is the workspace.
  void* at(char* place) const;
  void round_to(char* place, int threads) const;

 private:
  const float* from_;
  int64_t size_;
  OperandKind kind_;
};

}  // namespace gradstep::cpu
