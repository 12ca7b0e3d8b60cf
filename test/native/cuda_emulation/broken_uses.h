// Uses of memory by streams, graphs and the host, with one mistake each, and sound ones (broken_uses.cu): what came of
// them.
#pragma once

#include "attempt.h"

namespace gradstep::cuda {

void print_uses();

}  // namespace gradstep::cuda
