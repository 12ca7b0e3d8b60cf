// Loads a backend that lives in a library of its own, once per path, and refuses one that was not built with this
// addon. Libraries are never unloaded: their threads and static objects may be in use until the process ends.
#pragma once

#include <string>

#include "core/plugin.h"

namespace gradstep {

// Throws Error ERR_DEVICE_UNAVAILABLE saying what is wrong with the library and how to mend it.
const Plugin& load_plugin(const std::string& path);

}  // namespace gradstep
