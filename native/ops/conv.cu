// conv and its two gradients on CUDA, channels last: implicit GEMMs, so nothing is unfolded into memory. In float32,
// or, where that is asked for, on tensor cores with operands rounded to TF32 or bfloat16; where the device has none for
// it, the rounded numbers are multiplied as float32. Operands that are stored in bfloat16 are copied to shared
// memory as they are. conv applies bias and relu as it writes; conv_dx can add to dx, or mask it. conv_dw sums over
// every output pixel of the batch. Any sum may be cut into slices that run side by side, whose results are added in
// order by a second launch. conv_dx is one launch for each class of elements (see conv.cuh). Groups run side by side in
// one grid; depthwise convolutions have kernels of their own (depthwise.cuh). All three write every element, in an
// order that depends on the shape, the device and the way that was chosen only. cuDNN's kernels are further ways, where
// there is that library (conv_cudnn.cuh).
#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/ways.h"
#include "generated/args/conv.h"
#include "ops/conv_cudnn.cuh"
#include "ops/conv_cuts.cuh"
#include "ops/depthwise.cuh"

namespace gradstep::cuda {
namespace {

Divider by(int32_t divisor) { return Divider(static_cast<uint32_t>(divisor)); }

bool is_deep(const Tensor& y) { return y.rank == 5; }

// x [N,(D,)H,W,·], w [(kd,)kh,kw,c,·] and y [N,(E,)P,Q,·] as one geometry. Tensors have fewer than 2^31 elements each.
template <typename Args>
ConvShape conv_shape(const Args& a, const Tensor& x, const Tensor& w, const Tensor& y) {
  constexpr int32_t kMostGroups = 65535;
  if (a.groups > kMostGroups) throw Error("ERR_SHAPE", "A convolution has at most 65535 groups");
  const int last = x.rank - 1;
  const bool deep = is_deep(x);
  ConvShape s{};
  s.d = deep ? x.dims[1] : 1;
  s.h = x.dims[last - 2];
  s.w = x.dims[last - 1];
  s.c = w.dims[last - 1];
  s.e = deep ? y.dims[1] : 1;
  s.p = y.dims[last - 2];
  s.q = y.dims[last - 1];
  s.o = y.dims[last] / a.groups;
  s.all_c = x.dims[last];
  s.all_o = y.dims[last];
  s.stride_d = a.stride_d;
  s.stride_h = a.stride_h;
  s.stride_w = a.stride_w;
  s.dilation_d = a.dilation_d;
  s.dilation_h = a.dilation_h;
  s.dilation_w = a.dilation_w;
  s.pad_front = a.pad_front;
  s.pad_top = a.pad_top;
  s.pad_left = a.pad_left;
  s.by_c = by(s.c);
  s.by_e = by(s.e);
  s.by_p = by(s.p);
  s.by_q = by(s.q);
  s.by_kernel_h = by(w.dims[last - 3]);
  s.by_kernel_w = by(w.dims[last - 2]);
  s.precision = precision_of(a);
  return s;
}

// Along one axis, the elements of x at which (element + pad) modulo the stride is `remainder`. Element t of them is
// touched by tap u (position tap + u * tap_step) of window t + shift - u * dilation.
struct AxisClass {
  int32_t first, count;
  int32_t tap, tap_step, taps;
  int32_t shift, dilation;
};

AxisClass axis_class(int32_t remainder, int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t pad) {
  AxisClass axis{};
  axis.first = ((remainder - pad) % stride + stride) % stride;
  axis.count = axis.first < size ? (size - axis.first - 1) / stride + 1 : 0;
  axis.tap_step = stride / std::gcd(stride, dilation);
  axis.dilation = axis.tap_step * dilation / stride;
  for (int32_t i = kernel - 1; i >= 0; i--) {
    if (static_cast<int64_t>(i) * dilation % stride != remainder) continue;
    axis.tap = i;
    axis.taps++;
  }
  axis.shift = (axis.first + pad - axis.tap * dilation) / stride;
  return axis;
}

Step nothing() {
  return [](cudaStream_t) {};
}

// Slices of a convolution's sum, the bias and the relu: an element a thread, or four neighbours.
constexpr int kSumThreads = 256;

template <int kWidth>
__global__ void __launch_bounds__(kSumThreads)
    add_slices_kernel(Floats slices, int64_t count, int64_t packs, Divider by_row, const float* bias, bool relu,
                      Ending ending) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  if (i >= packs) return;
  Pack<float, kWidth> sum = load_floats<kWidth>(slices, i * kWidth);
  for (int64_t slice = 1; slice < count; slice++) {
    const Pack<float, kWidth> more = load_floats<kWidth>(slices, (slice * packs + i) * kWidth);
#pragma unroll
    for (int e = 0; e < kWidth; e++) sum.v[e] += more.v[e];
  }
  uint32_t column;
  by_row.divide(static_cast<uint32_t>(i), column);
  const Pack<float, kWidth> offset = load_or<kWidth>(bias, column * kWidth, 0.f);
#pragma unroll
  for (int e = 0; e < kWidth; e++) {
    const float v = sum.v[e] + offset.v[e];
    sum.v[e] = relu ? scalar::relu(v) : v;
  }
  end_sum(ending, static_cast<uint32_t>(i * kWidth), sum);
}

}  // namespace

