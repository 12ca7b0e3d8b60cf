// Loops that compute in float32 over tensors that may be stored in bfloat16. Such a loop runs over windows, so small
// that they stay in the first cache: what is stored in bfloat16 is widened into a window's buffer and rounded from one,
// what is stored in float32 is read and written where it lies. So any mixture of types is the same loop. Measured on a
// normalisation of 2 million elements: 15 % slower than conversions in registers by AVX512-BF16, and faster than
// rounding by integers within the loop, which is what the compiler can make of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

// Part of a tensor: rows of `columns` elements, `stride` apart.
struct Piece {
  int64_t at, rows, columns, stride;
};

// A piece as float32, rows side by side: where it lies, or widened into `own`, which has room for it. Null where the
// tensor is absent, here as below.
const float* load_piece(float* own, const Stored& from, const Piece& piece);
// Where results go, and what brings them to the tensor.
float* place_piece(float* own, const Stored& to, const Piece& piece);
void store_piece(const float* own, const Stored& to, const Piece& piece);

// Room for a piece of one tensor.
class Window {
 public:
  static constexpr int64_t kSize = 1024;  // elements of a piece, at most
  static constexpr int64_t kUsual = 512;  // what loops over dense rows take: the quickest of 512, 1,024, 2,048

  const float* load(const Stored& from, const Piece& piece) { return load_piece(own_, from, piece); }
  float* place(const Stored& to, const Piece& piece) { return place_piece(own_, to, piece); }
  void store(const Stored& to, const Piece& piece) const { store_piece(own_, to, piece); }

 private:
  alignas(64) float own_[kSize + 16];  // not a power of two apart
};

// body(at, rows, columns, column) over dense rows of n elements in pieces for windows, or all at once where there is no
// need of windows.
template <typename Body>
void in_windows(bool needed, int64_t rows, int64_t n, Body body) {
  if (!needed) {
    body(int64_t{0}, rows, n, int64_t{0});
    return;
  }
  const int64_t each = std::max<int64_t>(1, Window::kUsual / n);
  for (int64_t r = 0; r < rows; r += each) {
    for (int64_t c = 0; c < n; c += Window::kSize) {
      body(r * n + c, std::min(each, rows - r), std::min(Window::kSize, n - c), c);
    }
  }
}

}  // namespace gradstep::cpu
