// The activations of recurrent cells (lib/ops/recurrence.ts), whose slopes follow from their values; shared by both
// backends. Codes are those of the ops' attributes.
#pragma once

#include "ops/scalar.h"

namespace gradstep {

enum class CellActivation : int32_t {
  kLinear,
  kRelu,
  kRelu6,
  kTanh,
  kSigmoid,
  kHardSigmoid,
  kSoftsign,
  kSoftplus,
  kElu,
  kSelu,
  kExponential
};

constexpr float kSeluScale = 1.05070098f;     // Klambauer et al. 2017
constexpr float kSeluNegative = 1.75809934f;  // scale times alpha, 1.67326324

// e^a - 1, without cancellation near 0.
GRADSTEP_HD inline float cell_expm1(float a) {
  return scalar::abs(a) < 0.34657359f ? scalar::exp_tail(a) : scalar::exp(a) - 1.f;
}

// Gates are opened for every unit at every step, so sigmoid and tanh have forms of their own here: with arguments held
// to where one scaling suffices, and about as accurate as those of scalar.h. NaN stays NaN.

// e^a for a in [-87.3, 87.5]; the polynomial is scalar.h's.
GRADSTEP_HD inline float cell_exp(float a) {
  const float n = ::floorf(a * 1.44269504f + 0.5f);
  const float r = (a - n * 0.693359375f) + n * 2.12194440e-4f;
  const int32_t exponent = static_cast<int32_t>(n == n ? n : 0.f);
  return (scalar::exp_tail(r) + 1.f) * scalar::bits_to_float(static_cast<uint32_t>(exponent + 127) << 23);
}

GRADSTEP_HD inline float cell_sigmoid(float a) {
  const float x = a < -87.5f ? 87.5f : (a > 87.3f ? -87.3f : -a);
  return 1.f / (1.f + cell_exp(x));
}

// An odd polynomial for |a| < 0.625, where the other form would cancel; 1 - 2/(e^2|a| + 1) beyond.
GRADSTEP_HD inline float cell_tanh(float a) {
  const float z = a * a;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near_zero = a + a * z * p;
  const float twice = 2.f * scalar::abs(a);
  const float large = 1.f - 2.f / (cell_exp(twice > 20.f ? 20.f : twice) + 1.f);
  return twice < 1.25f ? near_zero : (a < 0.f ? -large : large);
}

GRADSTEP_HD inline float cell_hard_sigmoid(float x) {
  return scalar::minimum(scalar::relu(x + 3.f), 6.f) * (1.f / 6.f);
}
GRADSTEP_HD inline float cell_softsign(float x) { return x / (1.f + scalar::abs(x)); }
GRADSTEP_HD inline float cell_elu(float x) { return x > 0.f ? x : cell_expm1(x); }
GRADSTEP_HD inline float cell_selu(float x) { return x > 0.f ? kSeluScale * x : kSeluNegative * cell_expm1(x); }

// The slope where the value is y.
GRADSTEP_HD inline float cell_relu_slope(float y) { return y > 0.f ? 1.f : 0.f; }
GRADSTEP_HD inline float cell_relu6_slope(float y) { return y > 0.f && y < 6.f ? 1.f : 0.f; }
GRADSTEP_HD inline float cell_tanh_slope(float y) { return 1.f - y * y; }
GRADSTEP_HD inline float cell_sigmoid_slope(float y) { return y * (1.f - y); }
GRADSTEP_HD inline float cell_hard_sigmoid_slope(float y) { return y > 0.f && y < 1.f ? 1.f / 6.f : 0.f; }
GRADSTEP_HD inline float cell_softsign_slope(float y) { return (1.f - scalar::abs(y)) * (1.f - scalar::abs(y)); }
GRADSTEP_HD inline float cell_softplus_slope(float y) { return -cell_expm1(-y); }
GRADSTEP_HD inline float cell_elu_slope(float y) { return y > 0.f ? 1.f : y + 1.f; }
GRADSTEP_HD inline float cell_selu_slope(float y) { return y > 0.f ? kSeluScale : y + kSeluNegative; }

// One element; loops choose once and call the functions above.
GRADSTEP_HD inline float cell_value(CellActivation kind, float x) {
  switch (kind) {
    case CellActivation::kLinear:
      return x;
    case CellActivation::kRelu:
      return scalar::relu(x);
    case CellActivation::kRelu6:
      return scalar::minimum(scalar::relu(x), 6.f);
    case CellActivation::kTanh:
      return cell_tanh(x);
    case CellActivation::kSigmoid:
      return cell_sigmoid(x);
    case CellActivation::kHardSigmoid:
      return cell_hard_sigmoid(x);
    case CellActivation::kSoftsign:
      return cell_softsign(x);
    case CellActivation::kSoftplus:
      return scalar::softplus(x);
    case CellActivation::kElu:
      return cell_elu(x);
    case CellActivation::kSelu:
      return cell_selu(x);
    case CellActivation::kExponential:
      return scalar::exp(x);
  }
  return x;
}

GRADSTEP_HD inline float cell_slope(CellActivation kind, float y) {
  switch (kind) {
    case CellActivation::kLinear:
      return 1.f;
    case CellActivation::kRelu:
      return cell_relu_slope(y);
    case CellActivation::kRelu6:
      return cell_relu6_slope(y);
    case CellActivation::kTanh:
      return cell_tanh_slope(y);
    case CellActivation::kSigmoid:
      return cell_sigmoid_slope(y);
    case CellActivation::kHardSigmoid:
      return cell_hard_sigmoid_slope(y);
    case CellActivation::kSoftsign:
      return cell_softsign_slope(y);
    case CellActivation::kSoftplus:
      return cell_softplus_slope(y);
    case CellActivation::kElu:
      return cell_elu_slope(y);
    case CellActivation::kSelu:
      return cell_selu_slope(y);
    case CellActivation::kExponential:
      return y;
  }
  return 1.f;
}

}  // namespace gradstep
