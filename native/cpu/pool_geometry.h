// Pooling attributes of either pooling op as the three axes of ops/pool.h; of two, the outermost has one position. And
// the walk over what is written, which stays float32 until a block of it is stored.
#pragma once

#include <type_traits>

#include "cpu/bfloat16.h"
#include "generated/tensor.h"
#include "ops/pool.h"

namespace gradstep::cpu {

struct PoolGeometry {
  int64_t n, c;
  PoolAxis d, h, w;

  int64_t windows() const { return n * d.windows * h.windows * w.windows; }
  int64_t positions() const { return n * d.size * h.size * w.size; }
};

// A window or a position by its number, row by row.
struct PoolIndex {
  int64_t n;
  int32_t d, h, w;
};

inline PoolIndex window_at(const PoolGeometry& g, int64_t at) {
  const int64_t row = at / g.w.windows, plane = row / g.h.windows;
  return {plane / g.d.windows, static_cast<int32_t>(plane % g.d.windows), static_cast<int32_t>(row % g.h.windows),
          static_cast<int32_t>(at % g.w.windows)};
}

inline PoolIndex position_at(const PoolGeometry& g, int64_t at) {
  const int64_t row = at / g.w.size, plane = row / g.h.size;
  return {plane / g.d.size, static_cast<int32_t>(plane % g.d.size), static_cast<int32_t>(row % g.h.size),
          static_cast<int32_t>(at % g.w.size)};
}

// `x` is the larger tensor [N, (D,) H, W, C], `y` the pooled one.
template <typename Args>
PoolGeometry pool_geometry(const Args& args, const Tensor& x, const Tensor& y) {
  const int c = x.rank - 1;
  const PoolAxis deep = {x.dims[1], y.dims[1], args.pool_d, args.stride_d, args.pad_front};
  return {x.dims[0],
          x.dims[c],
          c == 4 ? deep : PoolAxis{1, 1, 1, 1, 0},
          {x.dims[c - 2], y.dims[c - 2], args.pool_h, args.stride_h, args.pad_top},
          {x.dims[c - 1], y.dims[c - 1], args.pool_w, args.stride_w, args.pad_left}};
}

// make(y, at, c, n) writes channels [c, c + n) of position `at`, for all positions from `begin` to `end`. Where they
// are stored in bfloat16 it writes to a block that is rounded as a whole.
template <typename To, typename Make>
void each_position(To* to, int64_t channels, int64_t begin, int64_t end, const Make& make) {
  if constexpr (std::is_same_v<To, float>) {
    for (int64_t at = begin; at < end; at++) make(to + at * channels, at, 0, channels);
  } else {
    constexpr int64_t kBlock = 1024;
    float block[kBlock];
    const int64_t together = std::max<int64_t>(kBlock / channels, 1);
    for (int64_t at = begin; at < end; at += together) {
      const int64_t positions = std::min(together, end - at);
      for (int64_t c = 0; c < channels; c += kBlock) {
        const int64_t n = std::min(kBlock, channels - c);
        for (int64_t i = 0; i < positions; i++) make(block + i * channels, at + i, c, n);
        to_bfloat16(to + at * channels + c, block, positions * n);
      }
    }
  }
}

}  // namespace gradstep::cpu
