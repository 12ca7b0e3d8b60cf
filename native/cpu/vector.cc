// See vector.h.
#include "cpu/vector.h"

#include "cpu/bfloat16.h"

namespace gradstep::cpu {

namespace {

GRADSTEP_INLINE float widened(float x) { return x; }
GRADSTEP_INLINE float widened(uint16_t bits) { return from_bfloat16(bits); }

template <typename T>
GRADSTEP_INLINE double sum_of(const T* x, int64_t n) {
  constexpr int kLanes = 16;
  constexpr int64_t kRun = 4096;  // float32 lanes stay short; their totals add up in float64
  double total = 0;
  int64_t i = 0;
  while (n - i >= kLanes) {
    float lanes[kLanes] = {};
    const int64_t end = i + std::min(n - i, kRun) / kLanes * kLanes;
    for (; i < end; i += kLanes) {
      for (int j = 0; j < kLanes; j++) lanes[j] += widened(x[i + j]);
    }
    double run = 0;
    for (int j = 0; j < kLanes; j++) run += lanes[j];
    total += run;
  }
  for (; i < n; i++) total += widened(x[i]);
  return total;
}

}  // namespace

GRADSTEP_VECTORISED double sum(const float* x, int64_t n) { return sum_of(x, n); }
GRADSTEP_VECTORISED double sum(const uint16_t* x, int64_t n) { return sum_of(x, n); }

GRADSTEP_VECTORISED double dot(const float* x, const float* y, int64_t n) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; j++) lanes[j] += static_cast<double>(x[i + j]) * y[i + j];
  }
  double total = 0;
  for (int j = 0; j < kLanes; j++) total += lanes[j];
  for (; i < n; i++) total += static_cast<double>(x[i]) * y[i];
  return total;
}

GRADSTEP_VECTORISED void fill(float* y, float value, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = value;
}

GRADSTEP_VECTORISED void add(float* y, const float* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

GRADSTEP_VECTORISED void add(float* y, const uint16_t* x, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] += from_bfloat16(x[i]);
}

GRADSTEP_VECTORISED void scale(float* y, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] *= factor;
}

namespace {

GRADSTEP_VECTORISED void load_float(float* y, const float* x, int64_t stride, int64_t n) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i];
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * stride];
  }
}

GRADSTEP_VECTORISED void load_int(float* y, const int32_t* x, int64_t stride, int64_t n) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i]);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i * stride]);
  }
}

GRADSTEP_VECTORISED void load_byte(float* y, const uint8_t* x, int64_t stride, int64_t n) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i]);
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i * stride]);
  }
}

GRADSTEP_VECTORISED void load_bfloat16(float* y, const uint16_t* x, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = from_bfloat16(x[i * stride]);
}

}  // namespace

void load(float* y, const void* data, DType dtype, int64_t offset, int64_t stride, int64_t n) {
  if (dtype == DType::kFloat32) load_float(y, static_cast<const float*>(data) + offset, stride, n);
  if (dtype == DType::kBfloat16) {
    const uint16_t* x = static_cast<const uint16_t*>(data) + offset;
    if (stride == 1) {
      from_bfloat16(y, x, n);
    } else {
      load_bfloat16(y, x, stride, n);
    }
  }
  if (dtype == DType::kInt32) load_int(y, static_cast<const int32_t*>(data) + offset, stride, n);
  if (dtype == DType::kUint8) load_byte(y, static_cast<const uint8_t*>(data) + offset, stride, n);
}

}  // namespace gradstep::cpu
