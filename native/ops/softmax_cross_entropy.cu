// softmax_cross_entropy and its gradient on CUDA: a warp a row, or a block where rows are long. From the row's maximum
// M, S = sum of e^(x - M) and the labels t: loss = log S * sum t - sum t (x - M), probabilities = e^(x - M) / S. Of
// several labels outside the classes, the first row's is the one that is told; such a row's loss and gradient are 0.
#include "core/state.h"
#include "cuda/prepare.h"
#include "generated/args/softmax_cross_entropy.h"
#include "ops/softmax.cuh"

namespace gradstep::cuda {
namespace {

struct CrossEntropy {
  const float* x;  // [rows, classes]
  const int32_t* state;
  int32_t* flag;
  float* loss;           // [rows]
  float* probabilities;  // [rows, classes]
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

template <typename Label, int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads) cross_entropy_kernel(CrossEntropy e, const Label* labels) {
  const int64_t row = Team<kTeam>::row();
  if (row >= e.rows) return;
  const float* x = e.x + row * e.classes;
  float* probabilities = e.probabilities + row * e.classes;
  const float largest = row_max<kTeam, kWidth>(x, e.classes);
  const float sum = row_exponentials<kTeam, kWidth>(x, largest, probabilities, e.classes);
  row_scale<kTeam, kWidth>(probabilities, 1.f / sum, e.classes);
  const float loss = row_loss<kTeam, kWidth>(e, labels, x, row, largest, sum);
  if (Team<kTeam>::member() == 0) e.loss[row] = loss;
}

// dx = (p * sum t - t) * dloss, dx may be p.
template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads)
    class_dx_kernel(const float* p, const int32_t* labels, const float* dloss, float* dx, int64_t rows,
                    int32_t classes) {
  const int64_t row = Team<kTeam>::row();
  if (row >= rows) return;
  const int32_t label = labels[row];
  const float g = dloss[row];
  const bool known = is_class(label, classes);
  for (int32_t i = Team<kTeam>::member() * kWidth; i < classes; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(p + row * classes + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = known ? (v.v[k] - (i + k == label ? 1.f : 0.f)) * g : 0.f;
    store_pack(dx + row * classes + i, v);
  }
}

template <int kTeam, int kWidth>
__global__ void __launch_bounds__(kRowThreads)
    share_dx_kernel(const float* p, const float* labels, const float* dloss, float* dx, int64_t rows, int32_t classes) {
  const int64_t row = Team<kTeam>::row();
  if (row >= rows) return;
  const float* t = labels + row * classes;
  const float g = dloss[row];
  float shares = 0.f;
  for (int32_t i = Team<kTeam>::member() * kWidth; i < classes; i += kTeam * kWidth) {
    const Pack<float, kWidth> v = load_pack<kWidth>(t + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) shares += v.v[k];
  }
  shares = Team<kTeam>::reduce(shares, Sum{}, 0.f);
  for (int32_t i = Team<kTeam>::member() * kWidth; i < classes; i += kTeam * kWidth) {
    Pack<float, kWidth> v = load_pack<kWidth>(p + row * classes + i);
    const Pack<float, kWidth> target = load_pack<kWidth>(t + i);
#pragma unroll
    for (int k = 0; k < kWidth; k++) v.v[k] = (v.v[k] * shares - target.v[k]) * g;
    store_pack(dx + row * classes + i, v);
  }
}

template <typename Label>
Step forward(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  const CrossEntropy e{prepare.at(args.x),    prepare.at<int32_t>(args.state), prepare.at<int32_t>(args.flag),
                       prepare.at(args.loss), prepare.at(args.probabilities),  args.x.dims[0],
                       args.x.dims[1]};
  const Label* labels = prepare.at<Label>(args.labels);
  const RowLayout layout(e.rows, e.classes);
  const auto kernel = choose(layout, cross_entropy_kernel<Label, kWarp, 1>, cross_entropy_kernel<Label, kWarp, 4>,
                             cross_entropy_kernel<Label, kRowThreads, 1>, cross_entropy_kernel<Label, kRowThreads, 4>);
  return [=](cudaStream_t stream) { launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, e, labels); };
}

}  // namespace

Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args) {
  return args.labels.dtype == DType::kInt32 ? forward<int32_t>(prepare, args) : forward<float>(prepare, args);
}

Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args) {
  const float* p = prepare.at(args.probabilities);
  const float* dloss = prepare.at(args.dloss);
  float* dx = prepare.at(args.dx);
  const int64_t rows = args.probabilities.dims[0];
  const int32_t classes = args.probabilities.dims[1];
  const RowLayout layout(rows, classes);
  if (args.labels.dtype == DType::kInt32) {
    const int32_t* labels = prepare.at<int32_t>(args.labels);
    const auto kernel = choose(layout, class_dx_kernel<kWarp, 1>, class_dx_kernel<kWarp, 4>,
                               class_dx_kernel<kRowThreads, 1>, class_dx_kernel<kRowThreads, 4>);
    return [=](cudaStream_t stream) {
      launch(stream, kernel, layout.grid, dim3(kRowThreads), p, labels, dloss, dx, rows, classes);
    };
  }
  const float* labels = prepare.at(args.labels);
  const auto kernel = choose(layout, share_dx_kernel<kWarp, 1>, share_dx_kernel<kWarp, 4>,
                             share_dx_kernel<kRowThreads, 1>, share_dx_kernel<kRowThreads, 4>);
  return [=](cudaStream_t stream) {
    launch_cooperating(stream, kernel, layout.grid, dim3(kRowThreads), 0, p, labels, dloss, dx, rows, classes);
  };
}

}  // namespace gradstep::cuda
