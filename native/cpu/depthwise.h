// What oneDNN lacks for depthwise convolutions, NHWC: more than one output channel for each of the input (x is spread
// over as many channels first, and its gradient folded), and kernel gradients of kernels larger than 3 x 3 or with
// holes (its implementation for these reaches a tenth of the rate).
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep::cpu {

// to[i, c * times + m] = from[i, c] for `n` values.
void spread_channels(float* to, const float* from, int64_t n, int times, int threads);
// to[i] = (or +=, where asked) the sum of from[i * times + m], for `n` sums.
void fold_channels(float* to, const float* from, int64_t n, int times, bool accumulate, int threads);
// The `taps` positions of a kernel [taps, channels] in reverse order.
void reverse_taps(float* to, const float* from, int64_t taps, int64_t channels);

// x [n, h, w, c], dy [n, p, q, c], dw [kernel_h, kernel_w, c].
struct DepthwiseShape {
  int64_t n;
  int32_t h, w, c, p, q;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
};

constexpr int32_t kDepthwiseLanes = 16;  // channels at a time, and the fewest that depthwise_dw takes

// Bytes of `partial` that depthwise_dw needs.
size_t depthwise_dw_bytes(const DepthwiseShape& s, int threads);
// dw is overwritten, or added to; so is db [c], the sum of dy, except that it is never added to. db may be null.
void depthwise_dw(const DepthwiseShape& s, const float* x, const float* dy, float* dw, float* db, bool accumulate,
                  float* partial, int threads);

}  // namespace gradstep::cpu
