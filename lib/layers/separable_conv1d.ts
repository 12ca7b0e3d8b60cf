/** separableConv1d: convolution over time, first channel by channel, then across channels. */
import type { Layer } from './define_layer.js';
import { defineSeparableConv, type SeparableConvOptions } from './separable_conv.js';

export type SeparableConv1dOptions = SeparableConvOptions<1>;

const make = defineSeparableConv(1, {
  className: 'SeparableConv1D',
  factory: 'separableConv1d',
  baseName: 'separable_conv1d',
});

/**
 * A 1-D convolution of each channel by itself, then one of size 1 across them: [rows, steps, in] → [rows, steps′, filters].
 * Weights: depthwise_kernel [kernelSize, in, depthMultiplier], pointwise_kernel [1, in · depthMultiplier, filters],
 * bias [filters].
 */
export function separableConv1d(options: SeparableConv1dOptions): Layer {
  return make(options);
}