void add_slices(cudaStream_t stream, const Floats& slices, int64_t count, int64_t rows, int32_t channels,
                const float* bias, bool relu, const Ending& ending) {
  const int32_t width = channels % 4 == 0 ? 4 : 1;
  const int64_t packs = rows * (channels / width);
  launch(stream, width == 4 ? add_slices_kernel<4> : add_slices_kernel<1>, blocks_for(packs, kSumThreads),
         dim3(kSumThreads), slices, count, packs, by(channels / width), bias, relu, ending);
}

namespace {

// ---- what is to be computed ----

template <typename Tiles>
ConvCall call_of(Prepare& prepare, const ConvArgs& args) {
  const ConvShape s = conv_shape(args, args.x, args.w, args.y);
  ConvCall call{};
  call.shape = s;
  call.product.m = static_cast<uint32_t>(args.y.size() / s.all_o);
  call.product.n = static_cast<uint32_t>(s.o);
  call.product.k = static_cast<uint32_t>(args.w.size() / s.all_o);
  call.product.groups = static_cast<uint32_t>(args.groups);
  call.deep = is_deep(args.y);
  call.widths = widths_of<Tiles>(s.c, s.o);
  call.x = args.x;
  call.w = args.w;
  call.bias = prepare.at(args.bias);
  call.relu = args.activation == ConvArgs::kActivationRelu;
  call.y = floats_at(prepare, args.y);
  return call;
}

template <typename Tiles>
ConvDxCall call_of(Prepare& prepare, const ConvDxArgs& args) {
  const ConvShape forward = conv_shape(args, args.dx, args.w, args.dy);
  const int last = args.dx.rank - 1;
  const int32_t kernel_d = is_deep(args.dx) ? args.w.dims[0] : 1;
  const int32_t kernel_h = args.w.dims[last - 3], kernel_w = args.w.dims[last - 2];
  ConvDxCall call{};
  for (int32_t a = 0; a < forward.stride_d * forward.stride_h * forward.stride_w; a++) {
    const int32_t plane = a / forward.stride_w / forward.stride_h;
    const AxisClass in =
        axis_class(plane, forward.d, kernel_d, forward.stride_d, forward.dilation_d, forward.pad_front);
    const AxisClass down = axis_class(a / forward.stride_w % forward.stride_h, forward.h, kernel_h, forward.stride_h,
                                      forward.dilation_h, forward.pad_top);
    const AxisClass across =
        axis_class(a % forward.stride_w, forward.w, kernel_w, forward.stride_w, forward.dilation_w, forward.pad_left);
    if (in.count == 0 || down.count == 0 || across.count == 0) continue;
    ConvShape s{};
    s.d = forward.e;
    s.h = forward.p;
    s.w = forward.q;
    s.c = forward.o;
    s.e = in.count;
    s.p = down.count;
    s.q = across.count;
    s.o = forward.c;
    s.all_c = forward.all_o;
    s.all_o = forward.all_c;
    s.stride_d = s.stride_h = s.stride_w = 1;
    s.dilation_d = -in.dilation;
    s.dilation_h = -down.dilation;
    s.dilation_w = -across.dilation;
    s.pad_front = -in.shift;
    s.pad_top = -down.shift;
    s.pad_left = -across.shift;
    s.by_c = by(forward.o);
    s.by_e = by(in.count);
    s.by_p = by(down.count);
    s.by_q = by(across.count);
    s.by_kernel_h = by(std::max(1, down.taps));
    s.by_kernel_w = by(std::max(1, across.taps));
    s.precision = forward.precision;
    ConvDxClass part{};
    part.shape = s;
    part.of = {forward.d,        forward.h,        forward.w,        in.first, down.first, across.first,
               forward.stride_d, forward.stride_h, forward.stride_w, in.tap,   down.tap,   across.tap,
               in.tap_step,      down.tap_step,    across.tap_step,  kernel_h, kernel_w};
    part.product.m = static_cast<uint32_t>(args.dx.dims[0] * in.count * down.count * across.count);
    part.product.n = static_cast<uint32_t>(forward.c);
    part.product.k = static_cast<uint32_t>(in.taps * down.taps * across.taps * forward.o);
    part.product.groups = static_cast<uint32_t>(args.groups);
    call.classes.push_back(part);
  }
  call.deep = is_deep(args.dx);
  call.widths = widths_of<Tiles>(forward.o, forward.o);
  call.dy = args.dy;
  call.w = args.w;
  call.dx = {floats_at(prepare, args.dx), floats_at(prepare, args.mask), args.accumulate_dx != 0};
  call.elements = args.dx.size();
  return call;
}

template <typename Tiles>
ConvDwCall call_of(Prepare& prepare, const ConvDwArgs& args) {
  const ConvShape s = conv_shape(args, args.x, args.dw, args.dy);
  ConvDwCall call{};
  call.shape = s;
  call.product.m = static_cast<uint32_t>(args.dw.size() / s.all_o);
  call.product.n = static_cast<uint32_t>(s.o);
  call.product.k = static_cast<uint32_t>(args.dy.size() / s.all_o);
  call.product.groups = static_cast<uint32_t>(args.groups);
  call.deep = is_deep(args.dy);
  call.widths = widths_of<Tiles>(s.c, s.o);
  call.x = args.x;
  call.dy = args.dy;
  call.dw = prepare.at(args.dw);
  call.accumulate = args.accumulate_dw != 0;
  return call;
}

// ---- how ----

template <typename Tiles>
std::vector<NamedCut> cuts_of(const ConvCall& call, int multiprocessors) {
  const int64_t elements = static_cast<int64_t>(call.product.m) * call.shape.all_o;
  return Cuts(tiles_for<Tiles>(call.widths.a, call.deep), call.product, elements, multiprocessors).of_long_result();
}

template <typename Tiles>
std::vector<NamedCut> cuts_of(const ConvDxCall& call, int multiprocessors) {
  // One cut for all classes, of which the largest decides.
  const auto largest =
      std::max_element(call.classes.begin(), call.classes.end(), [](const ConvDxClass& a, const ConvDxClass& b) {
        const auto products = [](const ConvProduct& p) { return static_cast<int64_t>(p.m) * std::max(p.k, 1u); };
        return products(a.product) < products(b.product);
      });
  return Cuts(tiles_for<Tiles>(call.widths.a, call.deep), largest->product, call.elements, multiprocessors)
      .of_long_result();
}

template <typename Tiles>
std::vector<NamedCut> cuts_of(const ConvDwCall& call, int multiprocessors) {
  const int64_t elements = static_cast<int64_t>(call.product.m) * call.shape.all_o;
  return Cuts(tiles_for<Tiles>(call.widths.a, call.deep), call.product, elements, multiprocessors).of_long_sum();
}

template <typename Tiles>
Step run(Prepare& prepare, const ConvArgs& args, const Cut& cut) {
  return run_conv<Tiles>(prepare, call_of<Tiles>(prepare, args), cut);
}

template <typename Tiles>
Step run(Prepare& prepare, const ConvDxArgs& args, const Cut& cut) {
  return run_conv_dx<Tiles>(prepare, call_of<Tiles>(prepare, args), cut);
}

template <typename Tiles>
Step run(Prepare& prepare, const ConvDwArgs& args, const Cut& cut) {
  const ConvDwCall call = call_of<Tiles>(prepare, args);
  const Step step = run_conv_dw<Tiles>(prepare, call, cut);
  float* db = prepare.at(args.db);
  if (!db) return step;
  const SumRun sum_bias = plan_sum(prepare, {1, call.product.k, call.shape.all_o, 1.f, false, args.dy.dtype});
  return [=, dy = prepare.at<void>(args.dy)](cudaStream_t stream) {
    sum_bias(stream, dy, db);
    step(stream);
  };
}

template <typename Tiles, typename Args>
std::vector<Way> ways_in(Prepare& prepare, const Args& args) {
  std::vector<Way> ways;
  for (const NamedCut& named : cuts_of<Tiles>(call_of<Tiles>(prepare, args), prepare.multiprocessors())) {
    ways.push_back({named.name, [=](Prepare& on) { return run<Tiles>(on, args, named.cut); }});
  }
  return ways;
}

Step run_depthwise(Prepare& prepare, const ConvArgs& args) { return depthwise(prepare, args); }
Step run_depthwise(Prepare& prepare, const ConvDxArgs& args) { return depthwise_dx(prepare, args); }
Step run_depthwise(Prepare& prepare, const ConvDwArgs& args) { return depthwise_dw(prepare, args); }

bool multiplies_narrow(const ConvArgs& args) { return is_narrow(args.x) || is_narrow(args.w); }
bool multiplies_narrow(const ConvDxArgs& args) { return is_narrow(args.dy) || is_narrow(args.w); }
bool multiplies_narrow(const ConvDwArgs& args) { return is_narrow(args.x) || is_narrow(args.dy); }

// The ways on kernels of our own; w as in the arguments, or its gradient.
template <typename Args>
std::vector<Way> own_ways(Prepare& prepare, const Args& args, const Tensor& w) {
  if (is_depthwise(args.groups, w)) return {{"depthwise", [=](Prepare& on) { return run_depthwise(on, args); }}};
  const Precision precision = precision_of(args);
  if (!prepare.tensor_cores() || precision == Precision::kFloat32) return ways_in<FmaTiles>(prepare, args);
  if (multiplies_narrow(args)) return ways_in<TensorTiles<StoredBfloat16>>(prepare, args);
  if (precision == Precision::kBfloat16) return ways_in<TensorTiles<RoundedBfloat16>>(prepare, args);
  return ways_in<TensorTiles<Tf32>>(prepare, args);
}

// ---- which ----

// All that a choice may depend on: the geometry, how tensors are stored, and the precision; what else there is, `flags`
// say.
template <typename Args>
std::string describe(const char* op, const Args& a, const Tensor& x, const Tensor& w, const Tensor& y,
                     const std::string& flags) {
  std::string text = op;
  const auto add = [&](const char* name, const auto&... numbers) {
    text += std::string(" ") + name;
    ((text += " " + std::to_string(numbers)), ...);
  };
  for (const auto& [name, tensor] : {std::make_pair("x", &x), std::make_pair("w", &w), std::make_pair("y", &y)}) {
    add(name);
    for (int i = 0; i < tensor->rank; i++) text += " " + std::to_string(tensor->dims[i]);
    if (is_narrow(*tensor)) text += " bfloat16";
  }
  add("stride", a.stride_d, a.stride_h, a.stride_w);
  add("pad", a.pad_front, a.pad_top, a.pad_left);
  add("dilation", a.dilation_d, a.dilation_h, a.dilation_w);
  add("groups", a.groups);
  return text + flags + " " + name_of(precision_of(a));
}

// Takes the fastest of our ways and cuDNN's. w: as in the arguments, or its gradient; `terms`: how many products are
// summed.
template <typename Args>
Step fastest_of(Prepare& prepare, std::string what, const Args& args, const Tensor& w,
                const std::vector<Tensor>& results, int64_t terms) {
  std::vector<Way> ways = own_ways(prepare, args, w);
  const std::vector<Way> library = cudnn_ways(prepare, args);
  ways.insert(ways.end(), library.begin(), library.end());
  if (!library.empty()) what += ", cuDNN " + std::to_string(prepare.cudnn()->version());
  return fastest_way(prepare, what, ways, results, product_tolerance(terms, precision_of(args)));
}

}  // namespace

