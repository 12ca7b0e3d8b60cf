// mlp and mlp_grad layer by layer. Forward, a layer is a product with bias and relu in its epilogue, and a pass behind
// it for other activations; backward, the gradients of its weights and of its input, the latter with the pass of
// slope.cuh behind it, which also yields the bias's gradient. What nobody else reads lies in the workspace.
#include <vector>

#include "cuda/scratch.h"
#include "ops/mlp.cuh"
#include "ops/reduce_sum.cuh"
#include "ops/slope_pass.cuh"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(kThreads) activate_kernel(Activation kind, int64_t size, float* y) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < size) y[i] = value(kind, y[i]);
}

// Of an activation whose values are y [·, n].
struct Slope {
  Activation kind;
  const float* y;
  int64_t n;
  template <int kPack>
  __device__ Pack<float, kPack> operator()(Pack<float, kPack> d, int64_t row, int64_t column) const {
    const Pack<float, kPack> v = load_pack<kPack>(y + row * n + column);
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      d.v[k] = kind == Activation::kRelu ? (v.v[k] > 0.f ? d.v[k] : 0.f) : d.v[k] * slope(kind, v.v[k]);
    }
    return d;
  }
};

GemmShape product_of(int64_t m, int64_t n, int64_t k, Precision precision) {
  GemmShape shape{};
  shape.m = m;
  shape.n = n;
  shape.k = k;
  shape.precision = precision;
  return shape;
}

// An array of the program's, or where there is none one of the workspace.
struct Place {
  float* given;
  size_t scratch;

  float* in(const Scratch& workspace) const { return given != nullptr ? given : workspace.at(scratch); }
};

Place place(Scratch& scratch, float* given, int64_t floats) {
  return {given, given != nullptr ? 0 : scratch.array(floats)};
}

struct Layer {
  const float *w, *bias;
  Place y;
  Gemm::Run product;
  Activation pass;  // behind the product; linear: none
  int64_t size;     // of y
};

struct LayerGrad {
  const float *a, *w;
  float *dw, *dbias;
  Gemm::Run weights, input;  // empty: not wanted
  Place dz;                  // by this layer's sums
  SumRun sum;                // of dz for dbias, where nothing else makes it
  Slope below;               // of the layer below
  SlopeRun<Slope> slope;     // behind `input`; or empty
};

}  // namespace

Step mlp_by_layers(Prepare& prepare, const MlpArgs& args) {
  const Tensor* const w[kMlpLayers] = {&args.w1, &args.w2, &args.w3, &args.w4};
  const Tensor* const bias[kMlpLayers] = {&args.bias1, &args.bias2, &args.bias3, &args.bias4};
  const Tensor* const y[kMlpLayers] = {&args.y1, &args.y2, &args.y3, &args.y4};
  const int32_t activation[kMlpLayers] = {args.activation1, args.activation2, args.activation3, args.activation4};
  const int64_t rows = args.x.dims[0];
  Scratch scratch(prepare);
  std::vector<Layer> layers;
  for (int l = 0; l < kMlpLayers && w[l]->present(); l++) {
    const Activation kind = static_cast<Activation>(activation[l]);
    GemmShape shape = product_of(rows, w[l]->dims[1], w[l]->dims[0], precision_of(args));
    shape.bias = bias[l]->present();
    const bool relu = kind == Activation::kRelu;
    if (relu) shape.epilogue = Epilogue::kRelu;
    const int64_t size = shape.m * shape.n;
    layers.push_back({prepare.at(*w[l]), prepare.at(*bias[l]), place(scratch, prepare.at(*y[l]), size),
                      scratch.product(shape), relu ? Activation::kLinear : kind, size});
  }
  scratch.settle();
  return [=, x = prepare.at<const float>(args.x)](cudaStream_t stream) {
    const float* a = x;
    for (const Layer& layer : layers) {
      float* const to = layer.y.in(scratch);
      layer.product(stream, a, layer.w, layer.bias, to, scratch.for_products());
      if (layer.pass != Activation::kLinear) {
        launch(stream, activate_kernel, blocks_for(layer.size, kThreads), dim3(kThreads), layer.pass, layer.size, to);
      }
      a = to;
    }
  };
}

