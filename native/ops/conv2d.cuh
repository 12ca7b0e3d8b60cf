// Where the elements of a convolution's implicit matrix products lie, NHWC and HWIO; the products themselves:
// cuda/tile.cuh. With k the summed index:
//   conv2d     y[(n,p,q), o]  = sum over k = (i,j,c) of x at window(n,p,q) position k · w[k, o]
//   conv2d_dx  dx[(n,h,w), c] = sum over k = (i,j,o) of dy where position (i,j) of a window is (h,w) · w[i,j,c,o]
//   conv2d_dw  dw[(i,j,c), o] = sum over k = (n,p,q) of x at position (i,j,c) of window k · dy[k, o]
#pragma once

#include "cuda/divide.h"
#include "cuda/tile.cuh"

namespace gradstep::cuda {

struct ConvShape {
  int32_t h, w, c;  // x [N, h, w, c]
  int32_t p, q, o;  // y [N, p, q, o]
  int32_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  Divider by_c, by_o, by_h, by_w, by_p, by_q, by_kernel_w, by_stride_h, by_stride_w;
};

// A of conv2d (rows: windows, from x) and of conv2d_dx (rows: elements of x, from dy). kWidth neighbours along the
// channels of the tensor that is read at a time.
template <typename T, int kWidth, bool kBackward>
class WindowLoader {
 public:
  __device__ WindowLoader(const ConvShape& s, const float* from, uint32_t row_begin, uint32_t rows)
      : s_(s), column_(threadIdx.x % kAlong * kWidth) {
    const int64_t image = kBackward ? static_cast<int64_t>(s.p) * s.q * s.o : static_cast<int64_t>(s.h) * s.w * s.c;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t row = row_begin + pass * kHigh + threadIdx.x / kAlong;
      uint32_t y, x;
      const Divider& by_x = kBackward ? s.by_w : s.by_q;
      const Divider& by_y = kBackward ? s.by_h : s.by_p;
      const uint32_t n = by_y.divide(by_x.divide(row < rows ? row : 0, x), y);
      image_[pass] = from + n * image;
      if constexpr (kBackward) {
        y_[pass] = static_cast<int32_t>(y) + s.pad_top;
        x_[pass] = static_cast<int32_t>(x) + s.pad_left;
      } else {
        y_[pass] = static_cast<int32_t>(y) * s.stride_h - s.pad_top;
        x_[pass] = static_cast<int32_t>(x) * s.stride_w - s.pad_left;
      }
      if (row >= rows) y_[pass] = kNowhere;
    }
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + column_;
    uint32_t channel, j;
    const uint32_t i = s_.by_kernel_w.divide((kBackward ? s_.by_o : s_.by_c).divide(k < k_end ? k : 0, channel), j);
    const int32_t down = static_cast<int32_t>(i) * s_.dilation_h, right = static_cast<int32_t>(j) * s_.dilation_w;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      values_[pass] = {};
      if (k >= k_end) continue;
      if constexpr (kBackward) {
        const int32_t y = y_[pass] - down, x = x_[pass] - right;
        if (y < 0 || x < 0) continue;
        uint32_t between_h, between_w;
        const int32_t p = static_cast<int32_t>(s_.by_stride_h.divide(static_cast<uint32_t>(y), between_h));
        const int32_t q = static_cast<int32_t>(s_.by_stride_w.divide(static_cast<uint32_t>(x), between_w));
        if (between_h != 0 || between_w != 0 || p >= s_.p || q >= s_.q) continue;
        values_[pass] = load_pack<kWidth>(image_[pass] + (p * s_.q + q) * s_.o + channel);
      } else {
        const int32_t y = y_[pass] + down, x = x_[pass] + right;
        if (y < 0 || x < 0 || y >= s_.h || x >= s_.w) continue;
        values_[pass] = load_pack<kWidth>(image_[pass] + (y * s_.w + x) * s_.c + channel);
      }
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
  const float* image_[kPasses];
  int32_t y_[kPasses], x_[kPasses];
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

// B of conv2d_dx: w[i,j,c,o] as [k = (i,j,o), c]. kWidth neighbours along o at a time.
template <typename T, int kWidth>
class TransposedKernelLoader {
 public:
  __device__ TransposedKernelLoader(const ConvShape& s, const float* w, int32_t c_begin)
      : s_(s), w_(w), c_begin_(c_begin), depth_(threadIdx.x % kAlong * kWidth) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + depth_;
    uint32_t o;
    const uint32_t position = s_.by_o.divide(k < k_end ? k : 0, o);
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t column = pass * kHigh + static_cast<int32_t>(threadIdx.x / kAlong);
      const int32_t c = c_begin_ + column;
      values_[pass] = {};
      if (k >= k_end || column >= T::kN || c >= s_.c) continue;
      values_[pass] = load_pack<kWidth>(w_ + (static_cast<int64_t>(position) * s_.c + c) * s_.o + o);
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
  const float* w_;
  int32_t c_begin_;
  uint32_t depth_;
  Pack<float, kWidth> values_[kPasses];
};

}  // namespace gradstep::cuda
