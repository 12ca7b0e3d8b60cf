// See stored_window.h.
#include "cpu/stored_window.h"

#include <cstring>

#include "cpu/bfloat16.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kLine = 32;  // elements

bool lies_ready(const Stored& tensor, const Piece& piece) {
  return !tensor || (!tensor.narrow() && piece.stride == piece.columns);
}

// body(row's place in the tensor, in the piece, elements): once for rows that lie side by side.
template <typename Body>
void each_run(const Piece& piece, Body body) {
  if (piece.stride == piece.columns) {
    body(piece.at, int64_t{0}, piece.rows * piece.columns);
    return;
  }
  for (int64_t r = 0; r < piece.rows; r++) body(piece.at + r * piece.stride, r * piece.columns, piece.columns);
}

}  // namespace

// A loop that reads in bursts, computing between them, is none that the processor foresees: without asking for what the
// piece after next will read, normalisations took a seventh longer.
const float* load_piece(float* own, const Stored& from, const Piece& piece) {
  if (lies_ready(from, piece)) return from.as_float32(piece.at);
  each_run(piece, [&](int64_t at, int64_t row, int64_t n) {
    if (from.narrow()) {
      for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(from.as_bfloat16(at) + 2 * n + i);
      from_bfloat16(own + row, from.as_bfloat16(at), n);
    } else {
      memcpy(own + row, from.as_float32(at), n * sizeof(float));
    }
  });
  return own;
}

float* place_piece(float* own, const Stored& to, const Piece& piece) {
  return lies_ready(to, piece) ? to.as_float32(piece.at) : own;
}

void store_piece(const float* own, const Stored& to, const Piece& piece) {
  if (lies_ready(to, piece)) return;
  each_run(piece, [&](int64_t at, int64_t row, int64_t n) {
    if (to.narrow()) {
      to_bfloat16(to.as_bfloat16(at), own + row, n);
    } else {
      memcpy(to.as_float32(at), own + row, n * sizeof(float));
    }
  });
}

}  // namespace gradstep::cpu
