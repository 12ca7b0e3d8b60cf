// reverse on CUDA: up to four neighbours of a row of `inner` numbers a thread. int32 moves as float32 does: by its
// bits.
#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "generated/args/reverse.h"

namespace gradstep::cuda {
namespace {

struct Reversal {
  const int32_t* x;
  int32_t* y;
  uint32_t packs;
  int32_t length, row_packs;
  Divider of_row;  // packs
  Divider of_length;
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) reverse_kernel(Reversal r) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= r.packs) return;
  uint32_t column, at;
  const uint32_t row = r.of_row.divide(pack, column);
  r.of_length.divide(row, at);
  const int64_t from = static_cast<int64_t>(row) + r.length - 1 - 2 * static_cast<int64_t>(at);
  store_pack(r.y + static_cast<int64_t>(pack) * kWidth,
             load_pack<kWidth>(r.x + (from * r.row_packs + column) * kWidth));
}

}  // namespace

Step reverse(Prepare& prepare, const ReverseArgs& args) {
  const bool wide = args.x.dims[2] % 4 == 0;
  const uint32_t width = wide ? 4 : 1;
  Reversal r{};
  r.x = prepare.at<int32_t>(args.x);
  r.y = prepare.at<int32_t>(args.y);
  r.packs = static_cast<uint32_t>(args.x.size()) / width;
  r.length = args.x.dims[1];
  r.row_packs = args.x.dims[2] / static_cast<int32_t>(width);
  r.of_row = Divider(static_cast<uint32_t>(r.row_packs));
  r.of_length = Divider(static_cast<uint32_t>(r.length));
  const auto kernel = wide ? reverse_kernel<4> : reverse_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(r.packs, kThreads), dim3(kThreads), r); };
}

}  // namespace gradstep::cuda
