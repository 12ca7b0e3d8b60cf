// matmul on oneDNN: plain row-major operands, transposes as strides, the bias as an epilogue, accumulation as a sum
// post-op. One primitive call a step, and a pass behind it for relu (cpu/relu_pass.h), and where there is a mask or y
// is stored in bfloat16 (cpu/masked_rows.h). In bfloat16 the product is our own on the tile units (cpu/tile_product.h),
// and so it is on AVX2 where that is quicker (cpu/packed_product.h); elsewhere the operands are rounded or widened into
// the workspace first (cpu/operand.h).
#include "generated/args/matmul.h"

#include <algorithm>

#include "cpu/dnnl_seam.h"
#include "cpu/masked_rows.h"
#include "cpu/operand.h"
#include "cpu/packed_product.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/relu_pass.h"
#include "cpu/tile_product.h"
#include "cpu/unpacked_product.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kShared = int64_t{1} << 20;  // products that repay waking other threads

}  // namespace

Step matmul(Prepare& prepare, const MatmulArgs& args) {
  using dnnl::memory;
  const auto f32 = memory::data_type::f32;
  const int64_t m = args.y.dims[0], n = args.y.dims[1];
  const bool ta = args.transpose_a == MatmulArgs::kTransposeAYes;
  const bool tb = args.transpose_b == MatmulArgs::kTransposeBYes;
  const int64_t k = args.a.dims[ta ? 0 : 1];
  const OperandKind kind = operand_kind(args.precision == MatmulArgs::kPrecisionBfloat16);
  if (kind == OperandKind::kTiles) {
    const TileProduct product{m,
                              n,
                              k,
                              ta,
                              tb,
                              args.accumulate_y != 0,
                              args.activation == MatmulArgs::kActivationRelu,
                              stored(prepare, args.a),
                              stored(prepare, args.b),
                              stored(prepare, args.mask),
                              stored(prepare, args.y),
                              prepare.at(args.bias),
                              prepare.at(args.sums)};
    void* workspace = prepare.workspace(tile_product_bytes(product, prepare.threads()));
    return [=, threads = prepare.threads()] { multiply_in_tiles(product, workspace, threads); };
  }

  const int threads = m * n * k < kShared ? 1 : prepare.threads(), all = prepare.threads();
  // A y in bfloat16 is rounded from a product in the workspace. What else the product works with is free by the time
  // that its result is masked.
  const bool narrow = args.y.dtype == DType::kBfloat16;
  const size_t product_bytes = narrow ? (args.y.size() * sizeof(float) + 63) / 64 * 64 : 0;
  MaskedRows masked{prepare.at<void>(args.y), prepare.at<void>(args.mask), prepare.at(args.sums), m, n, args.y.dtype,
                    args.mask.dtype};
  // What a y in bfloat16 is added to.
  const ProductOperand before(prepare.at(args.y), args.accumulate_y ? args.y.size() : 0, OperandKind::kRounded,
                              args.y.dtype);
  const auto place_product = [&](size_t operand_bytes) {
    void* const workspace = prepare.workspace(product_bytes + std::max(operand_bytes, masked.bytes(all)));
    masked.product = static_cast<float*>(workspace);
    return static_cast<char*>(workspace);
  };

  const UnpackedProduct unpacked{m,
                                 n,
                                 k,
                                 ta,
                                 tb,
                                 args.accumulate_y != 0,
                                 args.activation == MatmulArgs::kActivationRelu,
                                 prepare.at(args.a),
                                 prepare.at(args.b),
                                 prepare.at(args.bias),
                                 prepare.at(args.y)};
  const bool plain =
      kind == OperandKind::kFloat && !narrow && args.a.dtype == DType::kFloat32 && args.b.dtype == DType::kFloat32;
  if (plain && suits_unpacked(unpacked)) {
    char* const place = place_product(unpacked_product_bytes(unpacked));
    return [=] {
      multiply_unpacked(unpacked, place, threads);
      if (masked.mask) masked.run(place, all);
    };
  }

  const PackedProduct packed{m,
                             n,
                             k,
                             ta,
                             args.accumulate_y != 0,
                             args.activation == MatmulArgs::kActivationRelu,
                             kind == OperandKind::kRounded,
                             stored(prepare, args.a),
                             stored(prepare, args.b),
                             prepare.at(args.bias),
                             k,
                             std::nullopt};
  if (!tb && packs(packed)) {
    char* const place_y = place_product(packed_product_bytes(packed, threads));
    float* const product = narrow ? masked.product : prepare.at(args.y);
    return [=] {
      if (narrow) before.round_to(place_y, threads);
      multiply_packed(packed, product, place_y + product_bytes, threads);
      if (masked.mask || narrow) masked.run(place_y + product_bytes, all);
    };
  }

  const memory::desc a({m, k}, f32, ta ? memory::dims{1, m} : memory::dims{k, 1});
  const memory::desc b({k, n}, f32, tb ? memory::dims{1, k} : memory::dims{n, 1});
  const memory::desc y({m, n}, f32, memory::dims{n, 1});
  const memory::desc bias = args.bias.present() ? memory::desc({1, n}, f32, memory::dims{n, 1}) : memory::desc();

  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (args.accumulate_y) ops.append_sum(1.f);
  attr.set_post_ops(ops);

  const ThreadBound bound(threads);
  const Dnnl& d = prepare.dnnl();
  const auto desc = make_primitive("matrix product", [&] { return matmul_desc(d, a, b, bias, y, attr); });
  const memory::desc scratchpad = desc.scratchpad_desc();
  const ProductOperand left(prepare.at(args.a), args.a.size(), kind, args.a.dtype);
  const ProductOperand right(prepare.at(args.b), args.b.size(), kind, args.b.dtype);
  const size_t operand_bytes = left.bytes() + right.bytes() + scratchpad.get_size();
  char* const place_y = place_product(operand_bytes);
  char *const place_a = place_y + product_bytes, *const place_b = place_a + left.bytes();
  char* const rest = place_b + right.bytes();
  void* const product = narrow ? place_y : prepare.at<void>(args.y);
  ReluPass relu;
  if (args.activation == MatmulArgs::kActivationRelu) relu = {{product}, args.y.size()};

  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, left.at(place_a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, right.at(place_b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, product));
  if (args.bias.present()) primitive.argument(DNNL_ARG_BIAS, memory(bias, d.engine, prepare.at(args.bias)));
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, rest));
  if (kind == OperandKind::kFloat && !masked.mask) {
    return [primitive, relu, threads] {
      const ThreadBound bound(threads);
      primitive.run();
      relu.run(threads);
    };
  }
  return [=] {
    {
      const ThreadBound bound(threads);
      left.round_to(place_a, threads);
      right.round_to(place_b, threads);
      if (narrow) before.round_to(place_y, threads);
      primitive.run();
      relu.run(threads);
    }
    if (masked.mask || narrow) masked.run(place_a, all);
  };
}

}  // namespace gradstep::cpu
