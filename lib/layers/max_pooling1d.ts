/** maxPooling1d: the largest element of each window, per channel, channels last. */
import { maxPool } from '../ops/max_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type MaxPooling1dOptions = PoolingOptions<1>;

const names = { className: 'MaxPooling1D', factory: 'maxPooling1d', baseName: 'max_pooling1d' };
const make = definePooling(1, names, maxPool);

/** The largest element of each window: [rows, steps, channels] → [rows, steps′, channels]. */
export function maxPooling1d(options?: MaxPooling1dOptions): Layer {
  return make(options);
}
