// The scalar functions of `map`, one formula each, shared by every backend; names and codes: generated/scalars.h. All
// are branch-free float32 so that loops over them vectorise. exp, log and tanh are accurate to about 2 units in the
// last place: exp by Cody-Waite reduction and a degree-6 polynomial, log by an atanh series on [sqrt(1/2), sqrt(2)].
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/philox.h"
#include "generated/scalars.h"

namespace gradstep::scalar {

GRADSTEP_HD inline float bits_to_float(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

GRADSTEP_HD inline uint32_t float_to_bits(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}

GRADSTEP_HD inline float identity(float a) { return a; }
GRADSTEP_HD inline float add(float a, float b) { return a + b; }
GRADSTEP_HD inline float sub(float a, float b) { return a - b; }
GRADSTEP_HD inline float mul(float a, float b) { return a * b; }
GRADSTEP_HD inline float div(float a, float b) { return a / b; }
GRADSTEP_HD inline float neg(float a) { return -a; }
GRADSTEP_HD inline float abs(float a) { return bits_to_float(float_to_bits(a) & 0x7fffffffu); }
GRADSTEP_HD inline float sign(float a) { return a > 0.f ? 1.f : a < 0.f ? -1.f : a * 0.f; }
GRADSTEP_HD inline float square(float a) { return a * a; }
GRADSTEP_HD inline float sqrt(float a) { return ::sqrtf(a); }

// e^r - 1 for |r| <= log(2)/2: the polynomial of exp and expm1.
GRADSTEP_HD inline float exp_tail(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * r * r + r;
}

// e^a. Overflows to infinity above 88.73, flushes to zero below -87.34; NaN stays NaN.
GRADSTEP_HD inline float exp(float a) {
  const float x = a < -87.3365f ? -87.3365f : (a > 88.7228f ? 88.7228f : a);
  const float n = ::floorf(x * 1.44269504f + 0.5f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  const float p = exp_tail(r) + 1.f;
  // n is in [-126, 128]: scale in two steps so that 2^128 does not overflow on the way.
  const int32_t i = static_cast<int32_t>(n == n ? n : 0.f);
  const int32_t half = i >> 1;
  const float y = p * bits_to_float(static_cast<uint32_t>(half + 127) << 23) *
                  bits_to_float(static_cast<uint32_t>(i - half + 127) << 23);
  return a < -87.3365f ? 0.f : (a > 88.7228f ? bits_to_float(0x7f800000u) : (a == a ? y : a));
}

// Natural logarithm: -infinity at 0, NaN below; denormals count as the smallest normal number's magnitude range.
GRADSTEP_HD inline float log(float a) {
  const bool tiny = a < 1.17549435e-38f;
  const float x = tiny ? a * 8388608.f : a;
  const uint32_t bits = float_to_bits(x);
  int32_t e = static_cast<int32_t>(bits >> 23) - 127 - (tiny ? 23 : 0);
  float m = bits_to_float((bits & 0x007fffffu) | 0x3f800000u);
  const bool high = m > 1.41421356f;
  m = high ? m * 0.5f : m;
  e = high ? e + 1 : e;
  const float f = m - 1.f;
  const float s = f / (2.f + f);
  const float z = s * s;
  const float series = z * (0.66666662693f + z * (0.40000972152f + z * (0.28498786688f + z * 0.24279078841f)));
  const float half = 0.5f * f * f;
  const float k = static_cast<float>(e);
  const float y = k * 0.693138123f + (f - (half - (s * (half + series) + k * 9.05800061e-6f)));
  const float inf = bits_to_float(0x7f800000u);
  const float special = a == 0.f ? -inf : (a > 0.f ? a : bits_to_float(0x7fc00000u));
  return a > 0.f && a < inf ? y : special;
}

// a^b = e^(b log a); 0^b is 0 for b > 0, anything^0 is 1; a negative a gives NaN unless b is a whole number.
GRADSTEP_HD inline float pow(float a, float b) { return ::powf(a, b); }

GRADSTEP_HD inline float maximum(float a, float b) { return a > b ? a : (b == b ? (a == a ? b : a) : b); }
GRADSTEP_HD inline float minimum(float a, float b) { return a < b ? a : (b == b ? (a == a ? b : a) : b); }
// NaN stays NaN, so that a broken network is noticed.
GRADSTEP_HD inline float relu(float a) { return a < 0.f ? 0.f : a; }
GRADSTEP_HD inline float step(float a) { return a > 0.f ? 1.f : 0.f; }
GRADSTEP_HD inline float sigmoid(float a) {
  const float e = exp(-abs(a));
  const float y = 1.f / (1.f + e);
  return a >= 0.f ? y : (a < 0.f ? e * y : a);
}
// Odd polynomial for |a| < 0.625 (no cancellation), else 1 - 2/(e^2|a| + 1).
GRADSTEP_HD inline float tanh(float a) {
  const float m = abs(a);
  const float z = a * a;
  const float p = (((-5.70498872745e-3f * z + 2.06390887954e-2f) * z - 5.37397155531e-2f) * z + 1.33314422036e-1f) * z -
                  3.33332819422e-1f;
  const float small = a + a * z * p;
  const float large = 1.f - 2.f / (exp(2.f * (m > 20.f ? 20.f : m)) + 1.f);
  const float y = m < 0.625f ? small : (a < 0.f ? -large : large);
  return a == a ? y : a;
}
// log(1 + a) by the quotient trick (Kahan): exact for small arguments; -infinity at -1, NaN below.
GRADSTEP_HD inline float log1p(float a) {
  const float u = 1.f + a;
  const float y = u == 1.f ? a : log(u) * (a / (u - 1.f));
  return a == bits_to_float(0x7f800000u) ? a : y;
}
// log(1 + e^a) = max(a, 0) + log(1 + e^-|a|), without overflow.
GRADSTEP_HD inline float softplus(float a) { return (a < 0.f ? 0.f : a) + log1p(exp(-abs(a))); }
GRADSTEP_HD inline float floor(float a) { return ::floorf(a); }
GRADSTEP_HD inline float equal(float a, float b) { return a == b ? 1.f : 0.f; }
GRADSTEP_HD inline float not_equal(float a, float b) { return a != b ? 1.f : 0.f; }
GRADSTEP_HD inline float less(float a, float b) { return a < b ? 1.f : 0.f; }
GRADSTEP_HD inline float less_equal(float a, float b) { return a <= b ? 1.f : 0.f; }
GRADSTEP_HD inline float greater(float a, float b) { return a > b ? 1.f : 0.f; }
GRADSTEP_HD inline float greater_equal(float a, float b) { return a >= b ? 1.f : 0.f; }
GRADSTEP_HD inline float where(float c, float a, float b) { return c != 0.f ? a : b; }
// e^a - 1, keeping the digits near 0 that a subtraction would lose.
GRADSTEP_HD inline float expm1(float a) { return abs(a) < 0.34f ? exp_tail(a) : exp(a) - 1.f; }
// Below 1 an odd polynomial; above, 1 - e^p with p fitted to log erfc on [1, 4], beyond which erf is 1 in float32.
GRADSTEP_HD inline float erf(float a) {
  const float z = a * a;
  float s = 7.882497448e-5f;
  s = s * z - 8.018855006e-4f;
  s = s * z + 5.189312156e-3f;
  s = s * z - 2.685432881e-2f;
  s = s * z + 1.128359735e-1f;
  s = s * z - 3.761262596e-1f;
  s = s * z + 1.283791661e-1f;
  const float m = abs(a) > 4.f ? 4.f : abs(a);
  float p = 1.614061603e-6f;
  p = p * m - 4.559062290e-5f;
  p = p * m + 5.927695311e-4f;
  p = p * m - 4.740222357e-3f;
  p = p * m + 2.636471763e-2f;
  p = p * m - 1.099782437e-1f;
  p = p * m - 6.319370866e-1f;
  p = p * m - 1.130166650e+0f;
  p = p * m + 3.032129607e-4f;
  const float large = 1.f - exp(p);
  const float y = abs(a) < 1.f ? a + a * s : (a < 0.f ? -large : large);
  return a == a ? y : a;
}

// The sine of a + quarters * pi/2. The nearest multiple n of pi/2 is taken off in double, pi/2 in parts of 25 bits so
// that n times a part is exact; within pi/4 of 0 polynomials give sine or cosine. Beyond 4e8, where neighbouring floats
// are 32 and more apart, a counts as 0.
GRADSTEP_HD inline float sine(float a, int32_t quarters) {
  const double kRound = 6755399441055744.;  // 1.5 * 2^52: what is added to it is rounded to a whole number
  const double x = abs(a) <= 4e8f ? a : 0.f;
  const double n = (x * 0.63661977236758138 + kRound) - kRound;
  const float r =
      static_cast<float>(((x - n * 1.5707963109016418) - n * 1.5893254712295857e-08) - n * 6.123233995736766e-17);
  const int32_t quarter = static_cast<int32_t>(n) + quarters;
  const float z = r * r;
  const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  const float c =
      ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.f;
  const float y = (quarter & 1) != 0 ? c : s;
  return abs(a) < bits_to_float(0x7f800000u) ? ((quarter & 2) != 0 ? -y : y) : bits_to_float(0x7fc00000u);
}
GRADSTEP_HD inline float sin(float a) { return sine(a, 0); }
GRADSTEP_HD inline float cos(float a) { return sine(a, 1); }

// gelu with tanh, as cuBLASLt's epilogue has it: a/2 (1 + tanh u), u = sqrt(2/pi) (a + 0.044715 a^3).
GRADSTEP_HD inline float gelu(float a) { return 0.5f * a * (1.f + tanh(0.797884561f * (a + 0.044715f * a * a * a))); }
// Beyond 20 it is 0 or 1, whatever the powers of a would overflow to.
GRADSTEP_HD inline float gelu_slope(float a) {
  const float x = minimum(maximum(a, -20.f), 20.f);
  const float square = 0.044715f * x * x;
  const float t = tanh(0.797884561f * (x + square * x));
  return 0.5f * (1.f + t) + 0.5f * x * (1.f - t * t) * 0.797884561f * (1.f + 3.f * square);
}

}  // namespace gradstep::scalar
