// resize and its gradient on CUDA, NHWC. A thread makes a pixel's channels; the gradient gathers, in order, from the
// results that the pixel had a share in, so it needs no atomics.
#include "cuda/prepare.h"
#include "cuda/stored.h"
#include "generated/args/resize.h"
#include "ops/image.cuh"
#include "ops/resize.h"

namespace gradstep::cuda {
namespace {

using Axis = ResizeAxis<Divider>;

struct Resize {
  ImageMap map;
  Axis rows, columns;
  Stored from, to;
};

template <int kWidth>
__global__ void __launch_bounds__(kImageThreads) resize_kernel(Resize r) {
  const uint32_t flat = r.map.flat_pixel();
  if (flat >= r.map.pixels) return;
  const Pixel at = r.map.pixel(flat);
  const ResizeTap row = r.rows.tap(at.row), column = r.columns.tap(at.column);
  const int64_t above = (static_cast<int64_t>(at.n) * r.rows.size + row.low) * r.columns.size;
  const int64_t below = (static_cast<int64_t>(at.n) * r.rows.size + row.high) * r.columns.size;
  const auto load = [&](int64_t line, int32_t w, int32_t u) {
    return load_wide<kWidth>(r.from + ((line + w) * r.map.units + u) * kWidth);
  };
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < r.map.units; u += static_cast<int32_t>(blockDim.x)) {
    Pack<float, kWidth> y{};
    if (!r.rows.bilinear) {
      y = load(above, column.low, u);
    } else {
      add_pack(y, (1.f - row.share) * (1.f - column.share), load(above, column.low, u));
      add_pack(y, (1.f - row.share) * column.share, load(above, column.high, u));
      add_pack(y, row.share * (1.f - column.share), load(below, column.low, u));
      add_pack(y, row.share * column.share, load(below, column.high, u));
    }
    store_narrow(r.to + (static_cast<int64_t>(flat) * r.map.units + u) * kWidth, y);
  }
}

// Four blocks a multiprocessor: where it is left open, ptxas makes room for more on sm_100 and spills for it.
template <int kWidth>
__global__ void __launch_bounds__(kImageThreads, 4) resize_dx_kernel(Resize r) {
  const uint32_t flat = r.map.flat_pixel();
  if (flat >= r.map.pixels) return;
  const Pixel at = r.map.pixel(flat);
  const int32_t first_p = r.rows.begin(at.row), last_p = r.rows.end(at.row);
  const int32_t first_q = r.columns.begin(at.column), last_q = r.columns.end(at.column);
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < r.map.units; u += static_cast<int32_t>(blockDim.x)) {
    Pack<float, kWidth> sum{};
    for (int32_t p = first_p; p < last_p; p++) {
      const float high = Axis::share_of(r.rows.tap(p), at.row);
      const int64_t line = (static_cast<int64_t>(at.n) * r.rows.out + p) * r.columns.out;
      for (int32_t q = first_q; q < last_q; q++) {
        const float share = high * Axis::share_of(r.columns.tap(q), at.column);
        add_pack(sum, share, load_wide<kWidth>(r.from + ((line + q) * r.map.units + u) * kWidth));
      }
    }
    store_narrow(r.to + (static_cast<int64_t>(flat) * r.map.units + u) * kWidth, sum);
  }
}

// `source` is the tensor sampled from, `result` the other.
Step resize_step(Prepare& prepare, const Tensor& source, const Tensor& result, bool bilinear, bool backward) {
  const Tensor &from = backward ? result : source, &to = backward ? source : result;
  const Resize r{image_map(to), Axis(source.dims[1], result.dims[1], bilinear),
                 Axis(source.dims[2], result.dims[2], bilinear), stored(prepare, from), stored(prepare, to)};
  const bool wide = image_width(to) == 4;
  const auto kernel =
      backward ? (wide ? resize_dx_kernel<4> : resize_dx_kernel<1>) : (wide ? resize_kernel<4> : resize_kernel<1>);
  return [=](cudaStream_t stream) { launch(stream, kernel, r.map.grid(), r.map.block(), r); };
}

}  // namespace

Step resize(Prepare& prepare, const ResizeArgs& args) {
  return resize_step(prepare, args.x, args.y, args.interpolation == ResizeArgs::kInterpolationBilinear, false);
}

Step resize_dx(Prepare& prepare, const ResizeDxArgs& args) {
  return resize_step(prepare, args.dx, args.dy, args.interpolation == ResizeDxArgs::kInterpolationBilinear, true);
}

}  // namespace gradstep::cuda
