// conv and its gradients: channels last, kernels [kh, kw, in, out] as the user sees them. Which kernel takes a
// convolution:
//   3 x 3, stride 1, whole vectors of channels   cpu/winograd.h (on the tile units only kernel gradients of many)
//   bfloat16 on the tile units                   cpu/conv_tiles.h, cpu/conv_dw_tiles.h
//   few input channels                           cpu/direct_conv.h
//   depthwise kernel gradients                   cpu/depthwise.h
//   other kernel gradients on AVX2, no groups    cpu/packed_product.h
//   everything else                              oneDNN; a kernel gradient by one pixel with strides after
//   cpu/spaced_pixels.h
// oneDNN wants kernels packed for its tiles: they are packed (and kernel gradients unpacked) in the step's workspace, a
// small part of the work. It cannot add a gradient to what is there: in accumulate mode it goes to the workspace and is
// added from there. In bfloat16 its operands are rounded into the workspace first where they are not stored so, a
// kernel as it is packed; the bias gradient is no product and is summed from what is not rounded. What a primitive in
// float32 yields is rounded from the workspace.
#include "generated/args/conv.h"

#include <cstring>

#include "cpu/bias_sums.h"
#include "cpu/conv_dw_tiles.h"
#include "cpu/conv_shape.h"
#include "cpu/conv_tiles.h"
#include "cpu/dnnl_seam.h"
#include "cpu/masked_rows.h"
#include "cpu/prepare.h"
#include "cpu/relu_pass.h"
#include "cpu/tiles.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

using dnnl::memory;

// The step's workspace in 64-byte aligned pieces. Pieces are counted first and given out once their total is known.
class Pieces {
 public:
  size_t add(size_t bytes) {
    const size_t at = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return at;
  }
  char* allocate(Prepare& prepare) const { return static_cast<char*>(prepare.workspace(bytes_)); }

 private:
  size_t bytes_ = 0;
};

Primitive reorder(const Dnnl& d, const memory::desc& from_desc, void* from, const memory::desc& to_desc, void* to) {
  const auto desc = make_primitive("kernel packing", [&] { return reorder_desc(d, from_desc, to_desc, attributes()); });
  Primitive primitive(dnnl::reorder(desc), d.stream);
  primitive.argument(DNNL_ARG_FROM, memory(from_desc, d.engine, from));
  primitive.argument(DNNL_ARG_TO, memory(to_desc, d.engine, to));
  return primitive;
}

template <typename T>
void parallel_add(float* to, const T* from, int64_t n, int threads) {
  parallel_ranges(n, parts_of(n, threads), 16,
                  [=](int, int64_t begin, int64_t end) { add(to + begin, from + begin, end - begin); });
}

Step winograd(Prepare& prepare, const WinogradShape& shape, const WinogradForward& forward) {
  const int threads = prepare.threads();
  void* workspace = prepare.workspace(winograd_bytes(shape, threads));
  return [=] { winograd_forward(shape, forward, workspace, threads); };
}

constexpr double kMostPadding = 1.3;  // of products in vectors of bfloat16: oneDNN's have none

bool on_units(OperandKind kind) { return kind == OperandKind::kTiles && has_tile_units(); }

// The convolution by Winograd's way where nothing is quicker: the tile units are, vectors of bfloat16 are not.
std::optional<WinogradShape> winograd_beside(OperandKind kind, const Conv& conv) {
  return on_units(kind) ? std::nullopt : winograd_shape(conv);
}

// The primitive desc make(whether operands are bfloat16). Where there are tile units that is one on them where oneDNN
// has it for this shape. Its others are slower than float32 there (one channel in: 3.1 ms against 2.3), which then
// multiplies rounded operands; unless `vectors` says that they are not (depthwise, where both sides are stored in
// bfloat16: 0.5 to 0.8 times the time). Without tile units they take half of float32's time.
template <typename Make>
auto with_operands(OperandKind& kind, bool vectors, Make make) -> decltype(make(true)) {
  if (kind == OperandKind::kTiles) {
    try {
      auto desc = make(true);
      if (vectors || !has_tile_units() || std::strstr(desc.impl_info_str(), "amx")) return desc;
    } catch (const Error&) {
    }
    kind = OperandKind::kRounded;
  }
  return make(false);
}

