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
#include "cuda/reduce.h"
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
__device__ inline int32_t image_size(const ConvShape& s) {
  return (kDeep ? s.d : 1) * s.h * s.w * s.all_c;
}

constexpr int32_t kNowhere = -(1 << 30);  // along an axis: outside of the image whatever is added, itself included

// Where an element lies, or the way from one to another. Elements outside of the image are told by their axes.
struct alignas(16) Place {
  uint32_t offset;
  int32_t z, y, x;
};

template <bool kDeep>
__device__ inline bool is_inside(const ConvShape& s, const Place& from, const Place& way) {
  const auto within = [](int32_t at, int32_t size) { return static_cast<uint32_t>(at) < static_cast<uint32_t>(size); };
  const bool inside = within(from.y + way.y, s.h) & within(from.x + way.x, s.w);
  if constexpr (kDeep) return inside & within(from.z + way.z, s.d);
  return inside;
}

// What threads need to know of the k of a slice, which takes more instructions than all else in a fetch: one thread
// works it out for all, a slice ahead of its use, behind the barrier that ends every slice. `What` is one for each of
// the threads from kFirst on. Buffers take turns, as those of slices do where they are copied.
template <typename T, typename What, int kCount, int kFirst, bool kCopies>
class Ahead {
 public:
  template <typename Make>
  __device__ static void begin(uint32_t k_begin, Make make) {
    note(kCopies ? 0 : buffer_of(k_begin), k_begin, make);
    __syncthreads();
  }

  // That of slice [k_begin, …); notes the next one's.
  template <typename Make>
  __device__ static const What* at(int buffer, uint32_t k_begin, Make make) {
    note((buffer + 1) % kBuffers, k_begin + T::kDepth, make);
    return buffers()[buffer];
  }

  // A slice's where it is not copied.
  __device__ static int buffer_of(uint32_t k_begin) { return k_begin / T::kDepth % 2; }

 private:
  static constexpr int count() {
    if constexpr (kCopies) return T::kStages;
    return 2;
  }
  static constexpr int kBuffers = count();
  using Buffers = What[kBuffers][kCount];
  __device__ static Buffers& buffers() {
    __shared__ Buffers all;
    return all;
  }
  template <typename Make>
  __device__ static void note(int buffer, uint32_t k_begin, Make make) {
    const uint32_t i = threadIdx.x - kFirst;
    if (i < kCount) buffers()[buffer][i] = make(k_begin, i);
  }
};

// A of conv: rows are windows of x; and of conv_dx, as a convolution of dy. kWidth neighbours along the channels at a
// time.
template <typename T, int kWidth, bool kDeep>
class WindowLoader {
 public:
  using S = typename T::Stored;
  static constexpr bool kAlongK = true;
  static constexpr bool kCopies = kCanCopy<T, kWidth>;

  __device__ WindowLoader(const ConvShape& s, const S* x, uint32_t row_begin, uint32_t rows, uint32_t k_begin,
                          uint32_t k_end)
      : s_(s), x_(x), k_end_(k_end) {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const uint32_t row = row_begin + pass * kHigh + threadIdx.x / kAlong;
      const Pixel at = pixel_at<kDeep>(s, row < rows ? row : 0);
      Place& window = windows_[pass];
      window.z = kDeep ? static_cast<int32_t>(at.e) * s.stride_d - s.pad_front : 0;
      window.y = static_cast<int32_t>(at.p) * s.stride_h - s.pad_top;
      window.x = static_cast<int32_t>(at.q) * s.stride_w - s.pad_left;
      window.offset = at.n * static_cast<uint32_t>(image_size<kDeep>(s)) + blockIdx.y * static_cast<uint32_t>(s.c) +
                      offset_of<kDeep>(s, window.z, window.y, window.x);
      if (row >= rows) window.y = kNowhere;
    }
    Ways::begin(k_begin, [&](uint32_t k, uint32_t i) { return way(k + i * kWidth); });
  }

  __device__ void fetch(uint32_t k_begin, uint32_t) {
    visit(Ways::buffer_of(k_begin), k_begin,
          [&](int pass, bool inside, uint32_t at) { values_[pass] = load_if<kWidth>(inside, x_, at); });
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_k(to, pass * kHigh + threadIdx.x / kAlong, threadIdx.x % kAlong * kWidth, values_[pass],
                     s_.precision);
    }
  }

  template <typename Slice>
  __device__ void copy(int buffer, Slice& to, uint32_t k_begin, uint32_t) const {
    visit(buffer, k_begin, [&](int pass, bool inside, uint32_t at) {
      copy_if<kWidth>(inside, to.at(pass * kHigh + threadIdx.x / kAlong, threadIdx.x % kAlong * kWidth), x_, at);
    });
  }

 private:
  static constexpr int kAlong = T::kDepth / kWidth;    // threads along k
  static constexpr int kHigh = kTileThreads / kAlong;  // rows a pass
  static constexpr int kPasses = T::kM / kHigh;
  static_assert(T::kM % kHigh == 0, "whole passes");
  using Ways = Ahead<T, Place, kAlong, 0, kCopies>;

  // Calls use(pass, whether there is something, where) for this thread's share of a slice.
  template <typename Use>
  __device__ void visit(int buffer, uint32_t k_begin, Use use) const {
    const Place* const ways = Ways::at(buffer, k_begin, [&](uint32_t k, uint32_t i) { return way(k + i * kWidth); });
    const Place way = ways[threadIdx.x % kAlong];
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      use(pass, is_inside<kDeep>(s_, windows_[pass], way), windows_[pass].offset + way.offset);
    }
  }

  // From the beginning of a window to position k of it.
  __device__ Place way(uint32_t k) const {
    const Tap tap = tap_at<kDeep>(s_, k < k_end_ ? k : 0);
    Place way;
    way.z = static_cast<int32_t>(tap.d) * s_.dilation_d;
    way.y = static_cast<int32_t>(tap.i) * s_.dilation_h;
    way.x = static_cast<int32_t>(tap.j) * s_.dilation_w;
    way.offset = offset_of<kDeep>(s_, way.z, way.y, way.x) + tap.channel;
    if (k >= k_end_) way.y = kNowhere;
    return way;
  }

  const ConvShape& s_;
  const S* x_;
  uint32_t k_end_;
  Place windows_[kPasses];
  Pack<S, kWidth> values_[kPasses];
};

