// Dense products in float32 on AVX2: y [m, n] (+)= a b, then plus a bias and relu. Both operands are packed block by
// block into what the caches hold, from either type they are stored in and rounded to bfloat16 where asked, so that the
// rounding costs no pass of its own. A transposed left one may be the windows of an image, which are packed from where
// their pixels lie: the kernel gradient of a convolution. Every sum is taken in the same order whoever takes
// it: bits do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "cpu/stored.h"
#include "cpu/windows.h"

namespace gradstep::cpu {

struct PackedProduct {
  int64_t m, n, k;
  bool transpose_a;  // it is [k, m]; b is [k, n]
  bool add, relu, round;
  Stored a, b;
  const float* bias;               // [n] or null
  int64_t slice;                   // of the depth that is summed by itself: k, or less where m and n make few tiles and
                                   // there is neither bias nor relu
  std::optional<Windows> windows;  // a is an image; transpose_a
};

// Whether it is quicker here than oneDNN's product, by measurement (bench/results): where that reads memory badly.
bool packs(const PackedProduct& product);

size_t packed_product_bytes(const PackedProduct& product, int threads);
void multiply_packed(const PackedProduct& product, float* y, void* workspace, int threads);

}  // namespace gradstep::cpu
