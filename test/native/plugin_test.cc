// The plugin loader: what it loads, and the sentences with which it refuses.
#include <unistd.h>

#include "core/plugin_loader.h"
#include "harness.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

// The test plugins lie beside this executable.
std::string beside(const std::string& name) {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, length > 0 ? static_cast<size_t>(length) : 0);
  return self.substr(0, self.rfind('/') + 1) + name;
}

}  // namespace

TEST(plugin_is_loaded_once) {
  const Plugin& plugin = load_plugin(beside("gradstep_fake_plugin.so"));
  EXPECT_EQUAL(&load_plugin(beside("gradstep_fake_plugin.so")), &plugin);
  std::vector<DeviceInfo> found;
  std::string why;
  plugin.devices(found, why);
  EXPECT_EQUAL(found.size(), 1u);
  EXPECT_EQUAL(found[0].description, "fake device");
  plugin.create(0, false)->reserve(64);
}

TEST(plugin_errors_cross_the_library) {
  const Plugin& plugin = load_plugin(beside("gradstep_fake_plugin.so"));
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", plugin.create(3, false), "no fake device 3");
}

TEST(plugin_that_is_missing_is_refused) {
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", load_plugin("/nowhere/p.so"), "The plugin /nowhere/p.so cannot be loaded",
               "No such file");
}

TEST(plugin_that_is_none_is_refused) {
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", load_plugin("libm.so.6"), "libm.so.6 is not one");
}

TEST(plugin_of_another_abi_is_refused) {
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", load_plugin(beside("gradstep_fake_plugin_abi.so")), "version 99",
               "build both from the same sources");
}

TEST(plugin_of_another_op_table_is_refused) {
  EXPECT_ERROR("ERR_DEVICE_UNAVAILABLE", load_plugin(beside("gradstep_fake_plugin_table.so")), "another op table");
}
