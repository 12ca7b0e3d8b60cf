// What the emulated machine is told to be, or a kernel to do, while a test runs: an environment variable that is as it
// was when the test ends.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace gradstep::test {

class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Setting() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace gradstep::test
