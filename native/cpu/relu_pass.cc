// See relu_pass.h.
#include "cpu/relu_pass.h"

#include "cpu/parallel.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

GRADSTEP_VECTORISED void relu(float* y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = scalar::relu(y[i]);
}

// Of bfloat16: 0 for what lies below 0, down to minus infinity; beyond are NaN with a sign.
GRADSTEP_VECTORISED void relu(uint16_t* y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0x8000 && y[i] <= 0xff80 ? 0 : y[i];
}

}  // namespace

void ReluPass::run(int threads) const {
  if (!y) return;
  typed(y, [&](auto* numbers) {
    parallel_ranges(size, parts_of(size, threads), 32,
                    [&](int, int64_t begin, int64_t end) { relu(numbers + begin, end - begin); });
  });
}

}  // namespace gradstep::cpu
