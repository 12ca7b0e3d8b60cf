// Where the elements of a convolution's implicit matrix products lie, channels last; the products themselves:
// cuda/tile.cuh. Shown over two axes and for one group, with k the summed index:
//   conv     y[(n,p,q), o]  = sum over k = (i,j,c) of x at window(n,p,q) position k · w[k, o]
//   conv_dw  dw[(i,j,c), o] = sum over k = (n,p,q) of x at position (i,j,c) of window k · dy[k, o]
//   conv_dx  dx[(n,h,w), c] = sum over k = (i,j,o) of dy where position (i,j) of a window is (h,w) · w[i,j,c,o]
// The last is taken apart by (h,w) modulo the strides: elements of one class are touched by the same positions of
// windows that are neighbours, so each class is a convolution of dy with stride 1 and every product counts.
// Group g is blockIdx.y: its channels follow those of the groups before it. kDeep: over three axes.
#pragma once

#include "cuda/divide.h"
#include "cuda/tile.cuh"

namespace gradstep::cuda {

struct ConvShape {
  int32_t d, h, w, c;    // x [N, d, h, w, groups * c]
  int32_t e, p, q, o;    // y [N, e, p, q, groups * o]
  int32_t all_c, all_o;  // channels of all groups
  int32_t stride_d, stride_h, stride_w, dilation_d, dilation_h, dilation_w, pad_front, pad_top, pad_left;
  Divider by_c, by_e, by_p, by_q, by_kernel_h, by_kernel_w;
  Precision precision;  // of what products multiply
};

// k = (d, i, j, channel) of a kernel.
struct Tap {
  uint32_t d, i, j, channel;
};

template <bool kDeep>
__device__ inline Tap tap_at(const ConvShape& s, uint32_t k) {
  Tap tap{};
  const uint32_t rows = s.by_kernel_w.divide(s.by_c.divide(k, tap.channel), tap.j);
  if constexpr (kDeep) {
    tap.d = s.by_kernel_h.divide(rows, tap.i);
  } else {
    tap.i = rows;
  }
  return tap;
}

// A window or a pixel by its number.
struct Pixel {
  uint32_t n, e, p, q;
};

template <bool kDeep>
__device__ inline Pixel pixel_at(const ConvShape& s, uint32_t number) {
  Pixel pixel{};
  const uint32_t planes = s.by_p.divide(s.by_q.divide(number, pixel.q), pixel.p);
  if constexpr (kDeep) {
    pixel.n = s.by_e.divide(planes, pixel.e);
  } else {
    pixel.n = planes;
  }
  return pixel;
}

// Offset of a pixel in its image x, which has fewer than 2^31 elements. Modulo 2^32, so that the offsets of a place
// outside and of the way from there into the image add up.
template <bool kDeep>
__device__ inline uint32_t offset_of(const ConvShape& s, int32_t z, int32_t y, int32_t x) {
  uint32_t rows = static_cast<uint32_t>(y);
  if constexpr (kDeep) rows += static_cast<uint32_t>(z) * static_cast<uint32_t>(s.h);
  return (rows * static_cast<uint32_t>(s.w) + static_cast<uint32_t>(x)) * static_cast<uint32_t>(s.all_c);
}

template <bool kDeep>
__device__ inline bool outside(const ConvShape& s, int32_t z, int32_t y, int32_t x) {
  if constexpr (kDeep) {
    if (z < 0 || z >= s.d) return true;
  }
  return y < 0 || x < 0 || y >= s.h || x >= s.w;
}

template <bool kDeep>
__device__ inline int32_t image_size(const ConvShape& s) {
  return (kDeep ? s.d : 1) * s.h * s.w * s.all_c;
}

// A of conv: rows are windows of x; and of conv_dx, as a convolution of dy. kWidth neighbours along the channels at a
// time.
template <typename T, int kWidth, bool kDeep>
class WindowLoader {
 public:
  static constexpr bool kAlongK = true;

  __device__ WindowLoader(const ConvShape& s, const float* x, uint32_t row_begin, uint32_t rows)
      : s_(s), from_(x + blockIdx.y * s.c), column_(threadIdx.x % kAlong * kWidth) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t row = row_begin + pass * kHigh + threadIdx.x / kAlong;
      const Pixel at = pixel_at<kDeep>(s, row < rows ? row : 0);
      const int32_t z = kDeep ? static_cast<int32_t>(at.e) * s.stride_d - s.pad_front : 0;
      const int32_t y = static_cast<int32_t>(at.p) * s.stride_h - s.pad_top;
      if constexpr (kDeep) z_[pass] = z;
      y_[pass] = row < rows ? y : kNowhere;
      x_[pass] = static_cast<int32_t>(at.q) * s.stride_w - s.pad_left;
      begin_[pass] = at.n * static_cast<uint32_t>(image_size<kDeep>(s)) + offset_of<kDeep>(s, z, y, x_[pass]);
    }
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + column_;
    const Tap tap = tap_at<kDeep>(s_, k < k_end ? k : 0);
    const int32_t in = static_cast<int32_t>(tap.d) * s_.dilation_d;
    const int32_t down = static_cast<int32_t>(tap.i) * s_.dilation_h;
    const int32_t right = static_cast<int32_t>(tap.j) * s_.dilation_w;
    const uint32_t way = offset_of<kDeep>(s_, in, down, right) + tap.channel;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      values_[pass] = {};
      const int32_t z = kDeep ? z_[pass] + in : 0, y = y_[pass] + down, x = x_[pass] + right;
      if (k >= k_end || outside<kDeep>(s_, z, y, x)) continue;
      values_[pass] = load_pack<kWidth>(from_ + (begin_[pass] + way));
    }
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_k(to, pass * kHigh + threadIdx.x / kAlong, column_, values_[pass], s_.precision);
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
  uint32_t begin_[kPasses];  // of the row's window
  int32_t z_[kDeep ? kPasses : 1], y_[kPasses], x_[kPasses];
  uint32_t column_;
  Pack<float, kWidth> values_[kPasses];
};

