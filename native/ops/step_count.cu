// step_count on CUDA: one thread, one number.
#include "cuda/launch.h"
#include "cuda/prepare.h"
#include "generated/args/step_count.h"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(1) step_count_kernel(const int32_t* count, float* y) {
  *y = static_cast<float>(count[0]);
}

}  // namespace

Step step_count(Prepare& prepare, const StepCountArgs& args) {
  const int32_t* count = prepare.at<int32_t>(args.count);
  float* y = prepare.at(args.y);
  return [=](cudaStream_t stream) { launch(stream, step_count_kernel, dim3(1), dim3(1), count, y); };
}

}  // namespace gradstep::cuda
