/** conv2d: convolution over images. */
import { defineConv, type ConvOptions } from './conv.js';
import type { Layer } from './define_layer.js';

export type Conv2dOptions = ConvOptions<2>;

const make = defineConv(2, { className: 'Conv2D', factory: 'conv2d', baseName: 'conv2d' });

/**
 * A 2-D convolution: [rows, height, width, in] → [rows, height′, width′, filters].
 * Weights: kernel [kernelHeight, kernelWidth, in/groups, filters], bias [filters].
 */
export function conv2d(options: Conv2dOptions): Layer {
  return make(options);
}
