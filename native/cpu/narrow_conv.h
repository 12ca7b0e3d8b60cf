// Convolutions of one to four input channels, as images come in: so shallow that packing costs more than the products.
// Pixels of a row times the kernel as the user sees it, [kh, kw, channels, filters], results in registers. Channels
// last; filters are a multiple of 16.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

// y [n, out_h, out_w, filters] of x [n, h, w, channels]; padding behind is what the sizes imply.
struct NarrowConv {
  int64_t n;
  int64_t h, w, channels;
  int64_t out_h, out_w, filters;
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
};

// Whether the shape is one it takes.
bool narrow_conv_takes(const NarrowConv& shape);

size_t narrow_conv_bytes(const NarrowConv& shape, int threads);

// `bias` may be null.
void narrow_conv_forward(const NarrowConv& shape, const float* x, const float* w, const float* bias, bool relu,
                         float* y, void* workspace, int threads);

// dw and, unless null, db [filters] of dy.
void narrow_conv_kernel_gradient(const NarrowConv& shape, const float* x, const float* dy, float* dw, float* db,
                                 bool accumulate, void* workspace, int threads);

}  // namespace gradstep::cpu
