// Where the elements of a convolution's implicit matrix products lie, NHWC and HWIO; the products themselves:
// cuda/tile.cuh. With k the summed index:
//   conv2d     y[(n,p,q), o]  = sum over k = (i,j,c) of x at window(n,p,q) position k · w[k, o]
//   conv2d_dw  dw[(i,j,c), o] = sum over k = (n,p,q) of x at position (i,j,c) of window k · dy[k, o]
//   conv2d_dx  dx[(n,h,w), c] = sum over k = (i,j,o) of dy where position (i,j) of a window is (h,w) · w[i,j,c,o]
// The last is taken apart by (h,w) modulo the strides: elements of one class are touched by the same positions of
// windows that are neighbours, so each class is a convolution of dy with stride 1 and every product counts.
#pragma once

#include "cuda/divide.h"
#include "cuda/tile.cuh"

namespace gradstep::cuda {

struct ConvShape {
  int32_t h, w, c;  // x [N, h, w, c]
  int32_t p, q, o;  // y [N, p, q, o]
  int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  Divider by_c, by_p, by_q, by_kernel_w;
};

// A of conv2d: rows are windows of x; and of conv2d_dx, as a convolution of dy. kWidth neighbours along the channels at
// a time.
template <typename T, int kWidth>
class WindowLoader {
 public:
  __device__ WindowLoader(const ConvShape& s, const float* x, uint32_t row_begin, uint32_t rows)
      : s_(s), from_(x), column_(threadIdx.x % kAlong * kWidth) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t row = row_begin + pass * kHigh + threadIdx.x / kAlong;
      uint32_t p, q;
      n_[pass] = static_cast<int32_t>(s.by_p.divide(s.by_q.divide(row < rows ? row : 0, q), p));
      y_[pass] = row < rows ? static_cast<int32_t>(p) * s.stride_h - s.pad_top : kNowhere;
      x_[pass] = static_cast<int32_t>(q) * s.stride_w - s.pad_left;
    }
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + column_;
    uint32_t channel, j;
    const uint32_t i = s_.by_kernel_w.divide(s_.by_c.divide(k < k_end ? k : 0, channel), j);
    const int32_t down = static_cast<int32_t>(i) * s_.dilation_h, right = static_cast<int32_t>(j) * s_.dilation_w;
    const int32_t image = s_.h * s_.w * s_.c;  // below 2^31; see conv_shape
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      values_[pass] = {};
      const int32_t y = y_[pass] + down, x = x_[pass] + right;
      if (k >= k_end || y < 0 || x < 0 || y >= s_.h || x >= s_.w) continue;
      values_[pass] =
          load_pack<kWidth>(from_ + static_cast<int64_t>(n_[pass]) * image + (y * s_.w + x) * s_.c + channel);
    }
  }

  __device__ void store(float (&to)[T::kDepth][T::kRowA]) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
#pragma unroll
      for (int e = 0; e < kWidth; e++) to[column_ + e][pass * kHigh + threadIdx.x / kAlong] = values_[pass].v[e];
    }
  }

 private:
  static constexpr int kAlong = T::kDepth / kWidth;    // threads along k
  static constexpr int kHigh = kTileThreads / kAlong;  // rows a pass
  static constexpr int kPasses = T::kM / kHigh;
  static_assert(T::kM % kHigh == 0, "whole passes");
  static constexpr int32_t kNowhere = -(1 << 30);  // outside whatever is added
  const ConvShape& s_;
  const float* from_;
  int32_t n_[kPasses], y_[kPasses], x_[kPasses];
  uint32_t column_;
  Pack<float, kWidth> values_[kPasses];
};

