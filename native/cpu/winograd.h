// Convolutions of 3 x 3 taps, stride 1, by Winograd's minimal filtering F(4 x 4, 3 x 3) (Winograd 1980; Lavin & Gray
// 2016): 4 x 4 results take 36 products a channel pair instead of 144. Patches of 6 x 6 are evaluated at the points
// 0, +-5/8, +-3/2 and infinity in each direction, whose rounding errors are 2.4 times a direct sum's (the usual +-1,
// +-2: 5 times; chosen by trying, as Barabasz et al. 2020 do), multiplied point by point, and turned back. Channels
// last; channels and filters are whole vectors: multiples of 16, of 8 where there is no AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

// y [n, out_h, out_w, filters] = x [n, h, w, channels] convolved with [3, 3, channels, filters].
struct WinogradShape {
  int64_t n;
  int64_t h, w, channels;
  int64_t out_h, out_w, filters;
  int64_t pad_top, pad_left;
};

// Whether it is worth it here: the shape is one it takes, and the processor one where it won.
bool winograd_pays(const WinogradShape& shape);

size_t winograd_bytes(const WinogradShape& shape, int threads);

struct WinogradForward {
  Stored x;
  Stored w;
  const float* bias;  // null: none
  Stored y;
  // The kernel as a gradient by the input reads it, [3, 3, filters, channels]: taps backwards, sides exchanged.
  bool transposed;
  bool relu;
  bool accumulate;
  Stored mask;  // like y, which is 0 where it is not above 0; null: none; not together with accumulate
  bool round;   // x and w to bfloat16 first, where they are not stored so
};

void winograd_forward(const WinogradShape& shape, const WinogradForward& f, void* workspace, int threads);

struct WinogradGradient {
  Stored x;
  Stored dy;        // [n, out_h, out_w, filters]
  float* dw;        // [3, 3, channels, filters]
  float* db;        // [filters]; null: none
  bool accumulate;  // to dw
  bool round;       // x and dy to bfloat16 first, where they are not stored so
};

void winograd_kernel_gradient(const WinogradShape& shape, const WinogradGradient& g, void* workspace, int threads);

}  // namespace gradstep::cpu
