/** globalMaxPooling2d: the largest element of each channel. */
import { extremum } from '../ops/reduce_max.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalMaxPooling2dOptions = GlobalPoolingOptions;

const names = { className: 'GlobalMaxPooling2D', factory: 'globalMaxPooling2d', baseName: 'global_max_pooling2d' };
const make = defineGlobalPooling(2, names, (x, over, keepDims) => extremum(x, 'max', over, keepDims));

/** The largest element of each channel: [rows, height, width, channels] → [rows, channels], or with `keepDims` [rows, 1, 1, channels]. */
export function globalMaxPooling2d(options?: GlobalMaxPooling2dOptions): Layer {
  return make(options);
}