bool is_narrow(const Tensor& t) { return t.dtype == DType::kBfloat16; }

ProductOperand operand(const Prepare& prepare, const Tensor& t, OperandKind kind) {
  return ProductOperand(prepare.at<void>(t), t.size(), kind, t.dtype);
}

// A kernel as an operand: packing rounds it for the tile units.
ProductOperand kernel_operand(const Prepare& prepare, const Tensor& w, OperandKind kind) {
  return operand(prepare, w, kind == OperandKind::kTiles ? OperandKind::kFloat : kind);
}

// A product on the tile units by `tiles`, of x (or dy) with w.
Step on_tiles(Prepare& prepare, std::shared_ptr<const ConvTiles> tiles, const Tensor& x, const Tensor& w,
              const Tensor& y, const ConvTiles::Epilogue& epilogue) {
  const ProductOperand kernel = kernel_operand(prepare, w, OperandKind::kTiles);
  Pieces pieces;
  const size_t at_tiles = pieces.add(tiles->bytes()), at_kernel = pieces.add(kernel.bytes());
  char* workspace = pieces.allocate(prepare);
  char *place = workspace + at_kernel, *rest = workspace + at_tiles;
  return [=, from = stored(prepare, x), to = stored(prepare, y), threads = prepare.threads()] {
    kernel.round_to(place, threads);
    tiles->run(from, static_cast<const float*>(kernel.at(place)), to, epilogue, rest);
  };
}

size_t bytes_of(const memory::dims& dims) {
  size_t bytes = sizeof(float);
  for (const int64_t d : dims) bytes *= static_cast<size_t>(d);
  return bytes;
}

// oneDNN's: of all pixels, or of those alone that a kernel of one pixel reads (see spaced_pixels).
Step onednn_dw(Prepare& prepare, const ConvDwArgs& args, const Conv& whole, OperandKind kind) {
  const Dnnl& d = prepare.dnnl();
  const bool accumulate = args.accumulate_dw != 0;
  const int threads = prepare.threads();
  float* dw = prepare.at(args.dw);
  float* db = prepare.at(args.db);
  const bool sums_bias = args.db.present() && kind == OperandKind::kFloat;
  const auto spaced = spaced_pixels(whole);
  const Conv conv = spaced ? without_strides(whole) : whole;
  const memory::desc bias = conv.bias(sums_bias);
  if (conv.times > 1 && kind == OperandKind::kTiles) kind = OperandKind::kRounded;  // what is spread is float32
  const auto desc = with_operands(kind, false, [&](bool in) {
    return make_primitive("convolution's kernel gradient", [&] {
      const memory::desc x = conv.activation(conv.x, in), y = conv.activation(conv.y, in);
      const auto hint = conv_forward_desc(d, x, conv.any_kernel(in), bias, y, conv.g, attributes());
      return conv_backward_weights_desc(d, x, conv.any_kernel(), bias, y, conv.g, hint, attributes());
    });
  });
  const ProductOperand x = operand(prepare, args.x, kind), dy = operand(prepare, args.dy, kind);
  const BiasSums sums(stored(prepare, args.dy), sums_bias ? nullptr : db, args.dy.size(), conv.y[1]);
  const memory::desc plain = conv.kernel();
  const memory::desc packed = desc.diff_weights_desc();
  const size_t element_bytes = kind == OperandKind::kTiles ? sizeof(uint16_t) : sizeof(float);
  Pieces pieces;
  const size_t at_kernel = pieces.add(packed.get_size());
  const size_t at_scratch = pieces.add(desc.scratchpad_desc().get_size());
  const size_t at_target = pieces.add(accumulate ? args.dw.size() * sizeof(float) : 0);
  const size_t at_x = pieces.add(x.bytes()), at_dy = pieces.add(dy.bytes());
  const size_t at_spaced = pieces.add(spaced ? spaced->size() * element_bytes : 0);
  const size_t at_spread = pieces.add(conv.times > 1 ? bytes_of(conv.x) : 0);
  const size_t at_sums = pieces.add(sums.bytes(threads));
  char* workspace = pieces.allocate(prepare);
  char *place_x = workspace + at_x, *place_dy = workspace + at_dy;
  void* const pixels = spaced ? workspace + at_spaced : x.at(place_x);
  void* const read = conv.times > 1 ? workspace + at_spread : pixels;
  float* target = accumulate ? reinterpret_cast<float*>(workspace + at_target) : dw;

  Primitive convolve(dnnl::convolution_backward_weights(desc), d.stream);
  convolve.argument(DNNL_ARG_SRC, memory(desc.src_desc(), d.engine, read));
  convolve.argument(DNNL_ARG_DIFF_WEIGHTS, memory(packed, d.engine, workspace + at_kernel));
  convolve.argument(DNNL_ARG_DIFF_DST, memory(desc.diff_dst_desc(), d.engine, dy.at(place_dy)));
  if (sums_bias) convolve.argument(DNNL_ARG_DIFF_BIAS, memory(bias, d.engine, db));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), d.engine, workspace + at_scratch));
  const Primitive unpacking = reorder(d, packed, workspace + at_kernel, plain, target);
  const int64_t values = static_cast<int64_t>(bytes_of(conv.x) / sizeof(float)) / conv.times;
  return [=, times = conv.times, size = args.dw.size()] {
    x.round_to(place_x, threads);
    dy.round_to(place_dy, threads);
    sums.run(workspace + at_sums, threads);
    if (spaced) spaced->gather(pixels, x.at(place_x), element_bytes, threads);
    if (times > 1) spread_channels(static_cast<float*>(read), static_cast<float*>(pixels), values, times, threads);
    convolve.run();
    unpacking.run();
    if (accumulate) parallel_add(dw, target, size, threads);
  };
}

}  // namespace

