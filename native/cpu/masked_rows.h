// y [rows, columns] = 0 where mask is not above 0, and sums [columns] of its columns, in one pass, for a product whose
// kernel does neither. Each thread has a range of rows and sums it; the parts are added in order. A y in bfloat16 is
// rounded in that pass from where the product left it in float32; sums are of what is not rounded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "generated/tensor.h"

namespace gradstep::cpu {

struct MaskedRows {
  void* y;
  const void* mask;  // null: none
  float* sums;       // null: none; not without a mask
  int64_t rows, columns;
  DType y_stored = DType::kFloat32, mask_stored = DType::kFloat32;
  float* product = nullptr;  // in float32, for a y that is not

  // Of workspace.
  size_t bytes(int threads) const { return sums ? 2 * threads * columns * sizeof(float) : 0; }
  void run(void* workspace, int threads) const;
};

}  // namespace gradstep::cpu
