// batchMatmul on oneDNN: one primitive call for all products, transposes as strides, a batch of one as its
// broadcasting, accumulation as a sum post-op.
#include "generated/args/batch_matmul.h"

#include "cpu/prepare.h"

namespace gradstep::cpu {

Step batch_matmul(Prepare& prepare, const BatchMatmulArgs& args) {
  using dnnl::memory;
  const auto f32 = memory::data_type::f32;
  // Rows and columns as the product sees them; the stored row is the other way round where it is transposed.
  const auto matrices = [&](const Tensor& t, bool transposed) {
    const int64_t rows = t.dims[transposed ? 2 : 1], columns = t.dims[transposed ? 1 : 2];
    return memory::desc({t.dims[0], rows, columns}, f32,
                        transposed ? memory::dims{rows * columns, 1, rows} : memory::dims{rows * columns, columns, 1});
  };
  const memory::desc a = matrices(args.a, args.transpose_a == BatchMatmulArgs::kTransposeAYes);
  const memory::desc b = matrices(args.b, args.transpose_b == BatchMatmulArgs::kTransposeBYes);
  const memory::desc y = matrices(args.y, false);

  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (args.accumulate_y) ops.append_sum(1.f);
  attr.set_post_ops(ops);

  const Dnnl& d = prepare.dnnl();
  const auto desc =
      make_primitive("batch of matrix products", [&] { return matmul_desc(d, a, b, memory::desc(), y, attr); });
  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, prepare.at(args.a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, prepare.at(args.b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, prepare.at(args.y)));
  const memory::desc scratchpad = desc.scratchpad_desc();
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, prepare.workspace(scratchpad.get_size())));
  return [primitive] { primitive.run(); };
}

}  // namespace gradstep::cpu
