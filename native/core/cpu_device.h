// The CPU device, as the binding sees it: declared here, defined in native/cpu, so that the binding includes core only.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace gradstep::cpu {

// Threads this process may run at once: affinity and the cgroup's CPU quota.
int usable_threads();

// `threads` 0: usable_threads().
std::unique_ptr<Backend> create_backend(int threads);

std::string onednn_version();

// Whether the processor multiplies bfloat16; otherwise rounded operands are multiplied as float32.
bool multiplies_bfloat16();

}  // namespace gradstep::cpu
