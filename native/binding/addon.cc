// The addon's exports, as binding.d.ts describes them. It can be loaded by several environments of one process.
#include "addon.h"

#include <napi.h>

#include <cstdio>

#include "arguments.h"
#include "core/cpu_device.h"
#include "core/error.h"
#include "core/host.h"
#include "core/plugin_loader.h"
#include "generated/ops.h"
#include "session_object.h"

namespace gradstep::binding {
namespace {

Napi::Object device_object(Napi::Env env, const DeviceInfo& info) {
  Napi::Object device = Napi::Object::New(env);
  device.Set("name", info.name);
  device.Set("description", info.description);
  device.Set("memoryBytes", static_cast<double>(info.memory_bytes));
  device.Set("bfloat16", info.bfloat16 ? "native" : "emulated");
  return device;
}

Napi::Value cpu_device(const Napi::CallbackInfo& info) {
  DeviceInfo device = host_device();
  device.bfloat16 = cpu::multiplies_bfloat16();
  return device_object(info.Env(), device);
}

Napi::Value plugin_devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<DeviceInfo> found;
  std::string why;
  try {
    load_plugin(text(info[0], "path")).devices(found, why);
  } catch (const Error& error) {
    if (std::string(error.code()) == "ERR_OPTION") throw Napi::Error(env, make_error(env, error.code(), error.what()));
    why = error.what();
  }
  Napi::Array devices = Napi::Array::New(env, found.size());
  for (size_t i = 0; i < found.size(); i++) devices.Set(static_cast<uint32_t>(i), device_object(env, found[i]));
  Napi::Object result = Napi::Object::New(env);
  result.Set("devices", devices);
  result.Set("why", why);
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto addon = std::make_unique<Addon>();
  try {
    addon->environment = Environment::create(env);
  } catch (const Error& error) {
    throw Napi::Error(env, make_error(env, error.code(), error.what()));
  }
  env.SetInstanceData(addon.release());
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(kOpTableHash));
  exports.Set("opTableHash", hash);
  exports.Set("onednnVersion", cpu::onednn_version());
  exports.Set("threads", cpu::usable_threads());
  exports.Set("pluginDevices", Napi::Function::New(env, plugin_devices, "pluginDevices"));
  exports.Set("cpuDevice", Napi::Function::New(env, cpu_device, "cpuDevice"));
  exports.Set("Session", SessionObject::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(gradstep, init)

}  // namespace gradstep::binding
