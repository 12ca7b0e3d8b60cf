// What dropout does to an element, by the word that ops/random.h draws for it; the same on every device.
#pragma once

#include "ops/random.h"

namespace gradstep {

struct DropRule {
  float rate, factor, offset, dropped;
};

// Whether the word, as a number in [0, 1), reaches the rate.
GRADSTEP_HD inline bool keeps(uint32_t word, const DropRule& rule) { return unit_number(word) >= rule.rate; }

GRADSTEP_HD inline float dropout_element(float x, bool kept, const DropRule& rule) {
  return kept ? x * rule.factor + rule.offset : rule.dropped;
}

}  // namespace gradstep
