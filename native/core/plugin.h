// The C entry point of a backend that lives in a library of its own. The loader checks `abi` and `op_table_hash` before
// it calls anything else; a plugin and an addon that differ in either refuse each other.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/backend.h"

namespace gradstep {

constexpr uint32_t kPluginAbi = 5;

struct Plugin {
  uint32_t abi;
  uint64_t op_table_hash;
  // Appends the usable devices; otherwise says in `why` what is missing (driver, GPU, cuBLAS …) and how to mend it.
  void (*devices)(std::vector<DeviceInfo>& found, std::string& why);
  // Throws Error (ERR_DEVICE_UNAVAILABLE, ERR_OOM) when the device cannot be used. `deterministic`: nothing that it
  // computes may depend on how long something took.
  std::unique_ptr<Backend> (*create)(int index, bool deterministic);
};

}  // namespace gradstep

extern "C" const gradstep::Plugin* gradstep_plugin();
