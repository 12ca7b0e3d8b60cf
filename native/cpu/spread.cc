// See spread.h. A block is filled from left to right by whole innermost rows where there are any: one number a row is
// stored in vectors that the next row overwrites, one row repeated is copied in doubling lengths.
#include "cpu/spread.h"

#include <cstring>

#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kShort = 64;    // elements of an innermost row below which rows are taken together
constexpr int64_t kValues = 128;  // numbers that are repeated in one go

// y[r, 0…n) = values[r]
GRADSTEP_VECTORISED void repeat_each(float* y, const float* values, int64_t rows, int64_t n) {
  typedef float Lanes __attribute__((vector_size(4 * kSpreadRoom)));
  for (int64_t r = 0; r < rows; r++) {
    const Lanes value = Lanes{} + values[r];
    for (int64_t i = 0; i < n; i += kSpreadRoom) std::memcpy(y + r * n + i, &value, sizeof value);
  }
}

// y[0…n) lies there: it is repeated until there are `rows` of it.
void repeat_row(float* y, int64_t rows, int64_t n) {
  for (int64_t done = 1; done < rows; done *= 2) {
    std::memcpy(y + done * n, y, std::min(done, rows - done) * n * sizeof(float));
  }
}

GRADSTEP_VECTORISED void short_rows(float* y, const float* x, int64_t row_stride, int64_t stride, int64_t rows,
                                    int64_t n) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < n; i++) y[r * n + i] = x[r * row_stride + i * stride];
  }
}

// `rows` whole innermost rows of n elements that begin at `offset`.
void spread_rows(const Spread& input, int64_t offset, int64_t row_stride, int64_t rows, int64_t n, float* block) {
  const int64_t stride = input.strides[input.rank - 1];
  if (row_stride == 0) {
    load(block, input.data, input.dtype, offset, stride, n);
    repeat_row(block, rows, n);
  } else if (stride == 0) {
    float values[kValues];
    for (int64_t r = 0; r < rows; r += kValues) {
      const int64_t count = std::min(kValues, rows - r);
      load(values, input.data, input.dtype, offset + r * row_stride, row_stride, count);
      repeat_each(block + r * n, values, count, n);
    }
  } else if (input.dtype == DType::kFloat32) {
    short_rows(block, static_cast<const float*>(input.data) + offset, row_stride, stride, rows, n);
  } else {
    for (int64_t r = 0; r < rows; r++) load(block + r * n, input.data, input.dtype, offset + r * row_stride, stride, n);
  }
}

// Part of an innermost row.
void spread_run(const Spread& input, int64_t offset, int64_t n, float* block) {
  const int64_t stride = input.strides[input.rank - 1];
  if (stride != 0) {
    load(block, input.data, input.dtype, offset, stride, n);
    return;
  }
  float value;
  load(&value, input.data, input.dtype, offset, 1, 1);
  fill(block, value, n);
}

}  // namespace

Spread plan_spread(const MapPlan& plan, int input, const void* data, DType dtype) {
  Spread s{};
  s.data = data;
  s.dtype = dtype;
  for (int i = 0; i < plan.rank; i++) {
    const int64_t d = plan.dims[i], stride = plan.strides[input][i];
    if (s.rank > 0 && s.strides[s.rank - 1] == stride * d) {
      s.dims[s.rank - 1] *= d;
      s.strides[s.rank - 1] = stride;
    } else {
      s.dims[s.rank] = d;
      s.strides[s.rank++] = stride;
    }
  }
  s.period = plan.size;
  if (s.strides[0] == 0) s.period /= s.dims[0];
  return s;
}

void spread(const Spread& input, int64_t begin, int64_t n, float* block) {
  const int last = input.rank - 1;
  const int64_t inner = input.dims[last];
  int64_t at[kMaxRank], offset = 0, rest = begin;
  for (int i = last; i >= 0; i--) {
    at[i] = rest % input.dims[i];
    rest /= input.dims[i];
    offset += at[i] * input.strides[i];
  }
  for (int64_t done = 0; done < n;) {
    const bool whole = last > 0 && inner < kShort && at[last] == 0 && n - done >= inner;
    if (whole) {
      const int64_t rows = std::min((n - done) / inner, input.dims[last - 1] - at[last - 1]);
      spread_rows(input, offset, input.strides[last - 1], rows, inner, block + done);
      at[last - 1] += rows;
      offset += rows * input.strides[last - 1];
      done += rows * inner;
    } else {
      const int64_t run = std::min(n - done, inner - at[last]);
      spread_run(input, offset, run, block + done);
      at[last] += run;
      offset += run * input.strides[last];
      done += run;
    }
    for (int i = last; i > 0; i--) {
      if (at[i] < input.dims[i]) continue;
      offset += input.strides[i - 1] - at[i] * input.strides[i];
      at[i] = 0;
      at[i - 1]++;
    }
  }
}

}  // namespace gradstep::cpu
