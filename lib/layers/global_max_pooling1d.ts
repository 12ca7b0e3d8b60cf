/** globalMaxPooling1d: the largest element of each channel. */
import { extremum } from '../ops/reduce_max.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalMaxPooling1dOptions = GlobalPoolingOptions;

const names = { className: 'GlobalMaxPooling1D', factory: 'globalMaxPooling1d', baseName: 'global_max_pooling1d' };
const make = defineGlobalPooling(1, names, (x, over, keepDims) => extremum(x, 'max', over, keepDims));

/** The largest element of each channel: [rows, steps, channels] → [rows, channels], or with `keepDims` [rows, 1, channels]. */
export function globalMaxPooling1d(options?: GlobalMaxPooling1dOptions): Layer {
  return make(options);
}
