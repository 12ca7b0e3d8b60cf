// The ways to compute a convolution or a gradient of one that cuDNN adds, where it is here and can express it: one for
// each of a few algorithms that it proposes. Uneven padding, for one thing, is beyond it.
#pragma once

#include <vector>

#include "cuda/prepare.h"
#include "cuda/ways.h"
#include "generated/args/conv.h"

namespace gradstep::cuda {

std::vector<Way> cudnn_ways(Prepare& prepare, const ConvArgs& args);
std::vector<Way> cudnn_ways(Prepare& prepare, const ConvDxArgs& args);
std::vector<Way> cudnn_ways(Prepare& prepare, const ConvDwArgs& args);

}  // namespace gradstep::cuda
