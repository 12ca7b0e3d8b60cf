// dense, denseDx and denseDw on CUDA, each in two ways: a product and a pass of our own behind it; or, where cuBLASLt
// has the epilogue, in one launch. The first two leave and read aux alike (cuda/gemm.h), so that each step goes its own
// way.
#include <cmath>
#include <string>

#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/ways.h"
#include "generated/args/dense.h"
#include "ops/scalar.h"
#include "ops/slope_pass.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kDenseThreads = 256;

// bits [m, row]: of every element of y [m, n] whether it is above 0. A warp makes a word; those behind n are 0.
__global__ void __launch_bounds__(kDenseThreads)
    bits_kernel(int64_t words, int64_t n, Divider row, const float* y, uint32_t* bits) {
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kDenseThreads / kWarp);
  const int32_t lane = threadIdx.x % kWarp;
  for (int64_t word = (static_cast<int64_t>(blockIdx.x) * kDenseThreads + threadIdx.x) / kWarp; word < words;
       word += warps) {
    uint32_t place;
    const int64_t r = row.divide(static_cast<uint32_t>(word), place);
    const int64_t c = static_cast<int64_t>(place) * kWarp + lane;
    const uint32_t made = __ballot_sync(kAllLanes, c < n && y[r * n + c] > 0.f);
    if (lane == 0) bits[word] = made;
  }
}

// y may be z.
template <int kPack>
__global__ void __launch_bounds__(kDenseThreads) gelu_kernel(int64_t packs, const float* z, float* y) {
  const int64_t apart = static_cast<int64_t>(gridDim.x) * kDenseThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kDenseThreads + threadIdx.x; i < packs; i += apart) {
    Pack<float, kPack> pack = load_pack<kPack>(z + i * kPack);
#pragma unroll
    for (int k = 0; k < kPack; k++) pack.v[k] = scalar::gelu(pack.v[k]);
    store_pack(y + i * kPack, pack);
  }
}

struct Bits {
  const uint32_t* bits;
  int64_t row;  // words
  __device__ float operator()(float y, int64_t r, int64_t c) const {
    return (bits[r * row + c / 32] >> (c % 32) & 1u) != 0 ? y : 0.f;
  }
};

struct GeluSlope {
  const float* z;
  int64_t n;
  __device__ float operator()(float y, int64_t r, int64_t c) const { return y * scalar::gelu_slope(z[r * n + c]); }
};

// What a product reads and writes.
struct Product {
  Tensor a, b, bias, c, aux, sums;
};

Step plan_product(Prepare& prepare, const GemmShape& shape, const Product& p) {
  const float *a = prepare.at(p.a), *b = prepare.at(p.b), *bias = prepare.at(p.bias);
  float *c = prepare.at(p.c), *sums = prepare.at(p.sums);
  void* aux = prepare.at<void>(p.aux);
  const Workspace workspace = prepare.workspace(prepare.gemm().workspace_bytes(shape));
  const Gemm::Run run = prepare.gemm().plan(shape);
  return [=](cudaStream_t stream) { run(stream, a, b, bias, c, workspace.data(), aux, sums); };
}

Step one_after_another(Step first, Step second) {
  return [=](cudaStream_t stream) {
    first(stream);
    second(stream);
  };
}

std::string describe(const char* op, const GemmShape& s) {
  std::string text = op;
  for (const int64_t number : {s.m, s.n, s.k}) text += " " + std::to_string(number);
  for (const auto& [is, name] : {std::pair{s.has_bits(), " relu"},
                                 {s.epilogue == Epilogue::kGelu || s.epilogue == Epilogue::kGeluSlope, " gelu"},
                                 {s.bias, " bias"},
                                 {s.aux, " aux"},
                                 {s.sums, " sums"}}) {
    if (is) text += name;
  }
  return text + " " + name_of(s.precision);
}

// The way that is made of our own passes first: it is there everywhere.
Step either_way(Prepare& prepare, const char* op, const char* epilogue, const GemmShape& shape, const Product& product,
                const std::function<Step(Prepare&)>& with_pass, const std::vector<Tensor>& results, double tolerance) {
  std::vector<Way> ways{{"pass", with_pass}};
  if (prepare.gemm().supports(shape)) {
    ways.push_back({epilogue, [&](Prepare& on) { return plan_product(on, shape, product); }});
  }
  return fastest_way(prepare, describe(op, shape), ways, results, tolerance);
}

}  // namespace

