/** maxPooling2d: the largest element of each window, per channel, channels last. */
import { maxPool } from '../ops/max_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type MaxPooling2dOptions = PoolingOptions<2>;

const names = { className: 'MaxPooling2D', factory: 'maxPooling2d', baseName: 'max_pooling2d' };
const make = definePooling(2, names, maxPool);

/** The largest element of each window: [rows, height, width, channels] → [rows, height′, width′, channels]. */
export function maxPooling2d(options?: MaxPooling2dOptions): Layer {
  return make(options);
}
