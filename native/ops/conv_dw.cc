// The gradient of conv (conv.cc, which says who makes it) by its kernel, and with it that by the bias.
#include "cpu/bias_sums.h"
#include "cpu/conv_dw_tiles.h"
#include "cpu/conv_steps.h"
#include "generated/args/conv.h"

namespace gradstep::cpu {
namespace {

using dnnl::memory;

constexpr double kMostPadding = 1.3;  // of products in vectors of bfloat16: oneDNN's have none

// Whether oneDNN's kernel gradient of pairs in bfloat16 can be trusted (2.6 and 3.2 in vectors on a Zen 4, 2.6 on the
// units of a Sapphire Rapids, where only groups get here): weights that meet padding alone are left as memory was, and
// with three axes others are wrong as well, or it writes outside its memory.
bool pairs_are_sound(const Conv& conv) {
  if (conv.deep()) return false;
  for (const ConvAxis& axis : axes_of(conv)) {
    for (int64_t tap = 0; tap < axis.taps; tap++) {
      bool meets = false;
      for (int64_t i = 0; i < axis.y; i++) {
        const int64_t at = i * axis.stride + tap * axis.dilation - axis.pad;
        meets = meets || (at >= 0 && at < axis.x);
      }
      if (!meets) return false;
    }
  }
  return true;
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
  if (kind == OperandKind::kTiles && !pairs_are_sound(conv)) kind = OperandKind::kRounded;
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
