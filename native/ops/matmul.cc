// matmul on oneDNN: plain row-major operands, transposes as strides, bias and relu as epilogues, accumulation as a sum
// post-op. One primitive call a step.
#include "generated/args/matmul.h"

#include "cpu/prepare.h"

namespace gradstep::cpu {

Step matmul(Prepare& prepare, const MatmulArgs& args) {
  using dnnl::memory;
  const auto f32 = memory::data_type::f32;
  const int64_t m = args.y.dims[0], n = args.y.dims[1];
  const bool ta = args.transpose_a == MatmulArgs::kTransposeAYes;
  const bool tb = args.transpose_b == MatmulArgs::kTransposeBYes;
  const int64_t k = args.a.dims[ta ? 0 : 1];

  const memory::desc a({m, k}, f32, ta ? memory::dims{1, m} : memory::dims{k, 1});
  const memory::desc b({k, n}, f32, tb ? memory::dims{1, k} : memory::dims{n, 1});
  const memory::desc y({m, n}, f32, memory::dims{n, 1});
  const memory::desc bias = args.bias.present() ? memory::desc({1, n}, f32, memory::dims{n, 1}) : memory::desc();

  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (args.accumulate_y) ops.append_sum(1.f);
  if (args.activation == MatmulArgs::kActivationRelu) append_relu(ops);
  attr.set_post_ops(ops);

  const Dnnl& d = prepare.dnnl();
  const auto desc = make_primitive("matrix product", [&] { return matmul_desc(d, a, b, bias, y, attr); });
  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, prepare.at(args.a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, prepare.at(args.b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, prepare.at(args.y)));
  if (args.bias.present()) primitive.argument(DNNL_ARG_BIAS, memory(bias, d.engine, prepare.at(args.bias)));
  const memory::desc scratchpad = desc.scratchpad_desc();
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, prepare.workspace(scratchpad.get_size())));
  return [primitive] { primitive.run(); };
}

}  // namespace gradstep::cpu
