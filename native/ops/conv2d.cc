// conv2d and its gradients on oneDNN: NHWC activations, HWIO kernels as the user sees them. oneDNN wants kernels packed
// for its tiles: they are packed (and kernel gradients unpacked) in the step's workspace, a small part of the work.
// oneDNN cannot add a gradient to what is there: in accumulate mode it goes to the workspace and is added from there.
#include "generated/args/conv2d.h"

#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

using dnnl::memory;
constexpr auto kF32 = memory::data_type::f32;

// [N, H, W, C] as oneDNN names it: dimensions N, C, H, W in NHWC order.
memory::desc activation_desc(const Tensor& t) {
  return memory::desc({t.dims[0], t.dims[3], t.dims[1], t.dims[2]}, kF32, memory::format_tag::nhwc);
}

// [kh, kw, I, O]: dimensions O, I, kh, kw in HWIO order.
memory::desc kernel_desc(const int32_t* dims) {
  return memory::desc({dims[3], dims[2], dims[0], dims[1]}, kF32, memory::format_tag::hwio);
}

memory::desc any_kernel_desc(const int32_t* dims) {
  return memory::desc({dims[3], dims[2], dims[0], dims[1]}, kF32, memory::format_tag::any);
}

memory::desc bias_desc(int64_t channels) { return memory::desc({channels}, kF32, memory::format_tag::x); }

// Strides, dilations, padding; the bottom and right padding as the output size implies it, since what a stride leaves
// over is not padding.
template <typename Args>
ConvGeometry geometry(const Args& args, const Tensor& x, const int32_t* w, const Tensor& y) {
  const auto after = [](int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t before) {
    return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - before;
  };
  return {{args.stride_h, args.stride_w},
          {args.dilation_h - 1, args.dilation_w - 1},
          {args.pad_top, args.pad_left},
          {after(y.dims[1], x.dims[1], w[0], args.stride_h, args.dilation_h, args.pad_top),
           after(y.dims[2], x.dims[2], w[1], args.stride_w, args.dilation_w, args.pad_left)}};
}

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

void parallel_add(float* to, const float* from, int64_t n, int threads) {
  parallel_ranges(n, parts_of(n, threads), 16,
                  [=](int, int64_t begin, int64_t end) { add(to + begin, from + begin, end - begin); });
}

}  // namespace

Step conv2d(Prepare& prepare, const Conv2dArgs& args) {
  const Dnnl& d = prepare.dnnl();
  dnnl::primitive_attr attr = attributes();
  if (args.activation == Conv2dArgs::kActivationRelu) {
    dnnl::post_ops ops;
    append_relu(ops);
    attr.set_post_ops(ops);
  }
  const memory::desc bias = args.bias.present() ? bias_desc(args.y.dims[3]) : memory::desc();
  const ConvGeometry g = geometry(args, args.x, args.w.dims, args.y);
  const auto desc = make_primitive("convolution", [&] {
    return conv_forward_desc(d, activation_desc(args.x), any_kernel_desc(args.w.dims), bias, activation_desc(args.y), g,
                             attr);
  });
  const memory::desc plain = kernel_desc(args.w.dims);
  const memory::desc packed = desc.weights_desc();
  const bool pack = packed != plain;

  Pieces pieces;
  const size_t at_kernel = pieces.add(pack ? packed.get_size() : 0);
  const size_t at_scratch = pieces.add(desc.scratchpad_desc().get_size());
  char* workspace = pieces.allocate(prepare);
  float* w = prepare.at(args.w);
  void* kernel = pack ? workspace + at_kernel : static_cast<void*>(w);

  Primitive convolve(dnnl::convolution_forward(desc), d.stream);
  convolve.argument(DNNL_ARG_SRC, memory(desc.src_desc(), d.engine, prepare.at(args.x)));
  convolve.argument(DNNL_ARG_WEIGHTS, memory(packed, d.engine, kernel));
  convolve.argument(DNNL_ARG_DST, memory(desc.dst_desc(), d.engine, prepare.at(args.y)));
  if (args.bias.present()) convolve.argument(DNNL_ARG_BIAS, memory(bias, d.engine, prepare.at(args.bias)));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), d.engine, workspace + at_scratch));
  if (!pack) return [convolve] { convolve.run(); };
  return [convolve, packing = reorder(d, plain, w, packed, kernel)] {
    packing.run();
    convolve.run();
  };
}

