// crop and its gradient on CUDA, NHWC: each block belongs to one image, whose window its threads draw once for the four
// elements (or groups of four channels) that each of them copies, converted where they are stored differently.
#include "core/error.h"
#include "cuda/divide.h"
#include "cuda/prepare.h"
#include "cuda/word.h"
#include "generated/args/crop.h"
#include "ops/crop.h"

namespace gradstep::cuda {
namespace {

constexpr int kCropped = 4;

struct Crop {
  CropRule rule;
  const int32_t* state;
  const void* from;  // [N, rows, columns, C]
  void* to;          // [N, to_rows, to_columns, C]
  bool narrow_from, narrow_to;
  int32_t rows, columns;
  uint32_t units;     // groups of kWidth channels
  uint32_t elements;  // of an image that is written, in units
  uint32_t blocks;    // for each image
  Divider by_image, by_row, by_pixel;
  bool backward;
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) crop_kernel(Crop k) {
  uint32_t part;
  const int64_t n = k.by_image.divide(blockIdx.x, part);
  const CropMaps maps = crop_maps(k.rule, n, k.state, k.backward);
  const int64_t in_image = n * k.rows * k.columns;
#pragma unroll
  for (int j = 0; j < kCropped; j++) {
    const uint32_t i = (part * kCropped + j) * kThreads + threadIdx.x;
    if (i >= k.elements) return;
    uint32_t in_row, unit;
    const int32_t row = maps.rows.source(static_cast<int32_t>(k.by_row.divide(i, in_row)));
    const int32_t column = maps.columns.source(static_cast<int32_t>(k.by_pixel.divide(in_row, unit)));
    Pack<uint32_t, kWidth> words{};
    if (row >= 0 && row < k.rows && column >= 0 && column < k.columns) {
      const int64_t pixel = in_image + static_cast<int64_t>(row) * k.columns + column;
      words = load_words<kWidth>(k.from, (pixel * k.units + unit) * kWidth, k.narrow_from);
    }
    store_words(k.to, (n * k.elements + i) * kWidth, k.narrow_to, words);
  }
}

template <typename Args>
Step crop_step(Prepare& prepare, const Args& args, const Tensor& from, const Tensor& to, bool backward) {
  const int width = to.dims[3] % 4 == 0 ? 4 : 1;
  const int64_t units = to.dims[3] / width, row = units * to.dims[2], elements = row * to.dims[1];
  const int64_t blocks = (elements + kThreads * kCropped - 1) / (kThreads * kCropped);
  if (elements >= int64_t{1} << 30 || blocks * to.dims[0] >= int64_t{1} << 31) {
    throw Error("ERR_SHAPE", "crop handles images of fewer than 2^30 elements and batches of fewer than 2^41");
  }
  Crop k{};
  k.rule = crop_rule(args);
  k.state = prepare.template at<int32_t>(args.state);
  k.from = prepare.template at<char>(from);
  k.to = prepare.template at<char>(to);
  k.narrow_from = from.dtype == DType::kBfloat16;
  k.narrow_to = to.dtype == DType::kBfloat16;
  k.rows = from.dims[1];
  k.columns = from.dims[2];
  k.units = static_cast<uint32_t>(units);
  k.elements = static_cast<uint32_t>(elements);
  k.blocks = static_cast<uint32_t>(blocks);
  k.by_image = Divider(k.blocks);
  k.by_row = Divider(static_cast<uint32_t>(row));
  k.by_pixel = Divider(k.units);
  k.backward = backward;
  const dim3 grid(static_cast<unsigned>(blocks * to.dims[0]));
  const auto kernel = width == 4 ? crop_kernel<4> : crop_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, grid, dim3(kThreads), k); };
}

}  // namespace

Step crop(Prepare& prepare, const CropArgs& args) { return crop_step(prepare, args, args.x, args.y, false); }

Step crop_dx(Prepare& prepare, const CropDxArgs& args) { return crop_step(prepare, args, args.dy, args.dx, true); }

}  // namespace gradstep::cuda
