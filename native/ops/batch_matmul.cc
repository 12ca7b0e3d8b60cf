// batchMatmul on oneDNN: one primitive call for all products, transposes as strides, a batch of one as its
// broadcasting, accumulation as a sum post-op. In bfloat16 the operands are rounded into the workspace first
// (cpu/operand.h).
#include "generated/args/batch_matmul.h"

#include "cpu/operand.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {

Step batch_matmul(Prepare& prepare, const BatchMatmulArgs& args) {
  using dnnl::memory;
  const auto f32 = memory::data_type::f32;
  const OperandKind kind = operand_kind(args.precision == BatchMatmulArgs::kPrecisionBfloat16);
  const auto type = kind == OperandKind::kTiles ? memory::data_type::bf16 : f32;
  // Rows and columns as the product sees them; the stored row is the other way round where it is transposed.
  const auto matrices = [&](const Tensor& t, memory::data_type type, bool transposed) {
    const int64_t rows = t.dims[transposed ? 2 : 1], columns = t.dims[transposed ? 1 : 2];
    return memory::desc({t.dims[0], rows, columns}, type,
                        transposed ? memory::dims{rows * columns, 1, rows} : memory::dims{rows * columns, columns, 1});
  };
  const memory::desc a = matrices(args.a, type, args.transpose_a == BatchMatmulArgs::kTransposeAYes);
  const memory::desc b = matrices(args.b, type, args.transpose_b == BatchMatmulArgs::kTransposeBYes);
  const memory::desc y = matrices(args.y, f32, false);

  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (args.accumulate_y) ops.append_sum(1.f);
  attr.set_post_ops(ops);

  const Dnnl& d = prepare.dnnl();
  const auto desc =
      make_primitive("batch of matrix products", [&] { return matmul_desc(d, a, b, memory::desc(), y, attr); });
  const memory::desc scratchpad = desc.scratchpad_desc();
  const ProductOperand left(prepare.at(args.a), args.a.size(), kind), right(prepare.at(args.b), args.b.size(), kind);
  char* const place_a = static_cast<char*>(prepare.workspace(left.bytes() + right.bytes() + scratchpad.get_size()));
  char *const place_b = place_a + left.bytes(), *const rest = place_b + right.bytes();

  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, left.at(place_a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, right.at(place_b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, prepare.at(args.y)));
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, rest));
  if (kind == OperandKind::kFloat) return [primitive] { primitive.run(); };
  return [=, threads = prepare.threads()] {
    left.round_to(place_a, threads);
    right.round_to(place_b, threads);
    primitive.run();
  };
}

}  // namespace gradstep::cpu