Step mlp_grad_by_layers(Prepare& prepare, const MlpGradArgs& args) {
  const Tensor* const a[kMlpLayers] = {&args.x, &args.y1, &args.y2, &args.y3};
  const Tensor* const w[kMlpLayers] = {&args.w1, &args.w2, &args.w3, &args.w4};
  const Tensor* const dw[kMlpLayers] = {&args.dw1, &args.dw2, &args.dw3, &args.dw4};
  const Tensor* const dbias[kMlpLayers] = {&args.dbias1, &args.dbias2, &args.dbias3, &args.dbias4};
  const int32_t below[kMlpLayers] = {0, args.activation1, args.activation2, args.activation3};
  const int64_t rows = args.dz.dims[0];
  const Precision precision = precision_of(args);
  int count = 0;
  while (count < kMlpLayers && a[count]->present()) count++;
  int lowest = 0;  // of the layers of which something is wanted
  while (!args.dx.present() && lowest < count - 1 && !dw[lowest]->present() && !dbias[lowest]->present()) lowest++;

  Scratch scratch(prepare);
  std::vector<LayerGrad> layers(static_cast<size_t>(count));
  for (int l = lowest; l < count; l++) {
    const Tensor& z = l + 1 < count ? *a[l + 1] : args.dz;
    LayerGrad& layer = layers[static_cast<size_t>(l)];
    layer.a = prepare.at(*a[l]);
    layer.w = prepare.at(*w[l]);
    layer.dw = prepare.at(*dw[l]);
    layer.dbias = prepare.at(*dbias[l]);
    layer.dz = place(scratch, l + 1 < count ? nullptr : prepare.at(args.dz), z.size());
  }
  float* const dx = prepare.at(args.dx);
  for (int l = lowest; l < count; l++) {
    LayerGrad& layer = layers[static_cast<size_t>(l)];
    const int64_t inputs = a[l]->dims[1], width = l + 1 < count ? a[l + 1]->dims[1] : args.dz.dims[1];
    if (layer.dw != nullptr) {
      GemmShape shape = product_of(inputs, width, rows, precision);
      shape.transpose_a = true;
      layer.weights = scratch.product(shape);
    }
    if (l > lowest || dx != nullptr) {
      GemmShape shape = product_of(rows, inputs, width, precision);
      shape.transpose_b = true;
      layer.input = scratch.product(shape);
    }
    layer.below = {static_cast<Activation>(below[l]), layer.a, inputs};
    if (l > lowest && layer.below.kind != Activation::kLinear) {
      layer.slope = plan_slope_run<Slope>(prepare, rows, inputs, dbias[l - 1]->present(), scratch.behind());
    }
    const bool is_summed = l + 1 < count && static_cast<Activation>(below[l + 1]) != Activation::kLinear;
    if (layer.dbias != nullptr && !is_summed) {
      layer.sum = plan_sum(prepare, {1, rows, width, 1.f, false}, scratch.behind());
    }
  }
  scratch.settle();
  return [=](cudaStream_t stream) {
    for (int l = count - 1; l >= lowest; l--) {
      const LayerGrad& layer = layers[static_cast<size_t>(l)];
      const float* const dz = layer.dz.in(scratch);
      if (layer.sum) layer.sum(stream, dz, layer.dbias);
      if (layer.weights) layer.weights(stream, layer.a, dz, nullptr, layer.dw, scratch.for_products());
      if (!layer.input) continue;
      const LayerGrad* const next = l > lowest ? &layers[static_cast<size_t>(l - 1)] : nullptr;
      float* const to = next != nullptr ? next->dz.in(scratch) : dx;
      layer.input(stream, dz, layer.w, nullptr, to, scratch.for_products());
      if (layer.slope) layer.slope(stream, to, to, layer.below, next->dbias);
    }
  };
}

}  // namespace gradstep::cuda
