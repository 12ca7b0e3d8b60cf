/** depthwiseConv2d: convolution over images, channel by channel. */
import type { Layer } from './define_layer.js';
import { defineDepthwiseConv, type DepthwiseConvOptions } from './depthwise_conv.js';

export type DepthwiseConv2dOptions = DepthwiseConvOptions<2>;

const make = defineDepthwiseConv(2, {
  className: 'DepthwiseConv2D',
  factory: 'depthwiseConv2d',
  baseName: 'depthwise_conv2d',
});

/**
 * A 2-D convolution of each channel by itself: [rows, height, width, in] → [rows, height′, width′, in · depthMultiplier].
 * Weights: kernel [kernelHeight, kernelWidth, in, depthMultiplier], bias [in · depthMultiplier].
 */
export function depthwiseConv2d(options: DepthwiseConv2dOptions): Layer {
  return make(options);
}
