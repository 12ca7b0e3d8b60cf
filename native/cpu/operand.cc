// See operand.h.
#include "cpu/operand.h"

#include "cpu/bfloat16.h"
#include "cpu/tiles.h"

namespace gradstep::cpu {

OperandKind operand_kind(bool bfloat16) {
  if (!bfloat16) return OperandKind::kFloat;
  return has_tiles() ? OperandKind::kTiles : OperandKind::kRounded;
}

size_t ProductOperand::bytes() const {
  if (lies_ready()) return 0;
  return (size_ * (kind_ == OperandKind::kTiles ? sizeof(uint16_t) : sizeof(float)) + 63) / 64 * 64;
}

void* ProductOperand::at(char* place) const { return lies_ready() ? const_cast<void*>(from_) : place; }

void ProductOperand::round_to(char* place, int threads) const {
  if (lies_ready()) return;
  parallel_ranges(size_, parts_of(size_, threads), 32, [&](int, int64_t begin, int64_t end) {
    float* const to = reinterpret_cast<float*>(place) + begin;
    if (narrow_) {
      from_bfloat16(to, static_cast<const uint16_t*>(from_) + begin, end - begin);
    } else if (kind_ == OperandKind::kTiles) {
      to_bfloat16(reinterpret_cast<uint16_t*>(place) + begin, static_cast<const float*>(from_) + begin, end - begin);
    } else {
      round_to_bfloat16(to, static_cast<const float*>(from_) + begin, end - begin);
    }
  });
}

}  // namespace gradstep::cpu
