// oneHot on CUDA: a thread writes up to four neighbouring classes of a row; all threads of a row read the same numbers.
// Of several numbers outside the classes, the first in the batch is the one that is told.
#include "core/state.h"
#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "generated/args/one_hot.h"

namespace gradstep::cuda {
namespace {

struct OneHot {
  const int32_t* x;  // [rows, length]
  float* y;          // [rows, classes]
  const int32_t* state;
  int32_t* flag;  // null: not told
  uint32_t packs;
  Divider by_packs;  // of a row
  int32_t length, classes;
  int32_t row_size;  // numbers in a row of the batch
  int32_t code;
  bool any;
};

__device__ inline bool is_class(const OneHot& h, int32_t number) { return number >= 0 && number < h.classes; }

// Called by one thread that found the first wrong number of its row: sets the flag unless an earlier one does.
__device__ void flag_number(const OneHot& h, int32_t at) {
  for (int32_t i = 0; i < at; i++) {
    if (!is_class(h, h.x[i])) return;
  }
  if (h.flag[0] != kFlagNone) return;
  h.flag[1] = at / h.row_size;
  h.flag[2] = h.x[at];
  h.flag[3] = h.state[kStateStep];
  h.flag[0] = h.code;
}

template <int kWidth>
__global__ void __launch_bounds__(kThreads) one_hot_kernel(OneHot h) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= h.packs) return;
  uint32_t column;
  const int32_t row = static_cast<int32_t>(h.by_packs.divide(pack, column));
  const int32_t first = static_cast<int32_t>(column) * kWidth;
  const int32_t* x = h.x + static_cast<int64_t>(row) * h.length;
  Pack<float, kWidth> counts{};
  int32_t wrong = -1;
  for (int32_t i = 0; i < h.length; i++) {
    const int32_t number = x[i];
    if (wrong < 0 && !is_class(h, number)) wrong = i;
#pragma unroll
    for (int k = 0; k < kWidth; k++) counts.v[k] += number == first + k ? 1.f : 0.f;
  }
  if (h.any) {
#pragma unroll
    for (int k = 0; k < kWidth; k++) counts.v[k] = counts.v[k] > 0.f ? 1.f : 0.f;
  }
  store_pack(h.y + static_cast<int64_t>(pack) * kWidth, counts);
  if (wrong >= 0 && column == 0 && h.flag != nullptr) flag_number(h, row * h.length + wrong);
}

}  // namespace

Step one_hot(Prepare& prepare, const OneHotArgs& args) {
  const bool wide = args.classes % 4 == 0;
  const uint32_t width = wide ? 4 : 1;
  OneHot h{};
  h.x = prepare.at<int32_t>(args.x);
  h.y = prepare.at(args.y);
  h.state = prepare.at<int32_t>(args.state);
  h.flag = prepare.at<int32_t>(args.flag);
  h.packs = static_cast<uint32_t>(args.y.size()) / width;
  h.by_packs = Divider(static_cast<uint32_t>(args.classes) / width);
  h.length = args.x.dims[args.x.rank - 1];
  h.classes = args.classes;
  h.row_size = static_cast<int32_t>(args.x.size() / args.x.dims[0]);
  h.code = static_cast<int32_t>(kFlagIndexRange | args.place << kFlagCodeBits);
  h.any = args.mode == OneHotArgs::kModeAny;
  const auto kernel = wide ? one_hot_kernel<4> : one_hot_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(h.packs, kThreads), dim3(kThreads), h); };
}

}  // namespace gradstep::cuda
