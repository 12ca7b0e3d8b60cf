/** maxPooling3d: the largest element of each window, per channel, channels last. */
import { maxPool } from '../ops/max_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling, type PoolingOptions } from './pooling.js';

export type MaxPooling3dOptions = PoolingOptions<3>;

const names = { className: 'MaxPooling3D', factory: 'maxPooling3d', baseName: 'max_pooling3d' };
const make = definePooling(3, names, maxPool);

/** The largest element of each window: [rows, depth, height, width, channels] → [rows, depth′, height′, width′, channels]. */
export function maxPooling3d(options?: MaxPooling3dOptions): Layer {
  return make(options);
}