Step dense(Prepare& prepare, const DenseArgs& args) {
  const bool gelu = args.activation == DenseArgs::kActivationGelu;
  GemmShape shape{};
  shape.m = args.y.dims[0];
  shape.n = args.y.dims[1];
  shape.k = args.x.dims[1];
  shape.bias = args.bias.present();
  shape.precision = precision_of(args);
  GemmShape fused = shape;
  fused.epilogue = gelu ? Epilogue::kGelu : Epilogue::kRelu;
  fused.aux = args.aux.present();

  // relu is an epilogue of every product; gelu's sums go to aux where that is wanted.
  if (!gelu) shape.epilogue = Epilogue::kRelu;
  const Tensor& made = gelu && args.aux.present() ? args.aux : args.y;
  const auto with_pass = [&](Prepare& on) -> Step {
    const Step product = plan_product(on, shape, {args.x, args.w, args.bias, made, {}, {}});
    float *const from = on.at(made), *const y = on.at(args.y);
    const int64_t m = shape.m, n = shape.n;
    if (gelu) {
      return one_after_another(product, [=](cudaStream_t stream) {
        const bool even = m * n % 4 == 0;
        const int64_t packs = even ? m * n / 4 : m * n;
        launch(stream, even ? gelu_kernel<4> : gelu_kernel<1>, blocks_for(packs, kDenseThreads), dim3(kDenseThreads),
               packs, from, y);
      });
    }
    auto* const bits = on.at<uint32_t>(args.aux);
    if (bits == nullptr) return product;
    const int64_t words = m * bit_words(n);
    const Divider row(static_cast<uint32_t>(bit_words(n)));
    return one_after_another(product, [=](cudaStream_t stream) {
      launch_cooperating(stream, bits_kernel, blocks_for(words, kDenseThreads / kWarp), dim3(kDenseThreads), 0, words,
                         n, row, y, bits);
    });
  };
  std::vector<Tensor> results{args.y};
  if (gelu) results.push_back(args.aux);
  return either_way(prepare, "dense", "activation_epilogue", fused, {args.x, args.w, args.bias, args.y, args.aux, {}},
                    with_pass, results,
                    1.2 * product_tolerance(shape.k, shape.precision));  // gelu's slope is at most 1.13
}

Step dense_dx(Prepare& prepare, const DenseDxArgs& args) {
  const bool gelu = args.activation == DenseDxArgs::kActivationGelu;
  GemmShape shape{};
  shape.m = args.dx.dims[0];
  shape.n = args.dx.dims[1];
  shape.k = args.dy.dims[1];
  shape.transpose_b = true;
  shape.precision = precision_of(args);
  GemmShape fused = shape;
  fused.epilogue = gelu ? Epilogue::kGeluSlope : Epilogue::kReluSlope;
  fused.sums = args.sums.present();

  const auto with_pass = [&](Prepare& on) -> Step {
    const Step product = plan_product(on, shape, {args.dy, args.w, {}, args.dx, {}, {}});
    const int64_t m = shape.m, n = shape.n;
    float *const dx = on.at(args.dx), *const sums = on.at(args.sums);
    const Step pass = gelu ? plan_slope_pass(on, m, n, dx, GeluSlope{on.at(args.aux), n}, sums)
                           : plan_slope_pass(on, m, n, dx, Bits{on.at<uint32_t>(args.aux), bit_words(n)}, sums);
    return one_after_another(product, pass);
  };
  // A sum of a column is as far off as its terms together.
  const double terms = args.sums.present() ? 1 + std::sqrt(static_cast<double>(shape.m)) : 1;
  return either_way(prepare, "denseDx", "slope_epilogue", fused, {args.dy, args.w, {}, args.dx, args.aux, args.sums},
                    with_pass, {args.dx, args.sums}, 1.2 * terms * product_tolerance(shape.k, shape.precision));
}

Step dense_dw(Prepare& prepare, const DenseDwArgs& args) {
  GemmShape shape{};
  shape.m = args.dw.dims[0];
  shape.n = args.dw.dims[1];
  shape.k = args.x.dims[0];
  shape.transpose_a = true;
  shape.precision = precision_of(args);
  GemmShape fused = shape;
  fused.sums = true;

  const auto with_pass = [&](Prepare& on) -> Step {
    const Step product = plan_product(on, shape, {args.x, args.dy, {}, args.dw, {}, {}});
    const float* const dy = on.at(args.dy);
    float* const dbias = on.at(args.dbias);
    const SumRun add = plan_sum(on, {1, shape.k, shape.n, 1.f, false});
    return one_after_another(product, [=](cudaStream_t stream) { add(stream, dy, dbias); });
  };
  return either_way(prepare, "denseDw", "gradient_epilogue", fused, {args.x, args.dy, {}, args.dw, {}, args.dbias},
                    with_pass, {args.dw, args.dbias}, product_tolerance(shape.k, shape.precision));
}

}  // namespace gradstep::cuda
