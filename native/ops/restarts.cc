// restarts on the CPU: usually of one step, so one thread does it.
#include "ops/restarts.h"

#include "cpu/prepare.h"
#include "generated/args/restarts.h"

namespace gradstep::cpu {

Step restarts(Prepare& prepare, const RestartsArgs& args) {
  const Restarts restarts{args.first, static_cast<double>(args.growth) + args.growth_rest};
  return [=, n = args.step.size(), step = prepare.at(args.step), cycle = prepare.at(args.cycle),
          part = prepare.at(args.part)] {
    for (int64_t i = 0; i < n; i++) {
      const Restarts::Place place = restarts.at(step[i]);
      cycle[i] = place.cycle;
      part[i] = place.part;
    }
  };
}

}  // namespace gradstep::cpu
