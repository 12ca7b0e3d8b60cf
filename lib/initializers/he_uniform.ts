/** heUniform (He et al. 2015): uniform in ±√(6 / fanIn). */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { scaled } from './variance_scaling.js';

/** Uniform in ±√(6 / fanIn): keeps the size of signals through relu layers. */
export function heUniform(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.heUniform', options, {});
  return { name: 'heUniform', config, sampler: scaled(2, 'fanIn', 'uniform') };
}
