// Which element leads a maximum or minimum: only a better one takes the lead from one that came earlier, so the first
// of equals stays; a NaN beats every number.
#pragma once

#include "core/philox.h"

namespace gradstep {

template <bool kMin>
GRADSTEP_HD inline bool leads(float v, float best) {
  return (kMin ? v < best : v > best) || (v != v && best == best);
}

}  // namespace gradstep
