/** conv1dTranspose: transposed convolution over time. */
import { defineConvTranspose, type ConvTransposeOptions } from './conv_transpose.js';
import type { Layer } from './define_layer.js';

export type Conv1dTransposeOptions = ConvTransposeOptions<1>;

const make = defineConvTranspose(1, {
  className: 'Conv1DTranspose',
  factory: 'conv1dTranspose',
  baseName: 'conv1d_transpose',
});

/**
 * A 1-D transposed convolution (the input gradient of a convolution): [rows, steps, in] → [rows, steps′, filters]. Sizes: see
 * `padding` and `outputPadding`; with stride s and window k, `valid` makes (n − 1)·s + max(k, s) and `same` n·s elements.
 * Weights: kernel [kernelSize, filters, in], bias [filters].
 */
export function conv1dTranspose(options: Conv1dTransposeOptions): Layer {
  return make(options);
}
