// See step_product.h.
#include "cpu/step_product.h"

#include <cstring>

#include "cpu/bfloat16.h"
#include "cpu/micro_product.h"
#include "cpu/tiles.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kStretch = 128;     // depth of a panel that stays in the first-level cache
constexpr int64_t kOneStretch = 256;  // of one vector of it

// All rows in turn, at most kRows at a time and as many each time as possible. `panel_row`: floats from one step of the
// depth to the next.
template <int kVectors, int kRows, typename Vector>
GRADSTEP_INLINE void tiles(const float* panel, int64_t panel_row, const float* rows, int64_t stride, int64_t count,
                           int64_t depth, float* z, int64_t z_vector, bool add) {
  int64_t blocks = (count + kRows - 1) / kRows;
  for (int64_t r = 0; r < count; blocks--) {
    const int64_t n = (count - r + blocks - 1) / blocks;
    const ProductOperands o{rows + r * stride, stride, panel, panel_row, z + r * kLanes, kLanes, z_vector, depth};
    tile_product_of<kRows, kVectors, false, Vector>(n, o, add);
    r += n;
  }
}

struct Product {
  const float* panel;
  const float* rows;
  int64_t count, depth, z_vector;
  float* z;
  int vectors;
};

// Results in 24 of 32 vector registers (AVX-512).
GRADSTEP_INLINE void with_32_registers(const Product& p) {
  for (int64_t k = 0; k < p.depth; k += kStretch) {
    const int64_t depth = std::min(kStretch, p.depth - k);
    const float* panel = p.panel + k * p.vectors * kLanes;
    const float* rows = p.rows + k;
    switch (p.vectors) {
      case 2:
        tiles<2, 8, Lanes>(panel, 2 * kLanes, rows, p.depth, p.count, depth, p.z, p.z_vector, k > 0);
        break;
      case 3:
        tiles<3, 8, Lanes>(panel, 3 * kLanes, rows, p.depth, p.count, depth, p.z, p.z_vector, k > 0);
        break;
      default:
        tiles<4, 6, Lanes>(panel, 4 * kLanes, rows, p.depth, p.count, depth, p.z, p.z_vector, k > 0);
        break;
    }
  }
}

// Results of one vector at a time, in 12 of 16 registers (AVX2 and before). Each vector's columns lie apart from the
// others'.
GRADSTEP_VECTORISED void with_16_registers(const Product& p) {
  for (int v = 0; v < p.vectors; v++) {
    const float* panel = p.panel + v * p.depth * kLanes;
    for (int64_t k = 0; k < p.depth; k += kOneStretch) {
      tiles<2, 6, EightLanes>(panel + k * kLanes, kLanes, p.rows + k, p.depth, p.count,
                              std::min(kOneStretch, p.depth - k), p.z + v * p.z_vector, kLanes / 2, k > 0);
    }
  }
}

// to[k][row] = block[k][16], a vector's place in each row.
GRADSTEP_VECTORISED void interleave(float* to, int64_t row, const float* block, int64_t depth) {
  for (int64_t k = 0; k < depth; k++) {
    for (int l = 0; l < kLanes; l++) to[k * row + l] = block[k * kLanes + l];
  }
}

bool wide() {
  static const bool wide = register_lanes() == kLanes;
  return wide;
}

// Floats of a packed panel from one step of the depth, and from one vector, to the next: vectors lie side by side where
// their sums stay in registers together.
struct PanelStrides {
  int64_t depth, vector;
};

PanelStrides strides_of(int vectors, int64_t depth) {
  return wide() ? PanelStrides{vectors * kLanes, kLanes} : PanelStrides{kLanes, depth * kLanes};
}

GRADSTEP_VECTORISED void store_floats(float* to, const float* values) {
  for (int l = 0; l < kLanes; l++) to[l] = values[l];
}

}  // namespace

StepProduct::StepProduct(Form form, int64_t units, int all, int first, int gates, OperandKind kind)
    : form_(form),
      kind_(kind),
      units_(units),
      all_(all),
      first_(first),
      gates_(gates),
      vectors_(form == kGates && gates > 1 ? gates : 4) {
  const int64_t depth = form == kGates ? padded(units) : gates * padded(units);
  depth_ = kind == OperandKind::kTiles ? (depth + kTileDepth - 1) / kTileDepth * kTileDepth : depth;
  // Vectors read a line of each of sixteen rows sixteen times: rows of whole pages share a set of the first-level
  // cache.
  if (kind == OperandKind::kTiles && !has_tile_units() && depth_ % 2048 == 0) depth_ += kTileDepth;
  const int64_t blocks = padded(units) / kLanes;
  panels_ = form == kGates && gates > 1 ? blocks : (blocks + vectors_ - 1) / vectors_;
}

// The columns of one vector of a panel, [depth][16].
void StepProduct::gather(float* block, const float* u, int64_t panel, int vector) const {
  const bool side_by_side = form_ == kGates && gates_ > 1;
  const int64_t unit = (side_by_side ? panel : panel * vectors_ + vector) * kLanes;
  const int64_t lanes = std::min(kLanes, units_ - unit);
  memset(block, 0, depth_ * kLanes * sizeof(float));
  if (lanes <= 0) return;
  const int64_t row = static_cast<int64_t>(all_) * units_;
  if (form_ == kGates) {
    const float* from = u + (first_ + (side_by_side ? vector : 0)) * units_ + unit;
    for (int64_t k = 0; k < units_; k++) memcpy(block + k * kLanes, from + k * row, lanes * sizeof(float));
    return;
  }
  for (int g = 0; g < gates_; g++) {
    float* to = block + g * padded(units_) * kLanes;
    const float* from = u + unit * row + (first_ + g) * units_;
    for (int64_t l = 0; l < lanes; l++) {
      for (int64_t k = 0; k < units_; k++) to[k * kLanes + l] = from[l * row + k];
    }
  }
}

