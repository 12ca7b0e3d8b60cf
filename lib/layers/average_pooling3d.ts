/** averagePooling3d: the mean of each window, per channel, channels last. Padding is not counted. */
import { averagePool } from '../ops/average_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type AveragePooling3dOptions = PoolingOptions<3>;

const names = { className: 'AveragePooling3D', factory: 'averagePooling3d', baseName: 'average_pooling3d' };
const make = definePooling(3, names, averagePool);

/** The mean of each window: [rows, depth, height, width, channels] → [rows, depth′, height′, width′, channels]. Padding is not counted. */
export function averagePooling3d(options?: AveragePooling3dOptions): Layer {
  return make(options);
}
