/** heNormal (He et al. 2015): truncated normal with standard deviation √(2 / fanIn). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Truncated normal with standard deviation √(2 / fanIn): keeps the size of signals through relu layers. */
export function heNormal(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.heNormal', options, {});
  return { name: 'heNormal', config, sampler: scaled(2, 'fanIn', 'truncatedNormal') };
}
