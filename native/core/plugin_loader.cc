#include "core/plugin_loader.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "core/error.h"
#include "generated/ops.h"

namespace gradstep {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error("ERR_DEVICE_UNAVAILABLE", "The plugin " + path + " " + why);
}

const Plugin* open_plugin(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const char* reason = dlerror();
    refuse(path, std::string("cannot be loaded: ") + (reason ? reason : "no reason given"));
  }
  const auto entry = reinterpret_cast<const Plugin* (*)()>(dlsym(library, "gradstep_plugin"));
  if (!entry) refuse(path, "is not one: it has no function gradstep_plugin");
  const Plugin* const plugin = entry();
  if (!plugin) refuse(path, "offers nothing");
  if (plugin->abi != kPluginAbi) {
    refuse(path, "speaks version " + std::to_string(plugin->abi) + " of the plugin interface and this addon version " +
                     std::to_string(kPluginAbi) + ": build both from the same sources");
  }
  if (plugin->op_table_hash != kOpTableHash) {
    refuse(path, "was built for another op table than this addon: build both from the same sources");
  }
  return plugin;
}

}  // namespace

const Plugin& load_plugin(const std::string& path) {
  static auto* const mutex = new std::mutex;
  static auto* const loaded = new std::map<std::string, const Plugin*>;
  const std::lock_guard<std::mutex> lock(*mutex);
  const Plugin*& plugin = (*loaded)[path];
  if (!plugin) plugin = open_plugin(path);
  return *plugin;
}

}  // namespace gradstep
