// matmul on oneDNN: plain row-major operands, transposes as strides, bias and relu as epilogues, accumulation as a sum
// post-op. One primitive call a step. In bfloat16 the operands are rounded into the workspace first; where the
// processor has no unit for it they are rounded all the same and multiplied as float32, so the numbers mean the same
// everywhere.
#include "generated/args/matmul.h"

#include "cpu/bfloat16.h"
#include "cpu/prepare.h"
#include "cpu/tiles.h"

namespace gradstep::cpu {
namespace {

// An operand as the product reads it.
class Rounded {
 public:
  Rounded(const float* from, int64_t size, bool halves) : from_(from), size_(size), halves_(halves) {}

  size_t bytes() const { return (size_ * (halves_ ? 2 : 4) + 63) / 64 * 64; }

  void to(void* place, int threads) const {
    parallel_ranges(size_, parts_of(size_, threads), 16, [&](int, int64_t begin, int64_t end) {
      if (halves_) {
        to_bfloat16(static_cast<uint16_t*>(place) + begin, from_ + begin, end - begin);
      } else {
        round_to_bfloat16(static_cast<float*>(place) + begin, from_ + begin, end - begin);
      }
    });
  }

 private:
  const float* from_;
  int64_t size_;
  bool halves_;
};

}  // namespace

Step matmul(Prepare& prepare, const MatmulArgs& args) {
  using dnnl::memory;
  const auto f32 = memory::data_type::f32;
  const int64_t m = args.y.dims[0], n = args.y.dims[1];
  const bool ta = args.transpose_a == MatmulArgs::kTransposeAYes;
  const bool tb = args.transpose_b == MatmulArgs::kTransposeBYes;
  const int64_t k = args.a.dims[ta ? 0 : 1];
  const bool rounds = args.precision == MatmulArgs::kPrecisionBfloat16, halves = rounds && has_tiles();
  const auto type = halves ? memory::data_type::bf16 : f32;

  const memory::desc a({m, k}, type, ta ? memory::dims{1, m} : memory::dims{k, 1});
  const memory::desc b({k, n}, type, tb ? memory::dims{1, k} : memory::dims{n, 1});
  const memory::desc y({m, n}, f32, memory::dims{n, 1});
  const memory::desc bias = args.bias.present() ? memory::desc({1, n}, f32, memory::dims{n, 1}) : memory::desc();

  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops ops;
  if (args.accumulate_y) ops.append_sum(1.f);
  if (args.activation == MatmulArgs::kActivationRelu) append_relu(ops);
  attr.set_post_ops(ops);

  const Dnnl& d = prepare.dnnl();
  const auto desc = make_primitive("matrix product", [&] { return matmul_desc(d, a, b, bias, y, attr); });
  const memory::desc scratchpad = desc.scratchpad_desc();
  const Rounded round_a(prepare.at(args.a), args.a.size(), halves), round_b(prepare.at(args.b), args.b.size(), halves);
  const size_t rounded = rounds ? round_a.bytes() + round_b.bytes() : 0;
  char* const workspace = static_cast<char*>(prepare.workspace(rounded + scratchpad.get_size()));
  char* const place_b = workspace + (rounds ? round_a.bytes() : 0);

  Primitive primitive(dnnl::matmul(desc), d.stream);
  primitive.argument(DNNL_ARG_SRC, memory(a, d.engine, rounds ? workspace : prepare.at<char>(args.a)));
  primitive.argument(DNNL_ARG_WEIGHTS, memory(b, d.engine, rounds ? place_b : prepare.at<char>(args.b)));
  primitive.argument(DNNL_ARG_DST, memory(y, d.engine, prepare.at(args.y)));
  if (args.bias.present()) primitive.argument(DNNL_ARG_BIAS, memory(bias, d.engine, prepare.at(args.bias)));
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, workspace + rounded));
  if (!rounds) return [primitive] { primitive.run(); };
  return [=, threads = prepare.threads()] {
    round_a.to(workspace, threads);
    round_b.to(place_b, threads);
    primitive.run();
  };
}

}  // namespace gradstep::cpu
