// Small matrix products on data that lies in the caches, for kernels that make their operands block by block (where a
// call of a GEMM library would cost more than it computes). The second operand and the result are rows of whole
// vectors.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

constexpr int64_t kPanelLanes = 16;  // floats a row's length is a multiple of

// c[m][n] = Σ_k a[m * a_row + k * a_depth] · b[k][n], added to c where asked; m < rows, n < lanes, k < depth. `lanes`
// is a multiple of kPanelLanes; rows of b and c begin `b_row` and `c_row` floats apart.
struct Panel {
  float* c;
  int64_t c_row;
  const float* a;
  int64_t a_row, a_depth;
  const float* b;
  int64_t b_row;
  int64_t rows, lanes, depth;
  bool add = false;
};

void multiply_panel(const Panel& p);

}  // namespace gradstep::cpu
