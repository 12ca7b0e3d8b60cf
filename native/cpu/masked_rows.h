// y [rows, columns] = 0 where mask is not above 0, and sums [columns] of its columns, in one pass, for a product whose
// kernel does neither. Each thread has a range of rows and sums it; the parts are added in order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

struct MaskedRows {
  float* y;
  const float* mask;
  float* sums;  // null: none
  int64_t rows, columns;

  // Of workspace.
  size_t bytes(int threads) const { return sums ? 2 * threads * columns * sizeof(float) : 0; }
  void run(void* workspace, int threads) const;
};

}  // namespace gradstep::cpu
