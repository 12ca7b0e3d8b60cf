// randomTransform on the CPU: six numbers an image.
#include "ops/random_transform.h"

#include "cpu/prepare.h"
#include "generated/args/random_transform.h"

namespace gradstep::cpu {

Step random_transform(Prepare& prepare, const RandomTransformArgs& args) {
  return [rule = transform_rule(args), images = args.images, state = prepare.at<int32_t>(args.state),
          transform = prepare.at(args.transform)] {
    for (int64_t n = 0; n < images; n++) gradstep::random_transform(rule, n, state, transform + n * 6);
  };
}

}  // namespace gradstep::cpu
