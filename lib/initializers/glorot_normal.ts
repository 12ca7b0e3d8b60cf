/** glorotNormal (Glorot & Bengio 2010): truncated normal with standard deviation √(2 / (fanIn + fanOut)). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Truncated normal with standard deviation √(2 / (fanIn + fanOut)): keeps the size of signals through layers with symmetric activations. */
export function glorotNormal(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.glorotNormal', options, {});
  return { name: 'glorotNormal', config, sampler: scaled(1, 'fanAvg', 'truncatedNormal') };
}
