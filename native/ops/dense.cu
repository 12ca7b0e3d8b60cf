// dense, denseDx and denseDw on CUDA, each in two ways: a product and a pass of our own behind it; or, where cuBLASLt
// has the epilogue, in one launch. The first two leave and read aux alike (cuda/gemm.h), so that each step goes its own
// way.
#include <cmath>
#include <string>

#include "cuda/bfloat16.h"
#include "cuda/divide.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/ways.h"
#include "generated/args/dense.h"
#include "ops/scalar.h"
#include "ops/slope_pass.cuh"
#include "ops/stored_product.cuh"

namespace gradstep::cuda {
namespace {

constexpr int kDenseThreads = 256;

// bits [m, ·]: of every element of y [m, n] whether it is above 0. A warp makes kPack words, `row` times a row; bits
// behind n are 0. stored: y rounded, where it is wanted.
template <int kPack, typename From>
__global__ void __launch_bounds__(kDenseThreads)
    bits_kernel(int64_t items, int64_t n, Divider row, const From* y, Bfloat16* stored, uint32_t* bits) {
  constexpr int kLanes = kWarp / kPack;  // of a word
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kDenseThreads / kWarp);
  const int32_t lane = threadIdx.x % kWarp;
  for (int64_t item = (static_cast<int64_t>(blockIdx.x) * kDenseThreads + threadIdx.x) / kWarp; item < items;
       item += warps) {
    uint32_t place;
    const int64_t r = row.divide(static_cast<uint32_t>(item), place);
    const int64_t c = (static_cast<int64_t>(place) * kWarp + lane) * kPack;
    Pack<float, kPack> pack{};
    if (c < n) {
      pack = load_wide<kPack>(y + r * n + c);
      if (stored != nullptr) store_narrow(stored + r * n + c, pack);
    }
    uint32_t made = 0;
    if constexpr (kPack == 1) {
      made = __ballot_sync(kAllLanes, pack.v[0] > 0.f);
    } else {
#pragma unroll
      for (int k = 0; k < kPack; k++) made |= (pack.v[k] > 0.f ? 1u : 0u) << (lane % kLanes * kPack + k);
#pragma unroll
      for (int half = kLanes / 2; half > 0; half /= 2) made |= __shfl_xor_sync(kAllLanes, made, half);
    }
    if (lane % kLanes == 0) bits[item * kPack + lane / kLanes] = made;
  }
}

template <typename From>
void launch_bits(cudaStream_t stream, int64_t m, int64_t n, const From* y, Bfloat16* stored, uint32_t* bits) {
  // Where either is bfloat16, by packs.
  const bool packs = (stored != nullptr || sizeof(From) == sizeof(Bfloat16)) && n % 4 == 0;
  const int64_t each = packs ? 4 : 1, row = bit_words(n) / each, items = m * row;
  launch_cooperating(stream, packs ? bits_kernel<4, From> : bits_kernel<1, From>,
                     blocks_for(items, kDenseThreads / kWarp), dim3(kDenseThreads), 0, items, n,
                     Divider(static_cast<uint32_t>(row)), y, stored, bits);
}

// y may be z.
template <int kPack, typename To>
__global__ void __launch_bounds__(kDenseThreads) gelu_kernel(int64_t packs, const float* z, To* y) {
  const int64_t apart = static_cast<int64_t>(gridDim.x) * kDenseThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kDenseThreads + threadIdx.x; i < packs; i += apart) {
    Pack<float, kPack> pack = load_pack<kPack>(z + i * kPack);
#pragma unroll
    for (int k = 0; k < kPack; k++) pack.v[k] = scalar::gelu(pack.v[k]);
    store_narrow(y + i * kPack, pack);
  }
}

template <typename To>
void launch_gelu(cudaStream_t stream, int64_t size, const float* z, To* y) {
  const bool even = size % 4 == 0;
  const int64_t packs = even ? size / 4 : size;
  launch(stream, even ? gelu_kernel<4, To> : gelu_kernel<1, To>, blocks_for(packs, kDenseThreads), dim3(kDenseThreads),
         packs, z, y);
}

struct Bits {
  const uint32_t* bits;
  int64_t row;  // words
  template <int kPack>
  __device__ Pack<float, kPack> operator()(Pack<float, kPack> y, int64_t r, int64_t c) const {
    static_assert(kWarp % kPack == 0, "packs lie in one word");
    const uint32_t word = bits[r * row + c / 32] >> (c % 32);
#pragma unroll
    for (int k = 0; k < kPack; k++) y.v[k] = (word >> k & 1u) != 0 ? y.v[k] : 0.f;
    return y;
  }
};

