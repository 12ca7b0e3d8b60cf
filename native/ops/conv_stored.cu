// Convolutions on tensor cores of operands that are stored in bfloat16 (conv_tiles.cuh), which conv.cu hands over.
#include "ops/conv_tiles.cuh"

namespace gradstep::cuda {

template Step run_conv<TensorTiles<StoredBfloat16>>(Prepare&, const ConvCall&, const Cut&);
template Step run_conv_dx<TensorTiles<StoredBfloat16>>(Prepare&, const ConvDxCall&, const Cut&);
template Step run_conv_dw<TensorTiles<StoredBfloat16>>(Prepare&, const ConvDwCall&, const Cut&);

}  // namespace gradstep::cuda