Step conv2d_dx(Prepare& prepare, const Conv2dDxArgs& args) {
  const Dnnl& d = prepare.dnnl();
  const ConvGeometry g = geometry(args, args.dx, args.w.dims, args.dy);
  const auto desc = make_primitive("convolution's input gradient", [&] {
    const auto hint = conv_forward_desc(d, activation_desc(args.dx), any_kernel_desc(args.w.dims), memory::desc(),
                                        activation_desc(args.dy), g, attributes());
    return conv_backward_data_desc(d, activation_desc(args.dx), any_kernel_desc(args.w.dims), activation_desc(args.dy),
                                   g, hint, attributes());
  });
  const memory::desc plain = kernel_desc(args.w.dims);
  const memory::desc packed = desc.weights_desc();
  const bool accumulate = args.accumulate_dx != 0;

  Pieces pieces;
  const size_t at_kernel = pieces.add(packed.get_size());
  const size_t at_scratch = pieces.add(desc.scratchpad_desc().get_size());
  const size_t at_sum = pieces.add(accumulate ? args.dx.size() * sizeof(float) : 0);
  char* workspace = pieces.allocate(prepare);
  float* dx = prepare.at(args.dx);
  float* target = accumulate ? reinterpret_cast<float*>(workspace + at_sum) : dx;

  Primitive convolve(dnnl::convolution_backward_data(desc), d.stream);
  convolve.argument(DNNL_ARG_DIFF_SRC, memory(desc.diff_src_desc(), d.engine, target));
  convolve.argument(DNNL_ARG_WEIGHTS, memory(packed, d.engine, workspace + at_kernel));
  convolve.argument(DNNL_ARG_DIFF_DST, memory(desc.diff_dst_desc(), d.engine, prepare.at(args.dy)));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), d.engine, workspace + at_scratch));
  const Primitive packing = reorder(d, plain, prepare.at(args.w), packed, workspace + at_kernel);
  return [packing, convolve, accumulate, dx, target, n = args.dx.size(), threads = prepare.threads()] {
    packing.run();
    convolve.run();
    if (accumulate) parallel_add(dx, target, n, threads);
  };
}

Step conv2d_dw(Prepare& prepare, const Conv2dDwArgs& args) {
  const Dnnl& d = prepare.dnnl();
  const ConvGeometry g = geometry(args, args.x, args.dw.dims, args.dy);
  const memory::desc bias = args.db.present() ? bias_desc(args.dy.dims[3]) : memory::desc();
  const auto desc = make_primitive("convolution's kernel gradient", [&] {
    const auto hint = conv_forward_desc(d, activation_desc(args.x), any_kernel_desc(args.dw.dims), bias,
                                        activation_desc(args.dy), g, attributes());
    return conv_backward_weights_desc(d, activation_desc(args.x), any_kernel_desc(args.dw.dims), bias,
                                      activation_desc(args.dy), g, hint, attributes());
  });
  const memory::desc plain = kernel_desc(args.dw.dims);
  const memory::desc packed = desc.diff_weights_desc();
  const bool accumulate = args.accumulate_dw != 0;

  Pieces pieces;
  const size_t at_kernel = pieces.add(packed.get_size());
  const size_t at_scratch = pieces.add(desc.scratchpad_desc().get_size());
  const size_t at_sum = pieces.add(accumulate ? args.dw.size() * sizeof(float) : 0);
  char* workspace = pieces.allocate(prepare);
  float* dw = prepare.at(args.dw);
  float* target = accumulate ? reinterpret_cast<float*>(workspace + at_sum) : dw;

  Primitive convolve(dnnl::convolution_backward_weights(desc), d.stream);
  convolve.argument(DNNL_ARG_SRC, memory(desc.src_desc(), d.engine, prepare.at(args.x)));
  convolve.argument(DNNL_ARG_DIFF_WEIGHTS, memory(packed, d.engine, workspace + at_kernel));
  convolve.argument(DNNL_ARG_DIFF_DST, memory(desc.diff_dst_desc(), d.engine, prepare.at(args.dy)));
  if (args.db.present()) convolve.argument(DNNL_ARG_DIFF_BIAS, memory(bias, d.engine, prepare.at(args.db)));
  convolve.argument(DNNL_ARG_SCRATCHPAD, memory(desc.scratchpad_desc(), d.engine, workspace + at_scratch));
  const Primitive unpacking = reorder(d, packed, workspace + at_kernel, plain, target);
  return [convolve, unpacking, accumulate, dw, target, n = args.dw.size(), threads = prepare.threads()] {
    convolve.run();
    unpacking.run();
    if (accumulate) parallel_add(dw, target, n, threads);
  };
}

}  // namespace gradstep::cpu
