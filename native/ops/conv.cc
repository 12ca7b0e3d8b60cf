// conv and its input gradient (conv_dw.cc has its kernel's): channels last, kernels [kh, kw, in, out] as the user sees
// them. Which kernel takes a convolution:
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

#include "cpu/conv_steps.h"
#include "cpu/conv_tiles.h"
#include "cpu/masked_rows.h"
#include "cpu/relu_pass.h"

namespace gradstep::cpu {
namespace {

using dnnl::memory;

Step winograd(Prepare& prepare, const WinogradShape& shape, const WinogradForward& forward) {
  const int threads = prepare.threads();
  void* workspace = prepare.workspace(winograd_bytes(shape, threads));
  return [=] { winograd_forward(shape, forward, workspace, threads); };
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

}  // namespace gradstep::cpu
