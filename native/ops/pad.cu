// pad on CUDA: a thread writes up to four neighbours of y, from x or zeros. Four at a time where rows and the padding
// of the last axis divide by four. Accumulating, the threads walk over the part of x that is kept instead, so what lies
// outside costs nothing. What is stored differently in y is converted on the way.
#include <algorithm>

#include "cuda/divide.h"
#include "cuda/prepare.h"
#include "cuda/word.h"
#include "generated/args/pad.h"

namespace gradstep::cuda {
namespace {

// One axis, from the last to the first; the last in packs.
struct PadAxis {
  Divider by;          // elements that are walked
  int32_t begin;       // of them, in y
  int32_t before;      // x[i] lies at y[i + before]
  int32_t size;        // of x
  int32_t in_x, in_y;  // strides
};

struct Window {
  const void* x;
  void* y;
  bool narrow_x, narrow_y;  // stored in bfloat16
  uint32_t packs;
  int32_t rank;
  PadAxis axes[kMaxRank];
};

template <int kWidth, bool kAdd>
__global__ void __launch_bounds__(kThreads) window_kernel(Window w) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= w.packs) return;
  uint32_t rest = pack;
  int64_t from = 0, to = 0;
  bool inside = true;
#pragma unroll
  for (int i = 0; i < kMaxRank; i++) {
    if (i == w.rank) break;
    const PadAxis& axis = w.axes[i];
    uint32_t index;
    rest = axis.by.divide(rest, index);
    const int32_t at = static_cast<int32_t>(index) + axis.begin;
    const int32_t in_x = at - axis.before;
    inside = inside && in_x >= 0 && in_x < axis.size;
    from += static_cast<int64_t>(in_x) * axis.in_x;
    to += static_cast<int64_t>(at) * axis.in_y;
  }
  Pack<uint32_t, kWidth> words{};
  if (inside) words = load_words<kWidth>(w.x, from, w.narrow_x);
  if constexpr (kAdd) {
    const auto there = load_words<kWidth>(w.y, to, w.narrow_y);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      words.v[k] = __float_as_uint(__uint_as_float(words.v[k]) + __uint_as_float(there.v[k]));
    }
  }
  store_words(w.y, to, w.narrow_y, words);
}

template <bool kAdd>
Step window_step(Prepare& prepare, const PadArgs& args) {
  const int32_t before[] = {args.before0, args.before1, args.before2, args.before3, args.before4, args.before5};
  const int last = args.y.rank - 1;
  const bool wide = args.x.dims[last] % 4 == 0 && args.y.dims[last] % 4 == 0 && before[last] % 4 == 0;
  Window w{};
  w.x = prepare.at<char>(args.x);
  w.y = prepare.at<char>(args.y);
  w.narrow_x = args.x.dtype == DType::kBfloat16;
  w.narrow_y = args.y.dtype == DType::kBfloat16;
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
  const auto kernel = wide ? window_kernel<4, kAdd> : window_kernel<1, kAdd>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(w.packs, kThreads), dim3(kThreads), w); };
}

}  // namespace

Step pad(Prepare& prepare, const PadArgs& args) {
  return args.accumulate_y ? window_step<true>(prepare, args) : window_step<false>(prepare, args);
}

}  // namespace gradstep::cuda
