/** globalAveragePooling3d: the mean of each channel. */
import { mean } from '../ops/reduce_sum.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalAveragePooling3dOptions = GlobalPoolingOptions;

const names = {
  className: 'GlobalAveragePooling3D',
  factory: 'globalAveragePooling3d',
  baseName: 'global_average_pooling3d',
};
const make = defineGlobalPooling(3, names, mean);

/** The mean of each channel: [rows, depth, height, width, channels] → [rows, channels], or with `keepDims` [rows, 1, 1, 1, channels]. */
export function globalAveragePooling3d(options?: GlobalAveragePooling3dOptions): Layer {
  return make(options);
}