// A of conv_dw: rows (d,i,j,c), k = (n,e,p,q). kWidth neighbours along the channels at a time.
template <typename T, int kWidth, bool kDeep>
class KernelPositionLoader {
 public:
  using S = typename T::Stored;
  static constexpr bool kAlongK = false;
  static constexpr bool kCopies = kCanCopy<T, kWidth>;

  __device__ KernelPositionLoader(const ConvShape& s, const S* x, uint32_t row_begin, uint32_t rows, uint32_t k_begin,
                                  uint32_t k_end)
      : s_(s), x_(x), k_end_(k_end) {
    const uint32_t row = row_begin + threadIdx.x % kAlong * kWidth;
    const Tap tap = tap_at<kDeep>(s, row < rows ? row : 0);
    way_.z = static_cast<int32_t>(tap.d) * s.dilation_d - s.pad_front;
    way_.y = static_cast<int32_t>(tap.i) * s.dilation_h - s.pad_top;
    way_.x = static_cast<int32_t>(tap.j) * s.dilation_w - s.pad_left;
    way_.offset = offset_of<kDeep>(s, way_.z, way_.y, way_.x) + blockIdx.y * static_cast<uint32_t>(s.c) + tap.channel;
    if (row >= rows) way_.y = kNowhere;
    Windows::begin(k_begin, [&](uint32_t k, uint32_t i) { return window(k + i); });
  }

