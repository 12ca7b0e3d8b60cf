// See bias_sums.h.
#include "cpu/bias_sums.h"

#include "cpu/bfloat16.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kRows = 256;  // added up before their sum is added to the others': long sums lose less

GRADSTEP_INLINE float wide(float x) { return x; }
GRADSTEP_INLINE float wide(uint16_t x) { return from_bfloat16(x); }

// sums [channels] += rows [count, channels], by way of `few` [channels].
template <typename Y>
GRADSTEP_VECTORISED void add_rows(float* sums, float* few, const Y* rows, int64_t count, int64_t channels) {
  for (int64_t c = 0; c < channels; c++) few[c] = 0.f;
  for (int64_t r = 0; r < count; r++) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; c++) few[c] += wide(rows[r * channels + c]);
  }
  for (int64_t c = 0; c < channels; c++) sums[c] += few[c];
}

}  // namespace

void BiasSums::run(void* workspace, int threads) const {
  if (!db_) return;
  float* sums = static_cast<float*>(workspace);
  float* few = sums + threads * channels_;
  const int parts = parts_of(rows_ * channels_, threads);
  fill(sums, 0.f, parts * channels_);
  typed(dy_, [&](auto* dy) {
    parallel_ranges(rows_, parts, 1, [&](int part, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row += kRows) {
        add_rows(sums + part * channels_, few + part * channels_, dy + row * channels_, std::min(kRows, end - row),
                 channels_);
      }
    });
  });
  fill(db_, 0.f, channels_);
  for (int part = 0; part < parts; part++) add(db_, sums + part * channels_, channels_);
}

}  // namespace gradstep::cpu
