/** glorotUniform (Glorot & Bengio 2010): uniform in ±√(6 / (fanIn + fanOut)). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Uniform in ±√(6 / (fanIn + fanOut)): keeps the size of signals through layers with symmetric activations. */
export function glorotUniform(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.glorotUniform', options, {});
  return { name: 'glorotUniform', config, sampler: scaled(1, 'fanAvg', 'uniform') };
}
