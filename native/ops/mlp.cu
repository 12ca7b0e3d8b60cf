// mlp and mlp_grad on CUDA: two to four narrow dense layers, one by one (mlp_layers.cu) or in one launch each way, in
// float32 on the FMA units. There a block goes through all layers by itself, so nobody waits for anybody and no sum is
// shared by blocks:
//   forward   a block takes four rows; it reads every weight once, coalesced, for all of them
//   backward  a block takes 32 inputs of one layer; it makes that layer's dz for all rows, 32 at a time, from the last
//             layer's down, then its part of dw (and of dx), and one block a layer the bias's sums. Blocks repeat each
//             other's way down: with few rows that is less than the launches it saves.
// Sums are taken in an order that depends on the shapes only. The first layer may have many inputs: they are only ever
// summed over or cut into tiles.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/operand.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/vec.h"
#include "cuda/ways.h"
#include "generated/args/mlp.h"
#include "ops/mlp.cuh"

namespace gradstep::cuda {
namespace {

// As in lib/ops/mlp.ts.
constexpr int kWidth = 128;
constexpr int kInputs = 1024;

// Where [rows, width] has an element.
__device__ inline int64_t at(int64_t row, int32_t width, int32_t column) { return row * width + column; }

struct Layer {
  const float* w;     // [inputs, width]
  const float* bias;  // [width]; or null
  float* y;           // [rows, width]; null: nobody reads it
  int32_t inputs, width;
  Activation activation;
};

struct Stack {
  const float* x;  // [rows, inputs of the first layer]
  Layer layers[kMlpLayers];
  int32_t count, rows;
  Precision precision;
};

// A thread sums kRows x kColumns products. 32 threads have all columns of the widest layer; the inputs are split over
// 16 such teams, whose sums are added through shared memory.
constexpr int kRows = 4;  // of a block
constexpr int kColumns = 4;
constexpr int kMlpThreads = 512;
constexpr int kSplits = kMlpThreads / (kWidth / kColumns);
constexpr int kPartials = kSplits * kRows * kWidth;

// The sums of a thread whose team takes every kSplits-th input: of four neighbouring columns from 4 * lane on, read as
// one where the width divides by four (kWide), or of columns lane, lane + apart, …; into its team's partial sums.
template <bool kWide>
__device__ inline void sum_products(const Layer& layer, Precision precision, int32_t split, int32_t lane, int32_t apart,
                                    const float* operands, float* partials) {
  const int32_t width = layer.width;
  const float* from[kColumns];
#pragma unroll
  for (int c = 0; c < kColumns; c++) {
    // A column beyond the last is read as the last, and its sum is not kept.
    from[c] = layer.w + (kWide ? lane * kColumns + c : min(lane + c * apart, width - 1));
  }
  float sums[kRows][kColumns] = {};
#pragma unroll 4
  for (int32_t k = split; k < layer.inputs; k += kSplits) {
    const float4 x = load4(operands + k * kRows);
    Pack<float, kColumns> w;
    if constexpr (kWide) {
      w = load_pack<kColumns>(from[0] + k * width);
    } else {
#pragma unroll
      for (int c = 0; c < kColumns; c++) w.v[c] = from[c][k * width];
    }
#pragma unroll
    for (int c = 0; c < kColumns; c++) {
      const float factor = operand(w.v[c], precision);
      sums[0][c] += x.x * factor;
      sums[1][c] += x.y * factor;
      sums[2][c] += x.z * factor;
      sums[3][c] += x.w * factor;
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; r++) {
    float* const to = partials + (split * kRows + r) * width;
    if constexpr (kWide) {
      store4(to + lane * kColumns, {sums[r][0], sums[r][1], sums[r][2], sums[r][3]});
    } else {
#pragma unroll
      for (int c = 0; c < kColumns; c++) {
        if (lane + c * apart < width) to[lane + c * apart] = sums[r][c];
      }
    }
  }
}

__global__ void __launch_bounds__(kMlpThreads) mlp_kernel(Stack stack) {
  float* const partials = dynamic_shared<float>();  // [splits, kRows, width]
  float* const operands = partials + kPartials;     // [inputs, kRows], as the products take them
  const int32_t thread = threadIdx.x;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRows;
  const int32_t rows = static_cast<int32_t>(min(static_cast<int64_t>(kRows), stack.rows - row));

  const int32_t inputs = stack.layers[0].inputs;
  for (int32_t i = thread; i < kRows * inputs; i += kMlpThreads) {
    const int32_t r = i / inputs, k = i % inputs;
    const float x = r < rows ? stack.x[at(row + r, inputs, k)] : 0.f;
    operands[k * kRows + r] = operand(x, stack.precision);
  }

  for (int32_t l = 0; l < stack.count; l++) {
    const Layer& layer = stack.layers[l];
    const int32_t width = layer.width;
    const int32_t apart = (width + kColumns - 1) / kColumns;  // threads of a team
    const int32_t split = thread / apart, lane = thread % apart;
    __syncthreads();
    if (split < kSplits && width % kColumns == 0) {
      sum_products<true>(layer, stack.precision, split, lane, apart, operands, partials);
    } else if (split < kSplits) {
      sum_products<false>(layer, stack.precision, split, lane, apart, operands, partials);
    }
    __syncthreads();
    for (int32_t i = thread; i < kRows * width; i += kMlpThreads) {
      const int32_t r = i / width, c = i % width;
      float z = 0.f;
#pragma unroll
      for (int s = 0; s < kSplits; s++) z += partials[s * kRows * width + i];
      if (layer.bias) z += layer.bias[c];
      const float y = value(layer.activation, z);
      if (layer.y && r < rows) layer.y[at(row + r, width, c)] = y;
      operands[c * kRows + r] = operand(y, stack.precision);
    }
  }
}

struct LayerGrad {
  const float* a;  // [rows, inputs]: x or the y before
  const float* w;  // [inputs, width]; null: not needed
  float* dw;       // [inputs, width]; or null
  float* dbias;    // [width]; or null
  int32_t inputs, width;
  Activation below;  // whose value a is
  int32_t first_block, blocks;
};

struct StackGrad {
  const float* dz;  // [rows, width of the last layer]
  float* dx;        // [rows, inputs of the first layer]; or null
  LayerGrad layers[kMlpLayers];
  int32_t count, rows;
  Precision precision;
};

constexpr int kGradThreads = 256;
constexpr int kGradRows = 32;  // at a time; four a warp
constexpr int kWarpRows = kGradRows / (kGradThreads / kWarp);
constexpr int kTileInputs = 32;  // of a block; four a warp
constexpr int kDepth = 16;       // columns of w in shared memory at a time
static_assert(kWarpRows == 4 && kTileInputs == kWarp && kWidth == 4 * kWarp, "a thread's sums are 4 x 4");

using Gradients = float[kGradRows][kWidth];  // of some rows by a layer's sums; zeros beyond its width and the last row
using Slice = float[kDepth][kWidth + 1];     // w transposed; the odd row keeps its columns in banks of their own

// d·wᵀ for w [inputs, width]: the sums of this warp's rows and inputs lane, lane + 32, … Begins with a barrier.
template <int kCount>
__device__ inline void products(const Gradients& d, const float* w, int32_t inputs, int32_t width, Precision precision,
                                Slice& slice, float (&sums)[kWarpRows][kCount]) {
  const int32_t thread = threadIdx.x, lane = thread % kWarp, row = thread / kWarp * kWarpRows;
#pragma unroll
  for (int r = 0; r < kWarpRows; r++) {
#pragma unroll
    for (int c = 0; c < kCount; c++) sums[r][c] = 0.f;
  }
  for (int32_t begin = 0; begin < width; begin += kDepth) {
    __syncthreads();
    for (int32_t i = thread; i < kDepth * kCount * kWarp; i += kGradThreads) {
      const int32_t k = i % kDepth, input = i / kDepth;
      const bool inside = input < inputs && begin + k < width;
      slice[k][input] = inside ? operand(w[input * width + begin + k], precision) : 0.f;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; k += 4) {
      float factors[4][kCount];
#pragma unroll
      for (int j = 0; j < 4; j++) {
#pragma unroll
        for (int c = 0; c < kCount; c++) factors[j][c] = slice[k + j][lane + c * kWarp];
      }
#pragma unroll
      for (int r = 0; r < kWarpRows; r++) {
        const float4 g = load4(&d[row + r][begin + k]);
#pragma unroll
        for (int c = 0; c < kCount; c++) {
          sums[r][c] += g.x * factors[0][c] + g.y * factors[1][c] + g.z * factors[2][c] + g.w * factors[3][c];
        }
      }
    }
  }
}

__global__ void __launch_bounds__(kGradThreads) mlp_grad_kernel(StackGrad stack) {
  __shared__ __align__(16) Gradients gradients[2];
  __shared__ __align__(16) float operands[kGradRows][kTileInputs];
  __shared__ Slice slice;
  const int32_t thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const int32_t block = blockIdx.x;
  int32_t mine = 0;
  while (block >= stack.layers[mine].first_block + stack.layers[mine].blocks) mine++;
  const LayerGrad& layer = stack.layers[mine];
  const int32_t tile = block - layer.first_block;
  const int32_t input = tile * kTileInputs, inputs = min(kTileInputs, layer.inputs - input);
  const bool takes_bias = tile == 0 && layer.dbias != nullptr;
  const int32_t last = stack.count - 1;
  // Products take rounded gradients; those that a bias's sum needs are rounded behind it.
  const auto stored = [&](float g, int32_t l) { return l == mine && takes_bias ? g : operand(g, stack.precision); };

  float dw[4][4] = {}, dbias = 0.f;
  for (int32_t begin = 0; begin < stack.rows; begin += kGradRows) {
    const int32_t rows = min(kGradRows, stack.rows - begin);
    for (int32_t i = thread; i < kGradRows * kWidth; i += kGradThreads) {
      const int32_t r = i / kWidth, c = i % kWidth, width = stack.layers[last].width;
      const bool inside = r < rows && c < width;
      gradients[last % 2][r][c] = inside ? stored(stack.dz[at(begin + r, width, c)], last) : 0.f;
    }
    for (int32_t l = last; l > mine; l--) {
      const LayerGrad& above = stack.layers[l];
      float sums[kWarpRows][4];
      products(gradients[l % 2], above.w, above.inputs, above.width, stack.precision, slice, sums);
#pragma unroll
      for (int r = 0; r < kWarpRows; r++) {
        const int32_t row = warp * kWarpRows + r;
#pragma unroll
        for (int c = 0; c < 4; c++) {
          const int32_t column = lane + c * kWarp;
          float g = 0.f;
          if (row < rows && column < above.inputs) {
            g = sums[r][c] * slope(above.below, above.a[at(begin + row, above.inputs, column)]);
          }
          gradients[(l - 1) % 2][row][column] = stored(g, l - 1);
        }
      }
    }
    Gradients& d = gradients[mine % 2];
    if (takes_bias) {
      __syncthreads();
      if (thread < layer.width) {
        for (int r = 0; r < kGradRows; r++) dbias += d[r][thread];
      }
      if (stack.precision != Precision::kFloat32) {
        __syncthreads();
        for (int32_t i = thread; i < kGradRows * kWidth; i += kGradThreads) {
          d[i / kWidth][i % kWidth] = operand(d[i / kWidth][i % kWidth], stack.precision);
        }
      }
    }
    if (layer.dw) {
      for (int32_t i = thread; i < kGradRows * kTileInputs; i += kGradThreads) {
        const int32_t r = i / kTileInputs, k = i % kTileInputs;
        const bool inside = r < rows && k < inputs;
        operands[r][k] = inside ? operand(layer.a[at(begin + r, layer.inputs, input + k)], stack.precision) : 0.f;
      }
      __syncthreads();
#pragma unroll 4
      for (int r = 0; r < kGradRows; r++) {
        const float4 a = load4(&operands[r][warp * 4]);
#pragma unroll
        for (int c = 0; c < 4; c++) {
          const float g = d[r][lane + c * kWarp];
          dw[0][c] += a.x * g;
          dw[1][c] += a.y * g;
          dw[2][c] += a.z * g;
          dw[3][c] += a.w * g;
        }
      }
    }
    if (stack.dx && mine == 0) {
      float sums[kWarpRows][1];
      products(d, layer.w + input * layer.width, inputs, layer.width, stack.precision, slice, sums);
#pragma unroll
      for (int r = 0; r < kWarpRows; r++) {
        const int32_t row = warp * kWarpRows + r;
        if (row < rows && lane < inputs) stack.dx[at(begin + row, layer.inputs, input + lane)] = sums[r][0];
      }
    }
    __syncthreads();
  }

  if (takes_bias && thread < layer.width) layer.dbias[thread] = dbias;
  if (layer.dw == nullptr) return;
#pragma unroll
  for (int k = 0; k < 4; k++) {
#pragma unroll
    for (int c = 0; c < 4; c++) {
      const int32_t of_tile = warp * 4 + k, column = lane + c * kWarp;
      if (of_tile < inputs && column < layer.width) layer.dw[(input + of_tile) * layer.width + column] = dw[k][c];
    }
  }
}

void check_widths(int32_t layer, int32_t inputs, int32_t width) {
  if (inputs > (layer == 0 ? kInputs : kWidth) || width > kWidth) {
    throw Error("ERR_PROGRAM", "A layer of " + std::to_string(inputs) + " to " + std::to_string(width) +
                                   " units is too wide for an mlp");
  }
}

Step fused(Prepare& prepare, const MlpArgs& args) {
  const Tensor* const w[kMlpLayers] = {&args.w1, &args.w2, &args.w3, &args.w4};
  const Tensor* const bias[kMlpLayers] = {&args.bias1, &args.bias2, &args.bias3, &args.bias4};
  const Tensor* const y[kMlpLayers] = {&args.y1, &args.y2, &args.y3, &args.y4};
  const int32_t activation[kMlpLayers] = {args.activation1, args.activation2, args.activation3, args.activation4};
  Stack stack{};
  stack.x = prepare.at(args.x);
  stack.rows = args.x.dims[0];
  stack.precision = precision_of(args);
  for (; stack.count < kMlpLayers && w[stack.count]->present(); stack.count++) {
    const int32_t l = stack.count;
    stack.layers[l] = {prepare.at(*w[l]), prepare.at(*bias[l]), prepare.at(*y[l]),
                       w[l]->dims[0],     w[l]->dims[1],        static_cast<Activation>(activation[l])};
  }
  const int32_t widest = std::max(stack.layers[0].inputs, kWidth);
  const size_t shared = static_cast<size_t>(kPartials + kRows * widest) * sizeof(float);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, mlp_kernel, blocks_for(stack.rows, kRows), dim3(kMlpThreads), shared, stack);
  };
}

Step fused(Prepare& prepare, const MlpGradArgs& args) {
  const Tensor* const a[kMlpLayers] = {&args.x, &args.y1, &args.y2, &args.y3};
  const Tensor* const w[kMlpLayers] = {&args.w1, &args.w2, &args.w3, &args.w4};
  const Tensor* const dw[kMlpLayers] = {&args.dw1, &args.dw2, &args.dw3, &args.dw4};
  const Tensor* const dbias[kMlpLayers] = {&args.dbias1, &args.dbias2, &args.dbias3, &args.dbias4};
  const int32_t below[kMlpLayers] = {0, args.activation1, args.activation2, args.activation3};
  StackGrad stack{};
  stack.dz = prepare.at(args.dz);
  stack.dx = prepare.at(args.dx);
  stack.rows = args.dz.dims[0];
  stack.precision = precision_of(args);
  while (stack.count < kMlpLayers && a[stack.count]->present()) stack.count++;
  int32_t blocks = 0;
  for (int32_t l = 0; l < stack.count; l++) {
    const Tensor& z = l + 1 < stack.count ? *a[l + 1] : args.dz;
    LayerGrad& layer = stack.layers[l];
    layer = {prepare.at(*a[l]),
             prepare.at(*w[l]),
             prepare.at(*dw[l]),
             prepare.at(*dbias[l]),
             a[l]->dims[1],
             z.dims[1],
             static_cast<Activation>(below[l]),
             blocks,
             0};
    const bool cut = layer.dw != nullptr || (l == 0 && stack.dx != nullptr);
    layer.blocks = cut ? (layer.inputs + kTileInputs - 1) / kTileInputs : layer.dbias != nullptr ? 1 : 0;
    blocks += layer.blocks;
  }
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, mlp_grad_kernel, dim3(blocks), dim3(kGradThreads), 0, stack);
  };
}

