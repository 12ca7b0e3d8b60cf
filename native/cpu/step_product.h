// The products that a recurrence repeats at every step: some rows times one matrix, which is packed once and then read
// many times. Columns come in panels of `vectors` times 16 lanes; a product with one panel, or with one vector of it
// where there are 16 registers only, stays in registers over a stretch of the depth that fits the first-level cache,
// for all rows in turn.
//
//   gates       rows [H] times u [H, all · H]; a panel holds 16 units of `gates` gates side by side (of one gate: 64
//   units) transposed  rows [gates · H] times the transpose: a panel holds 64 units
//
// Only gates first … first + gates - 1 of u's `all` take part. Rows lie `depth()` elements apart, each gate padded with
// zeros to `padded(H)`. With bfloat16 both operands are rounded to nearest; sums are float32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/micro_product.h"
#include "cpu/operand.h"

namespace gradstep::cpu {

inline int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

class StepProduct {
 public:
  enum Form { kGates, kTransposed };

  StepProduct(Form form, int64_t units, int all, int first, int gates, OperandKind kind);

  int64_t panels() const { return panels_; }
  int vectors() const { return vectors_; }
  int64_t depth() const { return depth_; }
  // Bytes of the packed matrix, and of one row of the other operand.
  size_t packed_bytes() const { return panels_ * panel_bytes(); }
  size_t row_bytes() const { return depth_ * element_bytes(); }
  // Rows that the product reads: a multiple of what it works on at a time. Those beyond the last hold zeros.
  int64_t padded_rows(int64_t rows) const { return kind_ == OperandKind::kTiles ? (rows + 15) / 16 * 16 : rows; }

  // Packs panels begin … end - 1 of u, by way of a block of block_floats().
  void pack(void* to, const float* u, int64_t begin, int64_t end, float* block) const;
  int64_t block_floats() const { return depth_ * kLanes; }

  // z[vector][row][lane] = the product of `rows` rows with a panel, vectors `z_vector` floats apart. For kTiles z takes
  // padded_rows(rows) rows.
  void multiply(const void* packed, const void* operand, int64_t rows, int64_t panel, float* z, int64_t z_vector) const;

 private:
  size_t element_bytes() const { return kind_ == OperandKind::kTiles ? 2 : 4; }
  size_t panel_bytes() const { return depth_ * vectors_ * kLanes * element_bytes(); }
  void pack_rows(float* to, const float* u, int64_t begin, int64_t end) const;
  void pack_whole_tiles(char* to, const float* u, int64_t begin, int64_t end) const;
  void gather(float* column_block, const float* u, int64_t panel, int vector) const;

  Form form_;
  OperandKind kind_;
  int64_t units_;
  int all_, first_, gates_, vectors_;
  int64_t panels_, depth_;
};

// Writes up to 16 elements of an operand's row, from `lanes` on zeros.
void store_operand(OperandKind kind, void* row, int64_t at, const float* values);

}  // namespace gradstep::cpu
