/** conv2dTranspose: transposed convolution over images. */
import { defineConvTranspose, type ConvTransposeOptions } from './conv_transpose.js';
import type { Layer } from './define_layer.js';

export type Conv2dTransposeOptions = ConvTransposeOptions<2>;

const make = defineConvTranspose(2, {
  className: 'Conv2DTranspose',
  factory: 'conv2dTranspose',
  baseName: 'conv2d_transpose',
});

/**
 * A 2-D transposed convolution (the input gradient of a convolution): [rows, height, width, in] → [rows, height′, width′, filters]. Sizes: see
 * `padding` and `outputPadding`; with stride s and window k, `valid` makes (n − 1)·s + max(k, s) and `same` n·s elements.
 * Weights: kernel [kernelHeight, kernelWidth, filters, in], bias [filters].
 */
export function conv2dTranspose(options: Conv2dTransposeOptions): Layer {
  return make(options);
}
