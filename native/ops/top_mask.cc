// topMask on the CPU. A row's numbers become whole numbers that are ordered as they are, a NaN the largest; then the
// k-th largest is found: for few leaders by as many passes, each for the largest below the last, else, or where equals
// are among the leaders, by halving the interval that it lies in. Whatever is above it leads, and the first of its
// equals do. In rows of at most kRanked every number is compared with every other instead. Where positions are asked
// for, those of the mask are sorted, some rows at a time. Workspace: a row of whole numbers for each part, and the mask
// of those rows where nobody else has room for it.
#include "generated/args/top_mask.h"

#include <algorithm>
#include <limits>

#include "cpu/octet.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "ops/scalar.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kFew = 16;  // leaders that are looked for one by one
constexpr int64_t kRanked = 16;
constexpr int64_t kPadded = 16;  // rows of whole numbers are filled up to a multiple of this
constexpr int64_t kListed = 64;  // rows whose mask is there at a time
constexpr int32_t kLeast = std::numeric_limits<int32_t>::min();  // belongs to no number

GRADSTEP_INLINE int32_t key_of(float x) {
  const int32_t bits = static_cast<int32_t>(scalar::float_to_bits(x + 0.f));  // 0 for -0
  return x == x ? bits ^ ((bits >> 31) & 0x7fffffff) : std::numeric_limits<int32_t>::max();
}

// How many are at least `bound`.
GRADSTEP_INLINE int32_t count_from(const int32_t* keys, int64_t n, int32_t bound) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; i++) count += keys[i] >= bound ? 1 : 0;
  return count;
}

// The largest below `bound`; kLeast: there is none.
GRADSTEP_INLINE int32_t largest_below(const int32_t* keys, int64_t n, int32_t bound) {
  int32_t most = kLeast;
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; i++) {
    const int32_t key = keys[i] < bound ? keys[i] : kLeast;
    most = key > most ? key : most;
  }
  return most;
}

// The k-th largest by halving: the largest bound that k reach.
GRADSTEP_INLINE int32_t halve(const int32_t* keys, int64_t n, int64_t k) {
  int64_t low = kLeast, high = std::numeric_limits<int32_t>::max();
  while (low < high) {
    const int64_t middle = high - (high - low) / 2;
    if (count_from(keys, n, static_cast<int32_t>(middle)) >= k) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return static_cast<int32_t>(low);
}

GRADSTEP_VECTORISED void mask_rows(float* y, const float* x, int32_t* keys, int64_t rows, int64_t n, int64_t k) {
  const int64_t padded = (n + kPadded - 1) / kPadded * kPadded;
  for (int64_t i = n; i < padded; i++) keys[i] = kLeast;
  for (int64_t r = 0; r < rows; r++, x += n, y += n) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) keys[i] = key_of(x[i]);
    int32_t last = std::numeric_limits<int32_t>::max();
    int32_t reached = count_from(keys, padded, last);  // only NaNs are as large
    if (reached == 0 && k <= kFew) {
      for (int64_t found = 0; found < k; found++) last = largest_below(keys, padded, last);
      reached = count_from(keys, padded, last);
    }
    if (reached != k) {
      last = halve(keys, padded, k);
      reached = count_from(keys, padded, last);
    }
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = keys[i] >= last ? 1.f : 0.f;
    // The last of the equals are too many.
    for (int64_t i = n - 1; reached > k; i--) {
      if (keys[i] != last) continue;
      y[i] = 0.f;
      reached--;
    }
  }
}

// A block of rows of n <= kRanked: those lead before which fewer than k come.
GRADSTEP_VECTORISED void rank_block(float* y, const float* x, int64_t rows, int64_t n, int64_t k) {
  int32_t keys[kRowBlock + kOctet] = {};
  RowBlock mask;
  const Octet leads = Octet{} + 1.f;
#pragma GCC ivdep
  for (int64_t i = 0; i < rows * n; i++) keys[i] = key_of(x[i]);
  each_row(mask.at, rows, n, [&](Octet& v, int64_t r, int64_t i) GRADSTEP_INLINED {
    const int32_t* row = keys + r * n;
    OctetIndex own, before = {};
    std::memcpy(&own, row + i, sizeof own);
    const OctetIndex index = OctetIndex{0, 1, 2, 3, 4, 5, 6, 7} + static_cast<int32_t>(i);
    for (int32_t j = 0; j < n; j++) {
      const OctetIndex other = OctetIndex{} + row[j];
      before += (other > own) | ((other == own) & (index > j));  // -1 for what comes before
    }
    v = before > -static_cast<int32_t>(k) ? leads : Octet{};
  });
  std::memcpy(y, mask.at, rows * n * sizeof(float));
}

void rank_rows(float* y, const float* x, int64_t rows, int64_t n, int64_t k) {
  const int64_t block = rows_of_block(n);
  for (int64_t r = 0; r < rows; r += block) rank_block(y + r * n, x + r * n, std::min(block, rows - r), n, k);
}

// Where the leaders of each row stand, the largest in front.
void list_leaders(int32_t* at, const float* mask, const float* x, int64_t rows, int64_t n, int64_t k) {
  for (int64_t r = 0; r < rows; r++, at += k, mask += n, x += n) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
      if (mask[i] != 0.f) at[found++] = static_cast<int32_t>(i);
    }
    std::sort(at, at + k, [x](int32_t a, int32_t b) {
      const int32_t first = key_of(x[a]), second = key_of(x[b]);
      return first != second ? first > second : a < b;
    });
  }
}

}  // namespace

Step top_mask(Prepare& prepare, const TopMaskArgs& args) {
  const int64_t n = args.x.dims[args.x.rank - 1], k = args.k;
  const int64_t rows = args.x.size() / n;
  const int parts = parts_of(args.x.size(), prepare.threads(), kGrain / 8);
  const int64_t padded = (n + kPadded - 1) / kPadded * kPadded;
  const int64_t room = padded + (args.y.present() ? 0 : kListed * n);  // words of a part
  int32_t* workspace = static_cast<int32_t*>(prepare.workspace(sizeof(int32_t) * room * parts));
  const auto mask = [n, k](float* y, const float* x, int32_t* keys, int64_t count) {
    if (n <= kRanked) return rank_rows(y, x, count, n, k);
    mask_rows(y, x, keys, count, n, k);
  };
  return [=, x = prepare.at(args.x), y = prepare.at(args.y), at = prepare.at<int32_t>(args.at)] {
    parallel_ranges(rows, parts, 1, [&](int part, int64_t begin, int64_t end) {
      int32_t* keys = workspace + part * room;
      if (at == nullptr) return mask(y + begin * n, x + begin * n, keys, end - begin);
      for (int64_t r = begin; r < end; r += kListed) {
        const int64_t count = std::min(kListed, end - r);
        float* to = y != nullptr ? y + r * n : reinterpret_cast<float*>(keys + padded);
        mask(to, x + r * n, keys, count);
        list_leaders(at + r * k, to, x + r * n, count, n, k);
      }
    });
  };
}

}  // namespace gradstep::cpu
