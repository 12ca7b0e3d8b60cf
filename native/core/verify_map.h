// What a map must satisfy beyond its fields: its tensors broadcast to its domain, its tape refers only to what exists.
#pragma once

#include <functional>
#include <string>

#include "core/program.h"
#include "generated/args/map.h"

namespace gradstep {

// Called with a field and what is wrong with it; does not return.
using Refuse = std::function<void(const std::string& field, const std::string& what)>;

void verify_map(const MapArgs& args, const Refuse& refuse);

}  // namespace gradstep
