/** averagePooling1d: the mean of each window, per channel, channels last. Padding is not counted. */
import { averagePool } from '../ops/average_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type AveragePooling1dOptions = PoolingOptions<1>;

const names = { className: 'AveragePooling1D', factory: 'averagePooling1d', baseName: 'average_pooling1d' };
const make = definePooling(1, names, averagePool);

/** The mean of each window: [rows, steps, channels] → [rows, steps′, channels]. Padding is not counted. */
export function averagePooling1d(options?: AveragePooling1dOptions): Layer {
  return make(options);
}