// Rows of u one after the other: they lie a power of two apart as often as not, so a panel at a time would read them
// through the same few sets of the caches.
void StepProduct::pack_rows(float* to, const float* u, int64_t begin, int64_t end) const {
  const bool side_by_side = gates_ > 1;
  const int64_t row = static_cast<int64_t>(all_) * units_, panel_floats = depth_ * vectors_ * kLanes;
  const PanelStrides strides = strides_of(vectors_, depth_);
  for (int64_t k = 0; k < depth_; k++) {
    for (int v = 0; v < vectors_; v++) {
      const float* from = u + k * row + (first_ + (side_by_side ? v : 0)) * units_;
      for (int64_t panel = begin; panel < end; panel++) {
        const int64_t unit = (side_by_side ? panel : panel * vectors_ + v) * kLanes;
        const int64_t lanes = k < units_ ? std::clamp<int64_t>(units_ - unit, 0, kLanes) : 0;
        float* place = to + panel * panel_floats + k * strides.depth + v * strides.vector;
        if (lanes == kLanes) {
          memcpy(place, from + unit, kLanes * sizeof(float));
        } else {
          memset(place, 0, kLanes * sizeof(float));
          if (lanes > 0) memcpy(place, from + unit, lanes * sizeof(float));
        }
      }
    }
  }
}

// The same in tiles, where none holds numbers of two gates: straight from u, a step of the depth after the other.
void StepProduct::pack_whole_tiles(char* to, const float* u, int64_t begin, int64_t end) const {
  const bool side_by_side = form_ == kGates && gates_ > 1, along = form_ == kTransposed;
  const int64_t row = static_cast<int64_t>(all_) * units_;
  for (int64_t k = 0; k < depth_; k += kTileDepth) {
    // Transposed, the depth is that of one gate after the other.
    const int64_t gate = along ? k / padded(units_) : 0, at = k - gate * padded(units_);
    for (int64_t panel = begin; panel < end; panel++) {
      for (int v = 0; v < vectors_; v++) {
        const int64_t unit = (side_by_side ? panel : panel * vectors_ + v) * kLanes;
        const int64_t columns = std::clamp<int64_t>(units_ - unit, 0, kLanes);
        const float* of_gate = u + (first_ + (side_by_side ? v : gate)) * units_;
        const float* from = of_gate + (along ? unit * row + at : at * row + unit);
        pack_tile(to + panel * panel_bytes(), k / kTileDepth * vectors_ + v, from, row, columns, units_ - at, along);
      }
    }
  }
}

void StepProduct::pack(void* to, const float* u, int64_t begin, int64_t end, float* block) const {
  if (form_ == kGates && kind_ == OperandKind::kFloat) return pack_rows(static_cast<float*>(to), u, begin, end);
  const bool whole_tiles = form_ == kGates || gates_ == 1 || padded(units_) % kTileDepth == 0;
  if (kind_ == OperandKind::kTiles && whole_tiles) return pack_whole_tiles(static_cast<char*>(to), u, begin, end);
  for (int64_t panel = begin; panel < end; panel++) {
    char* place = static_cast<char*>(to) + panel * panel_bytes();
    for (int v = 0; v < vectors_; v++) {
      gather(block, u, panel, v);
      if (kind_ == OperandKind::kTiles) {
        pack_tiles(place, block, depth_, vectors_, v);
        continue;
      }
      if (kind_ == OperandKind::kRounded) round_to_bfloat16(block, block, depth_ * kLanes);
      const PanelStrides strides = strides_of(vectors_, depth_);
      interleave(reinterpret_cast<float*>(place) + v * strides.vector, strides.depth, block, depth_);
    }
  }
}

void StepProduct::multiply(const void* packed, const void* operand, int64_t rows, int64_t panel, float* z,
                           int64_t z_vector) const {
  const char* place = static_cast<const char*>(packed) + panel * panel_bytes();
  if (kind_ == OperandKind::kTiles) {
    multiply_tiles(place, operand, rows, depth_, vectors_, z, z_vector);
    return;
  }
  const Product product{
      reinterpret_cast<const float*>(place), static_cast<const float*>(operand), rows, depth_, z_vector, z, vectors_};
  if (wide()) {
    in_sixteen_lanes([&](LaneTag<Lanes>) { with_32_registers(product); });
  } else {
    with_16_registers(product);
  }
}

void store_operand(OperandKind kind, void* row, int64_t at, const float* values) {
  if (kind == OperandKind::kFloat) store_floats(static_cast<float*>(row) + at, values);
  if (kind == OperandKind::kRounded) round_to_bfloat16(static_cast<float*>(row) + at, values, kLanes);
  if (kind == OperandKind::kTiles) to_bfloat16(static_cast<uint16_t*>(row) + at, values, kLanes);
}

}  // namespace gradstep::cpu
