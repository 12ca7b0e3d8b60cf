#include "arguments.h"

#include <cmath>
#include <cstring>

#include "core/error.h"

namespace gradstep::binding {
namespace {

std::string type_name(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "boolean";
    case napi_number:
      return "number";
    case napi_string:
      return "string";
    case napi_symbol:
      return "symbol";
    case napi_object:
      return "object";
    case napi_function:
      return "function";
    case napi_external:
      return "external";
    case napi_bigint:
      return "bigint";
  }
  return "unknown";
}

[[noreturn]] void refuse(const std::string& expected, const std::string& name, const Napi::Value& value) {
  const std::string type = type_name(value);
  std::string received = type;
  if (value.IsNumber() || value.IsBoolean()) received = value.ToString().Utf8Value() + " of type " + type;
  if (value.IsString()) received = "\"" + value.As<Napi::String>().Utf8Value() + "\" of type string";
  throw Error("ERR_OPTION", "Expected " + expected + " for " + name + " but received " + received);
}

}  // namespace

int64_t integer(const Napi::Value& value, const std::string& name, int64_t least, int64_t most) {
  if (value.IsNumber()) {
    const double v = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(v) == v && v >= static_cast<double>(least) && v <= static_cast<double>(most)) {
      return static_cast<int64_t>(v);
    }
  }
  const std::string upper = most == kMaxInteger ? "" : " and <= " + std::to_string(most);
  refuse("integer >= " + std::to_string(least) + upper, name, value);
}

double number(const Napi::Value& value, const std::string& name, double least) {
  if (value.IsNumber()) {
    const double v = value.As<Napi::Number>().DoubleValue();
    if (std::isfinite(v) && v >= least) return v;
  }
  refuse("number >= " + std::to_string(static_cast<int64_t>(least)), name, value);
}

bool boolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) refuse("boolean", name, value);
  return value.As<Napi::Boolean>();
}

std::string text(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) refuse("string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object object(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) refuse("object", name, value);
  return value.As<Napi::Object>();
}

Span span(const Napi::Value& value, const std::string& name) {
  const Napi::Object from = object(value, name);
  const Napi::Value region = from.Get("region");
  const std::string which = text(region, name + ".region");
  Span result{Region::kNone, -1, 0, 0};
  if (which == "slot") {
    result.slot = static_cast<int32_t>(integer(from.Get("slot"), name + ".slot", 0, kAllSlots - 1));
  } else if (which == "persistent") {
    result.region = Region::kPersistent;
  } else if (which == "scratch") {
    result.region = Region::kScratch;
  } else {
    refuse("'persistent', 'scratch' or 'slot'", name + ".region", region);
  }
  result.offset = static_cast<uint64_t>(integer(from.Get("offset"), name + ".offset", 0));
  return result;
}

View view(const Napi::Value& value, const std::string& name) {
  View found{nullptr, 0};
  if (value.IsTypedArray()) {
    found.size = value.As<Napi::TypedArray>().ByteLength();
    if (napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &found.data, nullptr, nullptr) != napi_ok)
      found.data = nullptr;
  } else if (value.IsDataView()) {
    if (napi_get_dataview_info(value.Env(), value, &found.size, &found.data, nullptr, nullptr) != napi_ok)
      found.data = nullptr;
  } else {
    refuse("typed array or DataView", name, value);
  }
  if (found.data && found.size > 0) return found;
  throw Error("ERR_OPTION", "Expected a view that is neither empty nor detached for " + name);
}

// As the memory is at this moment: no JavaScript may run between the look at it and the copy.
Bytes view_bytes(const Napi::Value& value, const std::string& name) {
  const View from = view(value, name);
  Bytes bytes{std::shared_ptr<char[]>(new char[from.size]), from.size};
  std::memcpy(bytes.data.get(), from.data, from.size);
  return bytes;
}

Bytes uint8_bytes(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    refuse("Uint8Array", name, value);
  }
  return view_bytes(value, name);
}

MeasuredChoices measured_choices(const Napi::Value& value, const std::string& name) {
  const Napi::Object from = object(value, name);
  const Napi::Value taken = from.Get("taken");
  if (!taken.IsArray()) refuse("array", name + ".taken", taken);
  const Napi::Array list = taken.As<Napi::Array>();
  MeasuredChoices choices{text(from.Get("device"), name + ".device"), {}};
  for (uint32_t i = 0; i < list.Length(); i++) {
    const std::string where = name + ".taken[" + std::to_string(i) + "]";
    const Napi::Object pair = object(list.Get(i), where);
    choices.taken[text(pair.Get(0u), where + "[0]")] = text(pair.Get(1u), where + "[1]");
  }
  return choices;
}

std::vector<Stretch> stretches(const Napi::Value& value, const std::string& name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    refuse("Int32Array", name, value);
  }
  const Bytes bytes = view_bytes(value, name);
  const auto* numbers = reinterpret_cast<const int32_t*>(bytes.data.get());
  std::vector<Stretch> result(bytes.size / sizeof(int32_t) / 2);
  for (size_t i = 0; i < result.size(); i++) {
    result[i] = {numbers[2 * i], numbers[2 * i + 1]};
    if (result[i].entry < 0 || result[i].steps < 1) {
      throw Error("ERR_OPTION", "Expected pairs of an entry and steps >= 1 for " + name);
    }
  }
  return result;
}

}  // namespace gradstep::binding
