/** globalAveragePooling2d: the mean of each channel. */
import { mean } from '../ops/reduce_sum.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalAveragePooling2dOptions = GlobalPoolingOptions;

const names = {
  className: 'GlobalAveragePooling2D',
  factory: 'globalAveragePooling2d',
  baseName: 'global_average_pooling2d',
};
const make = defineGlobalPooling(2, names, mean);

/** The mean of each channel: [rows, height, width, channels] → [rows, channels], or with `keepDims` [rows, 1, 1, channels]. */
export function globalAveragePooling2d(options?: GlobalAveragePooling2dOptions): Layer {
  return make(options);
}
