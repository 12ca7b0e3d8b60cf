// gather, scatter and advance on the CPU: rows between a data slot and the batch. Row numbers are checked first; a
// wrong one raises the flag and reads as zeros (or is not written).
#include "generated/args/gather.h"

#include <cstring>

#include "core/state.h"
#include "cpu/bfloat16.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"
#include "ops/gather.h"

namespace gradstep::cpu {
namespace {

void raise_row(int32_t* flag, const int32_t* state, int64_t row) {
  if (flag[0] != kFlagNone) return;
  flag[1] = static_cast<int32_t>(row);
  flag[2] = state[kStateCursor];
  flag[3] = state[kStateStep];
  flag[0] = kFlagRowRange;
}

GRADSTEP_VECTORISED void truncate(int32_t* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = static_cast<int32_t>(x[i]);
}

GRADSTEP_VECTORISED void widen(int32_t* y, const uint8_t* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = x[i];
}

template <typename From>
GRADSTEP_VECTORISED void round(uint16_t* y, const From* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = bfloat16_bits(static_cast<float>(x[i]));
}

void load_row(float* y, const Slot& slot, int64_t offset, int64_t n) { load(y, slot.data, slot.dtype, offset, 1, n); }

void load_row(int32_t* y, const Slot& slot, int64_t offset, int64_t n) {
  if (slot.dtype == DType::kInt32) std::memcpy(y, static_cast<const int32_t*>(slot.data) + offset, n * sizeof(int32_t));
  if (slot.dtype == DType::kFloat32) truncate(y, static_cast<const float*>(slot.data) + offset, n);
  if (slot.dtype == DType::kUint8) widen(y, static_cast<const uint8_t*>(slot.data) + offset, n);
}

void load_row(uint16_t* y, const Slot& slot, int64_t offset, int64_t n) {
  if (slot.dtype == DType::kFloat32) to_bfloat16(y, static_cast<const float*>(slot.data) + offset, n);
  if (slot.dtype == DType::kInt32) round(y, static_cast<const int32_t*>(slot.data) + offset, n);
  if (slot.dtype == DType::kUint8) round(y, static_cast<const uint8_t*>(slot.data) + offset, n);
}

// Row number of element i of the batch, or −1 when there is none.
int64_t row_of(const Slot& data, const Slot* index, int64_t at) {
  if (index && (at < 0 || at >= index->rows)) return -1;
  const int64_t row = index ? static_cast<const int32_t*>(index->data)[at] : at;
  return row >= 0 && row < data.rows ? row : -1;
}

template <typename T>
Step gather_step(Prepare& prepare, const GatherArgs& args) {
  const int64_t batch = args.y.dims[0], n = args.y.size() / batch;
  const int parts = parts_of(args.y.size(), prepare.threads());
  const Slot* data = prepare.slots() + args.slot;
  const Slot* index = args.index_slot < 0 ? nullptr : prepare.slots() + args.index_slot;
  return [batch, n, parts, data, index, y = prepare.at<T>(args.y), state = prepare.at<int32_t>(args.state),
          flag = prepare.at<int32_t>(args.flag)] {
    const int64_t cursor = state[kStateCursor];
    for (int64_t i = 0; i < batch; i++) {
      if (row_of(*data, index, cursor + i) < 0) raise_row(flag, state, cursor + i);
    }
    parallel_ranges(batch, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t row = row_of(*data, index, cursor + i);
        if (row < 0 || data->row_elements != n) {
          std::memset(y + i * n, 0, n * sizeof(T));
        } else {
          load_row(y + i * n, *data, row * n, n);
        }
      }
    });
  };
}

}  // namespace

Step gather(Prepare& prepare, const GatherArgs& args) {
  if (args.y.dtype == DType::kInt32) return gather_step<int32_t>(prepare, args);
  return as_stored(args.y.dtype, [&](auto y) { return gather_step<decltype(y)>(prepare, args); });
}

Step scatter(Prepare& prepare, const ScatterArgs& args) {
  const int64_t batch = args.x.dims[0], n = args.x.size() / batch;
  return [batch, n, slot = prepare.slots() + args.slot, x = prepare.at(args.x), state = prepare.at<int32_t>(args.state),
          flag = prepare.at<int32_t>(args.flag)] {
    const int64_t cursor = state[kStateCursor];
    const int64_t fitting = std::clamp<int64_t>(slot->rows - cursor, 0, batch);
    if (fitting < batch || slot->row_elements != n) raise_row(flag, state, cursor + fitting);
    if (slot->row_elements == n)
      std::memcpy(static_cast<float*>(slot->data) + cursor * n, x, fitting * n * sizeof(float));
  };
}

Step advance(Prepare& prepare, const AdvanceArgs& args) {
  return [advance = advance_of(prepare, args)] { advance(); };
}

}  // namespace gradstep::cpu
