#include "machine.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "cuda_runtime.h"

namespace emulation {
namespace {

int number(const char* variable, int otherwise) {
  const char* text = getenv(variable);
  return text == nullptr ? otherwise : atoi(text);
}

std::string text(const char* variable) {
  const char* text = getenv(variable);
  return text == nullptr ? "" : text;
}

}  // namespace

int device_count() { return number("GRADSTEP_EMULATION_DEVICES", 1); }

int driver_version() { return number("GRADSTEP_EMULATION_DRIVER", CUDART_VERSION); }

std::string cublas_problem() { return text("GRADSTEP_EMULATION_CUBLAS"); }

std::string cudnn_library() { return text("GRADSTEP_EMULATION_CUDNN"); }

std::vector<std::string> product_algorithms() {
  const char* text = getenv("GRADSTEP_EMULATION_PRODUCTS");
  std::istringstream list(text == nullptr ? "forward" : text);
  std::vector<std::string> names;
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
  return names;
}

bool cublas_rounds() {
  const char* text = getenv("GRADSTEP_EMULATION_ROUNDING");
  return text == nullptr || std::string(text) != "none";
}

Capability capability(int device) {
  const char* text = getenv("GRADSTEP_EMULATION_CAPABILITY");
  std::string left = text == nullptr ? "9.0" : text;
  for (size_t comma; device > 0 && (comma = left.find(',')) != std::string::npos; device--) left.erase(0, comma + 1);
  Capability result;
  if (sscanf(left.c_str(), "%d.%d", &result.major, &result.minor) == 2) return result;
  fprintf(stderr, "Expected one such as 7.5 for GRADSTEP_EMULATION_CAPABILITY but received %s\n", left.c_str());
  abort();
}

size_t shared_opt_in(int device) {
  const auto [major, minor] = capability(device);
  if (major < 8) return 64 << 10;
  if (major == 8) return (minor == 6 || minor == 9 ? 99 : 163) << 10;
  return (major >= 12 ? 99 : 227) << 10;
}

}  // namespace emulation
