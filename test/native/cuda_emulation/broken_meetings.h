// Kernels whose blocks wait for one another, at once on the device or in clusters, with one mistake each, and sound
// ones (broken_meetings.cu): what came of them.
#pragma once

#include "attempt.h"

namespace gradstep::cuda {

void print_meetings();

}  // namespace gradstep::cuda
