// Checks a parsed program once, so that kernels can trust their arguments: every tensor lies inside its region, aligned
// and with a dtype its op takes; what is required is there; nothing a step writes overlaps anything else it touches,
// except where the op says so; enums, flags and tapes hold values that exist.
#pragma once

#include "core/program.h"

namespace gradstep {

// Every tensor starts at a multiple of this many bytes.
constexpr uint64_t kAlignment = 64;

// Throws Error ERR_PROGRAM naming the step's number, op and scope, and the field.
void verify(const Program& program);

}  // namespace gradstep
