/** maxPooling2d: the largest element of each window, per channel, channels last. */
import { maxPool } from '../ops/max_pool.js';
import type { Layer } from './define_layer.js';
import { definePooling2d, type Pooling2dOptions } from './pooling2d.js';

export type MaxPooling2dOptions = Pooling2dOptions;

const make = definePooling2d({ className: 'MaxPooling2D', factory: 'maxPooling2d', baseName: 'max_pooling2d' }, maxPool);

/** The largest element of each window: [rows, height, width, channels] → [rows, height′, width′, channels]. */
export function maxPooling2d(options?: MaxPooling2dOptions): Layer {
  return make(options);
}