Step conv(Prepare& prepare, const ConvArgs& args) {
  const Conv conv = conv_of(args, args.x, args.w, args.y);
  const bool relu = args.activation == ConvArgs::kActivationRelu;
  OperandKind kind = operand_kind(args.precision == ConvArgs::kPrecisionBfloat16);
  if (const auto shape = winograd_beside(kind, conv)) {
    return winograd(prepare, *shape,
                    {stored(prepare, args.x),
                     stored(prepare, args.w),
                     prepare.at(args.bias),
                     stored(prepare, args.y),
                     false,
                     relu,
                     false,
                     {},
                     kind != OperandKind::kFloat});
  }
  const auto direct = direct_shape(conv, kind);
  if (on_units(kind) && conv.groups == 1 && !suits_onednn(conv) && !(direct && suits_direct(conv))) {
    const auto tiles = std::make_shared<ConvTiles>(axes_of(conv), conv.x[0], conv.x[1], conv.y[1], ConvTiles::kForward,
                                                   prepare.threads());
    if (tiles->fits()) return on_tiles(prepare, tiles, args.x, args.w, args.y, {prepare.at(args.bias), relu});
  }
  if (direct) {
    void* workspace = prepare.workspace(direct_conv_bytes(*direct, prepare.threads()));
    return [=, shape = *direct, x = stored(prepare, args.x), w = stored(prepare, args.w), bias = prepare.at(args.bias),
            y = stored(prepare, args.y),
            threads = prepare.threads()] { direct_conv_forward(shape, x, w, bias, relu, y, workspace, threads); };
  }
  const Dnnl& d = prepare.dnnl();
  const dnnl::primitive_attr attr = attributes();
  const memory::desc bias = conv.bias(args.bias.present());
  const bool narrow = is_narrow(args.y);
  if (conv.times > 1 && kind == OperandKind::kTiles) kind = OperandKind::kRounded;  // what is spread is float32
  const auto desc =
      with_operands(kind, conv.depthwise() && conv.times == 1 && narrow && is_narrow(args.x), [&](bool in) {
        return make_primitive("convolution", [&] {
          return conv_forward_desc(d, conv.activation(conv.x, in), conv.any_kernel(in), bias,
                                   conv.activation(conv.y, in && narrow), conv.g, attr);
        });
      });
  const bool aside = narrow && kind != OperandKind::kTiles;
  const memory::desc plain = conv.kernel();
  const memory::desc packed = desc.weights_desc();
  const bool pack = packed != plain;

  Pieces pieces;
  const size_t at_kernel = pieces.add(pack ? packed.get_size() : 0);
  const size_t at_scratch = pieces.add(desc.scratchpad_desc().get_size());
  const size_t at_spread = pieces.add(conv.times > 1 ? bytes_of(conv.x) : 0);
  const size_t at_y = pieces.add(aside ? bytes_of(conv.y) : 0);
  const ProductOperand x = operand(prepare, args.x, kind), w = kernel_operand(prepare, args.w, kind);
  const size_t at_x = pieces.add(x.bytes()), at_w = pieces.add(w.bytes());
  char* workspace = pieces.allocate(prepare);
  char *place_x = workspace + at_x, *place_w = workspace + at_w;
  void* spread = conv.times > 1 ? workspace + at_spread : x.at(place_x);
  void* kernel = pack ? workspace + at_kernel : w.at(place_w);

  Primitive convolve(dnnl::convolution_forward(desc), d.stream);
  convolve.argument(DNNL_ARG_SRC, memory(desc.src_desc(), d.engine, spread));
  convolve.argument(DNNL_ARG_WEIGHTS, memory(packed, d.engine, kernel));
  void* y = aside ? workspace + at_y : prepare.at<void>(args.y);
  convolve.argument(DNNL_ARG_DST, memory(desc.dst_desc(), d.engine, y));
  if (args.bias.present()) convolve.argument(DNNL_ARG_BIAS, memory(bias, d.engine, prepare.at(args.bias)));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), d.engine, workspace + at_scratch));
  ReluPass pass;
  if (relu) pass = {{y, aside ? DType::kFloat32 : args.y.dtype}, args.y.size()};
  if (kind == OperandKind::kFloat && !pack && conv.times == 1) {
    return [=, threads = prepare.threads()] {
      convolve.run();
      pass.run(threads);
    };
  }
  const Primitive packing = reorder(d, plain, w.at(place_w), packed, kernel);
  MaskedRows rounding{prepare.at<void>(args.y), nullptr, nullptr, args.y.size(), 1, args.y.dtype};
  rounding.product = static_cast<float*>(y);
  return [=, times = conv.times, n = args.x.size(), threads = prepare.threads()] {
    x.round_to(place_x, threads);
    w.round_to(place_w, threads);
    if (times > 1) spread_channels(static_cast<float*>(spread), static_cast<float*>(x.at(place_x)), n, times, threads);
    if (pack) packing.run();
    convolve.run();
    pass.run(threads);
    if (aside) rounding.run(nullptr, threads);
  };
}

