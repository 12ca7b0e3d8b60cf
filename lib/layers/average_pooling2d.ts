/** averagePooling2d: the mean of each window, per channel, channels last. Padding is not counted. */
import { averagePool } from '../ops/average_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type AveragePooling2dOptions = PoolingOptions<2>;

const names = { className: 'AveragePooling2D', factory: 'averagePooling2d', baseName: 'average_pooling2d' };
const make = definePooling(2, names, averagePool);

/** The mean of each window: [rows, height, width, channels] → [rows, height′, width′, channels]. Padding is not counted. */
export function averagePooling2d(options?: AveragePooling2dOptions): Layer {
  return make(options);
}