// A of conv2d_dw: rows (i,j,c), k = (n,p,q). kWidth neighbours along the channels at a time.
template <typename T, int kWidth>
class KernelPositionLoader {
 public:
  __device__ KernelPositionLoader(const ConvShape& s, const float* x, uint32_t row_begin, uint32_t rows) : s_(s) {
    const uint32_t row = row_begin + threadIdx.x % kAlong * kWidth;
    inside_ = row < rows;
    uint32_t channel, j;
    const uint32_t i = s.by_kernel_w.divide(s.by_c.divide(inside_ ? row : 0, channel), j);
    y_ = static_cast<int32_t>(i) * s.dilation_h - s.pad_top;
    x_ = static_cast<int32_t>(j) * s.dilation_w - s.pad_left;
    from_ = x + channel;
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const int64_t image = static_cast<int64_t>(s_.h) * s_.w * s_.c;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t k = k_begin + pass * kDeep + threadIdx.x / kAlong;
      values_[pass] = {};
      if (!inside_ || k >= k_end) continue;
      uint32_t p, q;
      const uint32_t n = s_.by_p.divide(s_.by_q.divide(k, q), p);
      const int32_t y = static_cast<int32_t>(p) * s_.stride_h + y_, x = static_cast<int32_t>(q) * s_.stride_w + x_;
      if (y < 0 || x < 0 || y >= s_.h || x >= s_.w) continue;
      values_[pass] = load_pack<kWidth>(from_ + n * image + (y * s_.w + x) * s_.c);
    }
  }

  __device__ void store(float (&to)[T::kDepth][T::kRowA]) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      store_pack(&to[pass * kDeep + threadIdx.x / kAlong][threadIdx.x % kAlong * kWidth], values_[pass]);
    }
  }

 private:
  static constexpr int kAlong = T::kM / kWidth;
  static constexpr int kDeep = kTileThreads / kAlong;
  static constexpr int kPasses = T::kDepth / kDeep;
  static_assert(T::kDepth % kDeep == 0, "whole passes");
  const ConvShape& s_;
  const float* from_;
  bool inside_;
  int32_t y_, x_;
  Pack<float, kWidth> values_[kPasses];
};

// One class of conv2d_dx: which elements of dx [N, h, w, C] it has, and which positions of the kernel touch them.
struct DxClass {
  int32_t h, w;
  int32_t first_h, first_w, stride_h, stride_w;  // elements
  int32_t tap_h, tap_w, tap_step_h, tap_step_w;  // positions
  int32_t kernel_w;
};

// B of conv2d_dx: w[i,j,c,o] as [k = (i,j,o), c], (i,j) of the class. kWidth neighbours along o at a time.
template <typename T, int kWidth>
class TransposedKernelLoader {
 public:
  // s: dy is its x, dx its y.
  __device__ TransposedKernelLoader(const ConvShape& s, const DxClass& of, const float* w, int32_t c_begin)
      : s_(s), of_(of), w_(w), c_begin_(c_begin), depth_(threadIdx.x % kAlong * kWidth) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + depth_;
    uint32_t o, across;
    const uint32_t down = s_.by_kernel_w.divide(s_.by_c.divide(k < k_end ? k : 0, o), across);
    const int32_t i = of_.tap_h + static_cast<int32_t>(down) * of_.tap_step_h;
    const int32_t j = of_.tap_w + static_cast<int32_t>(across) * of_.tap_step_w;
    const float* from = w_ + static_cast<int64_t>(i * of_.kernel_w + j) * s_.o * s_.c + o;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t column = pass * kHigh + static_cast<int32_t>(threadIdx.x / kAlong);
      const int32_t c = c_begin_ + column;
      values_[pass] = {};
      if (k >= k_end || column >= T::kN || c >= s_.o) continue;
      values_[pass] = load_pack<kWidth>(from + static_cast<int64_t>(c) * s_.c);
    }
  }

  __device__ void store(float (&to)[T::kDepth][T::kRowB]) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t column = pass * kHigh + static_cast<int32_t>(threadIdx.x / kAlong);
      if (column >= T::kN) continue;
#pragma unroll
      for (int e = 0; e < kWidth; e++) to[depth_ + e][column] = values_[pass].v[e];
    }
  }

 private:
  static constexpr int kAlong = T::kDepth / kWidth;
  static constexpr int kHigh = kTileThreads / kAlong;
  static constexpr int kPasses = (T::kN + kHigh - 1) / kHigh;
  const ConvShape& s_;
  const DxClass& of_;
  const float* w_;
  int32_t c_begin_;
  uint32_t depth_;
  Pack<float, kWidth> values_[kPasses];
};

}  // namespace gradstep::cuda
