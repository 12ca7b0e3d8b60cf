// batchMatmul on oneDNN: one primitive call for all products, transposes as strides, a batch of one as its
// broadcasting, accumulation as a sum post-op. In bfloat16, or stored so, the operands are rounded or widened into the
// workspace first (cpu/operand.h); products that are stored in bfloat16 are made in float32 there.
#include "generated/args/batch_matmul.h"

#include "cpu/bfloat16.h"
#include "cpu/dnnl_seam.h"
#include "cpu/operand.h"
#include "cpu/parallel.h"
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
  const ProductOperand left(prepare.at<void>(args.a), args.a.size(), kind, args.a.dtype);
  const ProductOperand right(prepare.at<void>(args.b), args.b.size(), kind, args.b.dtype);
  // What a y in bfloat16 is made in, and what it is added to there.
  const bool narrow = args.y.dtype == DType::kBfloat16;
  const int64_t size = args.y.size();
  const ProductOperand before(prepare.at<void>(args.y), args.accumulate_y ? size : 0, OperandKind::kRounded,
                              args.y.dtype);
  const size_t product_bytes = narrow ? (size * sizeof(float) + 63) / 64 * 64 : 0;
  char* const place_y =
      static_cast<char*>(prepare.workspace(product_bytes + left.bytes() + right.bytes() + scratchpad.get_size()));
  char *const place_a = place_y + product_bytes, *const place_b = place_a + left.bytes();
  char* const rest = place_b + right.bytes();
  float* const product = narrow ? reinterpret_cast<float*>(place_y) : prepare.at(args.y);

  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, left.at(place_a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, right.at(place_b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, product));
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, rest));
  if (!narrow) {
    return [=, threads = prepare.threads()] {
      left.round_to(place_a, threads);
      right.round_to(place_b, threads);
      primitive.run();
    };
  }
  return [=, threads = prepare.threads(), to = prepare.at<uint16_t>(args.y)] {
    left.round_to(place_a, threads);
    right.round_to(place_b, threads);
    before.round_to(place_y, threads);
    primitive.run();
    parallel_ranges(size, parts_of(size, threads), 32,
                    [&](int, int64_t begin, int64_t end) { to_bfloat16(to + begin, product + begin, end - begin); });
  };
}

}  // namespace gradstep::cpu