// ---- which ----

// Rows up to which one launch is expected to be faster, and is taken where nothing is measured. A layer beyond the
// first saves four launches (its product; back, the gradients of its input and weights, and the pass that goes through
// the activation and sums), about 2 µs each in a captured graph. It costs that every block of mlp_grad makes the
// gradients of all rows: for 64 rows and full width 64 x 128 x 128 products, which at 64 a cycle, half of what a
// multiprocessor can do, and 1.7 GHz take about as long, 10 µs.
constexpr int32_t kFusedRows = 64;

template <typename Args>
Step fastest_of(Prepare& prepare, const std::string& what, const Args& args, int32_t rows,
                Step (*layers)(Prepare&, const Args&), const std::vector<Tensor>& results, double terms) {
  std::vector<Way> ways = {{"fused", [=](Prepare& on) { return fused(on, args); }},
                           {"layers", [=](Prepare& on) { return layers(on, args); }}};
  if (rows > kFusedRows) std::swap(ways[0], ways[1]);
  const Precision precision = precision_of(args);
  return fastest_way(prepare, what + " " + name_of(precision), ways, results, rounding_rate(precision) * terms);
}

void add_number(std::string& text, int64_t number) { text += " " + std::to_string(number); }

}  // namespace

Step mlp(Prepare& prepare, const MlpArgs& args) {
  const Tensor* const w[kMlpLayers] = {&args.w1, &args.w2, &args.w3, &args.w4};
  const Tensor* const bias[kMlpLayers] = {&args.bias1, &args.bias2, &args.bias3, &args.bias4};
  const Tensor* const y[kMlpLayers] = {&args.y1, &args.y2, &args.y3, &args.y4};
  const int32_t activation[kMlpLayers] = {args.activation1, args.activation2, args.activation3, args.activation4};
  std::string what = "mlp";
  std::vector<Tensor> results;
  // Errors of one layer are summed by the next.
  double terms = 1;
  add_number(what, args.x.dims[0]);
  add_number(what, args.x.dims[1]);
  for (int l = 0; l < kMlpLayers && w[l]->present(); l++) {
    check_widths(l, w[l]->dims[0], w[l]->dims[1]);
    for (const int32_t number : {w[l]->dims[1], activation[l]}) add_number(what, number);
    if (bias[l]->present()) what += " bias";
    if (y[l]->present()) what += " y";
    terms *= 1 + std::sqrt(static_cast<double>(w[l]->dims[0]));
    results.push_back(*y[l]);
  }
  return fastest_of(prepare, what, args, args.x.dims[0], mlp_by_layers, results, terms);
}

