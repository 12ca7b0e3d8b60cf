// Depthwise convolutions on CUDA (see depthwise.cu), which conv.cu hands over.
#pragma once

#include "cuda/prepare.h"
#include "generated/args/conv.h"

namespace gradstep::cuda {

// Whether each group has one input channel. w [k…, in/groups, out].
inline bool is_depthwise(int32_t groups, const Tensor& w) { return groups > 1 && w.dims[w.rank - 2] == 1; }

Step depthwise(Prepare& prepare, const ConvArgs& args);
Step depthwise_dx(Prepare& prepare, const ConvDxArgs& args);
Step depthwise_dw(Prepare& prepare, const ConvDwArgs& args);

}  // namespace gradstep::cuda
