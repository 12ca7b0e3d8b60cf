// Reading what JavaScript passed. This is the trust boundary: every value is checked, and a wrong one is an Error
// ERR_OPTION such as `Expected integer >= 0 for offset but received -1 of type number`.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "core/session.h"

namespace gradstep::binding {

constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;

// The bytes of a view, copied.
struct Bytes {
  std::shared_ptr<char[]> data;
  size_t size;
};

int64_t integer(const Napi::Value& value, const std::string& name, int64_t least, int64_t most = kMaxInteger);
double number(const Napi::Value& value, const std::string& name, double least);
bool boolean(const Napi::Value& value, const std::string& name);
std::string text(const Napi::Value& value, const std::string& name);
Napi::Object object(const Napi::Value& value, const std::string& name);
// {region, slot, offset}; `bytes` is left at 0.
Span span(const Napi::Value& value, const std::string& name);
// The bytes of a view where they lie.
struct View {
  void* data;
  size_t size;
};

// A typed array or DataView that is not empty and whose buffer was not detached.
View view(const Napi::Value& value, const std::string& name);
Bytes view_bytes(const Napi::Value& value, const std::string& name);
// An Int32Array of pairs: an entry, and how many steps of it.
std::vector<Stretch> stretches(const Napi::Value& value, const std::string& name);
// {device, taken: [[what, choice], …]}.
MeasuredChoices measured_choices(const Napi::Value& value, const std::string& name);
Bytes uint8_bytes(const Napi::Value& value, const std::string& name);

}  // namespace gradstep::binding
