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

}  // namespace gradstep::cuda
