// randomTransform on CUDA: a thread an image.
#include "cuda/prepare.h"
#include "generated/args/random_transform.h"
#include "ops/random_transform.h"

namespace gradstep::cuda {
namespace {

constexpr int kImages = 128;

// Writes transform [images, 6].
__global__ void __launch_bounds__(kImages)
    random_transform_kernel(TransformRule rule, const int32_t* state, float* transform, int32_t images) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kImages + threadIdx.x;
  if (n < images) gradstep::random_transform(rule, n, state, transform + n * 6);
}

}  // namespace

Step random_transform(Prepare& prepare, const RandomTransformArgs& args) {
  const TransformRule rule = transform_rule(args);
  const int32_t* state = prepare.at<int32_t>(args.state);
  float* transform = prepare.at(args.transform);
  const int32_t images = args.images;
  return [=](cudaStream_t stream) {
    launch(stream, random_transform_kernel, blocks_for(images, kImages), dim3(kImages), rule, state, transform, images);
  };
}

}  // namespace gradstep::cuda