struct GeluSlope {
  const float* z;
  int64_t n;
  template <int kPack>
  __device__ Pack<float, kPack> operator()(Pack<float, kPack> y, int64_t r, int64_t c) const {
    const Pack<float, kPack> at = load_pack<kPack>(z + r * n + c);
#pragma unroll
    for (int k = 0; k < kPack; k++) y.v[k] *= scalar::gelu_slope(at.v[k]);
    return y;
  }
};

// sums [n] of the columns of y [m, n].
Step plan_column_sums(Prepare& prepare, int64_t m, int64_t n, const Tensor& y, const Tensor& sums) {
  const SumRun run = plan_sum(prepare, {1, m, n, 1.f, false, y.dtype, sums.dtype});
  return [=, from = prepare.at<void>(y), to = prepare.at(sums)](cudaStream_t stream) { run(stream, from, to); };
}

Step one_after_another(Step first, Step second) {
  return [=](cudaStream_t stream) {
    first(stream);
    second(stream);
  };
}

std::string describe(const char* op, const GemmShape& s, const Product& p) {
  std::string text = op;
  for (const int64_t number : {s.m, s.n, s.k}) text += " " + std::to_string(number);
  for (const auto& [is, name] : {std::pair{s.has_bits(), " relu"},
                                 {s.epilogue == Epilogue::kGelu || s.epilogue == Epilogue::kGeluSlope, " gelu"},
                                 {s.bias, " bias"},
                                 {s.aux, " aux"},
                                 {s.sums, " sums"}}) {
    if (is) text += name;
  }
  for (const auto& [tensor, name] : {std::pair{&p.a, " a"}, {&p.b, " b"}, {&p.c, " c"}}) {
    if (tensor->dtype == DType::kBfloat16) text += std::string(name) + " stored";
  }
  return text + " " + name_of(s.precision);
}

// The way that is made of our own passes first: it is there everywhere.
Step either_way(Prepare& prepare, const char* op, const char* epilogue, const GemmShape& shape, const Product& product,
                const std::function<Step(Prepare&)>& with_pass, const std::vector<Tensor>& results, double tolerance) {
  std::vector<Way> ways{{"pass", with_pass}};
  if (StoredProduct::exists(prepare, shape, product)) {
    ways.push_back({epilogue, [&](Prepare& on) { return StoredProduct(on, shape, product); }});
  }
  return fastest_way(prepare, describe(op, shape, product), ways, results, tolerance);
}

}  // namespace

Step dense(Prepare& prepare, const DenseArgs& args) {
  const bool gelu = args.activation == DenseArgs::kActivationGelu;
  const bool relu = args.activation == DenseArgs::kActivationRelu;
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
  if (relu) shape.epilogue = Epilogue::kRelu;
  if (!gelu && !args.aux.present()) return StoredProduct(prepare, shape, {args.x, args.w, args.bias, args.y, {}, {}});
  const bool is_narrow = args.y.dtype == DType::kBfloat16;
  const Tensor& made = gelu && args.aux.present() ? args.aux : args.y;
  const auto with_pass = [&](Prepare& on) -> Step {
    const Product alone{args.x, args.w, args.bias, made, {}, {}};
    const int64_t m = shape.m, n = shape.n;
    // relu's bits are made of either.
    const StoredProduct product(on, shape, alone, gelu ? StoredProduct::Result::kWide : StoredProduct::Result::kEither);
    void* const y = on.at<void>(args.y);
    if (gelu) {
      return one_after_another(product, [=](cudaStream_t stream) {
        if (is_narrow) {
          launch_gelu(stream, m * n, product.wide(), static_cast<Bfloat16*>(y));
        } else {
          launch_gelu(stream, m * n, product.wide(), static_cast<float*>(y));
        }
      });
    }
    auto* const stored = is_narrow ? static_cast<Bfloat16*>(y) : nullptr;
    auto* const bits = on.at<uint32_t>(args.aux);
    return one_after_another(product, [=](cudaStream_t stream) {
      if (product.is_wide()) {
        launch_bits(stream, m, n, product.wide(), stored, bits);
      } else {
        launch_bits<Bfloat16>(stream, m, n, stored, nullptr, bits);
      }
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
    const Product product{args.dy, args.w, {}, args.dx, {}, args.sums};
    return gelu ? plan_sloped_product(on, shape, product, GeluSlope{on.at(args.aux), shape.n})
                : plan_sloped_product(on, shape, product, Bits{on.at<uint32_t>(args.aux), bit_words(shape.n)});
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
    return one_after_another(StoredProduct(on, shape, {args.x, args.dy, {}, args.dw, {}, {}}),
                             plan_column_sums(on, shape.k, shape.n, args.dy, args.dbias));
  };
  return either_way(prepare, "denseDw", "gradient_epilogue", fused, {args.x, args.dy, {}, args.dw, {}, args.dbias},
                    with_pass, {args.dw, args.dbias}, product_tolerance(shape.k, shape.precision));
}

}  // namespace gradstep::cuda
