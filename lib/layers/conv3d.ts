/** conv3d: convolution over volumes, or over the frames of a video. */
import { defineConv, type ConvOptions } from './conv.js';
import type { Layer } from './define_layer.js';

export type Conv3dOptions = ConvOptions<3>;

const make = defineConv(3, { className: 'Conv3D', factory: 'conv3d', baseName: 'conv3d' });

/**
 * A 3-D convolution: [rows, depth, height, width, in] → [rows, depth′, height′, width′, filters].
 * Weights: kernel [kernelDepth, kernelHeight, kernelWidth, in/groups, filters], bias [filters].
 */
export function conv3d(options: Conv3dOptions): Layer {
  return make(options);
}