Step conv_dx(Prepare& prepare, const ConvDxArgs& args) {
  const Conv conv = conv_of(args, args.dx, args.w, args.dy);
  const bool accumulate = args.accumulate_dx != 0;
  OperandKind kind = operand_kind(args.precision == ConvDxArgs::kPrecisionBfloat16);
  if (const auto shape = winograd_beside(kind, conv)) {
    return winograd(prepare, input_gradient_of(*shape),
                    {stored(prepare, args.dy), stored(prepare, args.w), nullptr, stored(prepare, args.dx), true, false,
                     accumulate, stored(prepare, args.mask), kind != OperandKind::kFloat});
  }
  const Dnnl& d = prepare.dnnl();
  const memory::desc plain = conv.kernel();
  const bool narrow = is_narrow(args.dx);
  const bool plainly = !accumulate && conv.times == 1 && !args.mask.present();  // dx is what the primitive yields
  const bool vectors = kind == OperandKind::kTiles && conv.depthwise() && plainly && narrow && is_narrow(args.dy);
  const bool reversed = as_forward(conv, vectors);
  if (reversed && !vectors && kind == OperandKind::kTiles) kind = OperandKind::kRounded;
  if (on_units(kind) && conv.groups == 1 && undone_by_convolving(conv)) {
    const auto tiles = std::make_shared<ConvTiles>(axes_of(backwards(conv)), conv.y[0], conv.y[1], conv.x[1],
                                                   ConvTiles::kBackwards, prepare.threads());
    if (tiles->fits()) {
      return on_tiles(prepare, tiles, args.dy, args.w, args.dx,
                      {nullptr, false, accumulate, stored(prepare, args.mask)});
    }
  }
  const auto x_desc = [&](bool in) { return conv.activation(conv.x, in && narrow && plainly); };
  memory::desc packed, scratch;
  dnnl::primitive primitive;
  if (reversed) {
    const auto desc = with_operands(kind, vectors, [&](bool in) {
      return make_primitive("convolution's input gradient", [&] {
        return conv_forward_desc(d, conv.activation(conv.y, in), conv.any_kernel(in), memory::desc(), x_desc(in),
                                 backwards(conv).g, attributes());
      });
    });
    packed = desc.weights_desc();
    scratch = desc.scratchpad_desc();
    primitive = dnnl::convolution_forward(desc);
  } else {
    const auto desc = with_operands(kind, false, [&](bool in) {
      return make_primitive("convolution's input gradient", [&] {
        const memory::desc y = conv.activation(conv.y, in), w = conv.any_kernel(in);
        const auto hint = conv_forward_desc(d, conv.activation(conv.x, in), w, memory::desc(), y, conv.g, attributes());
        return conv_backward_data_desc(d, x_desc(in), w, y, conv.g, hint, attributes());
      });
    });
    packed = desc.weights_desc();
    scratch = desc.scratchpad_desc();
    primitive = dnnl::convolution_backward_data(desc);
  }
  const bool tiled = kind == OperandKind::kTiles;
  const bool rounds = narrow && !(tiled && plainly);
  const bool aside = accumulate || conv.times > 1 || rounds;

  Pieces pieces;
  const size_t at_kernel = pieces.add(packed.get_size());
  const size_t at_scratch = pieces.add(scratch.get_size());
  const size_t at_sum = pieces.add(aside ? bytes_of(conv.x) : 0);
  const size_t at_folded = pieces.add(rounds && conv.times > 1 ? args.dx.size() * sizeof(float) : 0);
  const size_t at_reversed = pieces.add(reversed ? bytes_of(conv.w) : 0);
  const ProductOperand dy = operand(prepare, args.dy, kind), w = kernel_operand(prepare, args.w, kind);
  const size_t at_dy = pieces.add(dy.bytes()), at_w = pieces.add(w.bytes());
  char* workspace = pieces.allocate(prepare);
  char *place_dy = workspace + at_dy, *place_w = workspace + at_w;
  void* const dx = prepare.at<void>(args.dx);
  float* kernel = static_cast<float*>(w.at(place_w));
  void* const target = aside ? workspace + at_sum : dx;
  float* turned = reversed ? reinterpret_cast<float*>(workspace + at_reversed) : kernel;

  Primitive convolve(primitive, d.stream);
  convolve.argument(reversed ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, memory(x_desc(tiled), d.engine, target));
  convolve.argument(DNNL_ARG_WEIGHTS, memory(packed, d.engine, workspace + at_kernel));
  convolve.argument(reversed ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST,
                    memory(conv.activation(conv.y, tiled), d.engine, dy.at(place_dy)));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(scratch, d.engine, workspace + at_scratch));
  const Primitive packing = reorder(d, plain, turned, packed, workspace + at_kernel);
  const int64_t filters = conv.y[1], taps = args.w.size() / filters;
  // dx in float32, and what is made of it in the end.
  float* const sum = static_cast<float*>(!rounds ? dx : conv.times > 1 ? workspace + at_folded : target);
  MaskedRows masked{dx, prepare.at<void>(args.mask), nullptr, args.dx.size(), 1, args.dx.dtype, args.mask.dtype};
  masked.product = sum;
  return [=, times = conv.times, n = args.dx.size(), threads = prepare.threads()] {
    dy.round_to(place_dy, threads);
    w.round_to(place_w, threads);
    if (reversed) reverse_taps(turned, kernel, taps, filters);
    packing.run();
    convolve.run();
    if (times > 1) {
      fold_channels(sum, static_cast<const float*>(target), n, times, accumulate && !rounds, threads);
    } else if (accumulate && !rounds) {
      parallel_add(sum, static_cast<const float*>(target), n, threads);
    }
    if (accumulate && rounds) parallel_add(sum, static_cast<const uint16_t*>(dx), n, threads);
    if (rounds || masked.mask) masked.run(nullptr, threads);
  };
}

