// concat on CUDA: a thread copies up to four neighbours of y from the input they belong to; four at a time where every
// input's rows divide by four. What is stored differently in y is converted on the way.
#include "cuda/divide.h"
#include "cuda/prepare.h"
#include "cuda/word.h"
#include "generated/args/concat.h"

namespace gradstep::cuda {
namespace {

constexpr int kConcatInputs = 8;

struct Concat {
  const void* x[kConcatInputs];
  uint32_t narrow;  // bit k is set where x[k] is stored in bfloat16
  uint32_t begin[kConcatInputs],
      size[kConcatInputs];  // in a row of y, in packs; inputs that are absent begin at its end
  void* y;
  bool narrow_y;
  uint32_t packs;
  Divider by_row;
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) concat_kernel(Concat c) {
  const uint32_t pack = blockIdx.x * kThreads + threadIdx.x;
  if (pack >= c.packs) return;
  uint32_t column;
  const uint32_t row = c.by_row.divide(pack, column);
  const void* x = c.x[0];
  uint32_t begin = 0, size = c.size[0], narrow = c.narrow & 1u;
#pragma unroll
  for (int k = 1; k < kConcatInputs; k++) {
    if (column < c.begin[k]) continue;
    x = c.x[k];
    begin = c.begin[k];
    size = c.size[k];
    narrow = c.narrow >> k & 1u;
  }
  const int64_t from = static_cast<int64_t>(row) * size + (column - begin);
  const auto words = load_words<kWidth>(x, from * kWidth, narrow != 0);
  store_words(c.y, static_cast<int64_t>(pack) * kWidth, c.narrow_y, words);
}

}  // namespace

Step concat(Prepare& prepare, const ConcatArgs& args) {
  const Tensor* inputs[kConcatInputs] = {&args.in0, &args.in1, &args.in2, &args.in3,
                                         &args.in4, &args.in5, &args.in6, &args.in7};
  bool wide = true;
  for (const Tensor* t : inputs) wide = wide && (!t->present() || t->dims[1] % 4 == 0);
  const uint32_t width = wide ? 4 : 1;
  Concat c{};
  uint32_t begin = 0;
  for (int k = 0; k < kConcatInputs; k++) {
    c.x[k] = prepare.at<char>(*inputs[k]);
    c.begin[k] = begin;
    if (!inputs[k]->present()) continue;
    if (inputs[k]->dtype == DType::kBfloat16) c.narrow |= 1u << k;
    c.size[k] = static_cast<uint32_t>(inputs[k]->dims[1]) / width;
    begin += c.size[k];
  }
  c.y = prepare.at<char>(args.y);
  c.narrow_y = args.y.dtype == DType::kBfloat16;
  c.packs = static_cast<uint32_t>(args.y.size()) / width;
  c.by_row = Divider(begin);
  const auto kernel = wide ? concat_kernel<4> : concat_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, blocks_for(c.packs, kThreads), dim3(kThreads), c); };
}

}  // namespace gradstep::cuda
