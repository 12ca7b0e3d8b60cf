/** depthwiseConv1d: convolution over time, channel by channel. */
import type { Layer } from './define_layer.js';
import { defineDepthwiseConv, type DepthwiseConvOptions } from './depthwise_conv.js';

export type DepthwiseConv1dOptions = DepthwiseConvOptions<1>;

const make = defineDepthwiseConv(1, {
  className: 'DepthwiseConv1D',
  factory: 'depthwiseConv1d',
  baseName: 'depthwise_conv1d',
});

/**
 * A 1-D convolution of each channel by itself: [rows, steps, in] → [rows, steps′, in · depthMultiplier].
 * Weights: kernel [kernelSize, in, depthMultiplier], bias [in · depthMultiplier].
 */
export function depthwiseConv1d(options: DepthwiseConv1dOptions): Layer {
  return make(options);
}
