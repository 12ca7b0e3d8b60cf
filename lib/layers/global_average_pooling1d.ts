/** globalAveragePooling1d: the mean of each channel. */
import { elementwise } from '../ops/map.js';
import { mean, sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import type { Layer } from './define_layer.js';
import { defineGlobalPooling, type GlobalPoolingOptions } from './global_pooling.js';

export type GlobalAveragePooling1dOptions = GlobalPoolingOptions;

const names = {
  className: 'GlobalAveragePooling1D',
  factory: 'globalAveragePooling1d',
  baseName: 'global_average_pooling1d',
};
const make = defineGlobalPooling(1, names, (x, over, keepDims, { mask }) => {
  if (!mask) return mean(x, over, keepDims);
  const weights = reshape(mask, [...mask.shape, 1]);
  const count = elementwise('maximum', sum(weights, over, keepDims), 1);
  return elementwise('div', sum(elementwise('mul', x, weights), over, keepDims), count);
});

/**
 * The mean of each channel: [rows, steps, channels] → [rows, channels], or with `keepDims` [rows, 1, channels]. Steps that
 * the input's mask leaves out do not count; where it leaves out all, the result is 0 (Keras's is NaN).
 */
export function globalAveragePooling1d(options?: GlobalAveragePooling1dOptions): Layer {
  return make(options);
}
