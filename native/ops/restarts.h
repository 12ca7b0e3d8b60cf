// Where a step lies among cycles that grow (lib/ops/restarts.ts): the number of the cycle, and the part of it that is
// over.
#pragma once

#include <cmath>

#include "core/philox.h"

namespace gradstep {

struct Restarts {
  double first, growth;

  struct Place {
    float cycle, part;
  };

  // Steps of all cycles before one, in units of the first.
  GRADSTEP_HD inline double begin(double cycle) const { return expm1(cycle * log(growth)) / (growth - 1); }

  GRADSTEP_HD inline Place at(double step) const {
    const double time = step / first;
    if (growth == 1) return {static_cast<float>(floor(time)), static_cast<float>(time - floor(time))};
    // Rounding is smaller than this part, a step is larger.
    const double reached = time * (1 + 1e-9);
    double cycle = floor(log1p(time * (growth - 1)) / log(growth));
    if (begin(cycle) > reached) {
      cycle -= 1;
    } else if (begin(cycle + 1) <= reached) {
      cycle += 1;
    }
    const double part = (time - begin(cycle)) / exp(cycle * log(growth));
    return {static_cast<float>(cycle), static_cast<float>(part > 0 ? part : 0)};
  }
};

}  // namespace gradstep