Step conv_dw(Prepare& prepare, const ConvDwArgs& args) {
  const Conv conv = conv_of(args, args.x, args.dw, args.dy);
  const bool accumulate = args.accumulate_dw != 0;
  const int threads = prepare.threads();
  const int64_t n = args.x.size();
  float* dw = prepare.at(args.dw);
  float* db = prepare.at(args.db);
  OperandKind kind = operand_kind(args.precision == ConvDwArgs::kPrecisionBfloat16);
  const auto direct = direct_shape(conv, kind);
  const auto shape = winograd_shape(conv);
  const bool by_winograd = shape && !on_units(kind);
  if (kind == OperandKind::kTiles && conv.groups == 1 && !by_winograd && !(direct && suits_direct_dw(conv))) {
    // On the units oneDNN's takes 1.3 (32 to 64 channels) to 5 times as long, cpu/winograd.h 1.3 (64 channels) to 2.8
    // (128).
    const auto tiles = std::make_shared<ConvDwTiles>(axes_of(conv), conv.x[0], conv.x[1], conv.y[1], threads);
    if (tiles->fits() && (on_units(kind) || tiles->padding() < kMostPadding)) {
      char* workspace = static_cast<char*>(prepare.workspace(tiles->bytes()));
      return [=, x = stored(prepare, args.x), dy = stored(prepare, args.dy)] {
        tiles->run(x, dy, dw, db, accumulate, workspace);
      };
    }
  }
  if (by_winograd || (shape && conv.x[1] * conv.y[1] >= 64 * 64)) {
    const bool round = kind != OperandKind::kFloat;
    const WinogradGradient gradient{stored(prepare, args.x), stored(prepare, args.dy), dw, db, accumulate, round};
    void* workspace = prepare.workspace(winograd_bytes(*shape, threads));
    return [=, shape = *shape] { winograd_kernel_gradient(shape, gradient, workspace, threads); };
  }
  if (direct) {
    void* workspace = prepare.workspace(direct_conv_bytes(*direct, threads));
    return [=, shape = *direct, x = stored(prepare, args.x), dy = stored(prepare, args.dy)] {
      direct_conv_kernel_gradient(shape, x, dy, dw, db, accumulate, workspace, threads);
    };
  }
  if (const auto depthwise = depthwise_shape(conv)) {
    if (kind == OperandKind::kTiles) kind = OperandKind::kRounded;
    const ProductOperand x = operand(prepare, args.x, kind), dy = operand(prepare, args.dy, kind);
    const DepthwiseShape shape = *depthwise;
    const BiasSums sums(stored(prepare, args.dy), kind == OperandKind::kFloat ? nullptr : db, args.dy.size(),
                        conv.y[1]);
    Pieces pieces;
    const size_t at_spread = pieces.add(conv.times > 1 ? bytes_of(conv.x) : 0);
    const size_t at_x = pieces.add(x.bytes()), at_dy = pieces.add(dy.bytes());
    const size_t at_partial = pieces.add(depthwise_dw_bytes(shape, threads)), at_sums = pieces.add(sums.bytes(threads));
    char* workspace = pieces.allocate(prepare);
    float* spread = reinterpret_cast<float*>(workspace + at_spread);
    float* partial = reinterpret_cast<float*>(workspace + at_partial);
    return [=, times = conv.times] {
      x.round_to(workspace + at_x, threads);
      dy.round_to(workspace + at_dy, threads);
      float* pixels = static_cast<float*>(x.at(workspace + at_x));
      if (times > 1) spread_channels(spread, pixels, n, times, threads);
      depthwise_dw(shape, times > 1 ? spread : pixels, static_cast<float*>(dy.at(workspace + at_dy)), dw,
                   kind == OperandKind::kFloat ? db : nullptr, accumulate, partial, threads);
      sums.run(workspace + at_sums, threads);
    };
  }
  if (auto product = packed_dw(conv, kind)) {
    product->add = accumulate;
    product->a = stored(prepare, args.x);
    product->b = stored(prepare, args.dy);
    const BiasSums sums(product->b, db, args.dy.size(), conv.y[1]);
    Pieces pieces;
    const size_t at_product = pieces.add(packed_product_bytes(*product, threads));
    const size_t at_sums = pieces.add(sums.bytes(threads));
    char* workspace = pieces.allocate(prepare);
    return [=, product = *product] {
      multiply_packed(product, dw, workspace + at_product, threads);
      sums.run(workspace + at_sums, threads);
    };
  }
  return onednn_dw(prepare, args, conv, kind);
}

}  // namespace gradstep::cpu
