/** globalMaxPooling3d: the largest element of each channel. */
import { extremum } from '../ops/reduce_max.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalMaxPooling3dOptions = GlobalPoolingOptions;

const names = { className: 'GlobalMaxPooling3D', factory: 'globalMaxPooling3d', baseName: 'global_max_pooling3d' };
const make = defineGlobalPooling(3, names, (x, over, keepDims) => extremum(x, 'max', over, keepDims));

/** The largest element of each channel: [rows, depth, height, width, channels] → [rows, channels], or with `keepDims` [rows, 1, 1, 1, channels]. */
export function globalMaxPooling3d(options?: GlobalMaxPooling3dOptions): Layer {
  return make(options);
}
