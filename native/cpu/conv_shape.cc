// See conv_shape.h.
#include "cpu/conv_shape.h"

#include <algorithm>
#include <utility>

#include "cpu/lanes.h"

namespace gradstep::cpu {

bool as_forward(const Conv& conv, bool narrow) {
  bool holes = false, possible = conv.depthwise();
  for (size_t i = 0; i < conv.g.strides.size(); i++) {
    holes = holes || conv.g.dilates[i] > 0;
    const int64_t reach = (conv.axis(conv.w, i) - 1) * (conv.g.dilates[i] + 1);
    possible = possible && conv.g.strides[i] == 1 && conv.g.pad_begin[i] <= reach && conv.g.pad_end[i] <= reach;
  }
  return possible && (holes || narrow);
}

bool undone_by_convolving(const Conv& conv) {
  for (const int64_t stride : conv.g.strides) {
    if (stride > 1) return false;
  }
  return true;
}

bool suits_onednn(const Conv& conv) { return undone_by_convolving(conv) && conv.x[1] >= 32 && conv.y[1] >= 64; }

bool suits_direct(const Conv& conv) { return conv.x[1] == 1 || !undone_by_convolving(conv); }

bool suits_direct_dw(const Conv& conv) { return conv.x[1] <= 2; }

Conv backwards(const Conv& conv) {
  Conv result = conv;
  std::swap(result.x, result.y);
  for (size_t i = 0; i < conv.g.strides.size(); i++) {
    const int64_t reach = (conv.axis(conv.w, i) - 1) * (conv.g.dilates[i] + 1);
    result.g.pad_begin[i] = reach - conv.g.pad_begin[i];
    result.g.pad_end[i] = reach - conv.g.pad_end[i];
  }
  return result;
}

std::vector<ConvAxis> axes_of(const Conv& conv) {
  std::vector<ConvAxis> axes;
  for (size_t i = 0; i < conv.g.strides.size(); i++) {
    axes.push_back({conv.axis(conv.x, i), conv.axis(conv.y, i), conv.axis(conv.w, i), conv.g.strides[i],
                    conv.g.dilates[i] + 1, conv.g.pad_begin[i]});
  }
  return axes;
}

std::optional<SpacedPixels> spaced_pixels(const Conv& conv) {
  constexpr int64_t kVector = 16;  // channels that oneDNN's kernels take at a time, at most
  const size_t axes = conv.g.strides.size();
  bool possible = conv.x[1] / conv.groups % kVector != 0 && !undone_by_convolving(conv);
  SpacedPixels pixels{conv.x[0], {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, conv.x[1] / conv.times};
  for (size_t i = 0; i < axes; i++) {
    possible = possible && conv.axis(conv.w, i) == 1 && conv.g.pad_begin[i] <= 0 && conv.g.pad_end[i] <= 0;
    const size_t axis = i + 3 - axes;
    pixels.from[axis] = conv.axis(conv.x, i);
    pixels.to[axis] = conv.axis(conv.y, i);
    pixels.strides[axis] = conv.g.strides[i];
  }
  return possible ? std::optional(pixels) : std::nullopt;
}

Conv without_strides(const Conv& conv) {
  Conv result = conv;
  std::copy(conv.y.begin() + 2, conv.y.end(), result.x.begin() + 2);
  result.g.strides.assign(conv.g.strides.size(), 1);
  result.g.pad_end.assign(conv.g.pad_end.size(), 0);
  return result;
}

std::optional<DepthwiseShape> depthwise_shape(const Conv& conv) {
  if (!conv.depthwise() || conv.deep() || conv.x[1] < kDepthwiseLanes) return std::nullopt;
  const bool holes = conv.g.dilates[0] + conv.g.dilates[1] > 0;
  if (!holes && conv.axis(conv.w, 0) <= 3 && conv.axis(conv.w, 1) <= 3) return std::nullopt;
  const auto number = [](int64_t v) { return static_cast<int32_t>(v); };
  const ConvGeometry& g = conv.g;
  return DepthwiseShape{conv.x[0],
                        number(conv.x[2]),
                        number(conv.x[3]),
                        number(conv.x[1]),
                        number(conv.y[2]),
                        number(conv.y[3]),
                        number(conv.axis(conv.w, 0)),
                        number(conv.axis(conv.w, 1)),
                        number(g.strides[0]),
                        number(g.strides[1]),
                        number(g.dilates[0] + 1),
                        number(g.dilates[1] + 1),
                        number(g.pad_begin[0]),
                        number(g.pad_begin[1])};
}

std::optional<DirectConv> direct_shape(const Conv& conv, OperandKind kind) {
  if (conv.groups > 1 || conv.deep() || conv.g.dilates[0] > 0 || conv.g.dilates[1] > 0) return std::nullopt;
  const DirectConv shape{conv.x[0],
                         conv.x[2],
                         conv.x[3],
                         conv.x[1],
                         conv.y[2],
                         conv.y[3],
                         conv.y[1],
                         conv.axis(conv.w, 0),
                         conv.axis(conv.w, 1),
                         conv.g.strides[0],
                         conv.g.strides[1],
                         conv.g.pad_begin[0],
                         conv.g.pad_begin[1],
                         kind != OperandKind::kFloat};
  return direct_conv_pays(shape) ? std::optional(shape) : std::nullopt;
}

std::optional<WinogradShape> winograd_shape(const Conv& conv) {
  if (conv.groups > 1 || conv.deep() || conv.axis(conv.w, 0) != 3 || conv.axis(conv.w, 1) != 3) return std::nullopt;
  for (size_t i = 0; i < 2; i++) {
    if (conv.g.strides[i] != 1 || conv.g.dilates[i] != 0) return std::nullopt;
  }
  const WinogradShape shape{conv.x[0], conv.x[2], conv.x[3],           conv.x[1],          conv.y[2],
                            conv.y[3], conv.y[1], conv.g.pad_begin[0], conv.g.pad_begin[1]};
  return winograd_pays(shape) ? std::optional(shape) : std::nullopt;
}

namespace {

// Whether windows are the image's pixels, one after the other.
bool plain(const Conv& conv) {
  bool plain = undone_by_convolving(conv);
  for (size_t i = 0; i < conv.g.strides.size(); i++) {
    plain = plain && conv.axis(conv.w, i) == 1 && conv.g.pad_begin[i] == 0 && conv.g.pad_end[i] == 0;
  }
  return plain;
}

std::optional<Windows> windows_of(const Conv& conv) {
  if (plain(conv)) return std::nullopt;
  Windows windows{{{{1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}}}, conv.x[1]};
  const std::vector<ConvAxis> axes = axes_of(conv);
  std::copy(axes.begin(), axes.end(), windows.axes.end() - axes.size());
  return windows;
}

}  // namespace

std::optional<PackedProduct> packed_dw(const Conv& conv, OperandKind kind) {
  constexpr int64_t kSlice = 1024, kSlices = 8, kFewTiles = 1 << 16;
  const int64_t filters = conv.y[1], multiplied = (filters + kLanes - 1) / kLanes * kLanes;
  if (conv.groups > 1 || kind == OperandKind::kTiles || register_lanes() != kLanes / 2) return std::nullopt;
  const bool of_planes = !conv.deep() && conv.axis(conv.y, 0) > 1;
  const bool few = conv.x[1] < kLanes || filters < 2 * kLanes;
  if (3 * multiplied > 4 * filters || (of_planes && few)) return std::nullopt;
  PackedProduct product{};
  product.m = conv.x[1];
  product.n = filters;
  product.k = conv.y[0];
  for (size_t i = 0; i < conv.g.strides.size(); i++) {
    product.m *= conv.axis(conv.w, i);
    product.k *= conv.axis(conv.y, i);
  }
  product.transpose_a = true;
  product.round = kind != OperandKind::kFloat;
  const int64_t slice = std::max(kSlice, (product.k + kSlices - 1) / kSlices);
  product.slice = product.m * product.n < kFewTiles ? slice : product.k;
  product.windows = windows_of(conv);
  return product;
}

WinogradShape input_gradient_of(const WinogradShape& s) {
  return {s.n, s.out_h, s.out_w, s.filters, s.h, s.w, s.channels, 2 - s.pad_top, 2 - s.pad_left};
}

}  // namespace gradstep::cpu
