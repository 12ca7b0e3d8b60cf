#include "device.h"

#include "core/cpu_device.h"
#include "core/error.h"
#include "core/host.h"
#include "core/plugin_loader.h"

namespace gradstep::binding {
namespace {

// The number after `cuda:`, −1 when the name is another one.
int cuda_index(const std::string& name) {
  const std::string prefix = "cuda:";
  const std::string digits = name.compare(0, prefix.size(), prefix) == 0 ? name.substr(prefix.size()) : "";
  const bool number =
      !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::stoi(digits) : -1;
}

}  // namespace

Device open_device(const std::string& name, int threads, const std::string& plugin, bool deterministic) {
  if (name == "cpu") return {name, [threads] { return cpu::create_backend(threads); }, host_device().memory_bytes};
  const int index = name == "cuda-emulated" ? 0 : cuda_index(name);
  if (index < 0) {
    throw Error("ERR_OPTION",
                "Expected 'cpu', 'cuda:N' or 'cuda-emulated' for options.device but received \"" + name + "\"");
  }
  if (plugin.empty())
    throw Error("ERR_OPTION", "Expected the path of a library for options.plugin, which " + name + " needs");
  const auto create = load_plugin(plugin).create;
  return {name, [=] { return create(index, deterministic); }, 0};
}

}  // namespace gradstep::binding
