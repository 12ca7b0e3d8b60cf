/** lecunNormal (LeCun et al. 1998): truncated normal with standard deviation √(1 / fanIn). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Truncated normal with standard deviation √(1 / fanIn): keeps the size of signals through linear and selu layers. */
export function lecunNormal(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.lecunNormal', options, {});
  return { name: 'lecunNormal', config, sampler: scaled(1, 'fanIn', 'truncatedNormal') };
}
