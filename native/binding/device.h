// From a device's name to a way of making its backend.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/backend.h"

namespace gradstep::binding {

struct Device {
  std::string name;  // its executor's
  std::function<std::unique_ptr<Backend>()> create;
  uint64_t memory_limit;  // 0: the backend knows
};

// `cpu`, `cuda:N` or `cuda-emulated`; the last two come from the plugin library at `plugin`. Throws Error ERR_OPTION
// for another name, ERR_DEVICE_UNAVAILABLE when the plugin cannot be used.
Device open_device(const std::string& name, int threads, const std::string& plugin, bool deterministic);

}  // namespace gradstep::binding
