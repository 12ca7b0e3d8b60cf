// A convolution as the CPU's kernels are asked for it, and which of them is the faster way for it: what conv.cc decides
// by.
#pragma once

#include <optional>
#include <vector>

#include "cpu/conv_grid.h"
#include "cpu/depthwise.h"
#include "cpu/direct_conv.h"
#include "cpu/dnnl_seam.h"
#include "cpu/operand.h"
#include "cpu/packed_product.h"
#include "cpu/spaced_pixels.h"
#include "cpu/winograd.h"
#include "generated/tensor.h"

namespace gradstep::cpu {

inline dnnl::memory::data_type conv_type(bool narrow) {
  return narrow ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// A convolution as oneDNN is asked for it: axes between rows and channels, groups, and how often each channel of x is
// repeated first, so that a depthwise convolution makes one channel out of each. Padding behind is what the sizes
// imply, since what a stride leaves over is not padding.
struct Conv {
  dnnl::memory::dims x, w, y;  // oneDNN's order: N, C, axes; (groups,) O, I, axes
  ConvGeometry g;
  int32_t groups, times;

  bool deep() const { return x.size() == 5; }
  bool depthwise() const { return groups > 1 && groups == x[1] && groups == y[1]; }
  int64_t axis(const dnnl::memory::dims& dims, size_t i) const { return dims[dims.size() - g.strides.size() + i]; }

  dnnl::memory::desc activation(const dnnl::memory::dims& dims, bool narrow = false) const {
    return dnnl::memory::desc(dims, conv_type(narrow),
                              deep() ? dnnl::memory::format_tag::ndhwc : dnnl::memory::format_tag::nhwc);
  }
  dnnl::memory::desc kernel() const {
    if (groups > 1)
      return dnnl::memory::desc(w, dnnl::memory::data_type::f32,
                                deep() ? dnnl::memory::format_tag::dhwigo : dnnl::memory::format_tag::hwigo);
    return dnnl::memory::desc(w, dnnl::memory::data_type::f32,
                              deep() ? dnnl::memory::format_tag::dhwio : dnnl::memory::format_tag::hwio);
  }
  dnnl::memory::desc any_kernel(bool narrow = false) const {
    return dnnl::memory::desc(w, conv_type(narrow), dnnl::memory::format_tag::any);
  }
  dnnl::memory::desc bias(bool present) const {
    return present ? dnnl::memory::desc({y[1]}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::x)
                   : dnnl::memory::desc();
  }
};

// x, w and y as the op has them.
template <typename Args>
Conv conv_of(const Args& args, const Tensor& x, const Tensor& w, const Tensor& y) {
  const int channel = x.rank - 1;
  const int32_t filters = w.dims[channel];
  Conv conv{};
  conv.groups = args.groups;
  conv.times = conv.groups > 1 && w.dims[channel - 1] == 1 ? filters / conv.groups : 1;
  conv.groups *= conv.times;
  conv.x = {x.dims[0], x.dims[channel] * conv.times};
  conv.y = {y.dims[0], filters};
  conv.w = {filters, w.dims[channel - 1]};
  if (conv.groups > 1) conv.w = {conv.groups, filters / conv.groups, w.dims[channel - 1]};
  const int32_t strides[] = {args.stride_d, args.stride_h, args.stride_w};
  const int32_t dilations[] = {args.dilation_d, args.dilation_h, args.dilation_w};
  const int32_t before[] = {args.pad_front, args.pad_top, args.pad_left};
  for (int axis = 1; axis < channel; axis++) {
    const int named = axis + 3 - channel;
    const int32_t size = x.dims[axis], windows = y.dims[axis], kernel = w.dims[axis - 1];
    conv.x.push_back(size);
    conv.y.push_back(windows);
    conv.w.push_back(kernel);
    conv.g.strides.push_back(strides[named]);
    conv.g.dilates.push_back(dilations[named] - 1);
    conv.g.pad_begin.push_back(before[named]);
    conv.g.pad_end.push_back((windows - 1) * strides[named] + (kernel - 1) * dilations[named] + 1 - size -
                             before[named]);
  }
  return conv;
}

// Whether the input gradient is the convolution of dy with the kernel backwards.
bool undone_by_convolving(const Conv& conv);
// That convolution.
Conv backwards(const Conv& conv);
// A depthwise convolution's input gradient as that one: what oneDNN does fast where the kernel has holes, or all is
// `narrow`, stored in bfloat16. Only strides of 1 allow it.
bool as_forward(const Conv& conv, bool narrow);
// Forward, bfloat16: whether oneDNN's primitive, with a pass that rounds x unless it is stored so, is faster than
// cpu/conv_tiles.h. Measured: 0.8 times the time from 32 to 64 channels, 1 from 32 to 32, 2.4 from one channel; 1 to 2
// under strides. Without the pass it is 0.9 to 1.1.
bool suits_onednn(const Conv& conv);

// On the tile units: whether a convolution that cpu/direct_conv.h takes, forward and by its kernel, is faster there
// than in tiles. Measured: 0.6 to 1.3 times the time of one channel, 1.2 to 2.5 of more; by the kernel 0.6 to 0.9 of
// one, 1 of two, 1.3 to 2 of more.
bool suits_direct(const Conv& conv);
bool suits_direct_dw(const Conv& conv);

std::vector<ConvAxis> axes_of(const Conv& conv);

// The convolution as each of our kernels takes it, where that is the faster way; of depthwise.h the kernel gradient.
std::optional<DirectConv> direct_shape(const Conv& conv, OperandKind kind);
std::optional<WinogradShape> winograd_shape(const Conv& conv);
std::optional<DepthwiseShape> depthwise_shape(const Conv& conv);

// The kernel gradient of a convolution by a kernel of one pixel with strides is read from those pixels alone, where
// oneDNN must not: for channels that do not fill its vectors its kernel writes over its own scratch memory (its issue
// 6035, open in 2026; seen with 2.6): wrong sums, and threads that wait for one another for ever.
std::optional<SpacedPixels> spaced_pixels(const Conv& conv);
// The convolution of those pixels.
Conv without_strides(const Conv& conv);

// The kernel gradient [positions x channels, filters] as a product of windows and dy, where that is the faster way: on
// AVX2 oneDNN takes 1 to 1.9 times as long, unless filters leave much of the vectors empty, or they or channels are
// too few to repay the packing of windows in a plane. a, b and what becomes of the product are the caller's.
std::optional<PackedProduct> packed_dw(const Conv& conv, OperandKind kind);

// The input gradient of a convolution that cpu/winograd.h takes is one too.
WinogradShape input_gradient_of(const WinogradShape& shape);

}  // namespace gradstep::cpu
