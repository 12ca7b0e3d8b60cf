// softmax_cross_entropy and its gradient on CUDA: a warp a row, or a block where rows are long. From the row's maximum
// M, S = sum of e^(x - M) and the labels t: loss = log S * sum t - sum t (x - M), probabilities = e^(x - M) / S. Of
// several labels outside the classes, the first row's is the one that is told; such a row's loss and gradient are 0.
// The gradient (p * sum t - t) * dloss is made along with the loss where dloss is there, else by a kernel of its own;
// what it is made of lies where it will, or aside where it is stored in bfloat16.
#include "core/state.h"
#include "cuda/prepare.h"
#include "cuda/stored.h"
#include "generated/args/softmax_cross_entropy.h"
#include "ops/softmax.cuh"

namespace gradstep::cuda {
namespace {

struct CrossEntropy {
  const float* x;  // [rows, classes]
  const int32_t* state;
  int32_t* flag;
  float* loss;           // [rows]
  float* probabilities;  // [rows, classes]; null: nobody asks for them
  const float* dloss;    // [rows]; null: no gradient
  float* exponentials;   // [rows, classes]: the probabilities, dx or memory aside; null: nobody asks for them
  Stored dx;             // [rows, classes]; null: no gradient
  int64_t rows;
  int32_t classes;
};

__device__ inline bool is_class(int32_t label, int32_t classes) { return label >= 0 && label < classes; }

// Called by one thread that found a label outside the classes: sets the flag unless an earlier row does.
__device__ void flag_label(const CrossEntropy& e, const int32_t* labels, int64_t row) {
  for (int64_t i = 0; i < row; i++) {
    if (!is_class(labels[i], e.classes)) return;
  }
  if (e.flag[0] != kFlagNone) return;
  e.flag[1] = static_cast<int32_t>(row);
  e.flag[2] = labels[row];
  e.flag[3] = e.state[kStateStep];
  e.flag[0] = kFlagLabelRange;
}

// labels: class numbers [rows].
template <int kTeam, int kWidth>
__device__ float row_loss(const CrossEntropy& e, const int32_t* labels, const float* x, int64_t row, float largest,
                          float sum) {
  const int32_t label = labels[row];
  if (is_class(label, e.classes)) return scalar::log(sum) - (x[label] - largest);
  if (Team<kTeam>::member() == 0) flag_label(e, labels, row);
  return 0.f;
}

// labels: distributions [rows, classes]. A class that has no share adds nothing, however improbable it is.
template <int kTeam, int kWidth>
__device__ float row_loss(const CrossEntropy& e, const float* labels, const float* x, int64_t row, float largest,
                          float sum) {
  float shares = 0.f, weighted = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < e.classes; i += kTeam * kWidth) {
    const Pack<float, kWidth> t = load_pack<kWidth>(labels + row * e.classes + i);
    const Pack<float, kWidth> v = load_pack<kWidth>(x + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) {
      shares += t.v[k];
      weighted += t.v[k] == 0.f ? 0.f : t.v[k] * (v.v[k] - largest);
    }
  }
  shares = Team<kTeam>::reduce(shares, Sum{}, 0.f);
  weighted = Team<kTeam>::reduce(weighted, Sum{}, 0.f);
  return scalar::log(sum) * shares - weighted;
}

// What the probabilities of a row count for in its gradient: the sum of its shares, or whether its label is a class.
template <int kTeam, int kWidth>
__device__ float row_mass(const int32_t* labels, int64_t row, int32_t classes) {
  return is_class(labels[row], classes) ? 1.f : 0.f;
}

template <int kTeam, int kWidth>
__device__ float row_mass(const float* labels, int64_t row, int32_t classes) {
  float mass = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < classes; i += kTeam * kWidth) {
    const Pack<float, kWidth> t = load_pack<kWidth>(labels + row * classes + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) mass += t.v[k];
  }
  return Team<kTeam>::reduce(mass, Sum{}, 0.f);
}

// The shares of classes i, i + 1, …
template <int kWidth>
__device__ Pack<float, kWidth> shares_at(const int32_t* labels, int64_t row, int32_t, int32_t i) {
  Pack<float, kWidth> t;
#pragma unroll
  for (int k = 0; k < kWidth; k++) t.v[k] = labels[row] == i + k ? 1.f : 0.f;
  return t;
}

template <int kWidth>
__device__ Pack<float, kWidth> shares_at(const float* labels, int64_t row, int32_t classes, int32_t i) {
  return load_pack<kWidth>(labels + row * classes + i);
}