Step conv(Prepare& prepare, const ConvArgs& args) {
  if (args.y.size() == 0) return nothing();
  const bool relu = args.activation == ConvArgs::kActivationRelu;
  const std::string flags = std::string(args.bias.present() ? " bias" : "") + (relu ? " relu" : "");
  return fastest_of(prepare, describe("conv", args, args.x, args.w, args.y, flags), args, args.w, {args.y},
                    args.w.size() / args.y.dims[args.y.rank - 1]);
}

Step conv_dx(Prepare& prepare, const ConvDxArgs& args) {
  if (args.dx.size() == 0) return nothing();
  const std::string flags =
      std::string(args.accumulate_dx != 0 ? " accumulate" : "") + (!args.mask.present()   ? ""
                                                                   : is_narrow(args.mask) ? " mask bfloat16"
                                                                                          : " mask");
  return fastest_of(prepare, describe("conv_dx", args, args.dx, args.w, args.dy, flags), args, args.w, {args.dx},
                    args.w.size() / args.w.dims[args.w.rank - 2] / args.groups);
}

Step conv_dw(Prepare& prepare, const ConvDwArgs& args) {
  if (args.dw.size() == 0) return nothing();
  const std::string flags =
      std::string(args.db.present() ? " bias" : "") + (args.accumulate_dw != 0 ? " accumulate" : "");
  return fastest_of(prepare, describe("conv_dw", args, args.x, args.dw, args.dy, flags), args, args.dw,
                    {args.dw, args.db}, args.dy.size() / args.dy.dims[args.dy.rank - 1]);
}

}  // namespace gradstep::cuda
