// pad on CUDA: a thread writes up to four neighbours of y, from x or zeros. Four at a time where rows and the padding
// of the last axis divide by four. Accumulating, the threads walk over the part of x that is kept instead, so what lies
// outside costs nothing.
#include <algorithm>

#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "generated/args/pad.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;

// One axis, from the last to the first; the last in packs.
struct Axis {
  Divider by;          // elements that are walked
  int32_t begin;       // of them, in y
  int32_t before;      // x[i] lies at y[i + before]
  int32_t size;        // of x
  int32_t in_x, in_y;  // strides
};

template <typename T>
struct Window {
  const T* x;
  T* y;
  uint32_t packs;
  int32_t rank;
  Axis axes[kMaxRank];
};

template <typename T, int kWidth, bool kAdd>
__global__ void __launch_bounds__(kThreads) window_kernel(Window<T> w) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= w.packs) return;
  uint32_t rest = pack;
  int64_t from = 0, to = 0;
  bool inside = true;
#pragma unroll
  for (int i = 0; i < kMaxRank; i++) {
    if (i == w.rank) break;
    const Axis& axis = w.axes[i];
    uint32_t index;
    rest = axis.by.divide(rest, index);
    const int32_t at = static_cast<int32_t>(index) + axis.begin;
    const int32_t in_x = at - axis.before;
    inside = inside && in_x >= 0 && in_x < axis.size;
    from += static_cast<int64_t>(in_x) * axis.in_x;
    to += static_cast<int64_t>(at) * axis.in_y;
  }
  Pack<T, kWidth> value{};
  if (inside) value = load_pack<kWidth>(w.x + from);
  if constexpr (kAdd) {
    const Pack<T, kWidth> there = load_pack<kWidth>(w.y + to);
#pragma unroll
    for (int k = 0; k < kWidth; k++) value.v[k] += there.v[k];
  }
  store_pack(w.y + to, value);
}

template <typename T, bool kAdd>
Step window_step(const PadArgs& args, const T* x, T* y) {
  const int32_t before[] = {args.before0, args.before1, args.before2, args.before3, args.before4, args.before5};
  const int last = args.y.rank - 1;
  const bool wide = args.x.dims[last] % 4 == 0 && args.y.dims[last] % 4 == 0 && before[last] % 4 == 0;
  Window<T> w{};
  w.x = x;
  w.y = y;
  w.rank = args.y.rank;
  int64_t packs = 1, in_x = 1, in_y = 1;
  for (int i = 0; i <= last; i++) {
    const int at = last - i;
    const int32_t width = i == 0 && wide ? 4 : 1;
    const int32_t x_size = args.x.dims[at] / width, y_size = args.y.dims[at] / width, shift = before[at] / width;
    const int32_t begin = kAdd ? std::max(0, shift) : 0;
    const int32_t end = kAdd ? std::min(y_size, shift + x_size) : y_size;
    if (begin >= end) return [](cudaStream_t) {};
    w.axes[i] = {Divider(static_cast<uint32_t>(end - begin)), begin, shift, x_size, static_cast<int32_t>(in_x * width),
                 static_cast<int32_t>(in_y * width)};
    packs *= end - begin;
    in_x *= args.x.dims[at];
    in_y *= args.y.dims[at];
  }
  w.packs = static_cast<uint32_t>(packs);
  const auto kernel = wide ? window_kernel<T, 4, kAdd> : window_kernel<T, 1, kAdd>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(w.packs, kThreads), dim3(kThreads), w); };
}

}  // namespace

Step pad(Prepare& prepare, const PadArgs& args) {
  if (args.accumulate_y) return window_step<float, true>(args, prepare.at(args.x), prepare.at(args.y));
  return window_step<uint32_t, false>(args, prepare.at<uint32_t>(args.x), prepare.at<uint32_t>(args.y));
}

}  // namespace gradstep::cuda
