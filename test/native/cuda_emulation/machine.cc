#include "machine.h"

#include <cstdlib>

#include "cuda_runtime.h"

namespace emulation {
namespace {

int number(const char* variable, int otherwise) {
  const char* text = getenv(variable);
  return text == nullptr ? otherwise : atoi(text);
}

}  // namespace

int device_count() { return number("GRADSTEP_EMULATION_DEVICES", 1); }

int driver_version() { return number("GRADSTEP_EMULATION_DRIVER", CUDART_VERSION); }

std::string cublas_problem() {
  const char* text = getenv("GRADSTEP_EMULATION_CUBLAS");
  return text == nullptr ? "" : text;
}

bool cublas_rounds() {
  const char* text = getenv("GRADSTEP_EMULATION_ROUNDING");
  return text == nullptr || std::string(text) != "none";
}

Capability capability(int device) {
  const char* text = getenv("GRADSTEP_EMULATION_CAPABILITY");
  std::string left = text == nullptr ? "9.0" : text;
  for (size_t comma; device > 0 && (comma = left.find(',')) != std::string::npos; device--) left.erase(0, comma + 1);
  const size_t point = left.find('.');
  return {atoi(left.c_str()), point == std::string::npos ? 0 : atoi(left.c_str() + point + 1)};
}

}  // namespace emulation
