// In what a product is computed (lib/ops/precision.ts), the same for all ops that let it be chosen.
#pragma once

#include <cstdint>

namespace gradstep::cuda {

enum class Precision : uint8_t { kFloat32, kTf32, kBfloat16 };

template <typename Args>
Precision precision_of(const Args& args) {
  return args.precision == Args::kPrecisionBfloat16 ? Precision::kBfloat16
         : args.precision == Args::kPrecisionTf32   ? Precision::kTf32
                                                    : Precision::kFloat32;
}

// By how much rounding makes a term of a product differ between two kernels at most, for operands in (−1, 1).
inline double rounding_rate(Precision precision) {
  return precision == Precision::kBfloat16 ? 1e-2 : precision == Precision::kTf32 ? 2e-3 : 5e-6;
}

inline const char* name_of(Precision precision) {
  return precision == Precision::kBfloat16 ? "bfloat16" : precision == Precision::kTf32 ? "tf32" : "float32";
}

}  // namespace gradstep::cuda
