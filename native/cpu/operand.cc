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
  if (kind_ == OperandKind::kFloat) return 0;
  return (size_ * (kind_ == OperandKind::kTiles ? sizeof(uint16_t) : sizeof(float)) + 63) / 64 * 64;
}

void* ProductOperand::at(char* place) const {
  return kind_ == OperandKind::kFloat ? const_cast<float*>(from_) : static_cast<void*>(place);
}

void ProductOperand::round_to(char* place, int threads) const {
  if (kind_ == OperandKind::kFloat) return;
  parallel_ranges(size_, parts_of(size_, threads), 32, [&](int, int64_t begin, int64_t end) {
    if (kind_ == OperandKind::kTiles) {
      to_bfloat16(reinterpret_cast<uint16_t*>(place) + begin, from_ + begin, end - begin);
    } else {
      round_to_bfloat16(reinterpret_cast<float*>(place) + begin, from_ + begin, end - begin);
    }
  });
}

}  // namespace gradstep::cpu