  __device__ void fetch(uint32_t k_begin, uint32_t) {
    visit(Windows::buffer_of(k_begin), k_begin,
          [&](int pass, bool inside, uint32_t at) { values_[pass] = load_if<kWidth>(inside, x_, at); });
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_rows(to, threadIdx.x % kAlong * kWidth, pass * kDeepRows + threadIdx.x / kAlong, values_[pass],
                        s_.precision);
    }
  }

  template <typename Slice>
  __device__ void copy(int buffer, Slice& to, uint32_t k_begin, uint32_t) const {
    visit(buffer, k_begin, [&](int pass, bool inside, uint32_t at) {
      copy_if<kWidth>(inside, to.at(pass * kDeepRows + threadIdx.x / kAlong, threadIdx.x % kAlong * kWidth), x_, at);
    });
  }

 private:
  static constexpr int kAlong = T::kM / kWidth;
  static constexpr int kDeepRows = kTileThreads / kAlong;
  static constexpr int kPasses = T::kDepth / kDeepRows;
  static_assert(T::kDepth % kDeepRows == 0, "whole passes");
  using Windows = Ahead<T, Place, T::kDepth, 0, kCopies>;

  template <typename Use>
  __device__ void visit(int buffer, uint32_t k_begin, Use use) const {
    const Place* const windows = Windows::at(buffer, k_begin, [&](uint32_t k, uint32_t i) { return window(k + i); });
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      const Place window = windows[pass * kDeepRows + threadIdx.x / kAlong];
      use(pass, is_inside<kDeep>(s_, window, way_), window.offset + way_.offset);
    }
  }

  // Where window k would begin without padding.
  __device__ Place window(uint32_t k) const {
    const Pixel at = pixel_at<kDeep>(s_, k < k_end_ ? k : 0);
    Place window;
    window.z = kDeep ? static_cast<int32_t>(at.e) * s_.stride_d : 0;
    window.y = static_cast<int32_t>(at.p) * s_.stride_h;
    window.x = static_cast<int32_t>(at.q) * s_.stride_w;
    window.offset =
        at.n * static_cast<uint32_t>(image_size<kDeep>(s_)) + offset_of<kDeep>(s_, window.z, window.y, window.x);
    if (k >= k_end_) window.y = kNowhere;
    return window;
  }

  const ConvShape& s_;
  const S* x_;
  uint32_t k_end_;
  Place way_;  // from the beginning of a window to this thread's position in it
  Pack<S, kWidth> values_[kPasses];
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
  using S = typename T::Stored;
  static constexpr bool kAlongK = true;
  static constexpr bool kCopies = kCanCopy<T, kWidth>;

  // s: dy is its x, dx its y.
  __device__ TransposedKernelLoader(const ConvShape& s, const DxClass& of, const S* w, int32_t c_begin,
                                    uint32_t k_begin, uint32_t k_end)
      : s_(s), of_(of), w_(w), k_end_(k_end), c_(c_begin + static_cast<int32_t>(threadIdx.x / kAlong)) {
    begin_ = blockIdx.y * static_cast<uint32_t>(s.c) + static_cast<uint32_t>(c_) * static_cast<uint32_t>(s.all_c);
    if (threadIdx.x / kAlong >= T::kN) c_ = s.o;
    Taps::begin(k_begin, [&](uint32_t k, uint32_t i) { return offset_of_tap(k + i * kWidth); });
  }

  __device__ void fetch(uint32_t k_begin, uint32_t k_end) {
    visit(Taps::buffer_of(k_begin), k_begin, k_end,
          [&](int pass, bool inside, uint32_t at) { values_[pass] = load_if<kWidth>(inside, w_, at); });
  }

  template <typename Slice>
  __device__ void store(Slice& to) const {
    const int32_t column = static_cast<int32_t>(threadIdx.x / kAlong);
    if (kHigh > T::kN && column >= T::kN) return;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      T::put_along_k(to, pass * kHigh + column, threadIdx.x % kAlong * kWidth, values_[pass], s_.precision);
    }
  }

  template <typename Slice>
  __device__ void copy(int buffer, Slice& to, uint32_t k_begin, uint32_t k_end) const {
    const int32_t column = static_cast<int32_t>(threadIdx.x / kAlong);
    visit(buffer, k_begin, k_end, [&](int pass, bool inside, uint32_t at) {
      if (kHigh > T::kN && column >= T::kN) return;
      copy_if<kWidth>(inside, to.at(pass * kHigh + column, threadIdx.x % kAlong * kWidth), w_, at);
    });
  }

 private:
  static constexpr int kAlong = T::kDepth / kWidth;
  static constexpr int kHigh = kTileThreads / kAlong;
  static constexpr int kPasses = (T::kN + kHigh - 1) / kHigh;
  static_assert(kHigh >= T::kN || T::kN % kHigh == 0, "whole passes");
  using Taps = Ahead<T, uint32_t, kAlong, kWarp, kCopies>;  // by other threads than the windows' ways

  template <typename Use>
  __device__ void visit(int buffer, uint32_t k_begin, uint32_t k_end, Use use) const {
    const uint32_t* const taps =
        Taps::at(buffer, k_begin, [&](uint32_t k, uint32_t i) { return offset_of_tap(k + i * kWidth); });
    const uint32_t begin = begin_ + taps[threadIdx.x % kAlong];
    const bool is_term = k_begin + threadIdx.x % kAlong * kWidth < k_end;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
      use(pass, is_term & (c_ + pass * kHigh < s_.o), begin + pass * kHigh * static_cast<uint32_t>(s_.all_c));
    }
  }

  __device__ uint32_t offset_of_tap(uint32_t k) const {
    const Tap tap = tap_at<kDeep>(s_, k < k_end_ ? k : 0);
    int32_t i = of_.tap_h + static_cast<int32_t>(tap.i) * of_.tap_step_h;
    if constexpr (kDeep) i += (of_.tap_d + static_cast<int32_t>(tap.d) * of_.tap_step_d) * of_.kernel_h;
    const int32_t j = of_.tap_w + static_cast<int32_t>(tap.j) * of_.tap_step_w;
    return static_cast<uint32_t>((i * of_.kernel_w + j) * s_.o) * static_cast<uint32_t>(s_.all_c) + tap.channel;
  }

  const ConvShape& s_;
  const DxClass& of_;
  const S* w_;
  uint32_t k_end_, begin_;
  int32_t c_;
  Pack<S, kWidth> values_[kPasses];
};

}  // namespace gradstep::cuda
