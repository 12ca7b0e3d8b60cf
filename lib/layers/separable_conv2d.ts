/** separableConv2d: convolution over images, first channel by channel, then across channels. */
import type { Layer } from './define_layer.js';
import { defineSeparableConv, type SeparableConvOptions } from './separable_conv.js';

export type SeparableConv2dOptions = SeparableConvOptions<2>;

const make = defineSeparableConv(2, {
  className: 'SeparableConv2D',
  factory: 'separableConv2d',
  baseName: 'separable_conv2d',
});

/**
 * A 2-D convolution of each channel by itself, then one of size 1 across them: [rows, height, width, in] → [rows, height′, width′, filters].
 * Weights: depthwise_kernel [kernelHeight, kernelWidth, in, depthMultiplier], pointwise_kernel [1, 1, in · depthMultiplier, filters],
 * bias [filters].
 */
export function separableConv2d(options: SeparableConv2dOptions): Layer {
  return make(options);
}
