// relu behind a product of oneDNN's, in place. oneDNN could do it on the way, but makes 0 of NaN, and a network whose
// weights are NaN would go on with a loss that looks like one. Here NaN stays, as in scalar::relu, and training ends.
#pragma once

#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

struct ReluPass {
  Stored y;  // null: nothing to do
  int64_t size = 0;

  void run(int threads) const;
};

}  // namespace gradstep::cpu
