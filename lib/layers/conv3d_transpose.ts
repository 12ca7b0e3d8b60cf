/** conv3dTranspose: transposed convolution over volumes. */
import { defineConvTranspose, type ConvTransposeOptions } from './conv_transpose.js';
import type { Layer } from './define_layer.js';

export type Conv3dTransposeOptions = ConvTransposeOptions<3>;

const make = defineConvTranspose(3, {
  className: 'Conv3DTranspose',
  factory: 'conv3dTranspose',
  baseName: 'conv3d_transpose',
});

/**
 * A 3-D transposed convolution (the input gradient of a convolution): [rows, depth, height, width, in] → [rows, depth′, height′, width′, filters]. Sizes: see
 * `padding` and `outputPadding`; with stride s and window k, `valid` makes (n − 1)·s + max(k, s) and `same` n·s elements.
 * Weights: kernel [kernelDepth, kernelHeight, kernelWidth, filters, in], bias [filters].
 */
export function conv3dTranspose(options: Conv3dTransposeOptions): Layer {
  return make(options);
}