// A of conv_dw: rows (d,i,j,c), k = (n,e,p,q). kWidth neighbours along the channels at a time.
template <typename T, int kWidth, bool kDeep>
class KernelPositionLoader {
 public:
  static constexpr bool kAlongK = false;

  __device__ KernelPositionLoader(const ConvShape& s, const float* x, uint32_t row_begin, uint32_t rows) : s_(s) {
    const uint32_t row = row_begin + threadIdx.x % kAlong * kWidth;
    inside_ = row < rows;
    const Tap tap = tap_at<kDeep>(s, inside_ ? row : 0);
    z_ = static_cast<int32_t>(tap.d) * s.dilation_d - s.pad_front;
    y_ = static_cast<int32_t>(tap.i) * s.dilation_h - s.pad_top;
    x_ = static_cast<int32_t>(tap.j) * s.dilation_w - s.pad_left;
    from_ = x + blockIdx.y * s.c + tap.channel;
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const int64_t image = image_size<kDeep>(s_);
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t k = k_begin + pass * kDeepRows + threadIdx.x / kAlong;
      values_[pass] = {};
      if (!inside_ || k >= k_end) continue;
      const Pixel at = pixel_at<kDeep>(s_, k);
      const int32_t z = kDeep ? static_cast<int32_t>(at.e) * s_.stride_d + z_ : 0;
      const int32_t y = static_cast<int32_t>(at.p) * s_.stride_h + y_;
      const int32_t x = static_cast<int32_t>(at.q) * s_.stride_w + x_;
      if (outside<kDeep>(s_, z, y, x)) continue;
      values_[pass] = load_pack<kWidth>(from_ + at.n * image + offset_of<kDeep>(s_, z, y, x));
    }
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_rows(to, threadIdx.x % kAlong * kWidth, pass * kDeepRows + threadIdx.x / kAlong, values_[pass],
                        s_.precision);
    }
  }

 private:
  static constexpr int kAlong = T::kM / kWidth;
  static constexpr int kDeepRows = kTileThreads / kAlong;
  static constexpr int kPasses = T::kDepth / kDeepRows;
  static_assert(T::kDepth % kDeepRows == 0, "whole passes");
  const ConvShape& s_;
  const float* from_;
  bool inside_;
  int32_t z_, y_, x_;
  Pack<float, kWidth> values_[kPasses];
};

// One class of conv_dx: which elements of dx [N, d, h, w, C] it has, and which positions of the kernel touch them.
struct DxClass {
  int32_t d, h, w;
  int32_t first_d, first_h, first_w, stride_d, stride_h, stride_w;  // elements
  int32_t tap_d, tap_h, tap_w, tap_step_d, tap_step_h, tap_step_w;  // positions
  int32_t kernel_h, kernel_w;
};

// B of conv_dx: w[d,i,j,c,o] as [k = (d,i,j,o), c], (d,i,j) of the class. kWidth neighbours along o at a time.
template <typename T, int kWidth, bool kDeep>
class TransposedKernelLoader {
 public:
  static constexpr bool kAlongK = true;

  // s: dy is its x, dx its y.
  __device__ TransposedKernelLoader(const ConvShape& s, const DxClass& of, const float* w, int32_t c_begin)
      : s_(s), of_(of), w_(w + blockIdx.y * s.c), c_begin_(c_begin), depth_(threadIdx.x % kAlong * kWidth) {}

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    const uint32_t k = k_begin + depth_;
    const Tap tap = tap_at<kDeep>(s_, k < k_end ? k : 0);
    int32_t i = of_.tap_h + static_cast<int32_t>(tap.i) * of_.tap_step_h;
    if constexpr (kDeep) i += (of_.tap_d + static_cast<int32_t>(tap.d) * of_.tap_step_d) * of_.kernel_h;
    const int32_t j = of_.tap_w + static_cast<int32_t>(tap.j) * of_.tap_step_w;
    const float* from = w_ + static_cast<int64_t>(i * of_.kernel_w + j) * s_.o * s_.all_c + tap.channel;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t column = pass * kHigh + static_cast<int32_t>(threadIdx.x / kAlong);
      const int32_t c = c_begin_ + column;
      values_[pass] = {};
      if (k >= k_end || column >= T::kN || c >= s_.o) continue;
      values_[pass] = load_pack<kWidth>(from + static_cast<int64_t>(c) * s_.all_c);
    }
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const int32_t column = pass * kHigh + static_cast<int32_t>(threadIdx.x / kAlong);
      if (column < T::kN) T::put_along_k(to, column, depth_, values_[pass], s_.precision);
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
