// step_count on CUDA: one thread, one number.
#include "core/state.h"
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "generated/args/step_count.h"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(1) step_count_kernel(const int32_t* state, float* y, int32_t every) {
  *y = static_cast<float>(state[kStateStep] / every);
}

}  // namespace

Step step_count(Prepare& prepare, const StepCountArgs& args) {
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* y = prepare.at(args.y);
  return [=, every = args.every](cudaStream_t stream) {
    launch(stream, step_count_kernel, dim3(1), dim3(1), state, y, every);
  };
}

}  // namespace gradstep::cuda
