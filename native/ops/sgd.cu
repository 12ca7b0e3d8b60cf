// sgd on CUDA: one pass over the parameter block, four elements a thread at a time. Reads lr and the flag from device
// memory, so that a captured step stays valid when they change.
#include "cuda/vec.h"
#include "generated/cuda_ops.h"
#include "ops/sgd.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;

struct Sgd {
  float* params;        // [n]
  const float* grads;   // [n]
  float* velocity;      // [n], or null
  const float* rate;    // [1]
  const int32_t* flag;  // [4]
  int64_t n;
  float momentum;
  bool nesterov;
};

template <bool kMomentum>
__device__ void update(const Sgd& s, float rate, float& w, float g, float& v) {
  if constexpr (kMomentum) {
    sgd_update(rate, s.momentum, s.nesterov, w, g, v);
  } else {
    sgd_update(rate, w, g);
  }
}

template <bool kMomentum>
__global__ void __launch_bounds__(kThreads) sgd_kernel(Sgd s) {
  if (s.flag[0] != 0) return;
  const float rate = *s.rate;
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4;
  if (at + 4 <= s.n) {
    float4 w = load4(s.params + at);
    const float4 g = load4(s.grads + at);
    float4 v = kMomentum ? load4(s.velocity + at) : float4{};
    update<kMomentum>(s, rate, w.x, g.x, v.x);
    update<kMomentum>(s, rate, w.y, g.y, v.y);
    update<kMomentum>(s, rate, w.z, g.z, v.z);
    update<kMomentum>(s, rate, w.w, g.w, v.w);
    store4(s.params + at, w);
    if (kMomentum) store4(s.velocity + at, v);
    return;
  }
  for (int64_t i = at; i < s.n; i++) {
    float v = kMomentum ? s.velocity[i] : 0.f;
    update<kMomentum>(s, rate, s.params[i], s.grads[i], v);
    if (kMomentum) s.velocity[i] = v;
  }
}

}  // namespace

Step sgd(Prepare& prepare, const SgdArgs& args) {
  const Sgd s{prepare.at(args.params),
              prepare.at(args.grads),
              prepare.at(args.velocity),
              prepare.at(args.learning_rate),
              prepare.at<int32_t>(args.flag),
              args.params.size(),
              args.momentum,
              args.nesterov == SgdArgs::kNesterovYes};
  const dim3 grid = blocks_for(s.n, kThreads * 4);
  const auto kernel = s.velocity ? sgd_kernel<true> : sgd_kernel<false>;
  return [=](cudaStream_t stream) { launch(stream, kernel, grid, dim3(kThreads), s); };
}

}  // namespace gradstep::cuda
