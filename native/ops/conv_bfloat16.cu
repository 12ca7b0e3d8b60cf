// Convolutions on tensor cores with operands rounded to bfloat16 (conv_tiles.cuh), which conv.cu hands over.
#include "ops/conv_tiles.cuh"

namespace gradstep::cuda {

template Step run_conv<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvCall&, const Cut&);
template Step run_conv_dx<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvDxCall&, const Cut&);
template Step run_conv_dw<TensorTiles<RoundedBfloat16>>(Prepare&, const ConvDwCall&, const Cut&);

}  // namespace gradstep::cuda
