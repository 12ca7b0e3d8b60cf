// Dense products in float32 of operands where they lie: y [m, n] (+)= a b, then plus a bias and relu. A tile of 8 x 32
// sums stays in AVX-512's registers over the depth; what a core reads of the operands comes from its second-level cache
// in time, so nothing is packed but a right operand that is transposed, and columns that fill no vector. Every sum is
// taken in the same order whoever takes it: bits do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

struct UnpackedProduct {
  int64_t m, n, k;
  bool transpose_a, transpose_b;  // a is [k, m], b [n, k]
  bool add, relu;
  const float *a, *b;
  const float* bias;  // [n] or null
  float* y;
};

// Whether it is quicker here than oneDNN's product, by measurement (bench/results): on processors of AMD with AVX-512,
// whose vectors take two turns.
bool suits_unpacked(const UnpackedProduct& product);

size_t unpacked_product_bytes(const UnpackedProduct& product);
void multiply_unpacked(const UnpackedProduct& product, void* workspace, int threads);

}  // namespace gradstep::cpu
