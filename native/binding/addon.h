// What the addon keeps for each JavaScript environment that loads it.
#pragma once

#include <memory>

#include "environment.h"

namespace gradstep::binding {

struct Addon {
  std::shared_ptr<Environment> environment;
};

}  // namespace gradstep::binding
