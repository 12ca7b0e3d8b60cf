// A plugin library around the fake device. The device's index says how it behaves: 0 takes 5 ms a step, 1 takes 300 ms,
// 2 breaks at the second step, 3 cannot be made. FAKE_ABI and FAKE_HASH make plugins that the loader must refuse.
#include "core/plugin.h"
#include "fake_backend.h"
#include "generated/ops.h"

#ifndef FAKE_ABI
#define FAKE_ABI gradstep::kPluginAbi
#endif
#ifndef FAKE_HASH
#define FAKE_HASH gradstep::kOpTableHash
#endif

namespace gradstep::test {
namespace {

void devices(std::vector<DeviceInfo>& found, std::string& why) {
  found.push_back({"cuda:0", "fake device", 1 << 20});
  why = "";
}

std::unique_ptr<Backend> create(int index, bool deterministic) {
  FakeOptions options;
  options.workspace = deterministic ? 1 : 2;  // for the tests to see
  options.step_ms = index == 1 ? 300 : 5;
  if (index == 2) options.at_step_two = FakeOptions::kThrow;
  if (index == 3) throw Error("ERR_DEVICE_UNAVAILABLE", "There is no fake device 3");
  return std::make_unique<FakeBackend>(options);
}

}  // namespace
}  // namespace gradstep::test

extern "C" __attribute__((visibility("default"))) const gradstep::Plugin* gradstep_plugin() {
  static const gradstep::Plugin plugin{FAKE_ABI, FAKE_HASH, gradstep::test::devices, gradstep::test::create};
  return &plugin;
}
