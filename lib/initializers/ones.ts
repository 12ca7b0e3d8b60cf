/** ones: every element 1. */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';

/** Every element 1. */
export function ones(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.ones', options, {});
  return { name: 'ones', config, sampler: () => () => 1 };
}