// dx = (weight p * sum t - t) * g of a row; dx may be p.
template <int kTeam, int kWidth, typename Label>
__device__ void row_gradient(const Stored& dx, const float* p, float weight, const Label* labels, float g, int64_t row,
                             int32_t classes) {
  const float mass = row_mass<kTeam, kWidth>(labels, row, classes);
  for (int32_t i = Team<kTeam>::member() * kWidth; i < classes; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(p + i);
    const Pack<float, kWidth> t = shares_at<kWidth>(labels, row, classes, i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = (v.v[k] * weight * mass - t.v[k]) * g;
    store_narrow(dx + i, v);
  }
}

// Each member reads back what it wrote itself, so a row needs no barrier between its passes.
template <typename Label, int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks) cross_entropy_kernel(CrossEntropy e, const Label* labels) {
  const int64_t row = Team<kTeam>::row();
  if (row >= e.rows) return;
  const float* x = e.x + row * e.classes;
  float* probabilities = e.probabilities ? e.probabilities + row * e.classes : nullptr;
  float* exponentials = e.exponentials ? e.exponentials + row * e.classes : nullptr;
  const float largest = row_max<kTeam, kWidth>(x, e.classes);
  const float sum = row_exponentials<kTeam, kWidth>(x, largest, exponentials, e.classes);
  if (probabilities) row_scale<kTeam, kWidth>(probabilities, 1.f / sum, e.classes);
  const float loss = row_loss<kTeam, kWidth>(e, labels, x, row, largest, sum);
  if (Team<kTeam>::member() == 0) e.loss[row] = loss;
  if (!e.dx) return;
  row_gradient<kTeam, kWidth>(e.dx + row * e.classes, exponentials, probabilities ? 1.f : 1.f / sum, labels,
                              e.dloss[row], row, e.classes);
}

// dx may be p.
template <typename Label, int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads)
    gradient_kernel(const float* p, const Label* labels, const float* dloss, Stored dx, int64_t rows, int32_t classes) {
  const int64_t row = Team<kTeam>::row();
  if (row >= rows) return;
  const int64_t at = row * classes;
  row_gradient<kTeam, kWidth>(dx + at, p + at, 1.f, labels, dloss[row], row, classes);
}

template <typename Label>
Step forward(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  const CrossEntropy e{prepare.at(args.x),
                       prepare.at<int32_t>(args.state),
                       prepare.at<int32_t>(args.flag),
                       prepare.at(args.loss),
                       prepare.at(args.probabilities),
                       prepare.at(args.dloss),
                       nullptr,
                       stored(prepare, args.dx),
                       args.x.dims[0],
                       args.x.dims[1]};
  const bool aside = e.probabilities == nullptr && e.dx.narrow;
  const Workspace workspace = prepare.workspace(aside ? static_cast<size_t>(args.x.size()) * sizeof(float) : 0);
  const Label* labels = prepare.at<Label>(args.labels);
  const RowLayout layout(e.rows, e.classes);
  const auto kernel = choose(layout, cross_entropy_kernel<Label, kWarp, 1>, cross_entropy_kernel<Label, kWarp, 4>,
                             cross_entropy_kernel<Label, kRowThreads, 1>, cross_entropy_kernel<Label, kRowThreads, 4>);
  return [=](cudaStream_t stream) {
    CrossEntropy now = e;
    now.exponentials = e.probabilities != nullptr ? e.probabilities
                       : aside                    ? static_cast<float*>(workspace.data())
                                                  : static_cast<float*>(e.dx.data);
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, now, labels);
  };
}

template <typename Label>
Step backward(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args) {
  const float* p = prepare.at(args.probabilities);
  const Label* labels = prepare.at<Label>(args.labels);
  const float* dloss = prepare.at(args.dloss);
  const Stored dx = stored(prepare, args.dx);
  const int64_t rows = args.probabilities.dims[0];
  const int32_t classes = args.probabilities.dims[1];
  const RowLayout layout(rows, classes);
  const auto kernel = choose(layout, gradient_kernel<Label, kWarp, 1>, gradient_kernel<Label, kWarp, 4>,
                             gradient_kernel<Label, kRowThreads, 1>, gradient_kernel<Label, kRowThreads, 4>);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, p, labels, dloss, dx, rows, classes);
  };
}

}  // namespace

Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  return args.labels.dtype == DType::kInt32 ? forward<int32_t>(prepare, args) : forward<float>(prepare, args);
}

Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args) {
  return args.labels.dtype == DType::kInt32 ? backward<int32_t>(prepare, args) : backward<float>(prepare, args);
}

}  // namespace gradstep::cuda
