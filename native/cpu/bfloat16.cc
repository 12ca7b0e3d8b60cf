// See bfloat16.h.
#include "cpu/bfloat16.h"

namespace gradstep::cpu {

GRADSTEP_VECTORISED void to_bfloat16(uint16_t* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = bfloat16_bits(from[i]);
}

GRADSTEP_VECTORISED void round_to_bfloat16(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = round_to_bfloat16(from[i]);
}

}  // namespace gradstep::cpu
