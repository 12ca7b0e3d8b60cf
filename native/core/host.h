// What the machine says of itself, for the description of the CPU device.
#pragma once

#include "core/backend.h"

namespace gradstep {

// The processor's name and the memory this process may use (the machine's or the cgroup's, whichever is less).
DeviceInfo host_device();

}  // namespace gradstep
