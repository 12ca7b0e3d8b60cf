// Convolutions too shallow to repay packing: of one to four input channels, as images come in, and of one tap with a
// stride, as shortcuts have them (in float32). Pixels of a row times the kernel as the user sees it, [kh, kw, channels,
// filters], results in registers. Channels last; filters are whole vectors. (Deeper ones are oneDNN's: it was 1.3
// to 1.7 times as fast on 3 x 3 taps of 16 to 64 channels.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/stored.h"

namespace gradstep::cpu {

// y [n, out_h, out_w, filters] of x [n, h, w, channels]; padding behind is what the sizes imply.
struct DirectConv {
  int64_t n;
  int64_t h, w, channels;
  int64_t out_h, out_w, filters;
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
  bool round;  // operands to bfloat16 first
};

// Whether the shape is one that it takes and was measured faster on, on a processor as it was measured on.
bool direct_conv_pays(const DirectConv& shape);

size_t direct_conv_bytes(const DirectConv& shape, int threads);

// `bias` may be null. What is stored in bfloat16 wants `round`, which does nothing to it.
void direct_conv_forward(const DirectConv& shape, Stored x, Stored w, const float* bias, bool relu, Stored y,
                         void* workspace, int threads);

// dw and, unless null, db [filters] of dy.
void direct_conv_kernel_gradient(const DirectConv& shape, Stored x, Stored dy, float* dw, float* db, bool accumulate,
                                 void* workspace, int threads);

}  // namespace gradstep::cpu
