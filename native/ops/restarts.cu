// restarts on CUDA: a thread for each step.
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/restarts.h"
#include "ops/restarts.h"

namespace gradstep::cuda {
namespace {

__global__ void __launch_bounds__(kWarp)
    restarts_kernel(Restarts restarts, const float* step, float* cycle, float* part, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  if (i >= n) return;
  const Restarts::Place place = restarts.at(step[i]);
  cycle[i] = place.cycle;
  part[i] = place.part;
}

}  // namespace

Step restarts(Prepare& prepare, const RestartsArgs& args) {
  const Restarts restarts{args.first, static_cast<double>(args.growth) + args.growth_rest};
  const int64_t n = args.step.size();
  const float* step = prepare.at(args.step);
  float* cycle = prepare.at(args.cycle);
  float* part = prepare.at(args.part);
  return [=](cudaStream_t stream) {
    launch(stream, restarts_kernel, blocks_for(n, kWarp), dim3(kWarp), restarts, step, cycle, part, n);
  };
}

}  // namespace gradstep::cuda
