/** lecunUniform (LeCun et al. 1998): uniform in ±√(3 / fanIn). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Uniform in ±√(3 / fanIn): keeps the size of signals through linear layers. */
export function lecunUniform(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.lecunUniform', options, {});
  return { name: 'lecunUniform', config, sampler: scaled(1, 'fanIn', 'uniform') };
}
