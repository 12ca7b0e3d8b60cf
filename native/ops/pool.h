// The geometry of pooling windows along one axis, and which element of a window wins a maximum.
//   window p covers positions [p stride - pad, p stride - pad + pool), of which those inside [0, size) count
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace gradstep {

struct PoolRange {
  int32_t begin, end;  // empty where begin >= end
};

// One axis of a pooled tensor: `size` positions, `windows` windows.
struct PoolAxis {
  int32_t size, windows, pool, stride, pad;

  // Where window p begins; before the tensor in the padding.
  GRADSTEP_HD int32_t begin(int32_t p) const { return p * stride - pad; }

  // Positions inside the tensor that window p covers.
  GRADSTEP_HD PoolRange inside(int32_t p) const {
    const int32_t first = begin(p);
    const int32_t last = first + pool;
    return {first > 0 ? first : 0, last < size ? last : size};
  }

  // Windows that cover position i.
  GRADSTEP_HD PoolRange covering(int32_t i) const {
    const int32_t beyond = i + pad - pool;  // the last position at which a window ends before i
    const int32_t first = beyond < 0 ? 0 : beyond / stride + 1;
    const int32_t last = (i + pad) / stride + 1;
    return {first, last < windows ? last : windows};
  }
};

// Whether v takes the lead from `best`, which came earlier: only if it is larger, so the first of equals stays; a NaN
// beats every number.
GRADSTEP_HD inline bool takes_lead(float v, float best) { return v > best || (v != v && best == best); }

}  // namespace gradstep
