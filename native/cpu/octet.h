// Eight float32 at a time, for kernels whose rows are too short to fill a vector by a loop over one row. A row counts
// as ceil(n / 8) octets; the last one's surplus is masked where it is read, and where it is written it is overwritten
// by the row that follows, so such buffers have room for kOctet elements more. Eight rows are folded together by a
// fixed tree: what a row gives depends on nothing but its own numbers. Everything here is inlined into
// GRADSTEP_VECTORISED loops.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/parallel.h"

#define GRADSTEP_INLINED __attribute__((always_inline))  // of a lambda

namespace gradstep::cpu {

constexpr int64_t kOctet = 8;
constexpr int64_t kShortRow = 64;     // rows up to here are folded eight at a time
constexpr int64_t kRowBlock = 1024;   // elements of short rows that a kernel takes at once
constexpr int64_t kBlockRows = 1024;  // most rows among them

typedef float Octet __attribute__((vector_size(32)));
typedef int32_t OctetIndex __attribute__((vector_size(32)));

GRADSTEP_INLINE void load_octet(Octet& to, const float* from) { std::memcpy(&to, from, sizeof to); }
GRADSTEP_INLINE void store_octet(float* to, const Octet& from) { std::memcpy(to, &from, sizeof from); }

struct OctetSum {
  static constexpr float kNeutral = 0.f;
  static GRADSTEP_INLINE void join(Octet& to, const Octet& other) { to += other; }
};

// A NaN may be lost: who needs it finds it in the exponentials that follow.
struct OctetMax {
  static constexpr float kNeutral = -std::numeric_limits<float>::infinity();
  static GRADSTEP_INLINE void join(Octet& to, const Octet& other) { to = to > other ? to : other; }
};

// The octets of row r, made by each(octet, r, i) for i = 0, 8…, as one; what lies beyond n counts as neutral.
template <typename Fold, typename Each>
GRADSTEP_INLINE void fold_row(Octet& y, int64_t r, int64_t n, const Each& each) {
  const OctetIndex index = {0, 1, 2, 3, 4, 5, 6, 7};
  const Octet neutral = Octet{} + Fold::kNeutral;
  y = neutral;
  int64_t i = 0;
  for (; i + kOctet <= n; i += kOctet) {
    Octet v;
    each(v, r, i);
    Fold::join(y, v);
  }
  if (i == n) return;
  Octet v;
  each(v, r, i);
  v = index < static_cast<int32_t>(n - i) ? v : neutral;
  Fold::join(y, v);
}

// Rows r…r+3: lanes j and j + 4 hold two halves of row r + j's result.
template <typename Fold, typename Each>
GRADSTEP_INLINE void fold_four(Octet& y, int64_t r, int64_t n, const Each& each) {
  Octet a, b, c, d;
  fold_row<Fold>(a, r, n, each);
  fold_row<Fold>(b, r + 1, n, each);
  Octet ab = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
  Fold::join(ab, __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15));
  fold_row<Fold>(c, r + 2, n, each);
  fold_row<Fold>(d, r + 3, n, each);
  Octet cd = __builtin_shufflevector(c, d, 0, 1, 8, 9, 4, 5, 12, 13);
  Fold::join(cd, __builtin_shufflevector(c, d, 2, 3, 10, 11, 6, 7, 14, 15));
  y = __builtin_shufflevector(ab, cd, 0, 2, 8, 10, 4, 6, 12, 14);
  Fold::join(y, __builtin_shufflevector(ab, cd, 1, 3, 9, 11, 5, 7, 13, 15));
}

// y[r] of every row; rows are taken in eights, so both y and what `each` reads go on to the next multiple.
template <typename Fold, typename Each>
GRADSTEP_INLINE void fold_rows(float* y, int64_t rows, int64_t n, const Each& each) {
  for (int64_t r = 0; r < rows; r += kOctet) {
    Octet first, second;
    fold_four<Fold>(first, r, n, each);
    fold_four<Fold>(second, r + 4, n, each);
    Octet result = __builtin_shufflevector(first, second, 0, 1, 2, 3, 8, 9, 10, 11);
    Fold::join(result, __builtin_shufflevector(first, second, 4, 5, 6, 7, 12, 13, 14, 15));
    store_octet(y + r, result);
  }
}

// y[r, i…] = each(octet, r, i), rows one after another; writes up to kOctet - 1 elements beyond the last.
template <typename Each>
GRADSTEP_INLINE void each_row(float* y, int64_t rows, int64_t n, const Each& each) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < n; i += kOctet) {
      Octet v;
      each(v, r, i);
      store_octet(y + r * n + i, v);
    }
  }
}

// A block of short rows.
struct RowBlock {
  float at[kRowBlock + kOctet];
};

// How many rows of n <= kShortRow make a block: a multiple of 8.
constexpr int64_t rows_of_block(int64_t n) { return kRowBlock / n / kOctet * kOctet; }

}  // namespace gradstep::cpu
