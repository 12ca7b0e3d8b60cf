// adam on CUDA: one pass over the parameter block, four elements a thread at a time. The learning rate, the step count
// and the flag are read from device memory, so that a captured step stays valid when they change.
#include "core/state.h"
#include "cuda/vec.h"
#include "generated/cuda_ops.h"
#include "ops/adam.h"

namespace gradstep::cuda {
namespace {

constexpr int kThreads = 256;

struct Adam {
  float* params;         // [n]
  const float* grads;    // [n]
  float* m;              // [n]
  float* v;              // [n]
  const float* rate;     // [1]
  const int32_t* state;  // [4]
  const int32_t* flag;   // [4]
  int64_t n;
  float beta1, beta2, epsilon;
};

__global__ void __launch_bounds__(kThreads) adam_kernel(Adam a) {
  if (a.flag[0] != 0) return;
  __shared__ AdamStep shared_step;
  if (threadIdx.x == 0) shared_step = adam_step(*a.rate, a.beta1, a.beta2, a.epsilon, a.state[kStateStep] + 1);
  __syncthreads();
  const AdamStep step = shared_step;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 4;
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4; at < a.n; at += stride) {
    if (at + 4 <= a.n) {
      float4 w = load4(a.params + at);
      const float4 g = load4(a.grads + at);
      float4 m = load4(a.m + at);
      float4 v = load4(a.v + at);
      adam_update(step, w.x, g.x, m.x, v.x);
      adam_update(step, w.y, g.y, m.y, v.y);
      adam_update(step, w.z, g.z, m.z, v.z);
      adam_update(step, w.w, g.w, m.w, v.w);
      store4(a.params + at, w);
      store4(a.m + at, m);
      store4(a.v + at, v);
    } else {
      for (int64_t i = at; i < a.n; i++) adam_update(step, a.params[i], a.grads[i], a.m[i], a.v[i]);
    }
  }
}

}  // namespace

Step adam(Prepare& prepare, const AdamArgs& args) {
  const Adam a{prepare.at(args.params),
               prepare.at(args.grads),
               prepare.at(args.m),
               prepare.at(args.v),
               prepare.at(args.learning_rate),
               prepare.at<int32_t>(args.state),
               prepare.at<int32_t>(args.flag),
               args.params.size(),
               args.beta1,
               args.beta2,
               args.epsilon};
  // A few blocks a multiprocessor, so that the float64 corrections are worked out a few times and not once per
  // kilobyte.
  const int64_t wanted = (a.n + kThreads * 4 - 1) / (kThreads * 4);
  const int64_t most = static_cast<int64_t>(prepare.multiprocessors()) * 8;
  const dim3 grid = blocks_for(wanted < most ? wanted : most, 1);
  return [=](cudaStream_t stream) { launch_cooperating(stream, adam_kernel, grid, dim3(kThreads), 0, a); };
}

}  // namespace gradstep::cuda