Step mlp_grad(Prepare& prepare, const MlpGradArgs& args) {
  const Tensor* const a[kMlpLayers] = {&args.x, &args.y1, &args.y2, &args.y3};
  const Tensor* const dw[kMlpLayers] = {&args.dw1, &args.dw2, &args.dw3, &args.dw4};
  const Tensor* const dbias[kMlpLayers] = {&args.dbias1, &args.dbias2, &args.dbias3, &args.dbias4};
  const int32_t below[kMlpLayers] = {0, args.activation1, args.activation2, args.activation3};
  std::string what = "mlp_grad";
  std::vector<Tensor> results = {args.dx};
  double terms = 1 + std::sqrt(static_cast<double>(args.dz.dims[0]));
  add_number(what, args.dz.dims[0]);
  for (int l = 0; l < kMlpLayers && a[l]->present(); l++) {
    const bool last = l + 1 == kMlpLayers || !a[l + 1]->present();
    const int32_t width = last ? args.dz.dims[1] : a[l + 1]->dims[1];
    check_widths(l, a[l]->dims[1], width);
    for (const int32_t number : {a[l]->dims[1], below[l]}) add_number(what, number);
    if (dw[l]->present()) what += " dw";
    if (dbias[l]->present()) what += " dbias";
    terms *= 1 + std::sqrt(static_cast<double>(width));
    results.push_back(*dw[l]);
    results.push_back(*dbias[l]);
  }
  add_number(what, args.dz.dims[1]);
  if (args.dx.present()) what += " dx";
  return fastest_of(prepare, what, args, args.dz.dims[0], mlp_grad_by_layers, results, terms);
}

}  // namespace gradstep::cuda
