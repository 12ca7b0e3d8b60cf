// Convolutions on cuDNN (see conv_cudnn.cuh). Our kernels w [k…, in/groups, out] are [out, k…, in/groups] there: one
// transposition of a matrix, of w before and of dw after, in the step's workspace, w to the type of what it multiplies.
// Where the library does not add the bias, and relu follows, a pass over y does; another one masks dx.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "cuda/cudnn_conv.h"
#include "cuda/divide.h"
#include "cuda/reduce.h"
#include "cuda/stored.h"
#include "ops/conv_cudnn.cuh"
#include "ops/conv_ending.cuh"
#include "ops/reduce_sum.cuh"

namespace gradstep::cuda {
namespace {

// to [columns, rows] (+)= from [rows, columns], in tiles of 32 x 32.
__global__ void __launch_bounds__(kThreads)
    turn_kernel(uint32_t rows, uint32_t columns, Divider wide, Stored from, Stored to, bool accumulate) {
  __shared__ float tile[kWarp][kWarp + 1];
  uint32_t across;
  const uint32_t row = wide.divide(blockIdx.x, across) * kWarp, column = across * kWarp;
  const uint32_t lane = threadIdx.x % kWarp, high = threadIdx.x / kWarp;
#pragma unroll
  for (uint32_t i = high; i < kWarp; i += kWarps) {
    if (row + i < rows && column + lane < columns)
      tile[i][lane] = load_wide<1>(from + static_cast<int64_t>(row + i) * columns + column + lane).v[0];
  }
  __syncthreads();
#pragma unroll
  for (uint32_t j = high; j < kWarp; j += kWarps) {
    if (column + j >= columns || row + lane >= rows) continue;
    const int64_t at = static_cast<int64_t>(column + j) * rows + row + lane;
    const float old = accumulate ? load_wide<1>(to + at).v[0] : 0.f;
    store_narrow<1>(to + at, {{old + tile[lane][j]}});
  }
}

using Turn = std::function<void(cudaStream_t, const Stored& from, const Stored& to)>;

Turn turn(int64_t rows, int64_t columns, bool accumulate) {
  const auto tiles = [](int64_t size) { return (size + kWarp - 1) / kWarp; };
  const dim3 grid = blocks_for(tiles(rows) * tiles(columns), 1);
  const Divider wide(static_cast<uint32_t>(tiles(columns)));
  return [=](cudaStream_t stream, const Stored& from, const Stored& to) {
    launch_cooperating(stream, turn_kernel, grid, dim3(kThreads), 0, static_cast<uint32_t>(rows),
                       static_cast<uint32_t>(columns), wide, from, to, accumulate);
  };
}

// The convolution from x and w to y; nothing where padding after an axis is not what it is before, or where the tensor
// that is multiplied and the result are stored as two types.
template <typename Args>
std::optional<DnnConvShape> shape_of(const Args& a, const Tensor& x, const Tensor& w, const Tensor& y) {
  DnnConvShape s{};
  s.axes = x.rank - 2;
  s.n = x.dims[0];
  s.c = x.dims[x.rank - 1];
  s.k = y.dims[y.rank - 1];
  s.groups = a.groups;
  s.precision = precision_of(a);
  if (is_narrow(x) != is_narrow(y)) return std::nullopt;
  s.narrow = is_narrow(x);
  const int strides[] = {a.stride_d, a.stride_h, a.stride_w}, pads[] = {a.pad_front, a.pad_top, a.pad_left};
  const int dilations[] = {a.dilation_d, a.dilation_h, a.dilation_w};
  for (int i = 0; i < s.axes; i++) {
    const int axis = 3 - s.axes + i;
    s.in[i] = x.dims[i + 1];
    s.out[i] = y.dims[i + 1];
    s.kernel[i] = w.dims[i];
    s.pad[i] = pads[axis];
    s.stride[i] = strides[axis];
    s.dilation[i] = dilations[axis];
    // Whatever is padded after the last window is not seen, so that it is the number of windows that tells.
    const int room = s.in[i] + 2 * s.pad[i] - (s.kernel[i] - 1) * s.dilation[i] - 1;
    if (room < 0 || room / s.stride[i] + 1 != s.out[i]) return std::nullopt;
  }
  return s;
}

std::shared_ptr<const DnnConv> describe(Prepare& prepare, const std::optional<DnnConvShape>& shape,
                                        DnnProduct product) {
  const Cudnn* const cudnn = shape ? prepare.cudnn() : nullptr;
  return cudnn != nullptr ? DnnConv::describe(*cudnn, *shape, product) : nullptr;
}

// A step's workspace: weights as the library wants them, then what the library asks for.
struct Room {
  Workspace workspace;
  size_t weights_bytes;
  bool narrow;
  Stored weights() const { return {workspace.data(), narrow}; }
  void* rest() const { return static_cast<char*>(workspace.data()) + weights_bytes; }
};

Room room_for(Prepare& prepare, int64_t weights, bool narrow, const DnnProposal& by) {
  const size_t bytes = (static_cast<size_t>(weights) * (narrow ? sizeof(Bfloat16) : sizeof(float)) + 255) / 256 * 256;
  return {prepare.workspace(bytes + by.workspace_bytes), bytes, narrow};
}

}  // namespace

std::vector<Way> cudnn_ways(Prepare& prepare, const ConvArgs& args) {
  std::optional<DnnConvShape> shape = shape_of(args, args.x, args.w, args.y);
  // The bias would be added to what is rounded already, or be rounded itself.
  if (args.bias.present() && is_narrow(args.y)) return {};
  const bool relu = args.activation == ConvArgs::kActivationRelu;
  if (shape) shape->relu = relu;
  const auto conv = describe(prepare, shape, DnnProduct::kForward);
  std::vector<Way> ways;
  if (!conv) return ways;
  const int64_t out = args.y.dims[args.y.rank - 1], rows = args.y.size() / out;
  for (const DnnProposal& by : conv->proposals()) {
    const auto prepare_with = [=](Prepare& on, bool adds_bias) -> Step {
      const Room room = room_for(on, args.w.size(), shape->narrow, by);
      const Turn pack = turn(args.w.size() / out, out, false);
      const Stored x = stored(on, args.x), w = stored(on, args.w), y = stored(on, args.y);
      const float* const bias = on.at(args.bias);
      if (adds_bias) {
        return [=](cudaStream_t stream) {
          pack(stream, w, room.weights());
          conv->forward_with_bias(stream, by, x.data, room.weights().data, bias, room.rest(), y.data);
        };
      }
      const bool ends = bias != nullptr || relu;
      return [=](cudaStream_t stream) {
        pack(stream, w, room.weights());
        conv->forward(stream, by, x.data, room.weights().data, room.rest(), y.data);
        // A sum of one slice, where it lies.
        if (ends) add_slices(stream, y, 1, rows, static_cast<int32_t>(out), bias, relu, {y, {}, false});
      };
    };
    if (args.bias.present() && conv->adds_bias(by)) {
      ways.push_back({conv->name_of(by) + "+bias", [=](Prepare& on) { return prepare_with(on, true); }});
    }
    ways.push_back({conv->name_of(by), [=](Prepare& on) { return prepare_with(on, false); }});
  }
  return ways;
}

std::vector<Way> cudnn_ways(Prepare& prepare, const ConvDxArgs& args) {
  const auto shape = shape_of(args, args.dx, args.w, args.dy);
  const auto conv = describe(prepare, shape, DnnProduct::kData);
  std::vector<Way> ways;
  if (!conv) return ways;
  const int64_t out = args.dy.dims[args.dy.rank - 1], in = args.dx.dims[args.dx.rank - 1];
  const bool accumulate = args.accumulate_dx != 0;
  for (const DnnProposal& by : conv->proposals()) {
    ways.push_back({conv->name_of(by), [=](Prepare& on) -> Step {
                      const Room room = room_for(on, args.w.size(), shape->narrow, by);
                      const Turn pack = turn(args.w.size() / out, out, false);
                      const Stored dy = stored(on, args.dy), w = stored(on, args.w);
                      const Stored dx = stored(on, args.dx), mask = stored(on, args.mask);
                      return [=, rows = args.dx.size() / in](cudaStream_t stream) {
                        pack(stream, w, room.weights());
                        conv->data(stream, by, room.weights().data, dy.data, room.rest(), accumulate, dx.data);
                        if (!mask) return;
                        add_slices(stream, dx, 1, rows, static_cast<int32_t>(in), nullptr, false, {dx, mask, false});
                      };
                    }});
  }
  return ways;
}

std::vector<Way> cudnn_ways(Prepare& prepare, const ConvDwArgs& args) {
  // dw is float32, and so would x and dy have to be.
  const auto shape = shape_of(args, args.x, args.dw, args.dy);
  if (is_narrow(args.x)) return {};
  const auto conv = describe(prepare, shape, DnnProduct::kFilter);
  std::vector<Way> ways;
  if (!conv) return ways;
  const int64_t out = args.dy.dims[args.dy.rank - 1];
  const bool accumulate = args.accumulate_dw != 0;
  for (const DnnProposal& by : conv->proposals()) {
    ways.push_back(
        {conv->name_of(by), [=](Prepare& on) -> Step {
           const Room room = room_for(on, args.dw.size(), false, by);
           const Turn unpack = turn(out, args.dw.size() / out, accumulate);
           const float *const x = on.at(args.x), *const dy = on.at(args.dy);
           float* const db = on.at(args.db);
           const Stored dw = stored(on, args.dw);
           const SumRun sum_bias = db != nullptr ? plan_sum(on, {1, args.dy.size() / out, out, 1.f, false}) : SumRun();
           return [=](cudaStream_t stream) {
             if (sum_bias) sum_bias(stream, dy, db);
             conv->filter(stream, by, x, dy, room.rest(), room.weights().data);
             unpack(stream, room.weights(), dw);
           };
         }});
  }
  return ways;
}

}  // namespace gradstep::cuda
